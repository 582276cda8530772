//! Finds the Postgres programs, of the server and of clients, and their version.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::PostgresError;
use super::instance_dir::ServerUser;

/// Oldest major version that the service's SQL works with.
pub(crate) const MIN_MAJOR_VERSION: u32 = 15;

/// A folder of server programs that the server's user can execute.
#[derive(Debug)]
pub(crate) struct ServerPrograms {
    bin: PathBuf,
    /// Library folders of packages that were unpacked, not installed; else empty.
    libraries: Vec<PathBuf>,
    major: u32,
}

impl ServerPrograms {
    /// The first usable programs in `PG_BIN`, `target/postgres`, `/usr/lib/postgresql` (newest first) and `PATH`. When
    /// the cluster in `folder` exists already, they must have the major version that created it, `made_by`.
    pub(crate) async fn find(user: &ServerUser, made_by: Option<u32>, folder: &Path) -> Result<Self, PostgresError> {
        let mut rejected = Vec::new();
        for bin in list_candidate_dirs("postgres") {
            match Self::from_dir(&bin, user).await {
                Err(reason) => rejected.push(format!("{}: {reason}", bin.display())),
                Ok(programs)
                    if made_by.is_some_and(|made_by| made_by != programs.major)
                        || programs.major < MIN_MAJOR_VERSION =>
                {
                    rejected.push(format!("{}: version {}", bin.display(), programs.major));
                }
                Ok(programs) => return Ok(programs),
            }
        }
        let searched = describe_search(&rejected);
        Err(match made_by {
            Some(made_by) => PostgresError::VersionMismatch { folder: folder.to_owned(), made_by, searched },
            None => PostgresError::NoPrograms { searched },
        })
    }

    async fn from_dir(bin: &Path, user: &ServerUser) -> Result<Self, String> {
        for program in ["postgres", "initdb", "pg_ctl"] {
            if !bin.join(program).exists() {
                return Err(format!("has no {program}"));
            }
        }
        let mut programs = Self { bin: bin.to_owned(), libraries: find_library_dirs(bin), major: 0 };
        let output = programs.command("postgres", user).arg("--version").output().await;
        let output = output.map_err(|error| format!("cannot be run by {}, {error}", user.name))?;
        let text = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
        programs.major = parse_major_version(&text).ok_or_else(|| format!("does not start, {}", text.trim()))?;
        Ok(programs)
    }

