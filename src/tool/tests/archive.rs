//! Logs to a bucket that does as it should, and to one that does not.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use super::stage::{Stage, done, log_text, path, tree, undone_by, word};
use crate::clients::declared::Store;
use crate::clients::http::Http;
use crate::clients::http::loopback::serve;
use crate::clients::http::url::WebUrl;
use crate::clients::s3::Bucket;
use crate::config::keys::held;
use crate::model::digest::Digest;
use crate::model::time::Span;
use crate::model::tool::{ActionResult, Call, Undo};
use crate::model::value::Value;

const OLD: Span = Span::days(40);

pub(super) fn bucket(url: &str) -> Bucket {
    Bucket {
        url: WebUrl::parse(url).unwrap(),
        name: "logs".into(),
        prefix: "of/".into(),
        region: "us-east-1".into(),
        access_key: "reef".into(),
        secret_key: Some(held("lab-only")),
    }
}

/// What the bucket does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Face {
    Good,
    /// Keeps other bytes than came.
    Flips,
    Truncates,
    Appends,
    /// Says yes and keeps nothing.
    Forgets,
    DeniesWriting,
    DeniesReading,
    Missing,
    Busy,
    /// Somebody writes to this file while it is uploaded.
    Meanwhile(PathBuf),
}

#[derive(Debug)]
struct Fake {
    face: Face,
    objects: BTreeMap<String, Vec<u8>>,
}

type Side = Arc<Mutex<Fake>>;

fn error(status: u16, code: &str) -> Response {
    let words = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    (StatusCode::from_u16(status).unwrap(), words).into_response()
}

async fn answer(
    State(side): State<Side>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut side = side.lock().unwrap();
    assert!(headers["authorization"].to_str().unwrap().starts_with("AWS4-HMAC-SHA256 "));
    let key = uri.path().to_owned();
    assert!(key.starts_with("/logs/"), "{key}");
    match side.face {
        Face::Missing => return error(404, "NoSuchBucket"),
        Face::Busy => return error(503, "SlowDown"),
        Face::Good
        | Face::Flips
        | Face::Truncates
        | Face::Appends
        | Face::Forgets
        | Face::DeniesWriting
        | Face::DeniesReading
        | Face::Meanwhile(_) => {}
    }
    if method == Method::PUT {
        let said = headers["x-amz-content-sha256"].to_str().unwrap();
        assert_eq!(said, Digest::of(&body).to_string(), "what came is not what was signed");
        let mut bytes = body.to_vec();
        match &side.face {
            Face::DeniesWriting => return error(403, "AccessDenied"),
            Face::Flips => bytes[0] ^= 1,
            Face::Truncates => drop(bytes.pop()),
            Face::Appends => bytes.push(0),
            Face::Forgets => return StatusCode::OK.into_response(),
            Face::Meanwhile(file) => {
                let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
                file.write_all(b"one more line\n").unwrap();
            }
            Face::Good | Face::DeniesReading | Face::Missing | Face::Busy => {}
        }
        side.objects.insert(key, bytes);
        return StatusCode::OK.into_response();
    }
    if let Some(query) = uri.query() {
        let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
        let prefix = plain(prefix.unwrap_or_default());
        let mut page = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
        for (key, bytes) in &side.objects {
            let key = plain(key.strip_prefix("/logs/").unwrap());
            if key.starts_with(&prefix) {
                page.push_str(&format!(
                    "<Contents><Key>{key}</Key><LastModified>2026-11-19T02:00:00.000Z</LastModified><Size>{}</Size></Contents>",
                    bytes.len()
                ));
            }
        }
        page.push_str("</ListBucketResult>");
        return page.into_response();
    }
    if side.face == Face::DeniesReading {
        return error(403, "AccessDenied");
    }
    let Some(object) = side.objects.get(&key) else { return error(404, "NoSuchKey") };
    let range = headers["range"].to_str().unwrap().strip_prefix("bytes=").unwrap();
    let (from, to) = range.split_once('-').unwrap();
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    match object.len() <= from {
        true => error(416, "InvalidRange"),
        false => {
            let piece = object[from..object.len().min(to + 1)].to_vec();
            (StatusCode::PARTIAL_CONTENT, piece).into_response()
        }
    }
}

