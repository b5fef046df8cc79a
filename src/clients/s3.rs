//! S3 and what speaks like it: a bucket's objects, listed, written and read back by signed requests (signature
//! version 4).

pub mod objects;

use std::fmt;

use ring::{digest, hmac};
use secrecy::ExposeSecret;

use crate::clients::answer::NoAnswer;
use crate::clients::http::url::WebUrl;
use crate::clients::http::{GetRequest, Http, Redirects};
use crate::clock::zone;
use crate::config::keys::Key;
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};

/// Pages of a thousand objects that are read at the most.
pub const PAGES: usize = 20;
const LARGEST_PAGE: usize = 4 << 20;

/// A bucket and who we are there.
#[derive(Clone)]
pub struct Bucket {
    /// The server; the bucket becomes the first part of the path.
    pub url: WebUrl,
    pub name: String,
    /// Only keys that begin so.
    pub prefix: String,
    pub region: String,
    pub access_key: String,
    pub secret_key: Option<Key>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket {} at {}", self.name, self.url)
    }
}

/// What a bucket holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub objects: u64,
    pub bytes: u64,
    /// When the newest was written, and its key.
    pub newest: Option<(Millis, Tainted)>,
    /// Whether there is more than was read.
    pub more: bool,
}

/// Why it was not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoList {
    NoSuchBucket,
    NoAnswer(NoAnswer),
}

impl From<NoAnswer> for NoList {
    fn from(why: NoAnswer) -> Self {
        Self::NoAnswer(why)
    }
}

impl Bucket {
    /// Lists it, up to [`PAGES`] pages. Each page takes `timeout` at the most.
    pub async fn list(&self, http: &Http, now: Millis, timeout: Span) -> Result<Listed, NoList> {
        let mut listed = Listed { objects: 0, bytes: 0, newest: None, more: false };
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.page(http, (&self.prefix, token.as_deref()), now, timeout).await?;
            token = add(&mut listed, &page)?;
            if token.is_none() {
                return Ok(listed);
            }
        }
        listed.more = true;
        Ok(listed)
    }

    async fn page(
        &self,
        http: &Http,
        (below, token): (&str, Option<&str>),
        now: Millis,
        timeout: Span,
    ) -> Result<String, NoList> {
        let mut pairs = vec![("list-type", "2"), ("max-keys", "1000")];
        if !below.is_empty() {
            pairs.push(("prefix", below));
        }
        if let Some(token) = token {
            pairs.push(("continuation-token", token));
        }
        pairs.sort_unstable();
        let query: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let setup = |why: &str| NoAnswer::Setup(why.to_owned());
        let url =
            self.url.with_parts(&[&self.name, ""]).ok_or_else(|| setup("a URL without a path"))?;
        let url = url.with_query(&query.join("&"));
        let mut request = GetRequest::new(url.clone(), timeout);
        request.headers = self.signed("GET", &url, &query.join("&"), NO_BODY, now)?;
        request.max_body = LARGEST_PAGE;
        // A signature is good for one host and path.
        request.redirects = Redirects::Stop;
        let answer = http.get(&request).await.map_err(NoAnswer::from)?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        match answer.status {
            200 if answer.cut => Err(NoAnswer::Broken("a page of more than 4 MiB".into()).into()),
            200 => Ok(body),
            status => Err(refused(status, &body)),
        }
    }
}

impl Bucket {
    /// The headers that sign a request of this bucket's user. `query` is encoded and sorted, `body` the SHA-256 of what
    /// is sent, in hex.
    fn signed(
        &self,
        method: &str,
        url: &WebUrl,
        query: &str,
        body: &str,
        now: Millis,
    ) -> Result<Vec<(String, String)>, NoAnswer> {
        let secret = match &self.secret_key {
            Some(key) => {
                key.value().map_err(|why| NoAnswer::Setup(why.to_owned()))?.expose_secret()
            }
            None => "",
        };
        let who = Who { access_key: &self.access_key, secret, region: &self.region };
        let host = url.authority();
        let asked = Asked { method, host: &host, path: url.path(), query, body };
        Ok(signed(asked, who, now))
    }
}

