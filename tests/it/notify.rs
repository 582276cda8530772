//! Mail: what people get to read, and what a mail server may answer.

use std::sync::{Arc, Mutex};

use base64::Engine;
use chrono::{TimeZone, Utc};
use offprint::code::Code;
use offprint::id::JobId;
use offprint::notify::{Counts, Failure, Links, Mailer, Notice, Outcome, SendError};
use offprint::words;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const FROM: &str = "Offprint <offprint@localhost>";
const JOB: &str = "019a0000-0000-7000-8000-000000000001";

fn partly_failed() -> Notice {
    Notice {
        message_id: format!("<{JOB}.1@photos.example.org>"),
        recipient: "Ann <ann@example.org>".into(),
        language: words::english(),
        job_name: "spring-catalogue".into(),
        job_handle: JOB.parse::<JobId>().unwrap(),
        requester: Some("ann@example.org".into()),
        outcome: Outcome::PartiallyFailed,
        counts: Counts { total: 1400, succeeded: 1376, failed: 24, warnings: 6, ..Counts::default() },
        files: 1376,
        bytes: 734_003_200,
        failures: (1..=12)
            .map(|n| Failure {
                name: format!("scan {n}.psd"),
                code: Code::UnsupportedFormat,
                reason: "Pictures of this type cannot be rendered yet.".into(),
            })
            .collect(),
        expires_at: Some(Utc.with_ymd_and_hms(2026, 11, 30, 12, 0, 0).unwrap()),
        links: Links {
            job: format!("https://photos.example.org/export-jobs/{JOB}"),
            download: Some("https://photos.example.org/downloads/AQGZ-token".into()),
            manifest: Some(format!("https://photos.example.org/export-jobs/{JOB}/manifest")),
        },
    }
}

fn succeeded() -> Notice {
    Notice {
        outcome: Outcome::Succeeded,
        counts: Counts { total: 1, succeeded: 1, ..Counts::default() },
        files: 1,
        bytes: 999,
        failures: Vec::new(),
        expires_at: None,
        requester: None,
        ..partly_failed()
    }
}

/// A mail as it was written to the mail folder, taken apart.
pub struct Mail {
    file: String,
    head: String,
    pub text: String,
    html: String,
}

async fn written(notice: &Notice) -> Mail {
    let folder = tempfile::tempdir().unwrap();
    let mailer = Mailer::new(None, FROM, folder.path().join("mail")).unwrap();
    mailer.send(notice).await.unwrap();
    // Sent again, it is the same file: a retry after a crash does not double it.
    mailer.send(notice).await.unwrap();
    let files: Vec<_> =
        std::fs::read_dir(folder.path().join("mail")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let raw = std::fs::read_to_string(&files[0]).unwrap();
    take_apart(&raw, files[0].file_name().unwrap().to_str().unwrap())
}

pub fn take_apart(raw: &str, file: &str) -> Mail {
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    // A folded header line goes on after a line end and a blank.
    let head = head.replace("\r\n ", " ");
    let boundary = head.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let parts: Vec<String> = body.split(&format!("--{boundary}")).filter_map(decoded).collect();
    let [text, html] = <[String; 2]>::try_from(parts).unwrap();
    Mail { file: file.into(), head, text, html }
}

/// A part's text, undoing its transfer encoding. None for what stands before the first part and after the last.
fn decoded(part: &str) -> Option<String> {
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

impl Mail {
    pub fn header(&self, name: &str) -> &str {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_mail_about_failures_says_what_and_where_to_go() {
    let mail = written(&partly_failed()).await;
    assert_eq!(mail.header("Subject"), "Export \"spring-catalogue\" partly failed: 24 of 1,400 assets");
    assert_eq!(mail.header("Message-ID"), format!("<{JOB}.1@photos.example.org>"));
    assert_eq!(mail.header("To"), "Ann <ann@example.org>");
    assert_eq!(mail.header("From"), FROM);
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.file, format!("{JOB}.1@photos.example.org.eml"));
    insta::assert_snapshot!("mail_partly_failed_text", mail.text);
    insta::assert_snapshot!("mail_partly_failed_html", mail.html);
}

#[tokio::test]
async fn a_mail_about_success_is_short() {
    let mail = written(&succeeded()).await;
    assert_eq!(mail.header("Subject"), "Export \"spring-catalogue\" is ready: 1 file");
    insta::assert_snapshot!("mail_succeeded_text", mail.text);
}

#[tokio::test]
async fn a_mail_in_dutch_says_the_same() {
    let dutch = words::of("nl").unwrap();
    let mail = written(&Notice { language: dutch, ..partly_failed() }).await;
    assert_eq!(mail.header("Subject"), "Export \"spring-catalogue\" is deels mislukt: 24 van 1.400 bestanden");
    assert!(mail.html.contains("<html lang=\"nl\">"), "{}", mail.html);
    insta::assert_snapshot!("mail_partly_failed_text_dutch", mail.text);
    let mail = written(&Notice { language: dutch, ..succeeded() }).await;
    insta::assert_snapshot!("mail_succeeded_text_dutch", mail.text);
}

#[tokio::test]
async fn every_outcome_has_a_subject_of_its_own() {
    let mut subjects = Vec::new();
    use Outcome::{Failed, PartiallyFailed, Stopped, Succeeded, SucceededWithWarnings};
    for outcome in [Succeeded, SucceededWithWarnings, PartiallyFailed, Failed, Stopped] {
        let mail = written(&Notice { outcome, ..partly_failed() }).await;
        subjects.push(mail.header("Subject").to_owned());
    }
    insta::assert_snapshot!(subjects.join("\n"), @r#"
    Export "spring-catalogue" is ready: 1,376 files
    Export "spring-catalogue" is ready, with warnings: 1,376 files
    Export "spring-catalogue" partly failed: 24 of 1,400 assets
    Export "spring-catalogue" failed
    Export "spring-catalogue" was stopped
    "#);
}

#[tokio::test]
async fn names_cannot_add_headers_or_markup_or_turn_the_text_around() {
    let mail = written(&Notice {
        job_name: "a\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>\u{202E}gpj.exe\0".into(),
        requester: Some("<b>\"eve\"</b>\n".into()),
        failures: vec![Failure {
            name: "<img src=x onerror=alert(1)>\u{2066}\n-- \nforged".into(),
            code: Code::Corrupt,
            reason: "said \"<&>\"".repeat(200),
        }],
        message_id: "<x\r\nBcc: eve@example.org>".into(),
        ..partly_failed()
    })
    .await;
    assert_eq!(mail.header("Bcc"), "");
    assert_eq!(mail.header("Message-ID"), "<xBcceve@example.org>");
    assert!(
        !mail.html.contains("<script") && !mail.html.contains("<img") && !mail.html.contains("<b>"),
        "{}",
        mail.html
    );
    assert!(mail.html.contains("&lt;script&gt;"), "{}", mail.html);
    for text in [&mail.text, &mail.html] {
        assert!(!text.contains(['\u{202E}', '\u{2066}', '\0']), "{text}");
        assert_eq!(
            text.lines().filter(|line| line.trim_end() == "--").count(),
            usize::from(text == &mail.text),
            "{text}"
        );
    }
    assert!(mail.text.lines().all(|line| line.chars().count() < 450), "{}", mail.text);
}

#[tokio::test]
async fn a_very_long_name_and_other_scripts_stay_readable() {
    let mail = written(&Notice { job_name: "Frühjahr ".repeat(500), ..partly_failed() }).await;
    assert!(mail.header("Subject").contains("=?utf-8?b?") && mail.head.is_ascii(), "{}", mail.head);
    assert!(mail.head.lines().all(|line| line.len() < 998), "{}", mail.head);
    assert!(mail.text.contains("Frühjahr Frühjahr") && mail.text.contains('…'), "{}", mail.text);
}

/// What the sink says after the data of each mail in turn, and what it got.
pub struct Sink {
    pub url: String,
    pub mails: Arc<Mutex<Vec<String>>>,
}

/// In the place of an answer: the server has the mail, and the line is cut before it says so.
pub const CUT: &str = "";

/// A mail server in a few lines: takes everything and answers the mails' ends from a list, the last one for ever.
pub async fn sink(answers: &'static [&'static str]) -> Sink {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let mails = Arc::new(Mutex::new(Vec::new()));
    let store = mails.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, store.clone(), answers));
        }
    });
    Sink { url, mails }
}

