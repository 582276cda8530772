//! Environment variables named `OFFPRINT_…` that no part of the program reads: settings of before 0.1.0 that have another
//! name now, and misspelt ones. Every command that reads settings refuses them, since a setting that is silently without
//! effect is found too late.
//!
//! The names that are known are those of the command line's own arguments, so there is no second list to keep.

use std::collections::BTreeSet;

use clap::Command;
use offprint_core::Code;
use serde_json::json;

use super::CliError;

/// Only these variables are looked at.
const PREFIX: &str = "OFFPRINT_";

/// Settings that were renamed before 0.1.0: the old name and the new one.
const RENAMED: [(&str, &str); 8] = [
    ("OFFPRINT_SCRUB_PACE", "OFFPRINT_SCRUB_RATE"),
    ("OFFPRINT_BODY_PACE", "OFFPRINT_BODY_MIN_RATE"),
    ("OFFPRINT_BODY_PATIENCE", "OFFPRINT_BODY_IDLE_TIMEOUT"),
    ("OFFPRINT_HEAD_TIMEOUT", "OFFPRINT_HEADER_TIMEOUT"),
    ("OFFPRINT_MAX_HEAD", "OFFPRINT_MAX_HEADER_BYTES"),
    ("OFFPRINT_UPLOAD_KEPT", "OFFPRINT_UPLOAD_TTL"),
    ("OFFPRINT_MAX_COPIES", "OFFPRINT_MAX_ORIGINAL_CACHE"),
    ("OFFPRINT_HEARTBEAT", "OFFPRINT_STREAM_HEARTBEAT"),
];

/// Variables that no command reads and that the programs it runs under set: `script/torture` and its like.
const SCRIPT_VARIABLES: [&str; 1] = ["OFFPRINT_BINARY"];

/// Refuses variables of this process that no argument of this command line or of its subcommands reads.
///
/// # Errors
/// `invalid-value` with each unknown variable and the name that was probably meant.
pub fn check_environment(command: &Command) -> Result<(), CliError> {
    let variables = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    check_variables(variables, &list_known_variables(command))
}

/// The variables that a command and its subcommands read.
fn list_known_variables(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).map(str::to_owned);
    own.chain(command.get_subcommands().flat_map(list_known_variables)).collect()
}

fn check_variables(
    variables: impl Iterator<Item = (String, String)>,
    known: &BTreeSet<String>,
) -> Result<(), CliError> {
    let mut unknown: Vec<String> = variables
        .filter(|(name, value)| name.starts_with(PREFIX) && !is_set_by_others(name, value))
        .map(|(name, _)| name)
        .filter(|name| !known.contains(name))
        .collect();
    // The order of the environment is arbitrary.
    unknown.sort_unstable();
    let details: Vec<String> = unknown.iter().map(|name| describe_unknown(name, known)).collect();
    if details.is_empty() {
        return Ok(());
    }
    let errors = unknown
        .iter()
        .zip(&details)
        .map(|(name, detail)| json!({"variable": name, "code": Code::InvalidValue, "detail": detail}))
        .collect();
    Err(CliError { code: Code::InvalidValue, detail: details.join(" "), errors })
}

/// Whether a variable is not meant for this program. In Kubernetes every pod has variables of the services beside it
/// (`OFFPRINT_SERVICE_HOST`, `OFFPRINT_API_PORT_80_TCP_ADDR`, `OFFPRINT_PORT=tcp://…`), and one of these services is ours.
fn is_set_by_others(name: &str, value: &str) -> bool {
    let (_, after_port) = name.rsplit_once("_PORT_").unwrap_or_default();
    SCRIPT_VARIABLES.contains(&name)
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || after_port.starts_with(|character: char| character.is_ascii_digit())
        || (name.ends_with("_PORT") && value.contains("://"))
}