/// Adds a page and gives the token of the next.
fn add(listed: &mut Listed, page: &str) -> Result<Option<String>, NoAnswer> {
    if !page.contains("<ListBucketResult") {
        return Err(NoAnswer::Broken("what came is no list of objects".into()));
    }
    for object in page.split("<Contents>").skip(1) {
        let object = object.split("</Contents>").next().unwrap_or(object);
        listed.objects += 1;
        let size = element(object, "Size").and_then(|size| size.parse().ok()).unwrap_or(0);
        listed.bytes = listed.bytes.saturating_add(size);
        let at = element(object, "LastModified").and_then(|at| zone::read(&at));
        let at = at.ok_or_else(|| NoAnswer::Broken("an object without a date".into()))?;
        if listed.newest.as_ref().is_none_or(|(newest, _)| *newest < at) {
            let key = element(object, "Key").unwrap_or_default();
            listed.newest = Some((at, Tainted::bounded(&key, 200)));
        }
    }
    let rest = page.split("</Contents>").last().unwrap_or(page);
    let cut = element(rest, "IsTruncated").or_else(|| element(page, "IsTruncated"));
    let next =
        element(rest, "NextContinuationToken").or_else(|| element(page, "NextContinuationToken"));
    Ok(next.filter(|_| cut.as_deref() == Some("true")))
}

/// The text of an element, which has neither attributes nor elements in it.
fn element(xml: &str, name: &str) -> Option<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let start = xml.find(&open)? + open.len();
    let end = xml[start..].find(&close)? + start;
    let text = &xml[start..end];
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(plain.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)))
}

/// Sorts a refusal by its code.
fn refused(status: u16, body: &str) -> NoList {
    let code = element(body, "Code").unwrap_or_default();
    let said = element(body, "Message").unwrap_or_default();
    let words = match said.is_empty() {
        true => format!("it answers {status}"),
        false => format!("{said} ({status})").chars().take(200).collect(),
    };
    match (code.as_str(), status) {
        ("NoSuchBucket", _) => NoList::NoSuchBucket,
        ("RequestTimeTooSkewed", _) => {
            NoAnswer::Setup(format!("{words}: is a clock wrong?")).into()
        }
        ("AuthorizationHeaderMalformed" | "PermanentRedirect", _) => {
            NoAnswer::Setup(format!("{words}: is the region right?")).into()
        }
        (_, 401 | 403) => NoAnswer::Denied(words).into(),
        (_, 500..=599) => NoAnswer::Busy(words).into(),
        (_, 301 | 307 | 400) => NoAnswer::Setup(words).into(),
        _other => NoAnswer::Broken(words).into(),
    }
}

/// Who signs.
#[derive(Clone, Copy)]
struct Who<'a> {
    access_key: &'a str,
    secret: &'a str,
    region: &'a str,
}

const NO_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What is signed.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a str,
    host: &'a str,
    /// Encoded as it is sent.
    path: &'a str,
    /// Encoded and sorted.
    query: &'a str,
    /// The digest of the body.
    body: &'a str,
}

