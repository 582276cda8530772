//! What stands in `deploy/` and in docs/OPERATIONS.md names numbers, labels and settings that there are: an alert on a
//! number that does not exist never rings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use offprint::settings::Settings;

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

fn operations() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATIONS.md")).unwrap()
}

/// Everything for people who run it: the files and the manual.
fn said() -> String {
    let mut said = operations();
    files("deploy").into_iter().for_each(|(_, text)| said += &text);
    said
}

fn source() -> String {
    files("src").into_iter().map(|(_, text)| text).collect()
}

/// Words that begin so, up to the first letter that no name has.
fn words(text: &str, prefix: &str) -> BTreeSet<String> {
    let ends = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    let starts = text.match_indices(prefix).filter(|(at, _)| *at == 0 || text[..*at].ends_with(ends));
    starts.map(|(at, _)| text[at..].split(ends).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_number_that_is_watched_is_counted() {
    let (said, counted) = (words(&said(), "offprint_"), words(&source(), "offprint_"));
    assert!(said.len() > 6, "{said:?}");
    let base = |name: &str| {
        let cut = ["_bucket", "_count", "_sum"].into_iter().find_map(|part| name.strip_suffix(part));
        cut.unwrap_or(name).to_owned()
    };
    let missing: Vec<_> = said.iter().filter(|name| !counted.contains(&base(name))).collect();
    assert!(missing.is_empty(), "nothing counts {missing:?}");
}

#[test]
fn every_label_that_is_asked_for_is_given() {
    let (said, source) = (said().replace('\\', ""), source().replace('\\', ""));
    for label in ["state", "ending"] {
        let mut values = BTreeSet::new();
        for operator in ["=\"", "=~\""] {
            for rest in said.split(&format!("{label}{operator}")).skip(1) {
                values.extend(rest.split('"').next().unwrap_or_default().split('|').map(str::to_owned));
            }
        }
        assert!(!values.is_empty(), "{label}");
        for value in values {
            assert!(source.contains(&format!("\"{value}\"")), "nothing has {label}=\"{value}\"");
        }
    }
}

#[derive(clap::Parser)]
struct Knobs {
    #[command(flatten)]
    _settings: Settings,
}

#[test]
fn every_setting_that_is_given_exists() {
    let knobs = Knobs::command();
    let known: BTreeSet<_> = knobs.get_arguments().filter_map(|knob| knob.get_env()?.to_str()).collect();
    let said = said();
    let given: BTreeSet<_> = words(&said, "OFFPRINT_").into_iter().chain(words(&said, "DATABASE_URL")).collect();
    assert!(given.len() > 6, "{given:?}");
    let unknown: Vec<_> = given.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "there are no settings {unknown:?}");
}

#[test]
fn every_alert_has_its_page_in_the_manual() {
    let alerts = files("deploy").into_iter().find(|(path, _)| path.ends_with("alerts.yaml")).unwrap().1;
    let names: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(names.len(), 3);
    let manual = operations();
    for name in names {
        assert!(manual.contains(&format!("\n### {name}\n")), "docs/OPERATIONS.md does not say what to do for {name}");
        assert!(alerts.contains(&format!("runbook: docs/OPERATIONS.md#{}\n", name.to_lowercase())), "{name}");
    }
}
