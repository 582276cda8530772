//! What a notice says, in its language, once as plain text and once as HTML.

use super::{Failure, Notice};
use crate::reason::Note;
use crate::words::{Language, Part};

/// Most failures that a mail lists; the manifest has all.
const SHOWN: usize = 10;
/// Longest name shown, in characters.
const NAME: usize = 120;
/// Longest reason shown, in characters.
const REASON: usize = 300;

/// The content of a mail, before it is laid out. Every string is one line and safe to show; nothing is escaped yet.
pub(super) struct Letter {
    language: &'static Language,
    pub(super) subject: String,
    headline: String,
    rows: Vec<(String, String)>,
    download: Option<(String, String)>,
    failures: Vec<(String, String)>,
    failures_title: String,
    places: Vec<(String, String)>,
    fetch: Option<(String, String)>,
    footer: String,
}

impl Letter {
    pub(super) fn of(notice: &Notice) -> Self {
        let language = notice.language;
        let said = |name: &str| language.say(name, &[]);
        let shown = notice.failures.len().min(SHOWN) as i64;
        let download = notice.links.download.as_deref().map(|url| line(url, 2000));
        let mut places = Vec::new();
        if let Some(manifest) = &notice.links.manifest {
            places.push((said("mail-manifest"), line(manifest, 2000)));
        }
        places.push((said("mail-job"), line(&notice.links.job, 2000)));
        Self {
            language,
            subject: about(notice, "mail-subject", 60),
            headline: about(notice, "mail-headline", NAME),
            rows: rows(notice),
            fetch: download.as_deref().map(|url| (said("mail-fetch"), fetch(notice, url))),
            download: download.map(|url| (label(notice), url)),
            failures: notice.failures.iter().take(SHOWN).map(|it| failure(language, it)).collect(),
            failures_title: match notice.counts.failed {
                all if all > shown => {
                    language.say("mail-what-failed-first", &[("shown", shown.into()), ("all", all.into())])
                }
                _ => said("mail-what-failed"),
            },
            places,
            footer: footer(notice),
        }
    }

    /// The letter as plain text.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.headline);
        let width = self.rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default().max(10);
        for (label, value) in &self.rows {
            out += &format!("  {label:<width$} {value}\n");
        }
        if let Some((label, url)) = &self.download {
            out += &format!("\n{label}:\n{url}\n");
        }
        if !self.failures.is_empty() {
            out += &format!("\n{}:\n", self.failures_title);
            for (name, reason) in &self.failures {
                out += &format!("  {name}\n    {reason}\n");
            }
        }
        for (label, url) in &self.places {
            out += &format!("\n{label}:\n{url}\n");
        }
        if let Some((label, command)) = &self.fetch {
            out += &format!("\n{label}\n  {command}\n");
        }
        out + &format!("\n-- \n{}\n", self.footer)
    }

    /// The letter as HTML: no pictures, no scripts, nothing to load.
    pub(super) fn html(&self) -> String {
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<body style=\"font-family:sans-serif;line-height:1.5;\
             max-width:40em;margin:1em auto;padding:0 1em\">\n",
            self.language.tag()
        );
        out += &format!("<p style=\"font-size:1.15em\"><strong>{}</strong></p>\n<table>\n", escape(&self.headline));
        for (label, value) in &self.rows {
            out += &format!(
                "<tr><td style=\"padding-right:1.5em\">{}</td><td>{}</td></tr>\n",
                escape(label),
                escape(value)
            );
        }
        out += "</table>\n";
        if let Some((label, url)) = &self.download {
            out += &format!("<p>{}</p>\n", link(url, label));
        }
        if !self.failures.is_empty() {
            out += &format!("<p>{}:</p>\n<ul>\n", escape(&self.failures_title));
            for (name, reason) in &self.failures {
                out += &format!("<li><strong>{}</strong><br>{}</li>\n", escape(name), escape(reason));
            }
            out += "</ul>\n";
        }
        let places: Vec<String> = self.places.iter().map(|(label, url)| link(url, label)).collect();
        out += &format!("<p>{}</p>\n", places.join("<br>\n"));
        if let Some((label, command)) = &self.fetch {
            let (label, command) = (escape(label), escape(command));
            out += &format!("<p>{label}</p>\n<pre style=\"white-space:pre-wrap\">{command}</pre>\n");
        }
        out + &format!("<p style=\"color:#666;font-size:0.85em\">{}</p>\n</body>\n</html>\n", escape(&self.footer))
    }
}

