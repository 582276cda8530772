//! A fake service in a few lines of tokio, for the logic of the client commands; and tests of retries and keys.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

/// A request as it was received.
#[derive(Clone, Debug)]
pub(in crate::cli) struct ReceivedRequest {
    pub(in crate::cli) request_line: String,
    pub(in crate::cli) head: String,
    pub(in crate::cli) body: Vec<u8>,
}

impl ReceivedRequest {
    pub(in crate::cli) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }
}

/// A response: status, headers and body. The body may be cut before its declared end.
pub(in crate::cli) struct CannedReply {
    pub(in crate::cli) status: u16,
    pub(in crate::cli) headers: Vec<(&'static str, String)>,
    pub(in crate::cli) body: Vec<u8>,
    pub(in crate::cli) truncate_at: Option<usize>,
}

impl CannedReply {
    pub(in crate::cli) fn json(status: u16, body: serde_json::Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string().into_bytes(), truncate_at: None }
    }
}

/// A fake service: one function answers every request, and all requests are recorded.
pub(in crate::cli) struct FakeService {
    pub(in crate::cli) connection: ApiClient,
    pub(in crate::cli) requests: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl FakeService {
    pub(in crate::cli) async fn new(answer: impl FnMut(&ReceivedRequest) -> CannedReply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (asked.clone(), Arc::new(Mutex::new(answer)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answer) = (kept.clone(), answer.clone());
                tokio::spawn(async move {
                    let _ = serve_connection(stream, |asked| {
                        kept.lock().unwrap().push(asked.clone());
                        (answer.lock().unwrap())(&asked)
                    })
                    .await;
                });
            }
        });
        let service = ServiceArgs { url: url.parse().unwrap(), key: Some("secret".into()), key_file: None };
        let retry_policy = RetryPolicy { initial_delay: Duration::ZERO, max_tries: 4 };
        Self { connection: ApiClient::for_service(&service, retry_policy).unwrap(), requests: asked }
    }

    pub(in crate::cli) fn request_lines(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|asked| asked.request_line.clone()).collect()
    }
}

/// One request per connection.
async fn serve_connection(
    stream: tokio::net::TcpStream,
    answer: impl FnOnce(ReceivedRequest) -> CannedReply,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if read.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (line, head) = head.split_once("\r\n").unwrap();
    let mut asked = ReceivedRequest {
        request_line: line.trim_end_matches(" HTTP/1.1").into(),
        head: head.into(),
        body: Vec::new(),
    };
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
    write.write_all(&reply.body[..reply.truncate_at.unwrap_or(reply.body.len())]).await
}

#[tokio::test]
async fn a_busy_service_is_asked_again_and_a_refusal_is_not() {
    let mut turn = 0;
    let fake = FakeService::new(move |_| {
        turn += 1;
        match turn {
            1 => CannedReply::json(503, serde_json::json!({"code": "unavailable", "detail": "soon"})),
            2 => CannedReply {
                headers: vec![("retry-after", "0".into())],
                ..CannedReply::json(429, serde_json::json!({}))
            },
            3 => CannedReply::json(200, serde_json::json!({"fine": true})),
            _ => CannedReply::json(404, serde_json::json!({"code": "not-found", "detail": "There is no such job."})),
        }
    })
    .await;
    let value: Value = fake.connection.get(&["export-jobs", "a b"], &[("wait", "1")]).await.unwrap();
    assert_eq!(value["fine"], true);
    assert_eq!(fake.request_lines(), ["GET /base/export-jobs/a%20b?wait=1"; 3]);
    assert_eq!(fake.requests.lock().unwrap()[0].header("authorization"), Some("Bearer secret"));

    let refusal = fake.connection.get::<Value>(&["x"], &[]).await.unwrap_err();
    assert_eq!((refusal.code, refusal.detail.as_str()), (Code::NotFound, "There is no such job."));
    assert_eq!(fake.request_lines().len(), 4);
}

#[tokio::test]
async fn patience_ends_and_tells_the_last_problem() {
    let fake = FakeService::new(|_| {
        CannedReply::json(507, serde_json::json!({"code": "storage-full", "detail": "The disk is full."}))
    })
    .await;
    let refusal = fake.connection.get::<Value>(&["x"], &[]).await.unwrap_err();
    assert_eq!((refusal.code, refusal.detail.as_str()), (Code::StorageFull, "The disk is full."));
    assert_eq!(fake.request_lines().len(), 4);
}

