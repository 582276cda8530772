//! The content of a mail in its language, as plain text and as HTML.
//!
//! Names and reasons come from users and from files, so nothing of them may start a new line, hide text or become markup:
//! every string passes [`to_single_line`], and HTML also `escape_html`.

use super::{JobMail, MailFailure};
use crate::i18n::Language;
use crate::i18n::MessageArg;
use crate::reason::Reason;

/// Failures that a mail lists. The manifest has all.
const MAX_FAILURES: usize = 10;
/// Warnings about the modifier that a mail lists. The job has all.
const MAX_MODIFIER_WARNINGS: usize = 10;
pub(super) const MAX_NAME_CHARS: usize = 120;
const MAX_REASON_CHARS: usize = 300;

// The colours are those of the pages, see src/http/pages/static/style.css.
pub(super) const BODY_STYLE: &str =
    "font-family:system-ui,sans-serif;line-height:1.55;max-width:40em;margin:1em auto;padding:0 1em";
pub(super) const BRAND_STYLE: &str = "font-weight:600;padding-bottom:0.75em;border-bottom:1px solid #c9cdd2";
pub(super) const HEADLINE_STYLE: &str = "font-size:1.3em;font-weight:600;line-height:1.25";
const TITLE_STYLE: &str = "font-size:1.1em;font-weight:600";
pub(super) const BUTTON_STYLE: &str = "display:inline-block;padding:0.7em 1.2em;border-radius:6px;background:#0b57a4;color:#ffffff;\
                            font-weight:600;text-decoration:none";
pub(super) const FOOTER_STYLE: &str = "font-size:0.85em;color:#767676";

/// The content of a mail, before it is formatted. Every string is one line and safe to show; nothing is escaped yet.
pub(super) struct MailContent {
    language: &'static Language,
    pub(super) subject: String,
    headline: String,
    rows: Vec<(String, String)>,
    /// Label and address of the button.
    page: Option<(String, String)>,
    failures: Vec<(String, String)>,
    failures_title: String,
    modifier_warnings: Vec<String>,
    modifier_warnings_title: String,
    links: Vec<(String, String)>,
    fetch_command: Option<(String, String)>,
    care: Option<String>,
    footer: String,
}

impl MailContent {
    pub(super) fn for_mail(mail: &JobMail) -> Self {
        let language = mail.language;
        let text = |name: &str| language.format(name, &[]);
        let shown = mail.failures.len().min(MAX_FAILURES) as i64;
        let page = mail.links.page.as_deref().map(|url| to_single_line(url, 2000));
        let mut links = list_archives(mail);
        if let Some(manifest) = &mail.links.manifest {
            links.push((text("mail-manifest"), to_single_line(manifest, 2000)));
        }
        if let Some(job) = &mail.links.job {
            links.push((text("mail-job"), to_single_line(job, 2000)));
        }
        Self {
            language,
            subject: format_outcome(mail, "mail-subject", 60),
            headline: format_outcome(mail, "mail-headline", MAX_NAME_CHARS),
            rows: list_rows(mail),
            fetch_command: page
                .as_deref()
                .filter(|_| mail.links.can_download)
                .map(|url| (text("mail-fetch"), format_fetch_command(mail, url))),
            care: page.as_ref().map(|_| text("mail-care")),
            page: page.map(|url| (format_page_label(mail), url)),
            failures: mail
                .failures
                .iter()
                .take(MAX_FAILURES)
                .map(|failure| format_failure(language, failure))
                .collect(),
            failures_title: match mail.counts.failed {
                all if all > shown => {
                    language.format("mail-what-failed-first", &[("shown", shown.into()), ("all", all.into())])
                }
                _ => text("mail-what-failed"),
            },
            modifier_warnings: list_modifier_warnings(mail),
            modifier_warnings_title: text("mail-modifier-warnings"),
            links,
            footer: format_footer(mail),
        }
    }

