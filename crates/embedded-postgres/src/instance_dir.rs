//! The instance folder: where the files of the server lie, and which user owns them.
//!
//! Postgres refuses to run as root, so a service that runs as root gives the folder to another user. Where that user
//! cannot enter the data folder, as is usual for one that the service created, the instance folder lies below
//! `/var/lib/offprint` instead, and a file in the data folder says where. So a new data folder always begins with a new
//! database, whatever lies there from before.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use offprint_core::Digest;

use super::{PORT, PostgresError};

/// Parent of instance folders whose user cannot enter the data folder.
const FALLBACK_ROOT: &str = "/var/lib/offprint";
/// In the data folder: the path of an instance folder that lies elsewhere.
const LOCATION_FILE: &str = "postgres-location";
/// In an instance folder that lies elsewhere: the data folder to which it belongs.
const OWNER_FILE: &str = "data-folder";
/// Longest path of a Unix socket that Linux accepts, in bytes.
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// The user as whom the server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUser {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether it is another user than that of this process.
    pub(crate) differs: bool,
}

/// The folder with `data`, `log`, `offprint.conf` in `data`, and `socket` where its path is short enough. Only its user
/// can enter it.
#[derive(Debug)]
pub(crate) struct InstanceDir {
    pub(crate) folder: PathBuf,
    pub(crate) user: ServerUser,
}