#[tokio::test]
async fn a_problem_keeps_its_code_and_its_mistakes() {
    let errors = serde_json::json!([{"pointer": "/fmt", "code": "invalid-value", "detail": "orig or convert"}]);
    let told = serde_json::json!({"code": "a-code-of-tomorrow", "detail": "Two mistakes.", "errors": errors});
    let fake = FakeService::new(move |_| CannedReply::json(422, told.clone())).await;
    let refusal = fake.connection.get::<Value>(&["x"], &[]).await.unwrap_err();
    assert_eq!(refusal.detail, "Two mistakes. (a-code-of-tomorrow)");
    assert_eq!(Value::from(refusal.errors), errors);
}

#[tokio::test]
async fn an_answer_of_something_else_is_told_apart() {
    let fake =
        FakeService::new(|_| CannedReply { body: b"<html>".to_vec(), ..CannedReply::json(403, Value::Null) }).await;
    let refusal = fake.connection.get::<Value>(&["x"], &[]).await.unwrap_err();
    assert!(refusal.detail.contains("403"), "{}", refusal.detail);
}

#[tokio::test]
async fn a_list_is_read_to_its_end() {
    let fake = FakeService::new(|asked| {
        let more = !asked.request_line.contains("cursor=next");
        CannedReply::json(200, serde_json::json!({"items": [1, 2], "nextCursor": more.then_some("next")}))
    })
    .await;
    assert_eq!(fake.connection.list::<i32>(&["assets"], &[("folder", "a/b")]).await.unwrap(), [1, 2, 1, 2]);
    assert_eq!(
        fake.request_lines(),
        ["GET /base/assets?folder=a%2Fb&limit=1000", "GET /base/assets?folder=a%2Fb&limit=1000&cursor=next"]
    );
}

#[test]
fn an_address_must_be_one() {
    for text in ["localhost:8080", "ftp://example.org", "http://", "8080"] {
        assert!(parse_service_url(text).is_err(), "{text}");
    }
    assert!(parse_service_url("https://photos.example.org/offprint").is_ok());
}

#[test]
fn an_empty_key_is_named() {
    let service = |key: Option<&str>, key_file| ServiceArgs {
        url: "http://127.0.0.1:8080".parse().unwrap(),
        key: key.map(str::to_owned),
        key_file,
    };
    assert_eq!(read_api_key(&service(None, None)).unwrap(), None);
    assert_eq!(read_api_key(&service(Some("secret"), None)).unwrap().as_deref(), Some("secret"));
    let empty = read_api_key(&service(Some(" "), None)).unwrap_err();
    assert!(empty.detail.contains("OFFPRINT_API_KEY"), "{}", empty.detail);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "\n").unwrap();
    let empty = read_api_key(&service(None, Some(file.path().to_owned()))).unwrap_err();
    assert!(empty.detail.contains("is empty") && empty.detail.contains("The key file"), "{}", empty.detail);
    std::fs::write(file.path(), "secret\n").unwrap();
    assert_eq!(read_api_key(&service(None, Some(file.path().to_owned()))).unwrap().as_deref(), Some("secret"));
}

#[tokio::test]
async fn what_a_proxy_answers_is_explained() {
    for (status, remedy) in [
        (413, "client_max_body_size"),
        (502, "OFFPRINT_KEEP_ALIVE"),
        (503, "no service that is ready"),
        (504, "proxy_read_timeout"),
        (405, "--url"),
    ] {
        let page = b"<html><h1>nginx</h1></html>".to_vec();
        let fake = FakeService::new(move |_| CannedReply {
            status,
            headers: Vec::new(),
            body: page.clone(),
            truncate_at: None,
        });
        let fake = fake.await;
        let request = fake.connection.request(Method::POST, &["assets"]);
        let error = send_request(request).await.map(|_| ()).map_err(ClientError::into_error).unwrap_err();
        assert!(error.detail.contains("/base/assets") && error.detail.contains(remedy), "{}", error.detail);
        assert_eq!(fake.requests.lock().unwrap()[0].header("content-length"), Some("0"), "HTTP/1.0 proxies need it");
    }
}