    /// The mail as plain text.
    pub(super) fn to_text(&self) -> String {
        let mut out = format!("{}\n\n", self.headline);
        let width = self.rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default().max(10);
        for (label, value) in &self.rows {
            out += &format!("  {label:<width$} {value}\n");
        }
        if let Some((label, url)) = &self.page {
            out += &format!("\n{label}:\n{url}\n");
        }
        if let Some(care) = &self.care {
            out += &format!("{care}\n");
        }
        if !self.failures.is_empty() {
            out += &format!("\n{}:\n", self.failures_title);
            for (name, reason) in &self.failures {
                out += &format!("  {name}\n    {reason}\n");
            }
        }
        if !self.modifier_warnings.is_empty() {
            out += &format!("\n{}:\n", self.modifier_warnings_title);
            self.modifier_warnings.iter().for_each(|warning| out += &format!("  {warning}\n"));
        }
        for (label, url) in &self.links {
            out += &format!("\n{label}:\n{url}\n");
        }
        if let Some((label, command)) = &self.fetch_command {
            out += &format!("\n{label}\n  {command}\n");
        }
        out + &format!("\n-- \n{}\n", self.footer)
    }

    /// The mail as HTML: no images, no scripts, nothing to load. It looks like the pages; mail programs know inline styles only.
    pub(super) fn to_html(&self) -> String {
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><meta name=\"color-scheme\" \
             content=\"light dark\"></head>\n<body style=\"{BODY_STYLE}\">\n<p style=\"{BRAND_STYLE}\">Offprint</p>\n",
            self.language.tag()
        );
        out += &format!("<h1 style=\"{HEADLINE_STYLE}\">{}</h1>\n<table>\n", escape_html(&self.headline));
        for (label, value) in &self.rows {
            out += &format!(
                "<tr><td style=\"padding:0 1.5em 0 0;vertical-align:top\">{}</td><td>{}</td></tr>\n",
                escape_html(label),
                escape_html(value)
            );
        }
        out += "</table>\n";
        if let Some((label, url)) = &self.page {
            let (label, url) = (escape_html(label), escape_html(url));
            out += &format!("<p><a href=\"{url}\" style=\"{BUTTON_STYLE}\">{label}</a></p>\n");
        }
        if let Some(care) = &self.care {
            out += &format!("<p style=\"font-size:0.9em\">{}</p>\n", escape_html(care));
        }
        if !self.failures.is_empty() {
            out += &format!("<h2 style=\"{TITLE_STYLE}\">{}</h2>\n<ul>\n", escape_html(&self.failures_title));
            for (name, reason) in &self.failures {
                out += &format!("<li><strong>{}</strong><br>{}</li>\n", escape_html(name), escape_html(reason));
            }
            out += "</ul>\n";
        }
        if !self.modifier_warnings.is_empty() {
            out += &format!("<h2 style=\"{TITLE_STYLE}\">{}</h2>\n<ul>\n", escape_html(&self.modifier_warnings_title));
            self.modifier_warnings.iter().for_each(|warning| out += &format!("<li>{}</li>\n", escape_html(warning)));
            out += "</ul>\n";
        }
        if !self.links.is_empty() {
            let links: Vec<String> = self.links.iter().map(|(label, url)| format_html_link(url, label)).collect();
            out += &format!("<p>{}</p>\n", links.join("<br>\n"));
        }
        if let Some((label, command)) = &self.fetch_command {
            let (label, command) = (escape_html(label), escape_html(command));
            out += &format!("<p>{label}</p>\n<pre style=\"white-space:pre-wrap\">{command}</pre>\n");
        }
        out + &format!("<p style=\"{FOOTER_STYLE}\">{}</p>\n</body>\n</html>\n", escape_html(&self.footer))
    }
}

/// Labels and addresses of the files of each job of a group.
fn list_archives(mail: &JobMail) -> Vec<(String, String)> {
    let total = mail.archives.len() as i64;
    let label = |number: usize| {
        mail.language.format("mail-archive", &[("number", (number as i64).into()), ("total", total.into())])
    };
    let archives = mail.archives.iter().enumerate();
    archives.map(|(index, url)| (label(index + 1), to_single_line(url, 2000))).collect()
}

