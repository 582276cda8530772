//! The crates that Offprint is built of: their licences, sources and notices. `deny.toml` has the rules; `cargo deny` checks
//! the same and known vulnerabilities, where it is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn read_root_file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What cargo knows of all crates for one platform: on another a few small crates differ.
fn read_metadata() -> Value {
    let arguments = ["metadata", "--format-version=1", "--locked", "--offline"];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--filter-platform=x86_64-unknown-linux-gnu")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The strings of a list in `deny.toml`.
fn read_rule(name: &str) -> BTreeSet<String> {
    let rules = read_root_file("deny.toml");
    let list = rules.split_once(&format!("\n{name} = [\n")).unwrap().1.split_once("\n]").unwrap().0;
    let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.map(|line| line.trim_matches(|letter| letter == '"' || letter == ',').to_owned()).collect()
}

/// Whether a licence expression (SPDX, or with `/` as old crates write `OR`) is satisfied by allowed licences.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let (satisfied, rest) = parse_alternatives(&tokens, allowed);
    assert!(rest.is_empty(), "{expression:?} is no licence expression");
    satisfied
}

fn parse_alternatives<'a>(tokens: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut satisfied, mut rest) = parse_conjunction(tokens, allowed);
    while let ["OR", after @ ..] = rest {
        let (other, left) = parse_conjunction(after, allowed);
        (satisfied, rest) = (satisfied || other, left);
    }
    (satisfied, rest)
}

fn parse_conjunction<'a>(tokens: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut satisfied, mut rest) = parse_license(tokens, allowed);
    while let ["AND", after @ ..] = rest {
        let (other, left) = parse_license(after, allowed);
        (satisfied, rest) = (satisfied && other, left);
    }
    (satisfied, rest)
}

fn parse_license<'a>(tokens: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    match tokens {
        ["(", after @ ..] => {
            let (satisfied, rest) = parse_alternatives(after, allowed);
            assert_eq!(rest.first(), Some(&")"));
            (satisfied, &rest[1..])
        }
        [name, "WITH", exception, rest @ ..] => (allowed.contains(&format!("{name} WITH {exception}")), rest),
        [name, rest @ ..] => (allowed.contains(*name), rest),
        [] => panic!("a licence expression ends early"),
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "MIT AND Zlib",
        "(GPL-3.0 OR MIT) AND Zlib",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in
        ["GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 OR MIT AND AGPL-3.0", "Apache-2.0", "Zlib AND (GPL-3.0 OR AGPL-3.0)"]
    {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}

#[test]
fn every_crate_has_an_allowed_licence() {
    let (metadata, allowed) = (read_metadata(), read_rule("allow"));
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    let wrong: Vec<_> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(|license| is_allowed(license, &allowed)))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(wrong.is_empty(), "deny.toml does not allow the licences of {wrong:#?}");
}

#[test]
fn every_crate_is_from_crates_io_and_none_is_banned() {
    let banned = read_rule("deny");
    assert!(banned.contains("openssl-sys"), "{banned:?}");
    let lock = read_root_file("Cargo.lock");
    let values = |key: &str| {
        let prefix = format!("{key} = \"");
        lock.lines().filter_map(move |line| Some(line.strip_prefix(&prefix)?.trim_end_matches('"').to_owned()))
    };
    assert!(values("name").count() > 100);
    for source in values("source") {
        assert_eq!(source, CRATES_IO);
    }
    let used: Vec<_> = values("name").filter(|name| banned.contains(name)).collect();
    assert!(used.is_empty(), "{used:?}");
}