/// What is written with percents, as it is.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        let hex = |rest: &mut std::str::Bytes<'_>| {
            let digits: Vec<u8> = rest.take(2).collect();
            u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
        };
        bytes.push(if b == b'%' { hex(&mut rest) } else { b });
    }
    String::from_utf8(bytes).unwrap()
}

/// A stage whose one store is a bucket with this face.
async fn stage(face: Face) -> (Stage, Side, JoinSet<()>) {
    let side = Arc::new(Mutex::new(Fake { face, objects: BTreeMap::new() }));
    let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
    let (url, tasks) = serve(app.with_state(side.clone())).await;
    let stage = Stage::with(|inventory, _| {
        let store = Store { bucket: bucket(&url), http: Http::new() };
        inventory.servers.stores = [("logs".to_owned(), store)].into();
    });
    (stage, side, tasks)
}

fn archive(stage: &Stage) -> Call {
    stage.call("logs.archive", &[("path", path(&stage.root()))])
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(content).unwrap();
    gz.finish().unwrap()
}

/// Bytes that no compression makes small.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(bytes).collect()
}

#[tokio::test]
async fn a_log_is_in_the_bucket_before_it_leaves_its_place() {
    let (stage, side, _tasks) = stage(Face::Good).await;
    // One piece to the byte, and one beyond.
    let contents = [gz(&log_text(20_000)), noise(4 << 20), noise((4 << 20) + 1)];
    for (n, content) in contents.iter().enumerate() {
        stage.file(&format!("log/app+ü.log.{}.gz", n + 1), content, OLD);
    }
    stage.file("log/app.log.9", &log_text(9_000), OLD);
    stage.file("log/empty.log.1.gz", b"", OLD);
    stage.file("log/data.gz", b"data", OLD);
    let before = tree(&stage.root());
    let (effect, undo) = stage.preview(&archive(&stage)).await.unwrap();
    assert!(effect.words.starts_with("upload 3 files, 8"), "{}", effect.words);
    assert!(effect.words.contains("nothing is freed until it is emptied"), "{}", effect.words);
    assert!(tree(&stage.root()) == before && side.lock().unwrap().objects.is_empty());

    let result = stage.act_as(&archive(&stage), effect, undo.clone()).await;
    assert!(
        done(&result).starts_with("3 files") && done(&result).contains("read back"),
        "{result:?}"
    );
    let objects = side.lock().unwrap().objects.clone();
    let mut kept: Vec<_> = objects.values().cloned().collect();
    let mut want = contents.to_vec();
    kept.sort();
    want.sort();
    assert!(kept == want);
    let key = objects.keys().find(|key| key.ends_with("log.1.gz")).unwrap();
    assert!(key.starts_with("/logs/of/mini/") && key.contains("/log/2026-12-"), "{key}");
    assert!(key.ends_with("-app%2B%C3%BC.log.1.gz"), "{key}");
    let left: Vec<_> = std::fs::read_dir(stage.root().join("log")).unwrap().flatten().collect();
    assert_eq!(left.len(), 3);

    // What was undone is as it was; archived again it lies in the bucket once.
    done(&stage.act(&undone_by(&undo)).await.1);
    assert!(tree(&stage.root()).keys().eq(before.keys()));
    done(&stage.act(&archive(&stage)).await.1);
    assert_eq!(side.lock().unwrap().objects.len(), 3);
}