    /// A command for one of the programs, to run as the server's user without our environment, which holds secrets.
    pub(crate) fn command(&self, program: &str, user: &ServerUser) -> Command {
        let mut command = build_command(&self.bin, &self.libraries, program);
        command.current_dir("/");
        if user.differs {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

/// The programs that dump and restore databases: `pg_dump` and `pg_restore`.
#[derive(Debug)]
pub struct ClientPrograms {
    bin: PathBuf,
    libraries: Vec<PathBuf>,
    major: u32,
}

impl ClientPrograms {
    /// The programs for a server of this major version: of the same version, else of the next one above, because older
    /// ones refuse it. They are looked for where the server's programs are, see [`EmbeddedPostgres`].
    ///
    /// # Errors
    /// [`PostgresError::NoClientPrograms`] when there are none.
    ///
    /// [`EmbeddedPostgres`]: super::EmbeddedPostgres
    pub async fn find(server_major: u32) -> Result<Self, PostgresError> {
        let (mut usable, mut rejected) = (Vec::new(), Vec::new());
        for bin in list_candidate_dirs("pg_dump") {
            match Self::from_dir(&bin).await {
                Ok(programs) if programs.major >= server_major => usable.push(programs),
                Ok(programs) => rejected.push(format!("{}: version {}", bin.display(), programs.major)),
                Err(reason) => rejected.push(format!("{}: {reason}", bin.display())),
            }
        }
        let nearest = usable.into_iter().min_by_key(|programs| programs.major);
        nearest.ok_or_else(|| PostgresError::NoClientPrograms { server_major, searched: describe_search(&rejected) })
    }

    async fn from_dir(bin: &Path) -> Result<Self, String> {
        for program in ["pg_dump", "pg_restore"] {
            if !bin.join(program).exists() {
                return Err(format!("has no {program}"));
            }
        }
        let mut programs = Self { bin: bin.to_owned(), libraries: find_library_dirs(bin), major: 0 };
        let output = programs.command("pg_dump").arg("--version").output().await;
        let output = output.map_err(|error| format!("cannot be run, {error}"))?;
        let text = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
        programs.major = parse_major_version(&text).ok_or_else(|| format!("does not start, {}", text.trim()))?;
        Ok(programs)
    }

    /// Major version of the programs.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// A command for one of the programs, without our environment, which holds secrets.
    pub fn command(&self, program: &str) -> Command {
        build_command(&self.bin, &self.libraries, program)
    }
}

fn build_command(bin: &Path, libraries: &[PathBuf], program: &str) -> Command {
    let mut command = Command::new(bin.join(program));
    command.env_clear().env("LC_ALL", "C").env("PATH", env::var_os("PATH").unwrap_or_default());
    if let (false, Ok(libraries)) = (libraries.is_empty(), env::join_paths(libraries)) {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command.stdin(Stdio::null());
    command
}

fn describe_search(rejected: &[String]) -> String {
    if rejected.is_empty() {
        "none in target/postgres, /usr/lib/postgresql or PATH".to_owned()
    } else {
        rejected.join("; ")
    }
}

/// The folders with this program to try, best first.
fn list_candidate_dirs(program: &str) -> Vec<PathBuf> {
    if let Some(bin) = env::var_os("PG_BIN").filter(|bin| !bin.is_empty()) {
        return vec![PathBuf::from(bin)];
    }
    let mut candidates = Vec::new();
    let own_program = env::current_exe().unwrap_or_default();
    let targets = own_program.ancestors().filter(|folder| folder.file_name().is_some_and(|name| name == "target"));
    let here = env::current_dir().unwrap_or_default().join("target");
    for target in targets.map(Path::to_owned).chain([here]) {
        candidates.extend(list_bin_dirs(&target.join("postgres/usr/lib/postgresql"), program));
    }
    candidates.extend(list_bin_dirs(Path::new("/usr/lib/postgresql"), program));
    let path = env::var_os("PATH").unwrap_or_default();
    // PATH often has symbolic links, and the programs look for their files relative to where they really are.
    let on_path = env::split_paths(&path).filter_map(|folder| folder.join(program).canonicalize().ok());
    candidates.extend(on_path.filter_map(|program| program.parent().map(Path::to_owned)));
    let mut seen = std::collections::HashSet::new();
    candidates.retain(|bin| seen.insert(bin.clone()));
    candidates
}

/// The `bin` folders with this program below a folder with one folder for each major version, newest first.
fn list_bin_dirs(folder: &Path, program: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join(program).exists())
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

/// The library folders of programs in `ROOT/usr/lib/postgresql/N/bin` where ROOT is not `/`: packages that were
/// unpacked without root rights. Empty for other programs.
fn find_library_dirs(bin: &Path) -> Vec<PathBuf> {
    let bin = bin.canonicalize().unwrap_or_else(|_| bin.to_owned());
    let tail: Vec<OsString> = bin.iter().rev().take(5).map(OsString::from).collect();
    let is_debian_layout =
        tail.len() == 5 && tail[0] == "bin" && tail[2] == "postgresql" && tail[3] == "lib" && tail[4] == "usr";
    let Some(root) = bin.ancestors().nth(5).filter(|root| is_debian_layout && root.parent().is_some()) else {
        return Vec::new();
    };
    let mut libraries = Vec::new();
    for folder in ["usr/lib", "lib"] {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains("-linux-") {
                libraries.push(entry.path());
            }
        }
    }
    libraries
}

/// The major version in the output of a program's `--version`: `postgres (PostgreSQL) 15.13 (Debian …)`, `… 18beta1`.
fn parse_major_version(output: &str) -> Option<u32> {
    let (_, version) = output.split_once("(PostgreSQL) ")?;
    let end = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_postgres_says_them() {
        assert_eq!(parse_major_version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_major_version("pg_dump (PostgreSQL) 17.5"), Some(17));
        assert_eq!(parse_major_version("postgres (PostgreSQL) 9.6.24"), Some(9));
        assert_eq!(parse_major_version("error while loading shared libraries"), None);
    }

    #[test]
    fn unpacked_packages_bring_their_libraries() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let bin = root.join("usr/lib/postgresql/17/bin");
        let libraries_there = root.join("usr/lib/x86_64-linux-gnu");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&libraries_there).unwrap();
        assert_eq!(find_library_dirs(&bin), [libraries_there]);
        assert!(find_library_dirs(Path::new("/usr/lib/postgresql/17/bin")).is_empty());
    }

    #[test]
    fn newest_means_the_number_not_the_text() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9", "15", "100", "doc"] {
            let bin = folder.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join("postgres"), "").unwrap();
        }
        let found = list_bin_dirs(folder.path(), "postgres");
        assert_eq!(found, ["100/bin", "15/bin", "9/bin"].map(|bin| folder.path().join(bin)));
    }
}
