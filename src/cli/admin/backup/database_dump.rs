//! Dumping and restoring the database with Postgres' own programs.

use std::path::Path;
use std::process::Output;

use offprint_core::Code;
use offprint_embedded_postgres::ClientPrograms;
use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::process::Command;
use url::Url;

use crate::cli::CliError;
use crate::cli::database_url::list_certificate_files;
use crate::db::row_level_security::ALL_COMPANIES_NAME;

/// Variables of ours that the programs read, too: where passwords and certificates lie.
const KEPT_VARIABLES: [&str; 6] = ["HOME", "PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL"];

/// Dumps one snapshot into a file. Row-level security stays on, because it binds the service's role: the rows of all
/// companies are visible by the connection's name.
pub(super) async fn dump_database(
    programs: &ClientPrograms,
    options: &PgConnectOptions,
    snapshot: &str,
    file: &Path,
) -> Result<(), CliError> {
    let mut dump = build_command(programs, "pg_dump", options);
    dump.args(["--enable-row-security", "--no-owner", "--no-privileges", "--format=custom", "--no-password"]);
    dump.arg(format!("--snapshot={snapshot}")).arg("--file").arg(file);
    run_program("pg_dump", dump).await.map(drop)
}

/// Checks that the dump can be read to its end, and that it has the tables of a database of ours.
pub(super) async fn verify_dump(programs: &ClientPrograms, file: &Path) -> Result<(), CliError> {
    let mut list = programs.command("pg_restore");
    list.arg("--list").arg(file);
    let output = run_program("pg_restore", list).await?;
    let listing = String::from_utf8_lossy(&output.stdout);
    for table in ["blob", "export_job", "_sqlx_migrations"] {
        if !listing.contains(&format!(" TABLE DATA public {table} ")) {
            let detail = format!("{} does not contain the table {table}. Take another backup.", file.display());
            return Err(CliError::new(Code::InvalidValue, detail));
        }
    }
    // The listing is at the beginning of the file. Converting it to SQL reads all of it.
    let mut convert = programs.command("pg_restore");
    convert.args(["--file", "/dev/null"]).arg(file);
    run_program("pg_restore", convert).await.map(drop)
}

/// Restores a dump into an empty database, completely or not at all.
pub(super) async fn restore_database(
    programs: &ClientPrograms,
    options: &PgConnectOptions,
    file: &Path,
) -> Result<(), CliError> {
    let mut restore = build_command(programs, "pg_restore", options);
    restore.args(["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", "--no-password"]);
    let database = options.get_database().unwrap_or(options.get_username());
    restore.arg(format!("--dbname={database}")).arg(file);
    run_program("pg_restore", restore).await.map(drop)
}

/// A program that connects as we do. The password is in its environment, which only our user can read, and not among its
/// arguments, which everybody can.
fn build_command(programs: &ClientPrograms, program: &str, options: &PgConnectOptions) -> Command {
    let mut command = programs.command(program);
    command.envs(KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.envs(build_environment(options, programs.major())).env("PGAPPNAME", ALL_COMPANIES_NAME);
    command
}

/// The variables of libpq for a connection.
fn build_environment(options: &PgConnectOptions, client_major: u32) -> Vec<(&'static str, String)> {
    let host = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => options.get_host().trim_matches(['[', ']']).to_owned(),
    };
    let mut variables = vec![
        ("PGHOST", host),
        ("PGPORT", options.get_port().to_string()),
        ("PGUSER", options.get_username().to_owned()),
    ];
    variables.extend(options.get_database().map(|database| ("PGDATABASE", database.to_owned())));
    variables.extend(options.get_options().map(|options| ("PGOPTIONS", options.to_owned())));
    let url: Url = options.to_url_lossy();
    if let Some(password) = url.password() {
        variables.push(("PGPASSWORD", percent_decode_str(password).decode_utf8_lossy().into_owned()));
    }
    let files = list_certificate_files(options);
    let has_root_certificate = files.iter().any(|(name, _)| *name == "sslrootcert");
    variables.extend(files.into_iter().map(|(name, path)| {
        let variable = match name {
            "sslcert" => "PGSSLCERT",
            "sslkey" => "PGSSLKEY",
            _ => "PGSSLROOTCERT",
        };
        (variable, path.display().to_string())
    }));
    let mode = url.query_pairs().find(|(name, _)| name == "sslmode").map(|(_, mode)| mode.into_owned());
    let mode = mode.unwrap_or_default();
    // libpq knows no built-in certificates. It takes those of the system where it is told to.
    if mode.starts_with("verify-") && !has_root_certificate && client_major >= 16 {
        variables.push(("PGSSLROOTCERT", "system".to_owned()));
    }
    variables.push(("PGSSLMODE", mode));
    variables
}

async fn run_program(name: &str, mut command: Command) -> Result<Output, CliError> {
    let failed = |reason: &dyn std::fmt::Display| CliError::new(Code::Unavailable, format!("{name} failed: {reason}"));
    let output = command.kill_on_drop(true).output().await.map_err(|error| failed(&error))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(failed(&String::from_utf8_lossy(&output.stderr).trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_connect_as_we_do() {
        let url = "postgres://ann:p%40ss@db.example:5433/offprint?sslmode=verify-full&sslrootcert=/etc/ca.pem";
        let variables = build_environment(&url.parse().unwrap(), 17);
        for expected in [
            ("PGHOST", "db.example"),
            ("PGPORT", "5433"),
            ("PGUSER", "ann"),
            ("PGPASSWORD", "p@ss"),
            ("PGDATABASE", "offprint"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/etc/ca.pem"),
        ] {
            assert!(variables.contains(&(expected.0, expected.1.to_owned())), "{expected:?} in {variables:?}");
        }
        let public = build_environment(&"postgres://ann@db.example/x?sslmode=verify-full".parse().unwrap(), 17);
        assert!(public.contains(&("PGSSLROOTCERT", "system".to_owned())), "{public:?}");
        let socket = build_environment(&"postgres://ann@localhost/x?host=/run/db".parse().unwrap(), 17);
        assert!(socket.contains(&("PGHOST", "/run/db".to_owned())), "{socket:?}");
    }
}
