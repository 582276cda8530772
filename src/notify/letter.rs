//! What a notice says, in English, once as plain text and once as HTML.

use super::{Failure, Notice, Outcome};

/// Most failures that a mail lists; the manifest has all.
const SHOWN: usize = 10;
/// Longest name shown, in characters.
const NAME: usize = 120;
/// Longest reason shown, in characters.
const REASON: usize = 300;

/// The content of a mail, before it is laid out. Every string is one line and safe to show; nothing is escaped yet.
pub(super) struct Letter {
    pub(super) subject: String,
    headline: String,
    rows: Vec<(&'static str, String)>,
    download: Option<(String, String)>,
    failures: Vec<(String, String)>,
    failures_title: String,
    places: Vec<(&'static str, String)>,
    fetch: Option<String>,
    footer: String,
}

impl Letter {
    pub(super) fn of(notice: &Notice) -> Self {
        let name = line(&notice.job_name, NAME);
        let shown = notice.failures.len().min(SHOWN);
        let download = notice.links.download.as_deref().map(|url| line(url, 2000));
        let mut places = Vec::new();
        if let Some(manifest) = &notice.links.manifest {
            places.push(("Every asset and its result", line(manifest, 2000)));
        }
        places.push(("The job", line(&notice.links.job, 2000)));
        Self {
            subject: subject(notice, &line(&notice.job_name, 60)),
            headline: headline(notice, &name),
            rows: rows(notice),
            fetch: download.as_deref().map(|url| fetch(notice, url)),
            download: download.map(|url| (label(notice), url)),
            failures: notice.failures.iter().take(SHOWN).map(failure).collect(),
            failures_title: match notice.counts.failed {
                all if all > shown as i64 => format!("What failed (the first {shown} of {all})"),
                _ => "What failed".into(),
            },
            places,
            footer: footer(notice),
        }
    }

    /// The letter as plain text.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.headline);
        for (label, value) in &self.rows {
            out += &format!("  {label:<10} {value}\n");
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
        if let Some(command) = &self.fetch {
            out += &format!("\n{FETCH}\n  {command}\n");
        }
        out + &format!("\n-- \n{}\n", self.footer)
    }

    /// The letter as HTML: no pictures, no scripts, nothing to load.
    pub(super) fn html(&self) -> String {
        let mut out = String::from(concat!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<body style=\"font-family:sans-serif;line-height:1.5;",
            "max-width:40em;margin:1em auto;padding:0 1em\">\n"
        ));
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
        if let Some(command) = &self.fetch {
            out += &format!("<p>{FETCH}</p>\n<pre style=\"white-space:pre-wrap\">{}</pre>\n", escape(command));
        }
        out + &format!("<p style=\"color:#666;font-size:0.85em\">{}</p>\n</body>\n</html>\n", escape(&self.footer))
    }
}

const FETCH: &str =
    "The link works by itself; whoever has it can fetch the files, so pass it on with care. From a command line:";

fn subject(notice: &Notice, name: &str) -> String {
    let counts = &notice.counts;
    match notice.outcome {
        Outcome::Succeeded => format!("Export \"{name}\" is ready: {}", counted(notice.files, "file")),
        Outcome::SucceededWithWarnings => {
            format!("Export \"{name}\" is ready, with warnings: {}", counted(notice.files, "file"))
        }
        Outcome::PartiallyFailed => {
            format!("Export \"{name}\" partly failed: {} of {}", grouped(counts.failed), counted(counts.total, "asset"))
        }
        Outcome::Failed => format!("Export \"{name}\" failed"),
        Outcome::Stopped => format!("Export \"{name}\" was stopped"),
    }
}

fn headline(notice: &Notice, name: &str) -> String {
    let counts = &notice.counts;
    match notice.outcome {
        Outcome::Succeeded => format!("Your export \"{name}\" is ready."),
        Outcome::SucceededWithWarnings => format!(
            "Your export \"{name}\" is ready. {} of its {} {} a warning; the manifest says which.",
            grouped(counts.warnings),
            counted(counts.total, "asset"),
            if counts.warnings == 1 { "has" } else { "have" }
        ),
        Outcome::PartiallyFailed => format!(
            "Your export \"{name}\" is ready in part: {} of {} failed.",
            grouped(counts.failed),
            counted(counts.total, "asset")
        ),
        Outcome::Failed => format!("Your export \"{name}\" failed. There is nothing to download."),
        Outcome::Stopped => format!("Your export \"{name}\" was stopped before it was done."),
    }
}

/// The counts that are not nought, and the files. The total is always there.
fn rows(notice: &Notice) -> Vec<(&'static str, String)> {
    let counts = &notice.counts;
    let mut rows = vec![("Assets", grouped(counts.total))];
    let others = [
        ("Succeeded", counts.succeeded),
        ("Failed", counts.failed),
        ("Skipped", counts.skipped),
        ("Stopped", counts.stopped),
    ];
    rows.extend(others.into_iter().filter(|(_, count)| *count > 0).map(|(label, count)| (label, grouped(count))));
    if counts.warnings > 0 {
        rows.push(("Warnings", format!("on {}", counted(counts.warnings, "asset"))));
    }
    rows.push((
        "Files",
        if notice.files == 0 { "none".into() } else { format!("{} ({})", grouped(notice.files), size(notice.bytes)) },
    ));
    rows
}

fn label(notice: &Notice) -> String {
    let (what, bytes) = (if notice.files == 1 { "file" } else { "zip" }, size(notice.bytes));
    match notice.expires_at {
        Some(end) => format!("Download the {what} (about {bytes}, kept until {})", end.format("%-d %B %Y, %H:%M UTC")),
        None => format!("Download the {what} (about {bytes})"),
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

fn failure(failure: &Failure) -> (String, String) {
    (line(&failure.name, NAME), format!("{} ({})", line(&failure.reason, REASON), failure.code))
}

fn footer(notice: &Notice) -> String {
    let asked = match &notice.requester {
        Some(who) => format!(", asked for by {}", line(who, NAME)),
        None => String::new(),
    };
    format!("Export job {}{asked}. Sent by Offprint because the job's emailSetting asks for it.", notice.job_handle)
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

fn counted(count: i64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A number with commas between thousands.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

/// A size in decimal units, as download dialogs show it.
fn size(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return counted(bytes, "byte");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // What would be shown as 1000 goes one unit up.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}