#[tokio::test]
async fn whatever_the_bucket_does_wrong_nothing_leaves_its_place() {
    for (face, says) in [
        (Face::Flips, "the bucket gives back"),
        (Face::Truncates, "the bucket gives back"),
        (Face::Appends, "the bucket gives back"),
        (Face::Forgets, "no (404)"),
        (Face::DeniesWriting, "s3:PutObject"),
        (Face::DeniesReading, "s3:GetObject"),
        (Face::Missing, "there is no bucket logs"),
        (Face::Busy, "503"),
    ] {
        let (stage, _side, _tasks) = stage(face.clone()).await;
        stage.file("log/app.log.1.gz", &gz(&log_text(20_000)), OLD);
        stage.file("log/app.log.2.gz", &gz(&log_text(30_000)), OLD);
        let before = tree(&stage.root());
        let (_, result) = stage.act(&archive(&stage)).await;
        let told = matches!(&result, ActionResult::Failed(why) if why.contains(says));
        assert!(told, "{face:?}: {result:?}");
        assert!(tree(&stage.root()) == before, "{face:?}");
        assert!(tree(stage.world.quarantine.as_path()).is_empty(), "{face:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_midway_leaves_the_file_where_it_is() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut some = vec![0; 300_000];
            stream.read_exact(&mut some).await.unwrap();
        }
    });
    let stage = Stage::with(|inventory, _| {
        let store = Store { bucket: bucket(&url), http: Http::new() };
        inventory.servers.stores = [("logs".to_owned(), store)].into();
    });
    stage.file("log/app.log.1.gz", &noise(3 << 20), OLD);
    let before = tree(&stage.root());
    let (_, result) = stage.act(&archive(&stage)).await;
    assert!(
        matches!(&result, ActionResult::Failed(why) if why.contains("app.log.1.gz")),
        "{result:?}"
    );
    assert!(tree(&stage.root()) == before);
    assert!(tree(stage.world.quarantine.as_path()).is_empty());
}

#[tokio::test]
async fn a_file_that_is_written_to_or_swapped_meanwhile_stays_and_no_link_is_followed() {
    let (stage, side, _tasks) = stage(Face::Good).await;
    let log = stage.file("log/app.log.1.gz", &gz(&log_text(20_000)), OLD);
    side.lock().unwrap().face = Face::Meanwhile(log.clone());
    let (_, result) = stage.act(&archive(&stage)).await;
    assert!(
        matches!(&result, ActionResult::Failed(why) if why.contains("changed meanwhile")),
        "{result:?}"
    );
    assert!(std::fs::read(&log).unwrap().ends_with(b"one more line\n"));

    (side.lock().unwrap().face, side.lock().unwrap().objects) = (Face::Good, BTreeMap::new());
    let secret = stage.dir.path().join("secret.log.1.gz");
    std::fs::write(&secret, b"not for a bucket").unwrap();
    let (effect, undo) = stage.preview(&archive(&stage)).await.unwrap();
    std::fs::remove_file(&log).unwrap();
    symlink(&secret, &log).unwrap();
    let result = stage.act_as(&archive(&stage), effect.clone(), undo.clone()).await;
    assert!(side.lock().unwrap().objects.is_empty(), "{result:?}");
    // And where a folder on the way becomes a link.
    std::fs::remove_dir_all(stage.root().join("log")).unwrap();
    let outside = stage.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("app.log.1.gz"), b"not for a bucket").unwrap();
    symlink(&outside, stage.root().join("log")).unwrap();
    let result = stage.act_as(&archive(&stage), effect, undo).await;
    assert!(side.lock().unwrap().objects.is_empty(), "{result:?}");
    assert!(outside.join("app.log.1.gz").exists() && secret.exists());
}

#[tokio::test]
async fn a_store_is_declared_or_nothing_is_uploaded() {
    let (good, side, _tasks) = stage(Face::Good).await;
    let state = |stage: &Stage| stage.call("logs.store", &[]);
    let told = good.query(&state(&good)).await.unwrap();
    assert_eq!(told.values["state"], word("ok"));
    side.lock().unwrap().face = Face::Missing;
    assert_eq!(good.query(&state(&good)).await.unwrap().values["state"], word("missing"));
    let named =
        good.call("logs.archive", &[("path", path(&good.root())), ("store", word("other"))]);
    assert!(good.parse(&named).is_err_and(|why| why.to_string().contains("known: logs")));
    let none = Stage::with(|inventory, _| inventory.servers.stores.clear());
    assert_eq!(none.query(&state(&none)).await.unwrap().values["state"], word("none"));
    assert!(
        none.parse(&archive(&none)).is_err_and(|why| why.to_string().contains("archive = true"))
    );
}

