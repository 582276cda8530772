use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeZone;
use offprint_core::Code;
use serde_json::json;

use super::*;

/// The messages of a file: their names, and the arguments that each uses.
fn parse_sentences(text: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut name = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((begun, _)) = line.split_once(" =").filter(|_| line.starts_with(char::is_alphabetic)) {
            name = begun;
            assert!(all.insert(name, BTreeSet::new()).is_none(), "{name} is defined twice");
        }
        let parts = line.split('$').skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
        all.entry(name).or_default().extend(parts);
    }
    all.remove("");
    all
}

#[test]
fn every_language_says_all_that_english_does() {
    let of = |tag| LANGUAGE_FILES.iter().find(|(name, _)| *name == tag).map(|(_, text)| parse_sentences(text)).unwrap();
    let first = of(DEFAULT_TAG);
    assert!(first.len() > 80 && LANGUAGE_FILES.len() >= 2);
    for (tag, text) in LANGUAGE_FILES {
        if let Err((_, mistakes)) = FluentResource::try_new((*text).to_owned()) {
            panic!("{tag}.ftl cannot be parsed: {mistakes:?}");
        }
        let own = of(tag);
        let missing: Vec<_> = first.keys().filter(|name| !own.contains_key(*name)).collect();
        let unknown: Vec<_> = own.keys().filter(|name| !first.contains_key(*name)).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "{tag}.ftl lacks {missing:?} and has too many {unknown:?}");
        for (name, parts) in &own {
            let foreign: Vec<_> = parts.difference(&first[name]).collect();
            assert!(foreign.is_empty(), "{name} in {tag}.ftl uses unknown arguments: {foreign:?}");
        }
    }
}

#[test]
fn every_sentence_can_be_said() {
    for language in list_languages() {
        for (name, parts) in parse_sentences(LANGUAGE_FILES.iter().find(|(tag, _)| *tag == language.tag).unwrap().1) {
            for number in [0, 1, 2, 1234] {
                let mut arguments = FluentArgs::new();
                for part in &parts {
                    match *part {
                        "name" | "asset" | "path" | "reason" | "to" | "detail" | "size" | "until" | "job" | "who"
                        | "day" | "month" | "year" | "time" | "zone" | "outcome" => arguments.set(*part, "text"),
                        "bytes" if name != "bytes" => arguments.set(*part, "text"),
                        _ => arguments.set(*part, number),
                    }
                }
                let mut mistakes = Vec::new();
                let message = language.bundle.get_message(name).unwrap();
                let said = language.bundle.format_pattern(message.value().unwrap(), Some(&arguments), &mut mistakes);
                assert!(mistakes.is_empty(), "{name} in {}: {mistakes:?}", language.tag);
                assert!(!said.contains(['{', '$']) && !said.contains("  "), "{name} in {}: {said}", language.tag);
            }
        }
    }
}

#[test]
fn a_locale_finds_its_language() {
    let found = |locale| find_language(locale).map(Language::tag);
    assert_eq!(["nl", "nl-BE", "NL_be", "en-US"].map(found), [Some("nl"), Some("nl"), Some("nl"), Some("en")]);
    assert_eq!(["", "tlh", "*", "n"].map(found), [None; 4]);
    assert_eq!(default_language().tag(), "en");
}

#[test]
fn numbers_sizes_and_times_are_written_as_the_language_does() {
    let (english, dutch) = (default_language(), find_language("nl").unwrap());
    let at = Utc.with_ymd_and_hms(2026, 3, 9, 8, 5, 0).unwrap();
    let said = |language: &Language| {
        let sizes = [1, 999, 1000, 9_960_000, 734_003_200].map(|bytes| language.format_size(bytes));
        [language.format_number(-1_234_567), sizes.join(", "), language.format_time(at)]
    };
    assert_eq!(
        said(english),
        ["-1,234,567", "1 byte, 999 bytes, 1.0 kB, 10 MB, 734 MB", "9 March 2026, 08:05 (UTC time zone)"]
    );
    assert_eq!(
        said(dutch),
        ["-1.234.567", "1 byte, 999 bytes, 1,0 kB, 10 MB, 734 MB", "9 maart 2026, 08:05 (tijdzone UTC)"]
    );
}

#[test]
fn events_are_told_with_their_parts() {
    let (english, dutch) = (default_language(), find_language("nl").unwrap());
    let converted = json!({"asset": "a{ $x }", "path": "a.png", "files": 1, "warnings": 0});
    assert_eq!(english.format_event("fileConverted", &converted), "“a{ $x }” was converted to a.png.");
    assert_eq!(dutch.format_event("fileConverted", &converted), "‘a{ $x }’ is omgezet naar a.png.");
    let several = json!({"asset": "a", "path": "a.png", "files": 1200});
    assert_eq!(
        english.format_event("fileExported", &several),
        "“a” was exported as uploaded to 1,200 files; the first is a.png."
    );
    let failed = json!({"asset": "a", "failure": Reason::new(Code::Truncated, "It ends at byte 7.")});
    assert_eq!(english.format_event("fileFailed", &failed), "“a” failed. It ends at byte 7.");
    assert_eq!(
        dutch.format_event("fileFailed", &failed),
        "‘a’ is mislukt. Het bestand houdt eerder op dan de afbeelding."
    );
    let archive = json!({"entries": 3, "size": 1_500_000});
    assert_eq!(english.format_event("archiveCreated", &archive), "The archive is complete: 3 entries, 1.5 MB.");
    assert_eq!(dutch.format_event("archiveCreated", &archive), "Het archief is compleet: 3 onderdelen, 1,5 MB.");
    assert_eq!(english.format_event("exportBegun", &json!({"run": 2})), "Run 2 of the export has started.");
    assert_eq!(english.format_event("exportEnded", &json!({"outcome": "failed"})), "The export has ended: it failed.");
    assert_eq!(english.format_event("somethingNew", &json!({})), "somethingNew");
}