/// The message of this name for the outcome, with at most `max_chars` characters of the job's name.
fn format_outcome(mail: &JobMail, name: &str, max_chars: usize) -> String {
    let (counts, job) = (&mail.counts, to_single_line(&mail.job_name, max_chars));
    let parts: [(&str, MessageArg<'_>); 5] = [
        ("name", (&job).into()),
        ("files", mail.files.into()),
        ("total", counts.total.into()),
        ("failed", counts.failed.into()),
        ("warnings", counts.warnings.into()),
    ];
    mail.language.format(&format!("{name}-{}", mail.outcome.name()), &parts)
}

/// The counts that are not zero, and the files. The total is always there.
fn list_rows(mail: &JobMail) -> Vec<(String, String)> {
    let (language, counts) = (mail.language, &mail.counts);
    let row = |name: &str, value: String| (language.format(name, &[]), value);
    let mut rows = Vec::new();
    if let Some(requester) = &mail.requester {
        rows.push(row("mail-requester", to_single_line(requester, MAX_NAME_CHARS)));
    }
    rows.push(row("mail-assets", language.format_number(counts.total)));
    let by_end = [
        ("mail-succeeded", counts.succeeded),
        ("mail-failed", counts.failed),
        ("mail-skipped", counts.skipped),
        ("mail-stopped", counts.stopped),
    ];
    rows.extend(
        by_end
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| row(name, language.format_number(count))),
    );
    if counts.warnings > 0 {
        let warnings = language.format("mail-warnings-on", &[("count", counts.warnings.into())]);
        rows.push(row("mail-warnings", warnings));
    }
    let files = match mail.files {
        0 => language.format("mail-files-none", &[]),
        files => {
            let size = language.format_size(mail.bytes);
            language.format("mail-files-size", &[("count", files.into()), ("size", (&size).into())])
        }
    };
    rows.push(row("mail-files", files));
    rows
}

fn format_page_label(mail: &JobMail) -> String {
    let language = mail.language;
    if mail.files == 0 {
        return language.format("mail-see", &[]);
    }
    let until = mail.expires_at.map(|end| language.format_time_in(end, mail.time_zone));
    let size = language.format_size(mail.bytes);
    let mut parts: Vec<(&str, MessageArg<'_>)> = vec![("files", mail.files.into()), ("size", (&size).into())];
    match &until {
        Some(until) => {
            parts.push(("until", until.into()));
            language.format("mail-download-until", &parts)
        }
        None => language.format("mail-download", &parts),
    }
}

/// A shell command that downloads the files. For a zip it resumes an interrupted download when it is called again. It does not
/// contain the job's name: a name can be any text, and a shell would interpret it.
fn format_fetch_command(mail: &JobMail, url: &str) -> String {
    let url = url.replace('\'', "%27");
    if mail.files == 1 {
        return format!("curl --fail --remote-name --remote-header-name '{url}'");
    }
    format!("curl --fail --continue-at - --output export-{}.zip '{url}'", mail.job_handle)
}

pub(super) fn format_failure(language: &Language, failure: &MailFailure) -> (String, String) {
    let reason = Reason::new(failure.code, failure.reason.as_str());
    (to_single_line(&failure.name, MAX_NAME_CHARS), format_reason(language, &reason))
}

fn format_reason(language: &Language, reason: &Reason) -> String {
    format!("{} ({})", to_single_line(&language.format_reason(reason), MAX_REASON_CHARS), reason.code)
}

/// The first warnings about the modifier, each sentence once: in other languages several may have the same.
fn list_modifier_warnings(mail: &JobMail) -> Vec<String> {
    let mut warnings = Vec::new();
    for warning in mail.modifier_warnings.iter().take(MAX_MODIFIER_WARNINGS) {
        let sentence = format_reason(mail.language, warning);
        if !warnings.contains(&sentence) {
            warnings.push(sentence);
        }
    }
    warnings
}

fn format_footer(mail: &JobMail) -> String {
    let job = mail.job_handle.to_string();
    let requester = mail.requester.as_deref().map(|name| to_single_line(name, MAX_NAME_CHARS));
    match &requester {
        Some(name) => mail.language.format("mail-footer-requester", &[("job", (&job).into()), ("who", name.into())]),
        None => mail.language.format("mail-footer", &[("job", (&job).into())]),
    }
}

fn format_html_link(url: &str, label: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escape_html(url), escape_html(label))
}

/// The text on one line, safe to show: no control characters, nothing that reorders or hides text, at most `max_chars`
/// characters. Such characters become blanks, and several blanks become one.
pub(super) fn to_single_line(text: &str, max_chars: usize) -> String {
    let shown: String = text.chars().map(|c| if is_hidden_char(c) { ' ' } else { c }).collect();
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= max_chars {
        words
    } else {
        words.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
    }
}

/// Control characters, line and paragraph separators, bidi marks and overrides, zero-width characters.
fn is_hidden_char(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

pub(super) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