/// Every content that lies anywhere: in its place, compressed, in quarantine or in the bucket.
fn contents(stage: &Stage, side: &Side) -> Vec<Vec<u8>> {
    let files = tree(stage.dir.path()).into_values().map(|(_, content)| content);
    let objects = side.lock().unwrap().objects.clone().into_values();
    let all: Vec<Vec<u8>> = files.chain(objects).collect();
    let plain = |content: &Vec<u8>| {
        let mut plain = Vec::new();
        let read = flate2::read::MultiGzDecoder::new(&content[..]).read_to_end(&mut plain);
        read.is_ok().then_some(plain)
    };
    let unzipped: Vec<Vec<u8>> = all.iter().filter_map(plain).collect();
    all.into_iter().chain(unzipped).collect()
}

/// Whatever is rotated, compressed, archived, restored and emptied in whatever order, and however the bucket behaves
/// meanwhile: each line that was ever written can still be read.
#[tokio::test]
async fn rotation_and_archive_always_keep_a_copy() {
    let (stage, side, _tasks) = stage(Face::Good).await;
    let mut state = 4_101_842_887_655_102_017_u64;
    let mut any = move |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let (mut written, mut undo): (Vec<Vec<u8>>, Option<Undo>) = (Vec::new(), None);
    let mut archived = 0;
    for round in 0..120 {
        let faces =
            [Face::Good, Face::Good, Face::Flips, Face::Forgets, Face::DeniesReading, Face::Busy];
        side.lock().unwrap().face = faces[usize::try_from(any(6)).unwrap()].clone();
        let at_root = [("path", path(&stage.root()))];
        match any(7) {
            0 | 1 => {
                let name = format!("log/app{}.log", any(3));
                let log = stage.root().join(&name);
                // Only an empty log gets new lines, so that each content is one that was written.
                if std::fs::read(&log).is_ok_and(|now| !now.is_empty()) {
                    continue;
                }
                let content = [format!("round {round}\n").into_bytes(), log_text(9_000)].concat();
                stage.file(&name, &content, OLD);
                written.push(content);
            }
            2 => undo = Some(stage.act(&stage.call("logs.rotate", &at_root)).await.0),
            3 => undo = Some(stage.act(&stage.call("files.compress", &at_root)).await.0),
            4 => {
                let (back, result) = stage.act(&archive(&stage)).await;
                archived +=
                    u32::from(matches!(&result, ActionResult::Done(w) if w.contains("archived")));
                undo = Some(back);
            }
            5 => {
                if let Some(Undo::By(call)) = undo.take()
                    && stage.action(&call).preview().await.is_ok()
                {
                    stage.act(&call).await;
                }
            }
            _ => drop(
                stage
                    .act(&stage.call("files.empty_quarantine", &[("all", Value::Flag(true))]))
                    .await,
            ),
        }
        let there = contents(&stage, &side);
        for content in &written {
            let is_there = there.iter().any(|found| holds(found, content));
            assert!(
                is_there,
                "round {round}: {:?} is gone",
                String::from_utf8_lossy(&content[..9])
            );
        }
    }
    assert!(2 < archived && 5 < written.len(), "{archived} {}", written.len());
}

/// A rotation that is undone puts earlier lines before the later ones.
fn holds(found: &[u8], content: &[u8]) -> bool {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    match (text(found), text(content)) {
        (Some(found), Some(content)) => found.contains(content),
        _ => false,
    }
}

fn fetch(stage: &Stage, name: &str, more: &[(&str, &str)]) -> Call {
    let mut args = vec![("path", path(&stage.root().join(name)))];
    args.extend(more.iter().map(|(name, value)| (*name, word(value))));
    stage.call("logs.fetch", &args)
}

