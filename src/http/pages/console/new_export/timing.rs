//! When the job of a form runs.

use chrono::{NaiveDateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::form_fields::FormFields;
use crate::i18n::Language;
use crate::jobs::schedule::{
    DEFAULT_TIME_ZONE, ScheduleWordsError, parse_schedule_words, parse_time_zone, resolve_local_time,
};

/// When the job runs: at once, once later, or again and again.
pub(super) fn add_time(
    fields: &FormFields,
    language: &Language,
    json: &mut Map<String, Value>,
    errors: &mut FormErrors,
) {
    let zone_name = fields.text("timeZone").unwrap_or_else(|| DEFAULT_TIME_ZONE.to_owned());
    let when = fields.get("when");
    if matches!(when, "later" | "repeat") || json.get("emailSetting").is_some() {
        json.insert("timeZone".into(), json!(zone_name));
    }
    match when {
        "later" => {
            // A zone that does not exist is told where the request is checked.
            let Ok(zone) = parse_time_zone(&zone_name) else { return };
            let text = fields.get("execTime").trim();
            let local = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
            let local = local.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
            match local.and_then(|local| resolve_local_time(zone, local)) {
                Some(time) => {
                    let time = time.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true);
                    json.insert("execTime".into(), json!(time));
                }
                None => errors.push("execTime", language.format("create-no-time", &[])),
            }
        }
        "repeat" => match parse_schedule_words(fields.get("words")) {
            Ok(cron) => {
                json.insert("execSchedule".into(), json!(cron));
                if let Some(overlap) = fields.text("overlap") {
                    json.insert("overlap".into(), json!(overlap));
                }
            }
            Err(error) => errors.push("words", explain_words_error(&error, language)),
        },
        _ => {}
    }
}

/// Why words are no schedule, in words.
fn explain_words_error(error: &ScheduleWordsError, language: &Language) -> String {
    let examples = language.format("create-words-examples", &[]);
    let reason = match error {
        ScheduleWordsError::UnknownWord(word) => language.format("create-words-unknown", &[("name", word.into())]),
        ScheduleWordsError::NoTime => language.format("create-words-no-time", &[]),
        ScheduleWordsError::InvalidTime(text) => language.format("create-words-invalid-time", &[("name", text.into())]),
        ScheduleWordsError::DifferentMinutes => language.format("create-words-different-minutes", &[]),
        ScheduleWordsError::UnevenInterval(count) => {
            language.format("create-words-uneven", &[("count", i64::from(*count).into())])
        }
        ScheduleWordsError::NotUnderstood => language.format("create-words-not-understood", &[]),
    };
    format!("{reason} {examples}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::find_language;

    #[test]
    fn words_that_are_no_schedule_are_explained_in_the_readers_language() {
        let dutch = explain_words_error(&ScheduleWordsError::NoTime, find_language("nl").unwrap());
        assert!(dutch.contains("elke werkdag om 02:30"), "{dutch}");
    }
}
