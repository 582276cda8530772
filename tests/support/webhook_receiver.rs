//! A receiver of webhooks, and a resolver of host names for tests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use offprint::notify::webhook::HostLookup;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How a receiver replies to one message.
#[derive(Clone)]
pub enum ReceiverReply {
    Status(u16),
    Redirect(String),
    /// Sends nothing and keeps the connection open.
    NoReply,
    /// Sends status 200 and a body without an end.
    EndlessBody,
}
use ReceiverReply::{EndlessBody, NoReply, Redirect, Status};

#[derive(Clone)]
pub struct ReceivedWebhook {
    pub headers: HashMap<String, String>,
    pub body: String,
}

/// A web server that records the messages it receives and replies from a list; the last reply is repeated.
pub struct WebhookReceiver {
    pub port: u16,
    messages: Arc<Mutex<Vec<ReceivedWebhook>>>,
    pub connections: Arc<AtomicUsize>,
    pub bytes_written: Arc<AtomicUsize>,
}

impl WebhookReceiver {
    pub async fn open(answers: &[ReceiverReply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            messages: Default::default(),
            connections: Default::default(),
            bytes_written: Default::default(),
        };
        let (messages, connections, written) =
            (receiver.messages.clone(), receiver.connections.clone(), receiver.bytes_written.clone());
        let answers: Arc<[ReceiverReply]> = answers.into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve_connection(stream, messages.clone(), written.clone(), answers.clone()));
            }
        });
        receiver
    }

    /// A URL of it with a host name that only a [`FakeResolver`] can resolve.
    pub fn url(&self) -> String {
        format!("http://hooks.example:{}/export", self.port)
    }

    pub fn messages(&self) -> Vec<ReceivedWebhook> {
        self.messages.lock().unwrap().clone()
    }
}

async fn serve_connection(
    stream: TcpStream,
    messages: Arc<Mutex<Vec<ReceivedWebhook>>>,
    written: Arc<AtomicUsize>,
    answers: Arc<[ReceiverReply]>,
) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut headers = HashMap::new();
    let mut line = String::new();
    loop {
        line.clear();
        read.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    read.read_exact(&mut body).await.ok()?;
    let reply = {
        let mut messages = messages.lock().unwrap();
        messages.push(ReceivedWebhook { headers, body: String::from_utf8(body).unwrap() });
        answers[(messages.len() - 1).min(answers.len() - 1)].clone()
    };
    let head = match &reply {
        Status(status) => format!("HTTP/1.1 {status} status\r\ncontent-length: 4\r\n\r\nbody"),
        Redirect(url) => format!("HTTP/1.1 307 elsewhere\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n"),
        EndlessBody => "HTTP/1.1 200 fine\r\ntransfer-encoding: chunked\r\n\r\n".into(),
        NoReply => String::new(),
    };
    write.write_all(head.as_bytes()).await.ok()?;
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    if matches!(reply, EndlessBody) {
        loop {
            write.write_all(chunk.as_bytes()).await.ok()?;
            written.fetch_add(chunk.len(), Ordering::SeqCst);
        }
    }
    // Until the other side closes the connection.
    let _ = read.read(&mut [0]).await;
    Some(())
}

/// A resolver that gives the next list of addresses at each lookup; the last list is repeated. An empty list is a name
/// that does not exist.
pub struct FakeResolver {
    answers: Vec<Vec<IpAddr>>,
    pub lookups: AtomicUsize,
}

impl FakeResolver {
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let read = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(read).collect(), lookups: AtomicUsize::new(0) })
    }
}

impl HostLookup for FakeResolver {
    fn lookup(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let asked = self.lookups.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[asked.min(self.answers.len() - 1)].clone();
        Box::pin(async move { if answer.is_empty() { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(answer) } })
    }
}
