//! The texts of events, mails and pages in the reader's language. Each language is one Fluent file beside this one, and more
//! in a folder of the same name (<https://projectfluent.org>); `build.rs` finds them, so adding a language means adding files.
//!
//! A message that a language lacks is shown in English; a test lists what is missing. Knows only texts, numbers and times:
//! what is said about a job is decided by its callers.

mod event;

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use crate::reason::Reason;

/// Each language's tag and the text of its files, as `build.rs` found them.
const LANGUAGE_FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// The language that has all messages and is used where no other is known.
const DEFAULT_TAG: &str = "en";

/// One language.
pub struct Language {
    tag: &'static str,
    bundle: FluentBundle<FluentResource>,
    /// Separator of thousands.
    group: String,
    /// Decimal separator.
    decimal: String,
}

impl std::fmt::Debug for Language {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Language").field(&self.tag).finish()
    }
}

/// An argument of a message.
#[derive(Clone, Debug)]
pub enum MessageArg<'a> {
    /// A text, shown unchanged.
    Text(&'a str),
    /// A number. It selects the plural form, and `N()` formats it for the language.
    Number(i64),
}

impl<'a> From<&'a str> for MessageArg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for MessageArg<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for MessageArg<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let mut all: Vec<Language> = LANGUAGE_FILES.iter().map(|(tag, text)| Language::parse(tag, text)).collect();
    all.sort_by_key(|language| (language.tag != DEFAULT_TAG, language.tag));
    all
});

/// Every language, English first.
pub fn list_languages() -> &'static [Language] {
    &LANGUAGES
}

/// English.
pub fn default_language() -> &'static Language {
    &LANGUAGES[0]
}

/// The language of a locale such as `nl`, `nl-BE` or `nl_BE`, where there is one.
pub fn find_language(locale: &str) -> Option<&'static Language> {
    let main = locale.split(['-', '_']).next().unwrap_or_default();
    let named = |name: &str| LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(name));
    named(&locale.replace('_', "-")).or_else(|| named(main))
}

impl Language {
    /// Errors in a file are ignored here, and found by a test.
    fn parse(tag: &'static str, text: &str) -> Self {
        let resource = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource);
        let mut bundle = FluentBundle::new_concurrent(vec![tag.parse().unwrap_or_default()]);
        // Without the direction marks around each argument, which disturb logs and subjects.
        bundle.set_use_isolating(false);
        let _ = bundle.add_resource(resource);
        let mut language = Self { tag, bundle, group: String::new(), decimal: String::new() };
        language.group = language.try_format("number-group", &[]).unwrap_or_default();
        language.decimal = language.try_format("number-decimal", &[]).unwrap_or_else(|| ".".into());
        let group = language.group.clone();
        let _ = language.bundle.add_function("N", move |parts, _| match parts {
            [FluentValue::Number(number)] => group_digits(number.value as i64, &group).into(),
            _ => FluentValue::Error,
        });
        language
    }

    /// The language tag, as in `Content-Language`.
    pub fn tag(&self) -> &'static str {
        self.tag
    }

    /// A message with its arguments; in English where this language does not have it.
    pub fn format(&self, name: &str, arguments: &[(&str, MessageArg<'_>)]) -> String {
        self.try_format(name, arguments)
            .or_else(|| default_language().try_format(name, arguments))
            .unwrap_or_else(|| name.to_owned())
    }

    pub fn has_message(&self, name: &str) -> bool {
        self.bundle.has_message(name)
    }

    fn try_format(&self, name: &str, arguments: &[(&str, MessageArg<'_>)]) -> Option<String> {
        let message = self.bundle.get_message(name)?;
        let mut fluent_arguments = FluentArgs::with_capacity(arguments.len());
        for (name, argument) in arguments {
            match argument {
                MessageArg::Text(text) => fluent_arguments.set(*name, *text),
                MessageArg::Number(number) => fluent_arguments.set(*name, *number),
            }
        }
        // A missing argument is shown as its name.
        Some(self.bundle.format_pattern(message.value()?, Some(&fluent_arguments), &mut Vec::new()).into_owned())
    }

    /// A failure or warning. English shows the stored sentence; other languages have a message for each code, with fewer
    /// details.
    pub fn format_reason(&self, reason: &Reason) -> String {
        let name = format!("reason-{}", reason.code);
        if self.tag == DEFAULT_TAG || !self.has_message(&name) {
            reason.detail.clone()
        } else {
            self.format(&name, &[])
        }
    }

    /// A mistake in a request, as [`format_reason`](Self::format_reason) does it. Some codes mean something else in a request than
    /// about an item.
    pub fn format_mistake(&self, reason: &Reason) -> String {
        let name = format!("mistake-{}", reason.code);
        if self.tag != DEFAULT_TAG && self.has_message(&name) {
            self.format(&name, &[])
        } else {
            self.format_reason(reason)
        }
    }

    pub fn format_number(&self, number: i64) -> String {
        group_digits(number, &self.group)
    }

    /// A size in decimal units, as download dialogs show it.
    pub fn format_size(&self, bytes: i64) -> String {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        if bytes < 1000 {
            return self.format("bytes", &[("count", bytes.into())]);
        }
        let mut value = bytes as f64 / 1000.0;
        let mut unit = 0;
        // A value that would be rounded to 1000 is shown in the next unit.
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let digits = if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
        format!("{} {}", digits.replace('.', &self.decimal), UNITS[unit])
    }

    /// A time in UTC, to the minute, with its time zone.
    pub fn format_time(&self, at: DateTime<Utc>) -> String {
        self.format_time_in(at, Tz::UTC)
    }

    /// A time to the minute, with the city of its time zone.
    pub fn format_time_in(&self, at: DateTime<Utc>, zone: Tz) -> String {
        let at = at.with_timezone(&zone);
        let month = self.format(&format!("month-{}", at.month()), &[]);
        let (day, year, time) = (at.format("%-d").to_string(), at.year().to_string(), at.format("%H:%M").to_string());
        let city = zone.name().rsplit('/').next().unwrap_or_default().replace('_', " ");
        let name = if zone == Tz::UTC { "moment" } else { "moment-in" };
        let mut arguments = vec![("day", &day), ("month", &month), ("year", &year), ("time", &time)];
        arguments.extend((zone != Tz::UTC).then_some(("zone", &city)));
        self.format(name, &arguments.into_iter().map(|(name, text)| (name, text.into())).collect::<Vec<_>>())
    }
}

/// A number with a separator between its thousands.
fn group_digits(number: i64, separator: &str) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push_str(separator);
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests;
