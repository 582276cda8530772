//! Uploads in pieces: begun, broken off, gone on with, checked, ended; by tus' rules and by those of the house.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::Method;
use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use offprint::db::capability::Capability;
use offprint::worker::{retain, sweep};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::exportjob::jpg;
use crate::guest::{Guest, guarded};
use crate::house::{Answer, House};
use crate::s3::{Mood, S3};
use crate::service::{Service, url};

/// Bytes that no two places of a file share.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

fn about(words: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = words.iter().map(|(word, said)| format!("{word} {}", STANDARD.encode(said))).collect();
    pairs.join(",")
}

fn beginning(length: usize, words: &[(&str, &str)]) -> TestRequest {
    let request = TestRequest::post().uri("/uploads").insert_header(("tus-resumable", "1.0.0"));
    request.insert_header(("upload-length", length.to_string())).insert_header(("upload-metadata", about(words)))
}

/// Begins an upload; gives its address.
pub async fn begun(house: &House, length: usize, words: &[(&str, &str)]) -> String {
    let answer = house.send(beginning(length, words)).await;
    let address = answer.header("location").to_owned();
    answer.is(201);
    address
}

pub fn piece(address: &str, offset: usize) -> TestRequest {
    let request = TestRequest::patch().uri(address).insert_header(("tus-resumable", "1.0.0"));
    request
        .insert_header(("upload-offset", offset.to_string()))
        .insert_header(("content-type", "application/offset+octet-stream"))
}

pub async fn send(house: &House, address: &str, offset: usize, bytes: &[u8]) -> Answer {
    house.send(piece(address, offset).set_payload(bytes.to_vec())).await
}

async fn head(house: &House, address: &str) -> Answer {
    let request = TestRequest::default().method(Method::HEAD).uri(address);
    house.send(request.insert_header(("tus-resumable", "1.0.0"))).await
}

pub async fn offset(house: &House, address: &str) -> usize {
    head(house, address).await.header("upload-offset").parse().unwrap()
}

#[sqlx::test]
async fn the_service_says_what_of_tus_it_offers(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_upload = 1000).await;
    let answer = house.send(TestRequest::default().method(Method::OPTIONS).uri("/uploads")).await;
    assert_eq!((answer.status.as_u16(), answer.header("tus-version")), (204, "1.0.0"));
    assert_eq!(answer.header("tus-extension"), "creation,expiration,checksum,termination");
    assert_eq!(answer.header("tus-checksum-algorithm"), "sha256,sha1");
    assert_eq!(answer.header("tus-max-size"), "1000");
}

/// From the beginning to the same asset that an upload in one piece makes.
async fn goes_up(house: &House) {
    let photo = jpg(3);
    let words = [
        ("filename", "a/\u{202e}photo.jpg"),
        ("folder", "/spring/"),
        ("lastModified", "2020-02-03T04:05:06+01:00"),
        ("x", "y"),
    ];
    let address = begun(house, photo.len(), &words).await;
    let (first, second) = photo.split_at(photo.len() / 3);
    let half = send(house, &address, 0, first).await;
    assert_eq!((half.status.as_u16(), half.header("upload-offset")), (204, first.len().to_string().as_str()));
    assert_eq!((half.header("tus-resumable"), half.header("asset-handle")), ("1.0.0", ""));
    assert!(httpdate::parse_http_date(half.header("upload-expires")).unwrap() > std::time::SystemTime::now());
    let seen = head(house, &address).await;
    assert_eq!((seen.status.as_u16(), seen.body.len(), seen.header("cache-control")), (200, 0, "no-store"));
    assert_eq!(seen.header("upload-length"), photo.len().to_string());
    assert_eq!(seen.header("upload-metadata"), about(&words));
    let done = send(house, &address, first.len(), second).await;
    assert_eq!((done.status.as_u16(), done.header("upload-expires")), (204, ""));
    let handle = done.header("asset-handle").to_owned();
    let shown = house.get(&address).await;
    assert_eq!(
        (shown.header("asset-handle"), shown.header("upload-offset")),
        (handle.as_str(), shown.header("upload-length"))
    );
    assert_eq!(shown.is(200)["assetHandle"], json!(handle));
    let again = send(house, &address, photo.len(), b"").await;
    assert_eq!((again.status.as_u16(), again.header("asset-handle")), (204, handle.as_str()));

    let mut asset = house.get(format!("/assets/{handle}")).await.is(200);
    assert_eq!(
        (&asset["fileName"], &asset["folder"], &asset["type"]),
        (&json!("photo.jpg"), &json!("spring"), &json!("Image"))
    );
    assert_eq!(asset["lastModified"], "2020-02-03T03:05:06Z");
    let mut plain = house.upload_to("spring", &[("photo.jpg", &photo)]).await.is(201)["assets"][0].take();
    for differs in ["assetHandle", "lastModified", "createdAt", "updatedAt", "links"] {
        asset[differs] = Value::Null;
        plain[differs] = Value::Null;
    }
    assert_eq!(asset, plain, "as `POST /assets` makes it");
    assert_eq!(house.get(format!("/assets/{handle}/content")).await.body, photo);
    house.check().await;
}

