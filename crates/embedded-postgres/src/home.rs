//! Where the cluster lives and whose it is.
//!
//! Postgres refuses to run as root, so a service that runs as root hands the cluster to another user; where that user
//! cannot enter the data folder's path the cluster lives in `/var/lib/offprint`.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use offprint_core::Digest;

use super::{Error, PORT};

/// Homes of clusters whose user cannot enter the data folder's path.
const OUTSIDE: &str = "/var/lib/offprint";
/// The longest path of a socket that the operating system takes, in bytes.
const LONGEST_SOCKET: usize = 107;

/// The user that the server runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Not the user that we run as.
    pub differs: bool,
}

/// The cluster's folder: `data`, `log`, and `socket` where its path is short enough. Only its user can enter it.
#[derive(Debug)]
pub struct Home {
    pub folder: PathBuf,
    pub user: User,
}

impl Home {
    /// The home of a data folder's cluster, if it was made already. The cluster itself may still be missing in it.
    pub fn find(data_dir: &Path) -> Result<Option<Self>, Error> {
        let inside = data_dir.join("postgres");
        let outside = outside(data_dir);
        // Wherever it was made it stays: a second, empty one would look like lost data.
        for folder in [outside, inside] {
            match fs::symlink_metadata(&folder) {
                Ok(about) => return Self::owned(folder, &about).map(Some),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Io { path: folder, source }),
            }
        }
        Ok(None)
    }

    /// The home of a data folder's cluster, made where it is missing.
    pub fn find_or_make(data_dir: &Path) -> Result<Self, Error> {
        let home = match Self::find(data_dir)? {
            Some(home) => home,
            None => Self::make(data_dir)?,
        };
        if home.folder.starts_with(OUTSIDE) {
            tracing::warn!(
                "the database lives in {}: its user {} cannot enter {}",
                home.folder.display(),
                home.user.name,
                data_dir.display()
            );
        } else if !home.user.can_enter(&home.folder) {
            return Err(Error::Foreign {
                folder: home.folder,
                what: format!("holds the database, but its user {} cannot enter it", home.user.name),
                remedy: "give that user the right to enter the folders above it (chmod a+x)".to_owned(),
            });
        }
        Ok(home)
    }

    fn make(data_dir: &Path) -> Result<Self, Error> {
        let user = User::of_server();
        let inside = data_dir.join("postgres");
        make_private(&inside, &user)?;
        if user.can_enter(&inside) {
            return Ok(Self { folder: inside, user });
        }
        fs::remove_dir(&inside).map_err(Error::io(&inside))?;
        let folder = outside(data_dir);
        fs::create_dir_all(OUTSIDE).map_err(Error::io(Path::new(OUTSIDE)))?;
        // Others must get through, whatever our umask says.
        fs::set_permissions(OUTSIDE, Permissions::from_mode(0o755)).map_err(Error::io(Path::new(OUTSIDE)))?;
        make_private(&folder, &user)?;
        if !user.can_enter(&folder) {
            return Err(Error::Foreign {
                folder,
                what: format!("cannot be entered by {}, who is to run Postgres", user.name),
                remedy: "set DATABASE_URL to a server that runs".to_owned(),
            });
        }
        Ok(Self { folder, user })
    }

    /// A folder that is there already: the server runs as its owner.
    fn owned(folder: PathBuf, about: &fs::Metadata) -> Result<Self, Error> {
        let me = User::me();
        let foreign = |what: &str, remedy: &str| {
            let (what, remedy) = (what.to_owned(), remedy.to_owned());
            Err(Error::Foreign { folder: folder.clone(), what, remedy })
        };
        if !about.is_dir() {
            return foreign("is no folder, but the database should live there", "move it away");
        }
        if about.uid() == me.uid && me.uid != 0 {
            return Ok(Self { folder, user: me });
        }
        if me.uid != 0 {
            return foreign("holds the database and belongs to another user", "run offprint as that user or as root");
        }
        if about.uid() == 0 {
            return foreign(
                "belongs to root, as whom Postgres does not run",
                "give it to the user postgres (chown -R)",
            );
        }
        Ok(Self { folder, user: User::owner(about) })
    }

    /// Postgres' data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The server's log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The major version that made the cluster, when there is one.
    pub fn made_by(&self) -> Result<Option<u32>, Error> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(said) => said.trim().parse().map(Some).map_err(|_| Error::Io {
                path,
                source: io::Error::new(io::ErrorKind::InvalidData, "it should hold a version number"),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    /// The folder of the socket, made where it is missing: in the home where that is short enough, else in `/tmp`
    /// under a name that follows from the home's. Nobody but the server's user may enter it.
    pub fn socket(&self) -> Result<PathBuf, Error> {
        let mut folder = self.folder.join("socket");
        let socket = folder.join(format!(".s.PGSQL.{PORT}"));
        if socket.as_os_str().len() > LONGEST_SOCKET || socket.to_str().is_none() {
            folder = PathBuf::from(format!("/tmp/offprint-{}", hash(&self.folder)));
        }
        match fs::symlink_metadata(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_private(&folder, &self.user)?,
            Err(source) => return Err(Error::Io { path: folder, source }),
            Ok(about) if about.is_dir() && about.uid() == self.user.uid && about.mode() & 0o077 == 0 => {}
            Ok(_) => {
                return Err(Error::Foreign {
                    folder,
                    what: format!(
                        "should be a folder that only {} can enter, for the database's socket",
                        self.user.name
                    ),
                    remedy: "remove it, or choose a shorter OFFPRINT_DATA_DIR".to_owned(),
                });
            }
        }
        Ok(folder)
    }
}

impl User {
    fn me() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { name: name_of(uid), uid, gid, differs: false }
    }

    fn owner(about: &fs::Metadata) -> Self {
        Self { name: name_of(about.uid()), uid: about.uid(), gid: about.gid(), differs: true }
    }

    /// Ourselves, or for root the first there is of `postgres` and `nobody`.
    fn of_server() -> Self {
        let me = Self::me();
        if me.uid != 0 {
            return me;
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let known = |wanted: &str| {
            let (name, uid, gid) = users(&passwd).find(|(name, ..)| *name == wanted)?;
            Some(Self { name: name.to_owned(), uid, gid, differs: true })
        };
        let nobody = Self { name: "nobody".to_owned(), uid: 65534, gid: 65534, differs: true };
        known("postgres").or_else(|| known("nobody")).unwrap_or(nobody)
    }

    /// Tried and not computed: rights hang on every folder above, on access lists and on mounts.
    fn can_enter(&self, folder: &Path) -> bool {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", ":"]).current_dir(folder).stdin(Stdio::null());
        if self.differs {
            shell.uid(self.uid).gid(self.gid);
        }
        shell.status().is_ok_and(|status| status.success())
    }
}

/// Makes a folder that only this user can enter.
fn make_private(folder: &Path, user: &User) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).create(folder).map_err(Error::io(folder))?;
    if user.differs {
        chown(folder, Some(user.uid), Some(user.gid)).map_err(Error::io(folder))?;
    }
    Ok(())
}

fn outside(data_dir: &Path) -> PathBuf {
    Path::new(OUTSIDE).join(hash(data_dir))
}

/// A short name that follows from a path.
fn hash(path: &Path) -> String {
    Digest::of(path.as_os_str().as_encoded_bytes()).to_string()[..16].to_owned()
}

/// Name, user and group number of each line of `/etc/passwd`.
fn users(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

fn name_of(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users(&passwd).find(|(_, known, _)| *known == uid).map(|(name, ..)| name.to_owned());
    name.unwrap_or_else(|| format!("number {uid}"))
}