fn describe_unknown(name: &str, known: &BTreeSet<String>) -> String {
    if let Some((_, new_name)) = RENAMED.iter().find(|(old_name, _)| *old_name == name) {
        return format!("{name} is now called {new_name}. Rename it.");
    }
    let candidates = known.iter().filter(|candidate| candidate.starts_with(PREFIX));
    let nearest = candidates.min_by_key(|candidate| compute_edit_distance(name, candidate));
    let hint = nearest.map(|nearest| format!(" Did you mean {nearest}?")).unwrap_or_default();
    format!("{name} is not a setting of this version.{hint} `offprint serve --help` lists all settings.")
}

/// How many characters must be inserted, removed or replaced to get from one text to the other (Levenshtein).
fn compute_edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // One row of the table: the distances from the part of `from` so far to each beginning of `to`.
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, from_char) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, to_char) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(from_char != *to_char);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::CliArgs;

    fn check(variables: &[(&str, &str)]) -> Result<(), CliError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        check_variables(variables, &list_known_variables(&CliArgs::command()))
    }

    #[test]
    fn settings_of_every_command_are_known() {
        let fine = [
            ("OFFPRINT_BIND", "127.0.0.1:0"),
            ("OFFPRINT_URL", "http://127.0.0.1:8080"),
            ("OFFPRINT_API_KEY", "secret"),
            ("OFFPRINT_PUSH_RESUMABLE", "1"),
            ("OFFPRINT_ICC_DIR", "/usr/share/color/icc"),
            ("OFFPRINT_BINARY", "target/release/offprint"),
            ("OFFPRINT", "http://127.0.0.1:8080"),
            ("HOME", "/root"),
        ];
        assert!(check(&fine).is_ok());
    }

    #[test]
    fn a_renamed_setting_is_refused_with_its_new_name() {
        let known = list_known_variables(&CliArgs::command());
        for (old_name, new_name) in RENAMED {
            assert!(!known.contains(old_name) && known.contains(new_name), "{old_name} -> {new_name}");
            let error = check(&[(old_name, "1")]).unwrap_err();
            assert_eq!(error.detail, format!("{old_name} is now called {new_name}. Rename it."));
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_with_the_nearest_name() {
        let error = check(&[("OFFPRINT_MAX_ITEM", "1"), ("OFFPRINT_DATADIR", "data"), ("PATH", "/bin")]).unwrap_err();
        assert_eq!(error.code, Code::InvalidValue);
        assert_eq!((&error.errors[0]["variable"], error.errors.len()), (&json!("OFFPRINT_DATADIR"), 2));
        for (index, nearest) in ["OFFPRINT_DATA_DIR", "OFFPRINT_MAX_ITEMS"].into_iter().enumerate() {
            let detail = error.errors[index]["detail"].as_str().unwrap();
            assert!(detail.contains(&format!("Did you mean {nearest}?")), "{detail}");
        }
    }

    #[test]
    fn variables_of_kubernetes_services_are_left_alone() {
        let services = [
            ("OFFPRINT_SERVICE_HOST", "10.0.0.1"),
            ("OFFPRINT_SERVICE_PORT", "80"),
            ("OFFPRINT_SERVICE_PORT_HTTP", "80"),
            ("OFFPRINT_PORT", "tcp://10.0.0.1:80"),
            ("OFFPRINT_API_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("OFFPRINT_API_PORT_80_TCP_ADDR", "10.0.0.1"),
        ];
        assert!(check(&services).is_ok());
        assert!(check(&[("OFFPRINT_PORT", "8080")]).is_err());
    }

    #[test]
    fn distances_count_single_characters() {
        assert_eq!(compute_edit_distance("", "abc"), 3);
        assert_eq!(compute_edit_distance("same", "same"), 0);
        assert_eq!(compute_edit_distance("kitten", "sitting"), 3);
        assert_eq!(compute_edit_distance("MAX_ITEM", "MAX_ITEMS"), 1);
    }
}