#[sqlx::test]
async fn pieces_become_an_asset_like_any_other(pool: PgPool) {
    goes_up(&House::open(pool).await).await;
}

#[sqlx::test]
async fn pieces_become_an_asset_in_an_object_store(pool: PgPool) {
    goes_up(&House::on_s3(pool, &S3::start()).await).await;
}

#[sqlx::test]
async fn requests_that_break_the_rules_are_told_which(pool: PgPool) {
    let house = House::open(pool).await;
    let name = [("filename", "a.txt")];
    let address = begun(&house, 10, &name).await;
    let told = |answer: Answer, status: u16| {
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
        answer.is(status)["code"].as_str().unwrap().to_owned()
    };
    for (said, version) in [(None, "1.0.0"), (Some("0.2.2"), "1.0.0")] {
        let request = TestRequest::patch().uri(&address);
        let request = match said {
            Some(said) => request.insert_header(("tus-resumable", said)),
            None => request,
        };
        let answer = house.send(request).await;
        assert_eq!(answer.header("tus-version"), version);
        assert_eq!(told(answer, 412), "protocol-version");
    }
    assert_eq!(told(send(&house, &address, 4, b"abc").await, 409), "offset-conflict");
    assert_eq!(told(send(&house, &address, 0, b"more than ten").await, 413), "body-too-large");
    let plain = piece(&address, 0).insert_header(("content-type", "text/plain")).set_payload("abc");
    assert_eq!(told(house.send(plain).await, 415), "unsupported-media-type");
    for (header, said) in [
        ("upload-offset", "+1"),
        ("upload-offset", "-1"),
        ("upload-checksum", "md5 AA=="),
        ("upload-checksum", "sha1 AA=="),
    ] {
        let answer = house.send(piece(&address, 0).insert_header((header, said)).set_payload("abc")).await;
        assert_eq!(told(answer, 400), "invalid-parameter", "{header}: {said}");
    }
    for (length, words, status, code) in [
        ("", &name[..], 400, "invalid-parameter"),
        ("9223372036854775808", &name, 400, "invalid-parameter"),
        ("9223372036854775807", &name, 413, "body-too-large"),
        ("0", &name, 422, "validation-failed"),
        ("10", &[], 422, "validation-failed"),
        ("10", &[("filename", "..")], 422, "validation-failed"),
        ("10", &[("filename", "a.txt"), ("folder", "a/../b")], 422, "validation-failed"),
        ("10", &[("filename", "a.txt"), ("lastModified", "yesterday")], 422, "validation-failed"),
        ("10", &[("filename", "a.txt"), ("sha256", "abc")], 422, "validation-failed"),
    ] {
        let request = beginning(0, words).insert_header(("upload-length", length));
        assert_eq!(told(house.send(request).await, status), code, "{length} {words:?}");
    }
    let garbled = beginning(10, &[]).insert_header(("upload-metadata", "filename %%%"));
    assert_eq!(told(house.send(garbled).await, 400), "invalid-parameter");
    assert_eq!(offset(&house, &address).await, 0, "nothing of all that was kept");
    assert_eq!(house.blobs().await, 0);
}