/// Names of the crates whose code is in the binary, as cargo identifies them: no tools of the build, none of the tests.
fn find_shipped_packages(metadata: &Value) -> BTreeSet<String> {
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let root = metadata["resolve"]["root"].as_str().unwrap();
    let (mut found, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(id) = waiting.pop() {
        if !found.insert(id.to_owned()) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let is_normal = dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            if is_normal {
                waiting.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    found
}

/// The files with licences below a crate's folder, also those of C libraries that it contains.
fn find_license_files(folder: &Path, depth: usize) -> Vec<PathBuf> {
    const MAX_DEPTH: usize = 4;
    const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS", "UNLICENSE"];
    const OTHER_FOLDERS: [&str; 8] = ["tests", "test", "benches", "examples", "fuzz", "docs", "googletest", "target"];
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            if depth < MAX_DEPTH && !OTHER_FOLDERS.contains(&name.as_str()) {
                files.extend(find_license_files(&entry.path(), depth + 1));
            }
        } else if NAMES.iter().any(|start| name.to_uppercase().starts_with(start)) && !name.ends_with(".rs") {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// The texts of a crate's licence. Where it may be used under MIT, that one is chosen, because it is short.
fn read_license_texts(package: &Value) -> Vec<String> {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let mut files = find_license_files(manifest.parent().unwrap(), 0);
    let name_of = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().to_uppercase();
    let has_choice = package["license"].as_str().is_some_and(|license| !license.contains("AND"));
    if has_choice && files.iter().any(|file| name_of(file).contains("MIT")) {
        files.retain(|file| !["APACHE", "UNLICENSE", "ZLIB"].iter().any(|other| name_of(file).contains(other)));
    }
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    let normalize = |text: String| {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n").trim_matches('\n').to_owned()
    };
    texts.map(normalize).filter(|text| !text.is_empty()).collect()
}

const NOTICES_HEAD: &str = "\
Third-party software in Offprint

Offprint contains the software that is listed here, under the licences that follow the list. The list is written from
Cargo.lock by the tests (UPDATE=1 script/test --test it supply_chain).

This software is based in part on the work of the Independent JPEG Group.

C libraries that are part of the binary: libaom (libaom-sys), libwebp (libwebp-sys), mozjpeg and libjpeg-turbo
(mozjpeg-sys), Little CMS (lcms2-sys), and parts of BoringSSL (ring). openjp2 is a translation of OpenJPEG.
";

/// The list of third-party software with its licences.
fn write_notices(metadata: &Value) -> String {
    let shipped = find_shipped_packages(metadata);
    let mut packages: Vec<&Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| !package["source"].is_null() && shipped.contains(package["id"].as_str().unwrap()))
        .collect();
    packages.sort_by_key(|package| (package["name"].to_string(), package["version"].to_string()));
    let mut text = format!("{NOTICES_HEAD}\n");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut without_file = Vec::new();
    for package in packages {
        let field = |name: &str| package[name].as_str().unwrap_or_default();
        let title = format!("{} {}", field("name"), field("version"));
        text += &format!("{title}: {}", field("license"));
        text += &if field("repository").is_empty() { "\n".to_owned() } else { format!(", {}\n", field("repository")) };
        let licenses = read_license_texts(package);
        if licenses.is_empty() {
            without_file.push(title.clone());
        }
        for license in licenses {
            let titles = texts.entry(license).or_default();
            if titles.last() != Some(&title) {
                titles.push(title.clone());
            }
        }
    }
    text +=
        &format!("\nWithout a text of their own, under the licence of that name below: {}.\n", without_file.join(", "));
    let mut sorted: Vec<(Vec<String>, String)> = texts.into_iter().map(|(license, titles)| (titles, license)).collect();
    sorted.sort();
    for (titles, license) in sorted {
        let line = "-".repeat(80);
        text += &format!("\n{line}\n{}\n\n{license}\n", titles.join(", "));
    }
    text
}

#[test]
fn third_party_notices_are_those_of_the_crates() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("licenses/THIRD-PARTY.txt");
    let notices = write_notices(&read_metadata());
    for library in ["libaom-sys", "libwebp-sys", "mozjpeg-sys", "lcms2-sys", "openjp2", "actix-web"] {
        assert!(notices.contains(&format!("\n{library} ")), "{library} is missing");
    }
    assert!(notices.contains("Alliance for Open Media") && notices.contains("Marti Maria"), "the texts of C libraries");
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(path, notices).unwrap();
    }
    let is_current = fs::read_to_string(path).unwrap() == notices;
    assert!(is_current, "licenses/THIRD-PARTY.txt does not fit Cargo.lock; run the tests once with UPDATE=1");
}

#[test]
fn the_binary_prints_its_licences() {
    let output = Command::new(env!("CARGO_BIN_EXE_offprint")).arg("licenses").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&read_root_file("LICENSE-MIT")), "its own first");
    assert!(text.ends_with(&read_root_file("licenses/THIRD-PARTY.txt")));
}
