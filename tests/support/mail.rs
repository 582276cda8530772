//! A mail server in memory, and a reader of the mails that the service writes.

use std::sync::{Arc, Mutex};

use base64::Engine;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// A mail, parsed. `file` is its name in the mail folder.
pub struct ParsedMail {
    pub file: String,
    pub head: String,
    pub text: String,
    pub html: String,
}

pub fn parse_mail(raw: &str, file: &str) -> ParsedMail {
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    // A folded header line continues after a line end and a blank.
    let head = head.replace("\r\n ", " ");
    let boundary = head.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let parts: Vec<String> = body.split(&format!("--{boundary}")).filter_map(decode_part).collect();
    let [text, html] = <[String; 2]>::try_from(parts).unwrap();
    ParsedMail { file: file.into(), head, text, html }
}

/// A part's text with its transfer encoding removed. `None` for the text before the first part and after the last.
fn decode_part(part: &str) -> Option<String> {
    let (head, body) = part.trim_start().split_once("\r\n\r\n").filter(|_| !part.starts_with("--"))?;
    if head.contains("base64") {
        let bytes = base64::engine::general_purpose::STANDARD.decode(body.replace("\r\n", "")).unwrap();
        return Some(String::from_utf8(bytes).unwrap());
    }
    let body = body.replace("\r\n", "\n");
    if !head.contains("quoted-printable") {
        assert!(head.contains("7bit"), "{head}");
        return Some(body);
    }
    let joined = body.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    Some(String::from_utf8(bytes).unwrap())
}

impl ParsedMail {
    pub fn header(&self, name: &str) -> &str {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default()
    }
}

/// A running mail server, and the mails that it received.
pub struct FakeMailServer {
    pub url: String,
    pub mails: Arc<Mutex<Vec<String>>>,
}

/// In place of a reply: the server has received the mail, and the connection is cut before it replies.
pub const CONNECTION_CUT: &str = "";

/// Starts a mail server that accepts everything and replies to the end of each mail from this list; the last reply is
/// repeated.
pub async fn start_mail_server(answers: &'static [&'static str]) -> FakeMailServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let mails = Arc::new(Mutex::new(Vec::new()));
    let store = mails.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_smtp(stream, store.clone(), answers));
        }
    });
    FakeMailServer { url, mails }
}

async fn serve_smtp(stream: tokio::net::TcpStream, store: Arc<Mutex<Vec<String>>>, answers: &'static [&'static str]) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut mail: Option<String> = None;
    let _ = write.write_all(b"220 sink\r\n").await;
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match &mut mail {
            Some(text) if line == "." => {
                let mut store = store.lock().unwrap();
                let answer = answers[store.len().min(answers.len() - 1)];
                store.push(std::mem::take(text));
                mail = None;
                answer
            }
            Some(text) => {
                *text += &(line + "\r\n");
                continue;
            }
            None if line == "DATA" => {
                mail = Some(String::new());
                "354 go on"
            }
            None if line == "QUIT" => "221 bye",
            None => "250 fine",
        };
        if answer == CONNECTION_CUT {
            return;
        }
        let _ = write.write_all(format!("{answer}\r\n").as_bytes()).await;
    }
}