/// What lies in the folder of the logs.
fn names(stage: &Stage) -> Vec<String> {
    let found = std::fs::read_dir(stage.root().join("log")).unwrap().flatten();
    found.map(|entry| entry.file_name().to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_archived_log_comes_back_as_it_was_and_its_undo_archives_it_again() {
    let (stage, side, _tasks) = stage(Face::Good).await;
    let contents = [gz(&log_text(20_000)), noise(4 << 20), noise((4 << 20) + 1)];
    for (n, content) in contents.iter().enumerate() {
        stage.file(&format!("log/app+ü.log.{}.gz", n + 1), content, OLD);
    }
    done(&stage.act(&archive(&stage)).await.1);
    assert_eq!(names(&stage), Vec::<String>::new());
    for (n, content) in contents.iter().enumerate() {
        let name = format!("log/app+ü.log.{}.gz", n + 1);
        let call = fetch(&stage, &name, &[]);
        let (effect, undo) = stage.preview(&call).await.unwrap();
        assert_eq!((effect.max_items, effect.max_bytes), (1, content.len() as u64));
        assert!(!stage.root().join(&name).exists(), "a preview changes nothing");
        let result = stage.act_as(&call, effect, undo.clone()).await;
        assert!(done(&result).contains("with the recorded digest"), "{result:?}");
        let back = std::fs::read(stage.root().join(&name)).unwrap();
        assert!(back == *content);
        // What is there is not overwritten.
        let why = stage.preview(&call).await.unwrap_err().to_string();
        assert!(why.contains("not overwritten"), "{why}");
        let (_, result) = stage.act(&undone_by(&undo)).await;
        assert!(done(&result).contains("read back"), "{result:?}");
        assert_eq!(names(&stage), Vec::<String>::new());
    }
    // Its day stays in its name, so that what came and went lies there once.
    assert_eq!(side.lock().unwrap().objects.len(), 3);
}

#[tokio::test]
async fn other_bytes_than_were_recorded_are_not_kept() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 3] = [
        (|bytes| bytes[9] ^= 1, "recorded are"),
        (|bytes| bytes.push(0), "recorded are"),
        (|bytes| bytes.truncate(10), "recorded are"),
    ];
    for (change, words) in changes {
        let (stage, side, _tasks) = stage(Face::Good).await;
        stage.file("log/app.log.1.gz", &gz(&log_text(20_000)), OLD);
        done(&stage.act(&archive(&stage)).await.1);
        side.lock().unwrap().objects.values_mut().for_each(change);
        let (_, result) = stage.act(&fetch(&stage, "log/app.log.1.gz", &[])).await;
        assert_eq!(result.word(), "failed", "{result:?}");
        assert!(result.words().contains(words), "{result:?}");
        assert_eq!(names(&stage), Vec::<String>::new(), "not even a part of it");
    }
    let (stage, side, _tasks) = stage(Face::Good).await;
    stage.file("log/app.log.1.gz", &gz(&log_text(20_000)), OLD);
    done(&stage.act(&archive(&stage)).await.1);
    let call = fetch(&stage, "log/app.log.1.gz", &[]);
    let (effect, undo) = stage.preview(&call).await.unwrap();
    side.lock().unwrap().face = Face::DeniesReading;
    let result = stage.act_as(&call, effect, undo).await;
    assert!(result.words().contains("s3:GetObject"), "{result:?}");
    assert_eq!(names(&stage), Vec::<String>::new());
}

#[tokio::test]
async fn which_one_is_asked_and_what_is_not_there_is_said() {
    let (stage, side, _tasks) = stage(Face::Good).await;
    let put = |day: &str, bytes: &[u8]| {
        let at = stage.root().display().to_string();
        let key = format!("/logs/of/mini{at}/log/{day}-{}-app.log.1.gz", Digest::of(bytes));
        side.lock().unwrap().objects.insert(key, bytes.to_vec());
    };
    std::fs::create_dir(stage.root().join("log")).unwrap();
    let refused = async |more: &[(&str, &str)]| {
        stage.preview(&fetch(&stage, "log/app.log.1.gz", more)).await.unwrap_err().to_string()
    };
    assert!(refused(&[]).await.contains("holds no"));
    put("2026-10-30", b"one");
    put("2026-10-31", b"two");
    put("2026-10-31", b"three");
    let why = refused(&[]).await;
    assert!(why.contains("which one?") && why.contains("2026-10-30"), "{why}");
    assert!(refused(&[("day", "2026-10-31")]).await.contains("which one?"));
    assert!(refused(&[("day", "2026-10-01")]).await.contains("none is meant"));
    let digest = Digest::of(b"two").to_string();
    done(&stage.act(&fetch(&stage, "log/app.log.1.gz", &[("sha256", &digest[..12])])).await.1);
    assert_eq!(std::fs::read(stage.root().join("log/app.log.1.gz")).unwrap(), b"two");
    let odd = fetch(&stage, "log/app.log.1.gz", &[("sha256", "xyz")]);
    assert!(stage.parse(&odd).is_err_and(|why| why.to_string().contains("in hex")));
}
