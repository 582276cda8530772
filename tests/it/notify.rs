//! Mail: the text that people read, and replies of mail servers.

use chrono::{TimeZone, Utc};
use chrono_tz::Tz;
use offprint::i18n;
use offprint::id::JobId;
use offprint::notify::{JobMail, MailCounts, MailFailure, MailLinks, Mailer, Outcome, SendError};
use offprint_core::Code;
use tokio::net::TcpListener;

use crate::support::mail::{ParsedMail, parse_mail, start_mail_server};

const FROM_ADDRESS: &str = "Offprint <offprint@localhost>";
const JOB_HANDLE: &str = "019a0000-0000-7000-8000-000000000001";

fn build_partly_failed_mail() -> JobMail {
    JobMail {
        message_id: format!("<{JOB_HANDLE}.1@photos.example.org>"),
        recipient: "Ann <ann@example.org>".into(),
        language: i18n::default_language(),
        job_name: "spring-catalogue".into(),
        job_handle: JOB_HANDLE.parse::<JobId>().unwrap(),
        requester: Some("ann@example.org".into()),
        outcome: Outcome::PartiallyFailed,
        counts: MailCounts { total: 1400, succeeded: 1376, failed: 24, warnings: 6, ..MailCounts::default() },
        files: 1376,
        bytes: 734_003_200,
        failures: (1..=12)
            .map(|n| MailFailure {
                name: format!("scan {n}.psd"),
                code: Code::UnsupportedFormat,
                reason: "Files of this type cannot be rendered.".into(),
            })
            .collect(),
        modifier_warnings: Vec::new(),
        expires_at: Some(Utc.with_ymd_and_hms(2026, 11, 30, 12, 0, 0).unwrap()),
        time_zone: Tz::UTC,
        links: MailLinks {
            job: Some(format!("https://photos.example.org/export-jobs/{JOB_HANDLE}")),
            page: Some("https://photos.example.org/downloads/AQGZ-token".into()),
            can_download: true,
            manifest: Some(format!("https://photos.example.org/export-jobs/{JOB_HANDLE}/manifest")),
        },
        archives: Vec::new(),
    }
}

fn build_succeeded_mail() -> JobMail {
    JobMail {
        outcome: Outcome::Succeeded,
        counts: MailCounts { total: 1, succeeded: 1, ..MailCounts::default() },
        files: 1,
        bytes: 999,
        failures: Vec::new(),
        expires_at: None,
        requester: None,
        ..build_partly_failed_mail()
    }
}

async fn write_mail(notice: &JobMail) -> ParsedMail {
    let folder = tempfile::tempdir().unwrap();
    let mailer = Mailer::new(None, FROM_ADDRESS, folder.path().join("mail")).unwrap();
    mailer.send(notice).await.unwrap();
    // Sent again, it is the same file: a retry after a crash does not duplicate the mail.
    mailer.send(notice).await.unwrap();
    let files: Vec<_> =
        std::fs::read_dir(folder.path().join("mail")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let raw = std::fs::read_to_string(&files[0]).unwrap();
    parse_mail(&raw, files[0].file_name().unwrap().to_str().unwrap())
}

#[tokio::test]
async fn a_mail_about_failures_says_what_and_where_to_go() {
    let mail = write_mail(&build_partly_failed_mail()).await;
    assert_eq!(mail.header("Subject"), "Export \"spring-catalogue\" partly failed: 24 of 1,400 assets");
    assert_eq!(mail.header("Message-ID"), format!("<{JOB_HANDLE}.1@photos.example.org>"));
    assert_eq!(mail.header("To"), "Ann <ann@example.org>");
    assert_eq!(mail.header("From"), FROM_ADDRESS);
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.file, format!("{JOB_HANDLE}.1@photos.example.org.eml"));
    insta::assert_snapshot!("mail_partly_failed_text", mail.text);
    insta::assert_snapshot!("mail_partly_failed_html", mail.html);
}

#[tokio::test]
async fn a_mail_about_success_is_short() {
    let mail = write_mail(&build_succeeded_mail()).await;
    assert_eq!(mail.header("Subject"), "Export \"spring-catalogue\" is ready: 1 file");
    insta::assert_snapshot!("mail_succeeded_text", mail.text);
}

