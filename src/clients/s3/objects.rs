//! One object of a bucket: written, and read back to its last byte.

use std::fs::File;

use ring::digest::{self, Context};

use super::{Bucket, Listed, NO_BODY, NoList, PAGES, add, element, encoded, hex, path_of, refused};
use crate::clients::answer::NoAnswer;
use crate::clients::http::upload::PutRequest;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{Answer, GetRequest, Http, Redirects};
use crate::clock::Clock;
use crate::gate::permit::Permit;
use crate::model::time::{Millis, Span};

/// The most that one PUT takes, as S3 has it.
pub const LARGEST: u64 = 5 << 30;
/// As much is read back at once.
pub const PIECE: u64 = 4 << 20;
/// Of each piece, and of a question.
const PATIENCE: Span = Span::secs(30);

/// What a bucket holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
}

/// An object as a list names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its whole key, prefix and all.
    pub key: String,
    pub bytes: u64,
}

/// A file that becomes an object.
#[derive(Debug)]
pub struct Upload {
    /// Its whole key, prefix and all.
    pub key: String,
    pub file: File,
    pub is: Held,
    pub timeout: Span,
}

impl Bucket {
    /// Whether it can be listed: one key is asked for.
    pub async fn answers(&self, http: &Http, now: Millis) -> Result<(), NoList> {
        let query = format!("list-type=2&max-keys=1&prefix={}", encoded(&self.prefix));
        let url = self.url.with_parts(&[&self.name, ""]);
        let url = url.ok_or_else(|| NoAnswer::Setup("a URL without a path".into()))?;
        let url = url.with_query(&query);
        let mut request = GetRequest::new(url.clone(), PATIENCE);
        request.headers = self.signed("GET", &url, &query, NO_BODY, now)?;
        request.redirects = Redirects::Stop;
        let answer = http.get(&request).await.map_err(NoAnswer::from)?;
        done(&answer)
    }

    /// Writes an object. The server is told the digest of what must arrive; whether it holds that is for
    /// [`Bucket::held`] to say.
    pub async fn put(
        &self,
        permit: &Permit,
        http: &Http,
        upload: Upload,
        now: Millis,
    ) -> Result<(), NoList> {
        let Upload { key, file, is, timeout } = upload;
        let url = self.object(&key);
        let headers = self.signed("PUT", &url, "", &is.sha256, now)?;
        let request = PutRequest { url, headers, file, bytes: is.bytes, timeout };
        let answer = http.put(permit, request).await.map_err(NoAnswer::from)?;
        done(&answer)
    }

    /// Reads an object back, piece by piece, and says what it is. One that is longer than `bytes` is told as longer.
    pub async fn held(
        &self,
        http: &Http,
        key: &str,
        bytes: u64,
        clock: &dyn Clock,
    ) -> Result<Held, NoList> {
        let (mut digest, mut at) = (Context::new(&digest::SHA256), 0_u64);
        while at <= bytes {
            // The last piece asks for one byte more than there should be.
            let wanted = (bytes + 1 - at).min(PIECE);
            let piece = self.piece(http, key, (at, wanted), clock.now()).await?;
            digest.update(&piece);
            let came = piece.len() as u64;
            at += came;
            if came < wanted {
                break;
            }
        }
        Ok(Held { bytes: at, sha256: hex(digest.finish().as_ref()) })
    }

    /// The objects whose keys begin so. An error where there are more than can be read.
    pub async fn find(&self, http: &Http, below: &str, now: Millis) -> Result<Vec<Object>, NoList> {
        let (mut found, mut token) = (Vec::new(), None::<String>);
        for _ in 0..PAGES {
            let page = self.page(http, (below, token.as_deref()), now, PATIENCE).await?;
            let mut listed = Listed { objects: 0, bytes: 0, newest: None, more: false };
            token = add(&mut listed, &page)?;
            for object in page.split("<Contents>").skip(1) {
                let object = object.split("</Contents>").next().unwrap_or(object);
                let bytes = element(object, "Size").and_then(|size| size.parse().ok());
                if let (Some(key), Some(bytes)) = (element(object, "Key"), bytes) {
                    found.push(Object { key, bytes });
                }
            }
            if token.is_none() {
                return Ok(found);
            }
        }
        Err(NoAnswer::Broken(format!("more than {PAGES} thousand objects below {below}")).into())
    }

    /// A part of an object, from a byte on and at most so many: fewer where it ends before.
    pub async fn piece(
        &self,
        http: &Http,
        key: &str,
        (from, wanted): (u64, u64),
        now: Millis,
    ) -> Result<Vec<u8>, NoList> {
        let url = self.object(key);
        let mut request = GetRequest::new(url.clone(), PATIENCE);
        request.headers = self.signed("GET", &url, "", NO_BODY, now)?;
        request.headers.push(("range".into(), format!("bytes={from}-{}", from + wanted - 1)));
        request.redirects = Redirects::Stop;
        request.max_body = usize::try_from(wanted).unwrap_or(usize::MAX);
        let answer = http.get(&request).await.map_err(NoAnswer::from)?;
        match answer.status {
            206 => Ok(answer.body),
            // Nothing lies beyond: the object ends exactly there.
            416 => Ok(Vec::new()),
            // A server that knows no ranges gives all of it, which is as good where all is one piece.
            200 if from == 0 && !answer.cut => Ok(answer.body),
            200 => Err(NoAnswer::Broken("it gives no part of an object".into()).into()),
            status => Err(refused(status, &String::from_utf8_lossy(&answer.body))),
        }
    }

    fn object(&self, key: &str) -> WebUrl {
        let base = self.url.path().trim_end_matches('/');
        self.url.at_path(&format!("{base}/{}/{}", self.name, path_of(key)))
    }
}

fn done(answer: &Answer) -> Result<(), NoList> {
    match answer.status {
        200..=299 => Ok(()),
        status => Err(refused(status, &String::from_utf8_lossy(&answer.body))),
    }
}
