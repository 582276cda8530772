//! The documents say what is: doors, settings, named tests and the tour are read from them and compared with the code.
//! `UPDATE=1` writes what can be written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory;
use offprint::settings::Settings;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// All Rust files below a folder.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

/// May stand in every room that says so.
const FURNITURE: [&str; 8] = ["code", "digest", "id", "name", "reason", "settings", "telemetry", "words"];

/// Who may use whom, from the table in docs/ARCHITECTURE.md.
fn doors() -> BTreeMap<String, BTreeSet<String>> {
    let text = read("docs/ARCHITECTURE.md");
    let section = text.split("\n## The doors\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut doors = BTreeMap::new();
    for line in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (room, rest) = line.split_once('`').unwrap();
        let uses = rest.split('|').nth(1).unwrap();
        let furniture = FURNITURE.into_iter().filter(|_| uses.contains("furniture"));
        doors.insert(room.to_owned(), quoted(uses).chain(furniture).map(str::to_owned).collect());
    }
    doors
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rooms that a file names behind `crate::`, also in groups. Comments do not count.
fn rooms_used(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut rooms = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            rooms.extend(first_word(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = 0;
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' | ',' if depth == 0 => {
                    rooms.extend(first_word(group[start..at].trim()));
                    start = at + 1;
                    if character == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    rooms
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

#[test]
fn rooms_are_read_from_plain_and_grouped_paths() {
    let source =
        "use crate::db::job;\n// crate::no\nuse crate::{api::{a, b}, id,\n worker};\nlet x = crate::code::Code;";
    assert_eq!(rooms_used(source).into_iter().collect::<Vec<_>>(), ["api", "code", "db", "id", "worker"]);
}

#[test]
fn rooms_use_each_other_only_through_the_doors() {
    let doors = doors();
    let mut wrong = Vec::new();
    for (path, source) in sources("src") {
        let inside = path.strip_prefix(root().join("src")).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&room) {
            continue;
        }
        let open = doors.get(room).unwrap_or_else(|| panic!("docs/ARCHITECTURE.md has no line for the room `{room}`"));
        for used in rooms_used(&source) {
            // What is no room is a name of the crate's root.
            if used != room && doors.contains_key(&used) && !open.contains(&used) {
                wrong.push(format!("{} uses `{used}`; `{room}` may use {open:?}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_doors_of_the_design_are_shut() {
    let doors = doors();
    for (room, never) in [
        ("language", "code"),
        ("render", "db"),
        ("render", "storage"),
        ("export", "api"),
        ("export", "storage"),
        ("db", "api"),
        ("db", "worker"),
        ("api", "worker"),
        ("worker", "api"),
        ("notify", "worker"),
    ] {
        assert!(!doors[room].contains(never), "`{room}` must not use `{never}`");
    }
}

#[derive(clap::Parser)]
struct Knobs {
    #[command(flatten)]
    _settings: Settings,
}

/// The README's table of settings as `--help` has them.
fn settings_table() -> String {
    let mut table = String::from("| environment | flag | default | meaning |\n|---|---|---|---|\n");
    for knob in Knobs::command().get_arguments() {
        let Some(name) = knob.get_env() else { continue };
        let defaults: Vec<_> = knob.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = match defaults.join(" ").as_str() {
            "" => "–".to_owned(),
            value => format!("`{value}`"),
        };
        let meaning = knob.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        let stop = if meaning.ends_with('.') { "" } else { "." };
        let flag = knob.get_long().unwrap_or_default();
        table += &format!("| `{}` | `--{flag}` | {default} | {meaning}{stop} |\n", name.to_string_lossy());
    }
    table
}

#[test]
fn the_readme_lists_every_setting_as_help_does() {
    const BEGIN: &str = "<!-- settings: written by UPDATE=1 script/test -->\n";
    const END: &str = "<!-- end of settings -->";
    let readme = read("README.md");
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let wanted = settings_table();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join("README.md"), format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(table, wanted, "run the tests once with UPDATE=1");
}

/// Names of tests in a document: what stands between backticks in the last column of its tables.
fn named_tests(document: &str) -> BTreeSet<String> {
    let text = read(document);
    let rows = text.lines().filter(|line| line.starts_with("| "));
    rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next())
        .flat_map(quoted)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = [sources("tests/it"), sources("src")].concat();
    for (document, at_least) in [("docs/EXPORTJOB.md", 20), ("docs/SECURITY.md", 10)] {
        let names = named_tests(document);
        assert!(names.len() >= at_least, "{names:?}");
        let missing: Vec<_> =
            names.iter().filter(|name| !tests.iter().any(|(_, text)| text.contains(&format!("fn {name}(")))).collect();
        assert!(missing.is_empty(), "{document} names tests that do not exist: {missing:#?}");
    }
}

#[test]
fn every_row_of_exportjob_names_a_test_or_says_why_not() {
    let text = read("docs/EXPORTJOB.md");
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| the documentation")) {
        let last = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap().trim();
        assert!(last.contains('`') || last.starts_with("– "), "a row without a test: {row}");
    }
}

/// The blocks of the README's tour, in order. `OFFPRINT` is the service's address; `offprint` is on the PATH; they run
/// in one folder, each in a shell of its own.
pub fn tour() -> Vec<String> {
    let readme = read("README.md");
    readme.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_block_of_the_tour_is_shell() {
    let blocks = tour();
    assert!(blocks.len() >= 5, "{blocks:?}");
    for block in blocks {
        let mut shell = Command::new("sh").args(["-n", "-s"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut shell.stdin.take().unwrap(), block.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success(), "{block}");
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let documents = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/ARCHITECTURE.md",
        "docs/API.md",
        "docs/EXPORTJOB.md",
        "docs/OPERATIONS.md",
        "docs/SECURITY.md",
    ];
    for document in documents {
        let text = read(document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let place = root().join(document).parent().unwrap().join(path);
            assert!(place.exists(), "{document} links to {target}, which is not there");
        }
    }
}

#[test]
fn no_two_schemas_share_a_name() {
    // In the document the last one takes the place of the others, and nothing says so.
    let mut seen = BTreeMap::new();
    for (path, source) in sources("src") {
        let mut named: Option<Option<&str>> = None;
        for line in source.lines().map(str::trim_start) {
            if line.starts_with("#[derive(") && line.contains("ToSchema") {
                named = Some(None);
            }
            let Some(other) = &mut named else { continue };
            if let Some((_, said)) = line.split_once("schema(as = ") {
                *other = said.split([')', ',']).next();
            }
            if let Some((_, own)) =
                line.split_once("struct ").or(line.split_once("enum ")).filter(|_| !line.starts_with('#'))
            {
                let own = own.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                let name = other.unwrap_or(own).to_owned();
                if let Some(before) = seen.insert(name.clone(), path.clone()) {
                    panic!("`{name}` is a schema of {} and of {}", before.display(), path.display());
                }
                named = None;
            }
        }
    }
    assert!(seen.len() > 80, "only {} schemas were found", seen.len());
}