/// The headers of a signed request.
fn signed(asked: Asked<'_>, who: Who<'_>, now: Millis) -> Vec<(String, String)> {
    let Asked { method, host, path, query, body } = asked;
    let at: String = zone::stamp(now).chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let day = at.get(..8).unwrap_or_default();
    let names = "host;x-amz-content-sha256;x-amz-date";
    let asked = format!(
        "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{body}\nx-amz-date:{at}\n\n{names}\n{body}"
    );
    let scope = format!("{day}/{}/s3/aws4_request", who.region);
    let asked = hex(digest::digest(&digest::SHA256, asked.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{asked}");
    let step = |key: &[u8], data: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes()).as_ref().to_vec()
    };
    let mut key = format!("AWS4{}", who.secret).into_bytes();
    for part in [day, who.region, "s3", "aws4_request"] {
        key = step(&key, part);
    }
    let signature = hex(&step(&key, &text));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
        who.access_key
    );
    vec![
        ("x-amz-date".into(), at),
        ("x-amz-content-sha256".into(), body.into()),
        ("authorization".into(), authorization),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key as the path of its URL, part by part.
fn path_of(key: &str) -> String {
    key.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

/// All but the unreserved characters of RFC 3986, as the signature wants it.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_the_manual_comes_out() {
        // "GET Bucket (List Objects)" of the S3 API reference.
        let who = Who {
            access_key: "AKIAIOSFODNN7EXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
        };
        let (host, query) = ("examplebucket.s3.amazonaws.com", "max-keys=2&prefix=J");
        let asked = Asked { method: "GET", host, path: "/", query, body: NO_BODY };
        let headers = signed(asked, who, Millis(1_369_353_600_000));
        assert_eq!(headers[0].1, "20130524T000000Z");
        let want = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert!(headers[2].1.ends_with(want), "{}", headers[2].1);

        // A second one, with a path and what must be encoded, by botocore 1.44.5.
        let who = Who { access_key: "reef", secret: "lab-only/+", region: "eu-central-1" };
        let query = format!("list-type=2&max-keys=1000&prefix={}", encoded("nas/a b"));
        let at = Millis(1_795_178_096_000);
        let host = "127.0.0.1:9000";
        let asked = Asked { method: "GET", host, path: "/backup/", query: &query, body: NO_BODY };
        let headers = signed(asked, who, at);
        let want = "09468810e6ded736efe962d07e972fe8b499eec02e00e5a9d52df0fd9c507ec0";
        assert!(headers[2].1.ends_with(want), "{}", headers[2].1);
    }

    #[test]
    fn a_put_is_signed_with_what_it_carries() {
        // By botocore 1.43.11, S3SigV4Auth, with the digest of "hello".
        let who = Who { access_key: "reef", secret: "lab-only/+", region: "eu-central-1" };
        let path = format!("/backup/{}", path_of("logs/a b/app+1.log.gz"));
        let body = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let asked = Asked { method: "PUT", host: "127.0.0.1:9000", path: &path, query: "", body };
        let headers = signed(asked, who, Millis(1_795_178_096_000));
        assert!(
            headers[2]
                .1
                .ends_with("fea1245d9bd93fede5476924a0370cbefbc975636b0e960ae21298bf45bd9339"),
            "{}",
            headers[2].1
        );
    }

    #[test]
    fn a_list_is_read_and_a_refusal_is_sorted() {
        let page = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>a&amp;b</NextContinuationToken>\
            <Contents><Key>db/1&lt;2</Key><LastModified>2026-11-19T02:00:00.000Z</LastModified><Size>10</Size></Contents>\
            <Contents><Key>db/0</Key><LastModified>2026-11-18T02:00:00.000Z</LastModified><Size>5</Size></Contents>\
            </ListBucketResult>";
        let mut listed = Listed { objects: 0, bytes: 0, newest: None, more: false };
        assert_eq!(add(&mut listed, page).unwrap().as_deref(), Some("a&b"));
        assert_eq!((listed.objects, listed.bytes), (2, 15));
        assert_eq!(listed.newest.unwrap().1.as_str(), "db/1<2");
        let mut other = Listed { objects: 0, bytes: 0, newest: None, more: false };
        assert!(add(&mut other, "<html>").is_err());
        assert!(add(&mut other, "<ListBucketResult><Contents></Contents>").is_err());
        let error = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        assert_eq!(refused(404, &error("NoSuchBucket")), NoList::NoSuchBucket);
        for (status, code, want) in [
            (403, "SignatureDoesNotMatch", "denied"),
            (403, "RequestTimeTooSkewed", "setup"),
            (503, "SlowDown", "busy"),
            (404, "Odd", "broken"),
        ] {
            let NoList::NoAnswer(why) = refused(status, &error(code)) else { panic!("{code}") };
            assert_eq!(why.word(), want, "{code}");
        }
        assert_eq!(encoded("a b/c=ü~"), "a%20b%2Fc%3D%C3%BC~");
    }
}
