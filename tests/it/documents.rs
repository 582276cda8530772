//! Keeps the documents true: dependency rules, settings, named tests, links and the README's tour are read from them and
//! compared with the code. With `UPDATE=1` the tables of settings are written instead of compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory;
use offprint::settings::Settings;

fn locate_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read_document(path: &str) -> String {
    fs::read_to_string(locate_root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// All Rust files below a folder, with their text.
fn read_sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![locate_root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    sources
}

/// Modules that every folder may use whose row in docs/ARCHITECTURE.md says "shared modules".
const SHARED_MODULES: [&str; 6] = ["compute_pool", "fair_queue", "id", "reason", "settings", "telemetry"];

/// The crates of the workspace as `use` writes them, without the prefix `offprint_`.
const CRATES: [&str; 6] = ["core", "embedded_postgres", "imaging", "modifiers", "sandbox", "storage"];

/// What each folder or module of `src/` may use, from the table in docs/ARCHITECTURE.md: modules and crates. Every one
/// may use the crate `core`.
fn read_dependency_rules() -> BTreeMap<String, BTreeSet<String>> {
    let text = read_document("docs/ARCHITECTURE.md");
    let section = text.split("\n## Dependency rules\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut rules = BTreeMap::new();
    for line in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (module, rest) = line.split_once('`').unwrap();
        let columns: Vec<_> = rest.split('|').collect();
        let (modules, crates) = (columns[1], columns[2]);
        let shared = SHARED_MODULES.into_iter().filter(|_| modules.contains("shared modules"));
        let crates = split_quoted(crates).chain(["core"]).map(|name| format!("offprint_{}", name.replace('-', "_")));
        let allowed = split_quoted(modules).chain(shared).map(str::to_owned).chain(crates).collect();
        rules.insert(module.to_owned(), allowed);
    }
    rules
}

/// What stands between backticks.
fn split_quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The modules that a file names behind `crate::`, also in groups, and the crates of the workspace. Comments do not
/// count.
fn find_used_modules(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut modules = BTreeSet::new();
    for rest in code.split("offprint_").skip(1) {
        // Metrics begin like this too; only whole names of crates count.
        modules.extend(
            parse_first_word(rest).filter(|name| CRATES.contains(&&**name)).map(|name| format!("offprint_{name}")),
        );
    }
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            modules.extend(parse_first_word(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = 0;
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' | ',' if depth == 0 => {
                    modules.extend(parse_first_word(group[start..at].trim()));
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
    modules
}

fn parse_first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

#[test]
fn used_modules_are_found_in_plain_and_grouped_paths() {
    let source = "use crate::db::job;\n// crate::no\nuse crate::{http::{a, b}, id,\n worker};\n\
                  let x = offprint_core::Code; gauge!(\"offprint_storage_bytes\");";
    let modules: Vec<_> = find_used_modules(source).into_iter().collect();
    assert_eq!(modules, ["db", "http", "id", "offprint_core", "worker"]);
}

#[test]
fn modules_use_each_other_only_as_architecture_says() {
    let rules = read_dependency_rules();
    let mut violations = Vec::new();
    for (path, source) in read_sources("src") {
        let file = path.strip_prefix(locate_root().join("src")).unwrap();
        let module = file.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let allowed = rules.get(module).unwrap_or_else(|| panic!("docs/ARCHITECTURE.md has no row for `{module}`"));
        for used in find_used_modules(&source) {
            // Anything else behind `crate::` is an item of the crate's root.
            let is_module = rules.contains_key(&used) || used.starts_with("offprint_");
            if used != module && is_module && !allowed.contains(&used) {
                violations.push(format!("{} uses `{used}`; `{module}` may use {allowed:?}", file.display()));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn the_table_allows_nothing_that_the_design_forbids() {
    let rules = read_dependency_rules();
    for (module, forbidden) in [
        ("jobs", "http"),
        ("jobs", "offprint_storage"),
        ("db", "http"),
        ("db", "worker"),
        ("db", "jobs"),
        ("db", "offprint_storage"),
        ("http", "worker"),
        ("worker", "http"),
        ("notify", "worker"),
        ("notify", "http"),
    ] {
        assert!(!rules[module].contains(forbidden), "`{module}` must not use `{forbidden}`");
    }
}

#[derive(clap::Parser)]
struct DocumentSettingsArgs {
    #[command(flatten)]
    _settings: Settings,
}

/// A row for each setting, by its environment variable: environment, flag, default, meaning, as `--help` has them.
fn build_setting_rows() -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for setting in DocumentSettingsArgs::command().get_arguments() {
        let Some(name) = setting.get_env() else { continue };
        let name = name.to_string_lossy().into_owned();
        let defaults: Vec<_> = setting.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = match defaults.join(" ").as_str() {
            "" => "–".to_owned(),
            value => format!("`{value}`"),
        };
        let meaning = setting.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        let stop = if meaning.ends_with('.') { "" } else { "." };
        let flag = setting.get_long().unwrap_or_default();
        let row = format!("| `{name}` | `--{flag}` | {default} | {meaning}{stop} |\n");
        rows.push((name, row));
    }
    rows
}

/// A document around its table of settings: what stands before it, the table, what stands behind it.
fn split_settings_table(document: &str) -> (String, String, String) {
    const BEGIN: &str = "<!-- settings: written by UPDATE=1 script/test -->\n";
    const END: &str = "<!-- end of settings -->";
    let text = read_document(document);
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    (format!("{before}{BEGIN}"), table.to_owned(), format!("{END}{after}"))
}

/// Compares a document's table of settings with the rows that it should have, or writes them.
fn check_settings_table<'a>(document: &str, rows: impl Iterator<Item = &'a str>) {
    let (before, table, after) = split_settings_table(document);
    let wanted =
        "| environment | flag | default | meaning |\n|---|---|---|---|\n".to_owned() + &rows.collect::<String>();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(locate_root().join(document), format!("{before}{wanted}{after}")).unwrap();
        return;
    }
    assert_eq!(table, wanted, "{document}: run the tests once with UPDATE=1");
}

#[test]
fn the_document_of_settings_lists_all_of_them_as_help_does() {
    let rows = build_setting_rows();
    check_settings_table("docs/SETTINGS.md", rows.iter().map(|(_, row)| row.as_str()));
}

#[test]
fn the_readme_lists_the_twelve_most_important_settings() {
    let rows: BTreeMap<_, _> = build_setting_rows().into_iter().collect();
    let (_, table, _) = split_settings_table("README.md");
    // Which ones, and in which order, is written by hand; what they say is not.
    let names: Vec<_> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
    assert_eq!(names.len(), 12, "{names:?}");
    let find_row = |name: &&str| rows.get(*name).unwrap_or_else(|| panic!("{name} is no setting")).as_str();
    check_settings_table("README.md", names.iter().map(find_row));
}

/// Names of tests in a document: what stands between backticks in the last column of its tables.
fn find_named_tests(document: &str) -> BTreeSet<String> {
    let text = read_document(document);
    let rows = text.lines().filter(|line| line.starts_with("| "));
    rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next())
        .flat_map(split_quoted)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = ["tests/it", "src", "crates"].map(read_sources).concat();
    for (document, at_least) in [("docs/EXPORTJOB.md", 20), ("docs/SECURITY.md", 10), ("docs/ASVS.md", 100)] {
        let names = find_named_tests(document);
        assert!(names.len() >= at_least, "{names:?}");
        let missing: Vec<_> =
            names.iter().filter(|name| !tests.iter().any(|(_, text)| text.contains(&format!("fn {name}(")))).collect();
        assert!(missing.is_empty(), "{document} names tests that do not exist: {missing:#?}");
    }
}

#[test]
fn every_row_of_exportjob_names_a_test_or_says_why_not() {
    let text = read_document("docs/EXPORTJOB.md");
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| the documentation")) {
        let last = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap().trim();
        assert!(last.contains('`') || last.starts_with("– "), "a row without a test: {row}");
    }
}

/// The blocks of the README's tour, in order. `OFFPRINT` is the service's address; `offprint` is on the PATH; they run
/// in one folder, each in a shell of its own.
pub fn read_tour() -> Vec<String> {
    let readme = read_document("README.md");
    readme.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_block_of_the_tour_is_shell() {
    let blocks = read_tour();
    assert!(blocks.len() >= 5, "{blocks:?}");
    for block in blocks {
        let mut shell = Command::new("sh").args(["-n", "-s"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut shell.stdin.take().unwrap(), block.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success(), "{block}");
    }
}

/// Documents in a folder, by their paths from the root.
fn list_documents(folder: &str) -> Vec<String> {
    let names = fs::read_dir(locate_root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".md"));
    names.map(|name| Path::new(folder).join(name).to_str().unwrap().to_owned()).collect()
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let documents = ["", "docs", "docs/decisions"].map(list_documents).concat();
    assert!(documents.len() > 30, "only {} documents were found", documents.len());
    for document in documents {
        let text = read_document(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let linked = locate_root().join(&document).parent().unwrap().join(path);
            assert!(linked.exists(), "{document} links to {target}, which does not exist");
        }
    }
}

#[test]
fn no_two_schemas_share_a_name() {
    // In the OpenAPI document the last schema of a name silently replaces the others.
    let mut seen = BTreeMap::new();
    for (path, source) in read_sources("src") {
        // `Some` while the attributes of a type with a schema are read; inside, the name that `schema(as = …)` gives it.
        let mut schema: Option<Option<&str>> = None;
        for line in source.lines().map(str::trim_start) {
            if line.starts_with("#[derive(") && line.contains("ToSchema") {
                schema = Some(None);
            }
            let Some(given_name) = &mut schema else { continue };
            if let Some((_, rest)) = line.split_once("schema(as = ") {
                *given_name = rest.split([')', ',']).next();
            }
            if let Some((_, rest)) =
                line.split_once("struct ").or(line.split_once("enum ")).filter(|_| !line.starts_with('#'))
            {
                let type_name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                let name = given_name.unwrap_or(type_name).to_owned();
                if let Some(first) = seen.insert(name.clone(), path.clone()) {
                    panic!("`{name}` is a schema of {} and of {}", first.display(), path.display());
                }
                schema = None;
            }
        }
    }
    assert!(seen.len() > 80, "only {} schemas were found", seen.len());
}