impl InstanceDir {
    /// The existing instance folder of a data folder. There may be no cluster in it yet.
    pub(crate) fn find(data_dir: &Path) -> Result<Option<Self>, PostgresError> {
        let inside = data_dir.join("postgres");
        // Once created, the place never changes: a second, empty instance would look like lost data.
        if let Some(elsewhere) = read_location(data_dir)? {
            return match fs::symlink_metadata(&elsewhere) {
                Ok(metadata) => Self::from_existing(elsewhere, &metadata).map(Some),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PostgresError::UnsafeFolder {
                    folder: elsewhere,
                    what: format!(
                        "should hold the database, as {} says, but does not exist",
                        data_dir.join(LOCATION_FILE).display()
                    ),
                    remedy: "restore it, or remove that file to begin with an empty database".to_owned(),
                }),
                Err(source) => Err(PostgresError::Io { path: elsewhere, source }),
            };
        }
        // Earlier versions named folders outside by a hash of the data folder's path.
        for folder in [Path::new(FALLBACK_ROOT).join(hash_path(data_dir)), inside] {
            match fs::symlink_metadata(&folder) {
                Ok(metadata) => return Self::from_existing(folder, &metadata).map(Some),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(PostgresError::Io { path: folder, source }),
            }
        }
        Ok(None)
    }

    /// The instance folder of a data folder, created where it is missing.
    pub(crate) fn find_or_create(data_dir: &Path) -> Result<Self, PostgresError> {
        let instance_dir = match Self::find(data_dir)? {
            Some(existing) => existing,
            None => Self::create(data_dir)?,
        };
        if instance_dir.folder.starts_with(FALLBACK_ROOT) {
            tracing::warn!(
                "The database is stored in {} because its user {} cannot enter {}",
                instance_dir.folder.display(),
                instance_dir.user.name,
                data_dir.display()
            );
        } else if !instance_dir.user.can_enter(&instance_dir.folder) {
            return Err(PostgresError::UnsafeFolder {
                folder: instance_dir.folder,
                what: format!("holds the database, but its user {} cannot enter it", instance_dir.user.name),
                remedy: "let that user enter the folders above it (chmod a+x)".to_owned(),
            });
        }
        Ok(instance_dir)
    }

    fn create(data_dir: &Path) -> Result<Self, PostgresError> {
        let user = ServerUser::for_server();
        let inside = data_dir.join("postgres");
        create_private_dir(&inside, &user)?;
        if user.can_enter(&inside) {
            return Ok(Self { folder: inside, user });
        }
        fs::remove_dir(&inside).map_err(PostgresError::io_at(&inside))?;
        fs::create_dir_all(FALLBACK_ROOT).map_err(PostgresError::io_at(Path::new(FALLBACK_ROOT)))?;
        // The other user must be able to pass through, whatever our umask is.
        fs::set_permissions(FALLBACK_ROOT, Permissions::from_mode(0o755))
            .map_err(PostgresError::io_at(Path::new(FALLBACK_ROOT)))?;
        warn_about_abandoned_instances();
        let folder = Path::new(FALLBACK_ROOT).join(make_random_name()?);
        create_private_dir(&folder, &user)?;
        if !user.can_enter(&folder) {
            fs::remove_dir(&folder).map_err(PostgresError::io_at(&folder))?;
            return Err(PostgresError::UnsafeFolder {
                folder,
                what: format!("cannot be entered by {}, the user that runs Postgres", user.name),
                remedy: "set DATABASE_URL to a running server".to_owned(),
            });
        }
        write_path_file(&folder.join(OWNER_FILE), data_dir)?;
        write_path_file(&data_dir.join(LOCATION_FILE), &folder)?;
        Ok(Self { folder, user })
    }

    /// An instance folder that exists already: the server runs as its owner.
    fn from_existing(folder: PathBuf, metadata: &fs::Metadata) -> Result<Self, PostgresError> {
        let me = ServerUser::current();
        let unsafe_folder = |what: &str, remedy: &str| {
            let (what, remedy) = (what.to_owned(), remedy.to_owned());
            Err(PostgresError::UnsafeFolder { folder: folder.clone(), what, remedy })
        };
        if !metadata.is_dir() {
            return unsafe_folder("is not a folder, but the database is stored there", "move it away");
        }
        if metadata.uid() == me.uid && me.uid != 0 {
            return Ok(Self { folder, user: me });
        }
        if me.uid != 0 {
            return unsafe_folder(
                "holds the database and belongs to another user",
                "run offprint as that user or as root",
            );
        }
        if metadata.uid() == 0 {
            return unsafe_folder(
                "belongs to root, but Postgres refuses to run as root",
                "give it to the user postgres (chown -R)",
            );
        }
        Ok(Self { folder, user: ServerUser::from_owner(metadata) })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The major version that created the cluster; `None` when there is no cluster yet.
    pub(crate) fn major_version(&self) -> Result<Option<u32>, PostgresError> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(content) => content.trim().parse().map(Some).map_err(|_| PostgresError::Io {
                path,
                source: io::Error::new(io::ErrorKind::InvalidData, "it does not contain a version number"),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(PostgresError::Io { path, source }),
        }
    }

    /// The folder of the socket, created where it is missing: in the instance folder where the path is short enough,
    /// else in `/tmp` under a name derived from the instance folder. Only the server's user may enter it: the first
    /// obstacle, before the password.
    pub(crate) fn ensure_socket_dir(&self) -> Result<PathBuf, PostgresError> {
        let mut folder = self.folder.join("socket");
        let socket = folder.join(format!(".s.PGSQL.{PORT}"));
        if socket.as_os_str().len() > MAX_SOCKET_PATH_BYTES || socket.to_str().is_none() {
            folder = PathBuf::from(format!("/tmp/offprint-{}", hash_path(&self.folder)));
        }
        match fs::symlink_metadata(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create_private_dir(&folder, &self.user)?,
            Err(source) => return Err(PostgresError::Io { path: folder, source }),
            Ok(metadata) if metadata.is_dir() && metadata.uid() == self.user.uid && metadata.mode() & 0o077 == 0 => {}
            Ok(_) => {
                return Err(PostgresError::UnsafeFolder {
                    folder,
                    what: format!(
                        "holds the database's socket and must be a folder that only {} can enter",
                        self.user.name
                    ),
                    remedy: "remove it, or choose a shorter OFFPRINT_DATA_DIR".to_owned(),
                });
            }
        }
        Ok(folder)
    }
}