/// The sentence of this name for the outcome, with the job's name in so many characters.
fn about(notice: &Notice, name: &str, most: usize) -> String {
    let (counts, job) = (&notice.counts, line(&notice.job_name, most));
    let parts: [(&str, Part<'_>); 5] = [
        ("name", (&job).into()),
        ("files", notice.files.into()),
        ("total", counts.total.into()),
        ("failed", counts.failed.into()),
        ("warnings", counts.warnings.into()),
    ];
    notice.language.say(&format!("{name}-{}", notice.outcome.name()), &parts)
}

/// The counts that are not nought, and the files. The total is always there.
fn rows(notice: &Notice) -> Vec<(String, String)> {
    let (language, counts) = (notice.language, &notice.counts);
    let row = |name: &str, value: String| (language.say(name, &[]), value);
    let mut rows = vec![row("mail-assets", language.number(counts.total))];
    let others = [
        ("mail-succeeded", counts.succeeded),
        ("mail-failed", counts.failed),
        ("mail-skipped", counts.skipped),
        ("mail-stopped", counts.stopped),
    ];
    rows.extend(
        others.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| row(name, language.number(count))),
    );
    if counts.warnings > 0 {
        let on = language.say("mail-warnings-on", &[("count", counts.warnings.into())]);
        rows.push(row("mail-warnings", on));
    }
    let files = match notice.files {
        0 => language.say("mail-files-none", &[]),
        files => {
            let size = language.size(notice.bytes);
            language.say("mail-files-size", &[("count", files.into()), ("size", (&size).into())])
        }
    };
    rows.push(row("mail-files", files));
    rows
}

fn label(notice: &Notice) -> String {
    let language = notice.language;
    let (size, until) = (language.size(notice.bytes), notice.expires_at.map(|end| language.time(end)));
    let mut parts: Vec<(&str, Part<'_>)> = vec![("files", notice.files.into()), ("size", (&size).into())];
    match &until {
        Some(until) => {
            parts.push(("until", until.into()));
            language.say("mail-download-until", &parts)
        }
        None => language.say("mail-download", &parts),
    }
}

/// One command for a shell; that for a zip resumes a broken download when it is called again. The job's name is not in
/// it: names may hold anything, a shell must not read them.
fn fetch(notice: &Notice, url: &str) -> String {
    let url = url.replace('\'', "%27");
    if notice.files == 1 {
        return format!("curl --fail --remote-name --remote-header-name '{url}'");
    }
    format!("curl --fail --continue-at - --output export-{}.zip '{url}'", notice.job_handle)
}

fn failure(language: &Language, failure: &Failure) -> (String, String) {
    let reason = language.reason(&Note::new(failure.code, failure.reason.as_str()));
    (line(&failure.name, NAME), format!("{} ({})", line(&reason, REASON), failure.code))
}

fn footer(notice: &Notice) -> String {
    let job = notice.job_handle.to_string();
    let who = notice.requester.as_deref().map(|who| line(who, NAME));
    match &who {
        Some(who) => notice.language.say("mail-footer-requester", &[("job", (&job).into()), ("who", who.into())]),
        None => notice.language.say("mail-footer", &[("job", (&job).into())]),
    }
}

fn link(url: &str, label: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escape(url), escape(label))
}

/// The text on one line, safe to show: no control characters, nothing that turns or hides text, at most `most`
/// characters. What cannot be shown becomes a blank, blanks become one.
pub(super) fn line(text: &str, most: usize) -> String {
    let shown: String = text.chars().map(|c| if hidden(c) { ' ' } else { c }).collect();
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= most {
        words
    } else {
        words.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    }
}

/// Control characters, line and paragraph separators, bidi marks and overrides, zero-width characters.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