#[sqlx::test]
async fn a_checksum_holds_for_all_of_its_piece(pool: PgPool) {
    let house = House::open(pool).await;
    // More than is put down at once, so that some of it was put down when the sum turns out to be wrong.
    let bytes = noise(35 << 20);
    let address = begun(&house, bytes.len() + 3, &[("filename", "noise.bin")]).await;
    let summed = |sum: String, bytes: &[u8]| {
        house.send(piece(&address, 0).insert_header(("upload-checksum", sum)).set_payload(bytes.to_vec()))
    };
    let right = format!("sha256 {}", STANDARD.encode(Sha256::digest(&bytes)));
    let mut broken = bytes.clone();
    broken[1000] ^= 1;
    let refused = summed(right.clone(), &broken).await;
    assert_eq!(refused.header("tus-resumable"), "1.0.0");
    assert_eq!(refused.is(460)["code"], "checksum-mismatch");
    assert_eq!(offset(&house, &address).await, 0);
    assert_eq!(summed(right, &bytes).await.status, 204);
    assert_eq!(offset(&house, &address).await, bytes.len());
    let end = piece(&address, bytes.len()).set_payload("end");
    let sum = format!("sha1 {}", STANDARD.encode(Sha1::digest("end")));
    let handle = house.send(end.insert_header(("upload-checksum", sum))).await.header("asset-handle").to_owned();
    let whole = house.get(format!("/assets/{handle}/content")).await.body;
    assert!(whole == [&bytes, &b"end"[..]].concat());
    house.check().await;
}

#[sqlx::test]
async fn a_file_that_is_not_what_was_said_becomes_nothing(pool: PgPool) {
    let house = House::open(pool).await;
    let words = |bytes: &[u8]| [("filename", "a.txt".to_owned()), ("sha256", hex::encode(Sha256::digest(bytes)))];
    let upload = async |said: &[u8]| {
        let words = words(said);
        let words: Vec<(&str, &str)> = words.iter().map(|(word, value)| (*word, value.as_str())).collect();
        begun(&house, 6, &words).await
    };
    let wrong = upload(b"others").await;
    assert_eq!(send(&house, &wrong, 0, b"abc").await.status, 204);
    assert_eq!(send(&house, &wrong, 3, b"def").await.is(460)["code"], "checksum-mismatch");
    assert_eq!(head(&house, &wrong).await.status, 404);
    assert!(house.get("/assets").await.is(200)["items"].as_array().unwrap().is_empty());
    assert_ne!(send(&house, &upload(b"abcdef").await, 0, b"abcdef").await.header("asset-handle"), "");
}

#[sqlx::test]
async fn limits_hold_at_the_beginning_and_at_the_end(pool: PgPool) {
    let house = House::with(pool, |settings| {
        (settings.max_upload, settings.max_stored, settings.max_assets, settings.max_open_uploads) = (100, 150, 2, 3);
    })
    .await;
    let name = [("filename", "a.txt")];
    let code = async |length| house.send(beginning(length, &name)).await.is(422)["code"].clone();
    house.send(beginning(101, &name)).await.is(413);
    let first = begun(&house, 100, &name).await;
    assert_eq!(code(51).await, "storage-quota", "what is promised to one is not there for another");
    let second = begun(&house, 25, &name).await;
    begun(&house, 25, &name).await;
    assert_eq!(code(1).await, "too-many-uploads");
    // While it comes, others take the room.
    house.asset("b.txt", &[b'b'; 60]).await;
    assert_eq!(send(&house, &first, 0, &[b'a'; 50]).await.status, 204);
    assert_eq!(send(&house, &first, 50, &[b'a'; 50]).await.is(422)["code"], "storage-quota");
    assert_eq!(offset(&house, &first).await, 50, "the last piece was not kept, so no client takes it for whole");
    assert_eq!(send(&house, &second, 0, &[b'a'; 25]).await.status, 204);
    assert_eq!(
        house.send(TestRequest::delete().uri(&first).insert_header(("tus-resumable", "1.0.0"))).await.status,
        204
    );
    assert_eq!(code(1).await, "too-many-assets");
    house.check().await;
}