#[tokio::test]
async fn a_mail_in_dutch_says_the_same() {
    let dutch = i18n::find_language("nl").unwrap();
    let mail = write_mail(&JobMail { language: dutch, ..build_partly_failed_mail() }).await;
    assert_eq!(mail.header("Subject"), "Export \"spring-catalogue\" is deels mislukt: 24 van 1.400 bestanden");
    assert!(mail.html.contains("<html lang=\"nl\">"), "{}", mail.html);
    insta::assert_snapshot!("mail_partly_failed_text_dutch", mail.text);
    let mail = write_mail(&JobMail { language: dutch, ..build_succeeded_mail() }).await;
    insta::assert_snapshot!("mail_succeeded_text_dutch", mail.text);
}

#[tokio::test]
async fn every_outcome_has_a_subject_of_its_own() {
    let mut subjects = Vec::new();
    use Outcome::{Failed, PartiallyFailed, Stopped, Succeeded, SucceededWithWarnings};
    for outcome in [Succeeded, SucceededWithWarnings, PartiallyFailed, Failed, Stopped] {
        let mail = write_mail(&JobMail { outcome, ..build_partly_failed_mail() }).await;
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
    let mail = write_mail(&JobMail {
        job_name: "a\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>\u{202E}gpj.exe\0".into(),
        requester: Some("<b>\"eve\"</b>\n".into()),
        failures: vec![MailFailure {
            name: "<img src=x onerror=alert(1)>\u{2066}\n-- \nforged".into(),
            code: Code::Corrupt,
            reason: "said \"<&>\"".repeat(200),
        }],
        message_id: "<x\r\nBcc: eve@example.org>".into(),
        ..build_partly_failed_mail()
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
    let mail = write_mail(&JobMail { job_name: "Frühjahr ".repeat(500), ..build_partly_failed_mail() }).await;
    assert!(mail.header("Subject").contains("=?utf-8?b?") && mail.head.is_ascii(), "{}", mail.head);
    assert!(mail.head.lines().all(|line| line.len() < 998), "{}", mail.head);
    assert!(mail.text.contains("Frühjahr Frühjahr") && mail.text.contains('…'), "{}", mail.text);
}

fn create_mailer(url: &str) -> Mailer {
    Mailer::new(Some(url), FROM_ADDRESS, "unused".into()).unwrap()
}

#[tokio::test]
async fn a_busy_server_is_asked_again_with_the_same_mail() {
    let server = start_mail_server(&["451 come back later", "250 taken"]).await;
    let mailer = create_mailer(&server.url);

    let first = mailer.send(&build_partly_failed_mail()).await.unwrap_err();
    assert!(
        matches!(&first, SendError::Temporary(why) if why.contains("451") && why.contains("come back later")),
        "{first:?}"
    );
    assert_eq!(mailer.send(&build_partly_failed_mail()).await, Ok(()));

    let mails = server.mails.lock().unwrap();
    let ids: Vec<_> = mails.iter().map(|mail| parse_mail(mail, "").header("Message-ID").to_owned()).collect();
    assert_eq!(ids, [build_partly_failed_mail().message_id, build_partly_failed_mail().message_id]);
}

#[tokio::test]
async fn a_refusal_is_for_good() {
    let server = start_mail_server(&["550 no such user"]).await;
    let error = create_mailer(&server.url).send(&build_partly_failed_mail()).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Permanent(why) if why.contains("550") && why.contains("no such user")),
        "{error:?}"
    );
}

#[tokio::test]
async fn wrong_credentials_are_our_fault_and_worth_another_try() {
    let server = start_mail_server(&["535 who are you"]).await;
    let error = create_mailer(&server.url).send(&build_partly_failed_mail()).await.unwrap_err();
    assert!(matches!(error, SendError::Temporary(_)), "{error:?}");
}

#[tokio::test]
async fn no_server_means_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(create_mailer(&url).send(&build_partly_failed_mail()).await, Err(SendError::Temporary(_))));
}

#[tokio::test]
async fn a_recipient_that_is_no_address_is_never_sent() {
    for recipient in ["", "nobody", "a@b\r\nBcc: c@d.example", "ann@example.org, eve@example.org"] {
        let folder = tempfile::tempdir().unwrap();
        let mailer = Mailer::new(None, FROM_ADDRESS, folder.path().into()).unwrap();
        let error = mailer.send(&JobMail { recipient: recipient.into(), ..build_succeeded_mail() }).await.unwrap_err();
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
