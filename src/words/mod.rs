//! What people read, in their language: events and mails. One Fluent file a language stands beside this one
//! (<https://projectfluent.org>); `build.rs` finds them, so that adding a language is adding its file.
//!
//! What a file does not say is said in English; a test tells what is missing.

mod event;

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Utc};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use crate::reason::Note;

/// Each language's tag and the text of its file, as `build.rs` found them.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/words.rs"));

/// The language that says everything, and that is spoken where no other is known.
const FIRST: &str = "en";

/// One language.
pub struct Language {
    tag: &'static str,
    bundle: FluentBundle<FluentResource>,
    /// What stands between thousands, and before tenths.
    group: String,
    decimal: String,
}

impl std::fmt::Debug for Language {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Language").field(&self.tag).finish()
    }
}

/// What a sentence has a place for.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    /// A text, shown as it is.
    Text(&'a str),
    /// A number, shown as the language writes it, and counted as it counts.
    Number(i64),
}

impl<'a> From<&'a str> for Part<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Part<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Part<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let mut all: Vec<Language> = FILES.iter().map(|(tag, text)| Language::read(tag, text)).collect();
    all.sort_by_key(|language| (language.tag != FIRST, language.tag));
    all
});

/// Every language, English first.
pub fn languages() -> &'static [Language] {
    &LANGUAGES
}

/// English.
pub fn english() -> &'static Language {
    &LANGUAGES[0]
}

/// The language of a locale such as `nl`, `nl-BE` or `nl_BE`, where there is one.
pub fn of(locale: &str) -> Option<&'static Language> {
    let main = locale.split(['-', '_']).next().unwrap_or_default();
    let named = |name: &str| LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(name));
    named(&locale.replace('_', "-")).or_else(|| named(main))
}

impl Language {
    /// Mistakes in a file are found by a test; a service does without the sentence.
    fn read(tag: &'static str, text: &str) -> Self {
        let resource = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource);
        let mut bundle = FluentBundle::new_concurrent(vec![tag.parse().unwrap_or_default()]);
        // Marks around each name would keep directions apart, and are no text in a log or a subject.
        bundle.set_use_isolating(false);
        let _ = bundle.add_resource(resource);
        let mut language = Self { tag, bundle, group: String::new(), decimal: String::new() };
        language.group = language.plain("number-group", &[]).unwrap_or_default();
        language.decimal = language.plain("number-decimal", &[]).unwrap_or_else(|| ".".into());
        let group = language.group.clone();
        let _ = language.bundle.add_function("N", move |parts, _| match parts {
            [FluentValue::Number(number)] => grouped(number.value as i64, &group).into(),
            _ => FluentValue::Error,
        });
        language
    }

    /// Its tag, as in `Content-Language`.
    pub fn tag(&self) -> &'static str {
        self.tag
    }

    /// A sentence with its parts in their places; in English where this language does not have it.
    pub fn say(&self, name: &str, parts: &[(&str, Part<'_>)]) -> String {
        self.plain(name, parts).or_else(|| english().plain(name, parts)).unwrap_or_else(|| name.to_owned())
    }

    /// Whether the language has this sentence.
    pub fn has(&self, name: &str) -> bool {
        self.bundle.has_message(name)
    }

    fn plain(&self, name: &str, parts: &[(&str, Part<'_>)]) -> Option<String> {
        let message = self.bundle.get_message(name)?;
        let mut arguments = FluentArgs::with_capacity(parts.len());
        for (name, part) in parts {
            match part {
                Part::Text(text) => arguments.set(*name, *text),
                Part::Number(number) => arguments.set(*name, *number),
            }
        }
        // A part that is not there shows as its name.
        Some(self.bundle.format_pattern(message.value()?, Some(&arguments), &mut Vec::new()).into_owned())
    }

    /// Why something failed, or what to know about it. English has the words that were written down then; other languages
    /// say the same with fewer particulars.
    pub fn reason(&self, note: &Note) -> String {
        let name = format!("reason-{}", note.code);
        if self.tag == FIRST || !self.has(&name) { note.detail.clone() } else { self.say(&name, &[]) }
    }

    /// A number.
    pub fn number(&self, number: i64) -> String {
        grouped(number, &self.group)
    }

    /// A size in decimal units, as download dialogs show it.
    pub fn size(&self, bytes: i64) -> String {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        if bytes < 1000 {
            return self.say("bytes", &[("count", bytes.into())]);
        }
        let mut value = bytes as f64 / 1000.0;
        let mut unit = 0;
        // What would be shown as 1000 goes one unit up.
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let digits = if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
        format!("{} {}", digits.replace('.', &self.decimal), UNITS[unit])
    }

    /// A moment, to the minute.
    pub fn time(&self, at: DateTime<Utc>) -> String {
        let month = self.say(&format!("month-{}", at.month()), &[]);
        let (day, year, time) = (at.format("%-d").to_string(), at.year().to_string(), at.format("%H:%M").to_string());
        let parts = [("day", &day), ("month", &month), ("year", &year), ("time", &time)];
        self.say("moment", &parts.map(|(name, text)| (name, text.into())))
    }
}

/// A number with something between its thousands.
fn grouped(number: i64, between: &str) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push_str(between);
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests;
