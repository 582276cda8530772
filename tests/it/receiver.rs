//! Somebody who gets webhooks, and a book of addresses in which tests look up names.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use offprint::notify::webhook::Lookup;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a receiver says to one message.
#[derive(Clone)]
pub enum Says {
    Status(u16),
    Elsewhere(String),
    /// Nothing, and keeps the line open.
    Nothing,
    /// A good status, and a body without an end.
    NoEnd,
}
use Says::{Elsewhere, NoEnd, Nothing, Status};

/// A message as it came.
#[derive(Clone)]
pub struct Seen {
    pub headers: HashMap<String, String>,
    pub body: String,
}

/// Somebody who gets webhooks, in a few lines: answers from a list, the last one for ever.
pub struct Receiver {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    pub connections: Arc<AtomicUsize>,
    pub written: Arc<AtomicUsize>,
}

impl Receiver {
    pub async fn open(answers: &[Says]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            seen: Default::default(),
            connections: Default::default(),
            written: Default::default(),
        };
        let (seen, connections, written) =
            (receiver.seen.clone(), receiver.connections.clone(), receiver.written.clone());
        let answers: Arc<[Says]> = answers.into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(receive(stream, seen.clone(), written.clone(), answers.clone()));
            }
        });
        receiver
    }

    /// An address of it by a name that only the house's own book knows.
    pub fn url(&self) -> String {
        format!("http://hooks.example:{}/export", self.port)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn receive(
    stream: TcpStream,
    seen: Arc<Mutex<Vec<Seen>>>,
    written: Arc<AtomicUsize>,
    answers: Arc<[Says]>,
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
    let says = {
        let mut seen = seen.lock().unwrap();
        seen.push(Seen { headers, body: String::from_utf8(body).unwrap() });
        answers[(seen.len() - 1).min(answers.len() - 1)].clone()
    };
    let head = match &says {
        Status(status) => format!("HTTP/1.1 {status} said\r\ncontent-length: 4\r\n\r\nsaid"),
        Elsewhere(url) => format!("HTTP/1.1 307 elsewhere\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n"),
        NoEnd => "HTTP/1.1 200 fine\r\ntransfer-encoding: chunked\r\n\r\n".into(),
        Nothing => String::new(),
    };
    write.write_all(head.as_bytes()).await.ok()?;
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    if matches!(says, NoEnd) {
        loop {
            write.write_all(chunk.as_bytes()).await.ok()?;
            written.fetch_add(chunk.len(), Ordering::SeqCst);
        }
    }
    // Until the other side hangs up.
    let _ = read.read(&mut [0]).await;
    Some(())
}

/// A book of addresses that gives another answer each time, the last one for ever.
pub struct Book {
    answers: Vec<Vec<IpAddr>>,
    pub asked: AtomicUsize,
}

impl Book {
    pub fn of(answers: &[&[&str]]) -> Arc<Self> {
        let read = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(read).collect(), asked: AtomicUsize::new(0) })
    }
}

impl Lookup for Book {
    fn lookup(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[asked.min(self.answers.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    }
}