impl ServerUser {
    fn current() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { name: find_user_name(uid), uid, gid, differs: false }
    }

    fn from_owner(metadata: &fs::Metadata) -> Self {
        Self { name: find_user_name(metadata.uid()), uid: metadata.uid(), gid: metadata.gid(), differs: true }
    }

    /// The user of this process; for root `postgres` if it exists, else `nobody`.
    fn for_server() -> Self {
        let me = Self::current();
        if me.uid != 0 {
            return me;
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let find_user = |wanted: &str| {
            let (name, uid, gid) = parse_passwd(&passwd).find(|(name, ..)| *name == wanted)?;
            Some(Self { name: name.to_owned(), uid, gid, differs: true })
        };
        let nobody = Self { name: "nobody".to_owned(), uid: 65534, gid: 65534, differs: true };
        find_user("postgres").or_else(|| find_user("nobody")).unwrap_or(nobody)
    }

    /// Tries it: the answer depends on the permissions of all parent folders, on access lists and on mounts.
    fn can_enter(&self, folder: &Path) -> bool {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", ":"]).current_dir(folder).stdin(Stdio::null());
        if self.differs {
            shell.uid(self.uid).gid(self.gid);
        }
        shell.status().is_ok_and(|status| status.success())
    }
}

/// Creates a folder that only this user can enter.
fn create_private_dir(folder: &Path, user: &ServerUser) -> Result<(), PostgresError> {
    DirBuilder::new().mode(0o700).create(folder).map_err(PostgresError::io_at(folder))?;
    if user.differs {
        chown(folder, Some(user.uid), Some(user.gid)).map_err(PostgresError::io_at(folder))?;
    }
    Ok(())
}

/// A name that no other instance folder has.
fn make_random_name() -> Result<String, PostgresError> {
    let mut bytes = [0; 8];
    let to_error = |error: getrandom::Error| PostgresError::Io { path: FALLBACK_ROOT.into(), source: error.into() };
    getrandom::fill(&mut bytes).map_err(to_error)?;
    Ok(hex::encode(bytes))
}

/// The instance folder that the location file of a data folder names.
fn read_location(data_dir: &Path) -> Result<Option<PathBuf>, PostgresError> {
    let path = data_dir.join(LOCATION_FILE);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(parse_path(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PostgresError::Io { path, source }),
    }
}

/// A file that holds a path and ends with a line feed. It appears complete or not at all.
fn write_path_file(file: &Path, content: &Path) -> Result<(), PostgresError> {
    let write = || {
        let mut temporary = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(file))?;
        temporary.write_all(content.as_os_str().as_bytes())?;
        temporary.write_all(b"\n")?;
        temporary.as_file().sync_all()?;
        temporary.persist(file).map_err(|error| error.error)
    };
    write().map(drop).map_err(PostgresError::io_at(file))
}

fn parse_path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes.strip_suffix(b"\n").unwrap_or(bytes)).into()
}

/// Names instance folders whose data folder is gone or has another database now. They are never removed by us.
fn warn_about_abandoned_instances() {
    for folder in fs::read_dir(FALLBACK_ROOT).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let Ok(owner) = fs::read(folder.join(OWNER_FILE)).map(|bytes| parse_path(&bytes)) else { continue };
        if !matches!(read_location(&owner), Ok(Some(location)) if location == folder) {
            tracing::warn!(
                "{} holds the database of the data folder {}, which is gone. Remove it if you no longer need it",
                folder.display(),
                owner.display()
            );
        }
    }
}

/// A short name derived from a path.
fn hash_path(path: &Path) -> String {
    Digest::compute(path.as_os_str().as_encoded_bytes()).to_string()[..16].to_owned()
}

/// Name, user id and group id of each line of `/etc/passwd`.
fn parse_passwd(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

fn find_user_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = parse_passwd(&passwd).find(|(_, user_id, _)| *user_id == uid).map(|(name, ..)| name.to_owned());
    name.unwrap_or_else(|| format!("#{uid}"))
}
