//! A service in a few lines of tokio, for the client commands' own logic; and tests of patience.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

/// A request as it came.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Asked {
    pub(in crate::cli) line: String,
    pub(in crate::cli) head: String,
    pub(in crate::cli) body: Vec<u8>,
}

impl Asked {
    /// A header's value, by its name in small letters.
    pub(in crate::cli) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }
}

/// What to answer: status, headers and body; the body may be cut before its declared end.
pub(in crate::cli) struct Reply {
    pub(in crate::cli) status: u16,
    pub(in crate::cli) headers: Vec<(&'static str, String)>,
    pub(in crate::cli) body: Vec<u8>,
    pub(in crate::cli) cut: Option<usize>,
}

impl Reply {
    pub(in crate::cli) fn json(status: u16, body: serde_json::Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string().into_bytes(), cut: None }
    }
}

/// The fake service: every request goes through one function; all are kept.
pub(in crate::cli) struct Fake {
    pub(in crate::cli) connection: Connection,
    pub(in crate::cli) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(in crate::cli) async fn new(answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (asked.clone(), Arc::new(Mutex::new(answer)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answer) = (kept.clone(), answer.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, |asked| {
                        kept.lock().unwrap().push(asked.clone());
                        (answer.lock().unwrap())(&asked)
                    })
                    .await;
                });
            }
        });
        let service = Service { url: url.parse().unwrap(), key: Some("secret".into()), key_file: None };
        let patience = Patience { first: Duration::ZERO, tries: 4 };
        Self { connection: Connection::to(&service, patience).unwrap(), asked }
    }

    pub(in crate::cli) fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.line.clone()).collect()
    }
}

/// One request a connection.
async fn serve(stream: tokio::net::TcpStream, answer: impl FnOnce(Asked) -> Reply) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if read.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (line, head) = head.split_once("\r\n").unwrap();
    let mut asked = Asked { line: line.trim_end_matches(" HTTP/1.1").into(), head: head.into(), body: Vec::new() };
    let length = asked.header("content-length").map_or(0, |n| n.parse().unwrap());
    asked.body.resize(length, 0);
    read.read_exact(&mut asked.body).await?;
    let reply = answer(asked);
    let mut out =
        format!("HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        out += &format!("{name}: {value}\r\n");
    }
    write.write_all(format!("{out}\r\n").as_bytes()).await?;
    write.write_all(&reply.body[..reply.cut.unwrap_or(reply.body.len())]).await
}

#[tokio::test]
async fn a_busy_service_is_asked_again_and_a_refusal_is_not() {
    let mut turn = 0;
    let fake = Fake::new(move |_| {
        turn += 1;
        match turn {
            1 => Reply::json(503, serde_json::json!({"code": "unavailable", "detail": "soon"})),
            2 => Reply { headers: vec![("retry-after", "0".into())], ..Reply::json(429, serde_json::json!({})) },
            3 => Reply::json(200, serde_json::json!({"fine": true})),
            _ => Reply::json(404, serde_json::json!({"code": "not-found", "detail": "There is no such job."})),
        }
    })
    .await;
    let value: Value = fake.connection.get(&["export-jobs", "a b"], &[("wait", "1")]).await.unwrap();
    assert_eq!(value["fine"], true);
    assert_eq!(fake.lines(), ["GET /base/export-jobs/a%20b?wait=1"; 3]);
    assert_eq!(fake.asked.lock().unwrap()[0].header("authorization"), Some("Bearer secret"));

    let refusal = fake.connection.get::<Value>(&["x"], &[]).await.unwrap_err();
    assert_eq!((refusal.code, refusal.detail.as_str()), (Code::NotFound, "There is no such job."));
    assert_eq!(fake.lines().len(), 4);
}

#[tokio::test]
async fn patience_ends_and_tells_the_last_problem() {
    let fake =
        Fake::new(|_| Reply::json(507, serde_json::json!({"code": "storage-full", "detail": "The disk is full."})))
            .await;
    let refusal = fake.connection.get::<Value>(&["x"], &[]).await.unwrap_err();
    assert_eq!((refusal.code, refusal.detail.as_str()), (Code::StorageFull, "The disk is full."));
    assert_eq!(fake.lines().len(), 4);
}

#[tokio::test]
async fn a_problem_keeps_its_code_and_its_mistakes() {
    let errors = serde_json::json!([{"pointer": "/fmt", "code": "invalid-value", "detail": "orig or convert"}]);
    let told = serde_json::json!({"code": "a-code-of-tomorrow", "detail": "Two mistakes.", "errors": errors});
    let fake = Fake::new(move |_| Reply::json(422, told.clone())).await;
    let refusal = fake.connection.get::<Value>(&["x"], &[]).await.unwrap_err();
    assert_eq!(refusal.detail, "Two mistakes. (a-code-of-tomorrow)");
    assert_eq!(Value::from(refusal.errors), errors);
}

#[tokio::test]
async fn an_answer_of_something_else_is_told_apart() {
    let fake = Fake::new(|_| Reply { body: b"<html>".to_vec(), ..Reply::json(403, Value::Null) }).await;
    let refusal = fake.connection.get::<Value>(&["x"], &[]).await.unwrap_err();
    assert!(refusal.detail.contains("403"), "{}", refusal.detail);
}

#[tokio::test]
async fn a_list_is_read_to_its_end() {
    let fake = Fake::new(|asked| {
        let more = !asked.line.contains("cursor=next");
        Reply::json(200, serde_json::json!({"items": [1, 2], "nextCursor": more.then_some("next")}))
    })
    .await;
    assert_eq!(fake.connection.list::<i32>(&["assets"], &[("folder", "a/b")]).await.unwrap(), [1, 2, 1, 2]);
    assert_eq!(
        fake.lines(),
        ["GET /base/assets?folder=a%2Fb&limit=1000", "GET /base/assets?folder=a%2Fb&limit=1000&cursor=next"]
    );
}

#[test]
fn an_address_must_be_one() {
    for said in ["localhost:8080", "ftp://example.org", "http://", "8080"] {
        assert!(service_url(said).is_err(), "{said}");
    }
    assert!(service_url("https://photos.example.org/offprint").is_ok());
}