async fn serve(stream: tokio::net::TcpStream, store: Arc<Mutex<Vec<String>>>, answers: &'static [&'static str]) {
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
        if answer == CUT {
            return;
        }
        let _ = write.write_all(format!("{answer}\r\n").as_bytes()).await;
    }
}

fn mailer(url: &str) -> Mailer {
    Mailer::new(Some(url), FROM, "unused".into()).unwrap()
}

#[tokio::test]
async fn a_busy_server_is_asked_again_with_the_same_mail() {
    let sink = sink(&["451 come back later", "250 taken"]).await;
    let mailer = mailer(&sink.url);

    let first = mailer.send(&partly_failed()).await.unwrap_err();
    assert!(
        matches!(&first, SendError::Later(why) if why.contains("451") && why.contains("come back later")),
        "{first:?}"
    );
    assert_eq!(mailer.send(&partly_failed()).await, Ok(()));

    let mails = sink.mails.lock().unwrap();
    let ids: Vec<_> = mails.iter().map(|mail| take_apart(mail, "").header("Message-ID").to_owned()).collect();
    assert_eq!(ids, [partly_failed().message_id, partly_failed().message_id]);
}

#[tokio::test]
async fn a_refusal_is_for_good() {
    let sink = sink(&["550 no such user"]).await;
    let error = mailer(&sink.url).send(&partly_failed()).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Permanent(why) if why.contains("550") && why.contains("no such user")),
        "{error:?}"
    );
}

#[tokio::test]
async fn wrong_credentials_are_our_fault_and_worth_another_try() {
    let sink = sink(&["535 who are you"]).await;
    let error = mailer(&sink.url).send(&partly_failed()).await.unwrap_err();
    assert!(matches!(error, SendError::Later(_)), "{error:?}");
}

#[tokio::test]
async fn no_server_means_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(mailer(&url).send(&partly_failed()).await, Err(SendError::Later(_))));
}

#[tokio::test]
async fn a_recipient_that_is_no_address_is_never_sent() {
    for recipient in ["", "nobody", "a@b\r\nBcc: c@d.example", "ann@example.org, eve@example.org"] {
        let folder = tempfile::tempdir().unwrap();
        let mailer = Mailer::new(None, FROM, folder.path().into()).unwrap();
        let error = mailer.send(&Notice { recipient: recipient.into(), ..succeeded() }).await.unwrap_err();
        assert!(
            matches!(&error, SendError::Permanent(why) if why.contains("not a mail address")),
            "{recipient}: {error:?}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_sender_that_is_no_address_is_refused_at_the_start() {
    let error = Mailer::new(None, "nobody", "unused".into()).err().unwrap();
    assert_eq!(error.setting, "OFFPRINT_MAIL_FROM");
    assert!(error.reason.contains("name@host"), "{error}");
}