#[sqlx::test]
async fn a_full_storage_refuses_a_piece_and_takes_it_later(pool: PgPool) {
    let s3 = S3::start();
    let house = House::on_s3(pool, &s3).await;
    let address = begun(&house, 10, &[("filename", "a.txt")]).await;
    s3.is(Mood::Refusing(507));
    for bytes in [&b"first"[..], b"first last"] {
        assert_eq!(send(&house, &address, 0, bytes).await.is(507)["code"], "storage-full");
        assert_eq!(offset(&house, &address).await, 0);
    }
    s3.is(Mood::Well);
    assert_ne!(send(&house, &address, 0, b"first last").await.header("asset-handle"), "");
    house.check().await;
}

#[sqlx::test]
async fn pieces_are_kept_as_long_as_their_upload(pool: PgPool) {
    let house = House::open(pool).await;
    let (kept, left) =
        (begun(&house, 10, &[("filename", "kept.txt")]).await, begun(&house, 10, &[("filename", "left.txt")]).await);
    send(&house, &kept, 0, b"kept ").await.worked();
    send(&house, &left, 0, b"left ").await.worked();
    house.later("23 hours").await;
    retain(&house.state).await.unwrap();
    assert_eq!(house.blobs().await, 2);
    // Whatever comes gives an upload its time anew.
    send(&house, &kept, 5, b"no").await.worked();
    house.later("2 hours").await;
    assert_eq!(head(&house, &left).await.status, 404, "its time is over, also before the sweep");
    sweep(&house.state).await.unwrap();
    retain(&house.state).await.unwrap();
    assert_eq!(house.blobs().await, 2, "those of the other one");
    let handle = send(&house, &kept, 7, b"end").await.header("asset-handle").to_owned();
    assert_eq!(house.get(format!("/assets/{handle}/content")).await.body, b"kept noend");
    house.later("2 hours").await;
    retain(&house.state).await.unwrap();
    assert_eq!(house.blobs().await, 1, "the asset's");
    house.check().await;
}

#[sqlx::test]
async fn an_upload_is_its_users(pool: PgPool) {
    let house = guarded(pool).await;
    let (ann, bob) = (Guest::of(&house, "one", "ann").await, Guest::of(&house, "one", "bob").await);
    let reader = Guest::with(&house, "one", "eve", &[Capability::AssetsRead]).await;
    let begun = ann.send(beginning(5, &[("filename", "a.txt")])).await;
    let address = begun.header("location").to_owned();
    assert_eq!(begun.is(201)["offset"], 0);
    assert_eq!(bob.send(piece(&address, 0).set_payload("bob's")).await.status, 404);
    assert_eq!(
        bob.send(TestRequest::delete().uri(&address).insert_header(("tus-resumable", "1.0.0"))).await.status,
        404
    );
    assert!(bob.get("/uploads").await.is(200)["items"].as_array().unwrap().is_empty());
    assert_eq!(ann.get("/uploads").await.is(200)["items"][0]["length"], 5);
    assert_eq!(reader.send(beginning(5, &[("filename", "a.txt")])).await.is(403)["code"], "operation-forbidden");
    assert_eq!(ann.send(piece(&address, 0).set_payload("ann's")).await.status, 204);
    let log = ann.get("/audit-log").await.is(200);
    assert!(log["items"][0]["object"].as_str().unwrap().starts_with("/assets/"), "{log}");
}

/// A line that goes on to the service and breaks when so many bytes went through it; the next one does not.
struct Line {
    address: String,
    carried: Arc<AtomicUsize>,
}

