//! The command line as people use it: settings that do not exist, and the help of commands.

use std::process::{Command, Output};

use serde_json::Value;

fn run_offprint(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_offprint")).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn old_and_unknown_settings_are_refused_with_the_right_name() {
    for command in [&["migrate"][..], &["admin", "list-keys"], &["serve"], &["check", "--modifier", "wid=9"]] {
        let refused = run_offprint(command, &[("OFFPRINT_SCRUB_PACE", "1"), ("OFFPRINT_DATADIR", "/nowhere")]);
        assert_eq!(refused.status.code(), Some(2), "{command:?}: {refused:?}");
        let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
        assert_eq!(error["code"], "invalid-value", "{error}");
        let details: Vec<&str> =
            error["errors"].as_array().unwrap().iter().map(|error| error["detail"].as_str().unwrap()).collect();
        assert_eq!(details.len(), 2, "{error}");
        assert!(details[0].contains("Did you mean OFFPRINT_DATA_DIR?"), "{error}");
        assert_eq!(details[1], "OFFPRINT_SCRUB_PACE is now called OFFPRINT_SCRUB_RATE. Rename it.");
    }
    let done = run_offprint(&["check", "--modifier", "wid=9"], &[("OFFPRINT_BIND", "127.0.0.1:0")]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
}

#[test]
fn an_admin_command_shows_only_its_own_settings() {
    let help = |arguments: &[&str]| String::from_utf8(run_offprint(arguments, &[]).stdout).unwrap();
    let keys = help(&["admin", "create-key", "--help"]);
    assert!(keys.contains("--database-url") && keys.contains("--data-dir") && keys.contains("--capability"), "{keys}");
    assert!(!keys.contains("--max-items") && !keys.contains("--storage-url") && !keys.contains("--bind"), "{keys}");
    let verify = help(&["admin", "verify", "--help"]);
    assert!(verify.contains("--storage-url") && !verify.contains("--bind"), "{verify}");
    let serve = help(&["serve", "--help"]);
    for flag in ["--database-url", "--data-dir", "--storage-url", "--icc-dir", "--attributes", "--max-items", "--bind"]
    {
        assert!(serve.contains(flag), "{flag}");
    }
}
