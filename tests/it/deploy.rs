//! `deploy/` and docs/OPERATIONS.md name only metrics, labels and settings that exist: an alert on a metric that does
//! not exist never fires.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use crate::support::test_app::SettingsArgs;

fn read_files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    files
}

fn read_operations_manual() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATIONS.md")).unwrap()
}

/// Everything that operators read: the files in `deploy/` and the manual.
fn read_operator_texts() -> String {
    let mut texts = read_operations_manual();
    read_files("deploy").into_iter().for_each(|(_, text)| texts += &text);
    texts
}

fn read_source() -> String {
    read_files("src").into_iter().map(|(_, text)| text).collect()
}

/// The names in a text that begin with this prefix.
fn find_words(text: &str, prefix: &str) -> BTreeSet<String> {
    let ends = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    let starts = text.match_indices(prefix).filter(|(at, _)| *at == 0 || text[..*at].ends_with(ends));
    starts.map(|(at, _)| text[at..].split(ends).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_number_that_is_watched_is_counted() {
    let (named, counted) = (find_words(&read_operator_texts(), "offprint_"), find_words(&read_source(), "offprint_"));
    assert!(named.len() > 6, "{named:?}");
    let base = |name: &str| {
        let cut = ["_bucket", "_count", "_sum"].into_iter().find_map(|part| name.strip_suffix(part));
        cut.unwrap_or(name).to_owned()
    };
    let missing: Vec<_> = named.iter().filter(|name| !counted.contains(&base(name))).collect();
    assert!(missing.is_empty(), "no code records {missing:?}");
}

#[test]
fn every_label_that_is_asked_for_is_given() {
    let (texts, source) = (read_operator_texts().replace('\\', ""), read_source().replace('\\', ""));
    for label in ["state", "ending", "outcome"] {
        let mut values = BTreeSet::new();
        for operator in ["=\"", "=~\""] {
            for rest in texts.split(&format!("{label}{operator}")).skip(1) {
                values.extend(rest.split('"').next().unwrap_or_default().split('|').map(str::to_owned));
            }
        }
        assert!(!values.is_empty(), "{label}");
        for value in values {
            assert!(source.contains(&format!("\"{value}\"")), "no code records {label}=\"{value}\"");
        }
    }
}

#[test]
fn every_setting_that_is_given_exists() {
    let command = SettingsArgs::command();
    let known: BTreeSet<_> = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
    let texts = read_operator_texts();
    let given: BTreeSet<_> =
        find_words(&texts, "OFFPRINT_").into_iter().chain(find_words(&texts, "DATABASE_URL")).collect();
    assert!(given.len() > 6, "{given:?}");
    let unknown: Vec<_> = given.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "there are no settings {unknown:?}");
}

#[test]
fn every_alert_has_its_page_in_the_manual() {
    let alerts = read_files("deploy").into_iter().find(|(path, _)| path.ends_with("alerts.yaml")).unwrap().1;
    let names: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() >= 8, "{names:?}");
    let tests = read_files("deploy").into_iter().find(|(path, _)| path.ends_with("alerts.test.yaml")).unwrap().1;
    for name in &names {
        assert!(tests.contains(&format!("alertname: {name}\n")), "no test makes {name} fire");
    }
    let manual = read_operations_manual();
    for name in names {
        assert!(manual.contains(&format!("\n### {name}\n")), "docs/OPERATIONS.md does not say what to do for {name}");
        assert!(alerts.contains(&format!("runbook: docs/OPERATIONS.md#{}\n", name.to_lowercase())), "{name}");
    }
}

/// The services of a compose file that are run from it, with their lines.
fn list_compose_services(text: &str) -> Vec<(String, String)> {
    let services = text.split_once("\nservices:\n").unwrap().1;
    let services: Vec<&str> =
        services.lines().take_while(|line| line.is_empty() || line.starts_with([' ', '#'])).collect();
    let mut found: Vec<(String, String)> = Vec::new();
    for line in services {
        match line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with([' ', '#']))
            .and_then(|rest| rest.strip_suffix(':'))
        {
            Some(name) => found.push((name.to_owned(), String::new())),
            None => {
                if let Some((_, lines)) = found.last_mut() {
                    *lines += &format!("{line}\n");
                }
            }
        }
    }
    // A file that only adds to a service of another has neither.
    found.retain(|(_, lines)| ["\n    image: ", "    build: "].iter().any(|key| lines.contains(key)));
    found
}

#[test]
fn containers_have_no_rights_that_they_do_not_need() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    for file in ["compose.yaml", "deploy/compose.scale.yaml"] {
        for (name, lines) in list_compose_services(&fs::read_to_string(root.join(file)).unwrap()) {
            for line in ["read_only: true", "cap_drop: [ALL]", "security_opt: [\"no-new-privileges:true\"]"] {
                assert!(lines.contains(&format!("\n    {line}\n")), "{file}: {name} lacks {line}");
            }
            names.push(name);
        }
    }
    assert_eq!(names, ["offprint", "postgres", "worker", "s3"]);
    for file in ["api.yaml", "worker.yaml"] {
        let text = fs::read_to_string(root.join("deploy/kubernetes").join(file)).unwrap();
        let lines = [
            "runAsNonRoot: true",
            "seccompProfile: {type: RuntimeDefault}",
            "allowPrivilegeEscalation: false",
            "readOnlyRootFilesystem: true",
            "capabilities: {drop: [ALL]}",
        ];
        for line in lines {
            assert!(text.contains(&format!(" {line}\n")), "{file} lacks {line}");
        }
    }
}

/// A password that stands in a file is everybody's.
#[test]
fn no_password_stands_in_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = read_files("deploy");
    files
        .extend(["compose.yaml", "Dockerfile"].map(|name| (name.into(), fs::read_to_string(root.join(name)).unwrap())));
    for (path, text) in files {
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let lower = line.to_lowercase();
            let value = line.split_once([':', '=']).map_or("", |(_, value)| value.trim());
            let is_secret = ["password:", "secret_key:", "secret_access_key:", "api_key:", "password '"];
            assert!(!is_secret.iter().any(|key| lower.contains(key)) || value.is_empty(), "{}: {line}", path.display());
            let has_credentials =
                lower.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap().contains('@'));
            assert!(!has_credentials, "{}: {line}", path.display());
        }
    }
}

#[test]
fn passwords_of_compose_are_random_and_stay() {
    use std::os::unix::fs::PermissionsExt;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let write_secrets = |folder: &Path| {
        let run = std::process::Command::new(root.join("script/compose-secrets")).arg(folder).status().unwrap();
        assert!(run.success());
        let read = |entry: fs::DirEntry| (entry.file_name(), fs::read_to_string(entry.path()).unwrap());
        fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect::<std::collections::BTreeMap<_, _>>()
    };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths = folders.each_ref().map(|folder| folder.path().join("secrets"));
    let (one, other) = (write_secrets(&paths[0]), write_secrets(&paths[1]));
    assert!(one.iter().all(|(name, text)| text.len() > 40 && other[name] != *text), "random");
    assert_eq!(write_secrets(&paths[0]), one, "they stay");
    assert_eq!(fs::metadata(&paths[0]).unwrap().permissions().mode() & 0o777, 0o700);
    for file in ["compose.yaml", "deploy/compose.scale.yaml"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        for name in text.split("./secrets/").skip(1).map(|rest| rest.lines().next().unwrap()) {
            assert!(
                one.contains_key(std::ffi::OsStr::new(name)),
                "{file} names {name}, which the script does not write"
            );
        }
    }
}
