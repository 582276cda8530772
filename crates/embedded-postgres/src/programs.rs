//! Postgres' own programs: where they are and which version.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::Error;
use super::home::User;

/// The oldest major version that the service's statements work with.
pub const OLDEST: u32 = 15;

/// A folder of server programs that the server's user can run.
#[derive(Debug)]
pub struct Programs {
    bin: PathBuf,
    /// Where libraries lie beside the programs, when the packages were unpacked and not installed.
    libraries: Vec<PathBuf>,
    major: u32,
}

impl Programs {
    /// The first usable ones from `PG_BIN`, `target/postgres`, `/usr/lib/postgresql` (newest first) and `PATH`, of
    /// version `made_by` where a cluster exists already in `folder`.
    pub async fn find(user: &User, made_by: Option<u32>, folder: &Path) -> Result<Self, Error> {
        let mut looked = Vec::new();
        for bin in candidates() {
            match Self::at(&bin, user).await {
                Err(reason) => looked.push(format!("{}: {reason}", bin.display())),
                Ok(found) if made_by.is_some_and(|made_by| made_by != found.major) || found.major < OLDEST => {
                    looked.push(format!("{}: version {}", bin.display(), found.major));
                }
                Ok(found) => return Ok(found),
            }
        }
        let looked = if looked.is_empty() {
            "none in target/postgres, /usr/lib/postgresql or PATH".to_owned()
        } else {
            looked.join("; ")
        };
        Err(match made_by {
            Some(made_by) => Error::OtherVersion { folder: folder.to_owned(), made_by, looked },
            None => Error::NoPrograms { looked },
        })
    }

    async fn at(bin: &Path, user: &User) -> Result<Self, String> {
        for program in ["postgres", "initdb", "pg_ctl"] {
            if !bin.join(program).exists() {
                return Err(format!("has no {program}"));
            }
        }
        let mut programs = Self { bin: bin.to_owned(), libraries: libraries(bin), major: 0 };
        let said = programs.command("postgres", user).arg("--version").output().await;
        let said = said.map_err(|error| format!("{} cannot run it, {error}", user.name))?;
        let text = String::from_utf8_lossy(if said.status.success() { &said.stdout } else { &said.stderr });
        programs.major = major(&text).ok_or_else(|| format!("does not run, {}", text.trim()))?;
        Ok(programs)
    }

    /// One of the programs, to be run as the server's user with nothing of our own environment.
    pub fn command(&self, program: &str, user: &User) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("LC_ALL", "C").env("PATH", env::var_os("PATH").unwrap_or_default());
        if let (false, Ok(libraries)) = (self.libraries.is_empty(), env::join_paths(&self.libraries)) {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.stdin(Stdio::null()).current_dir("/");
        if user.differs {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

/// The folders to try, best first.
fn candidates() -> Vec<PathBuf> {
    if let Some(said) = env::var_os("PG_BIN").filter(|said| !said.is_empty()) {
        return vec![PathBuf::from(said)];
    }
    let mut found = Vec::new();
    let beside_us = env::current_exe().unwrap_or_default();
    let targets = beside_us.ancestors().filter(|folder| folder.file_name().is_some_and(|name| name == "target"));
    let here = env::current_dir().unwrap_or_default().join("target");
    for target in targets.map(Path::to_owned).chain([here]) {
        found.extend(newest_first(&target.join("postgres/usr/lib/postgresql")));
    }
    found.extend(newest_first(Path::new("/usr/lib/postgresql")));
    let path = env::var_os("PATH").unwrap_or_default();
    // What PATH has are often links; the programs look for their files from where they really are.
    let on_path = env::split_paths(&path).filter_map(|folder| folder.join("postgres").canonicalize().ok());
    found.extend(on_path.filter_map(|program| program.parent().map(Path::to_owned)));
    let mut seen = std::collections::HashSet::new();
    found.retain(|bin| seen.insert(bin.clone()));
    found
}

/// The `bin` folders below a folder that has one folder for each major version.
fn newest_first(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("postgres").exists())
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

/// For programs below `ROOT/usr/lib/postgresql/N/bin`, where ROOT is not the system's: the library folders there.
fn libraries(bin: &Path) -> Vec<PathBuf> {
    let bin = bin.canonicalize().unwrap_or_else(|_| bin.to_owned());
    let tail: Vec<OsString> = bin.iter().rev().take(5).map(OsString::from).collect();
    let debian = tail.len() == 5 && tail[0] == "bin" && tail[2] == "postgresql" && tail[3] == "lib" && tail[4] == "usr";
    let Some(root) = bin.ancestors().nth(5).filter(|root| debian && root.parent().is_some()) else { return Vec::new() };
    let mut found = Vec::new();
    for folder in ["usr/lib", "lib"] {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains("-linux-") {
                found.push(entry.path());
            }
        }
    }
    found
}

/// The major version in what `postgres --version` says: `postgres (PostgreSQL) 15.13 (Debian …)`, `… 18beta1`.
fn major(said: &str) -> Option<u32> {
    let (_, version) = said.split_once("(PostgreSQL) ")?;
    let end = version.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_postgres_says_them() {
        assert_eq!(major("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("postgres (PostgreSQL) 9.6.24"), Some(9));
        assert_eq!(major("error while loading shared libraries"), None);
    }

    #[test]
    fn unpacked_packages_bring_their_libraries() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let bin = root.join("usr/lib/postgresql/17/bin");
        let libraries_there = root.join("usr/lib/x86_64-linux-gnu");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&libraries_there).unwrap();
        assert_eq!(libraries(&bin), [libraries_there]);
        assert!(libraries(Path::new("/usr/lib/postgresql/17/bin")).is_empty());
    }

    #[test]
    fn newest_means_the_number_not_the_text() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9", "15", "100", "doc"] {
            let bin = folder.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join("postgres"), "").unwrap();
        }
        let found = newest_first(folder.path());
        assert_eq!(found, ["100/bin", "15/bin", "9/bin"].map(|bin| folder.path().join(bin)));
    }
}