impl Line {
    fn to(service: &Service, breaks_after: usize) -> Self {
        let (target, carried) = (service.url.trim_start_matches("http://").to_owned(), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Self { address: format!("http://{}", listener.local_addr().unwrap()), carried: carried.clone() };
        std::thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let (to, carried) = (TcpStream::connect(&target).unwrap(), carried.clone());
                let (mut back_from, mut back_to) = (to.try_clone().unwrap(), from.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
                std::thread::spawn(move || carry(from, to, &carried, breaks_after));
            }
        });
        line
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, carried: &AtomicUsize, breaks_after: usize) {
    let mut piece = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        let before = carried.fetch_add(read, Ordering::Relaxed);
        if (before..before + read).contains(&breaks_after) || to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}

fn push(address: &str, folder: &TempDir) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offprint"));
    let command =
        command.args(["push", "--url", address, "--resumable", "1000000", "--folder", "in"]).arg(folder.path());
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[sqlx::test]
async fn push_goes_on_after_a_break(pool: PgPool) {
    let (folder, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = Service::start(&url(&pool), &folder, &[]).unwrap();
    let bytes = noise(40 << 20);
    std::fs::write(files.path().join("large.bin"), &bytes).unwrap();
    std::fs::write(files.path().join("small.txt"), "small").unwrap();
    let line = Line::to(&service, 24 << 20);
    let said = push(&line.address, &files);
    assert!(said.starts_with("2 files: 2 uploaded"), "{said}");
    let carried = line.carried.load(Ordering::Relaxed);
    assert!(carried < 50 << 20, "{carried} bytes for a file of {}: it began anew", bytes.len());
    let sha256 = hex::encode(Sha256::digest(&bytes));
    assert_eq!(service.get("/assets?folder=in").await["items"][0]["sha256"], json!(sha256));
    assert_eq!(service.get("/uploads").await["items"].as_array().unwrap().len(), 1);
    assert!(push(&line.address, &files).contains("2 were there already"));
    service.kill();
}

#[sqlx::test]
async fn uploads_outlive_the_service_and_the_client(pool: PgPool) {
    let (folder, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = Service::start(&url(&pool), &folder, &[]).unwrap();
    let bytes = noise(40 << 20);
    std::fs::write(files.path().join("large.bin"), &bytes).unwrap();
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let words = about(&[("filename", "large.bin"), ("folder", "in"), ("sha256", &sha256)]);
    let request = service.client.post(format!("{}/uploads", service.url)).header("tus-resumable", "1.0.0");
    let begun = request.header("upload-length", bytes.len()).header("upload-metadata", words).send().await.unwrap();
    let address = begun.headers()["location"].to_str().unwrap().to_owned();
    // Half of it, on a line that stays open while the service is killed.
    let mut line = TcpStream::connect(service.url.trim_start_matches("http://")).unwrap();
    let request = format!(
        "PATCH {address} HTTP/1.1\r\nhost: localhost\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\n\
         content-type: application/offset+octet-stream\r\ncontent-length: {}\r\n\r\n",
        bytes.len()
    );
    line.write_all(request.as_bytes()).unwrap();
    line.write_all(&bytes[..20 << 20]).unwrap();
    while service.get(&address).await["offset"] == 0 {}
    service.kill();
    let service = Service::start(&url(&pool), &folder, &[]).unwrap();
    let kept = service.get(&address).await["offset"].as_u64().unwrap() as usize;
    // Else the first try would be sent in vain, and its bytes be counted below.
    let held = "select lease_until > now() from upload";
    while sqlx::query_scalar(held).fetch_one(&pool).await.unwrap() {}
    assert!(kept >= 16 << 20, "{kept}");
    let line = Line::to(&service, usize::MAX);
    assert!(push(&line.address, &files).starts_with("1 files: 1 uploaded"));
    let (carried, now) = (line.carried.load(Ordering::Relaxed), service.get(&address).await);
    assert!(carried < bytes.len() - kept + (1 << 20), "{carried} bytes beside the {kept} that were there");
    let asset = service.get(&format!("/assets/{}", now["assetHandle"].as_str().unwrap())).await;
    assert_eq!(asset["sha256"], json!(sha256));
    assert_eq!(service.stop(), Some(0));
}
