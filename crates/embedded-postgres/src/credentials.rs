//! The passwords of the private Postgres: one file for each role, in a folder that only the service's user can enter.
//!
//! They lie in the data folder and not beside the cluster, because the cluster may belong to another user, that of the
//! server, who must not learn them.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{PostgresError, SERVICE_NAME, SUPERUSER};

/// Below the data folder. Holds one file for each role, named like it.
const CREDENTIALS_DIR: &str = "postgres-credentials";
/// Random bytes of a password; it has twice as many characters.
const PASSWORD_BYTES: usize = 32;

/// The passwords of both roles.
pub(crate) struct Credentials {
    pub(crate) service: String,
    pub(crate) superuser: String,
}

/// Never shows a password.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Reads both passwords, and creates those that are missing. The second value says whether one was created, so that
    /// the cluster does not know it yet.
    pub(crate) fn ensure(data_dir: &Path) -> Result<(Self, bool), PostgresError> {
        let folder = data_dir.join(CREDENTIALS_DIR);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created.map_err(PostgresError::io_at(&folder))?,
        }
        // Whatever was done to it meanwhile, nobody else may enter.
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).map_err(PostgresError::io_at(&folder))?;
        let (service, is_service_new) = ensure_password(&folder, SERVICE_NAME)?;
        let (superuser, is_superuser_new) = ensure_password(&folder, SUPERUSER)?;
        Ok((Self { service, superuser }, is_service_new || is_superuser_new))
    }
}

/// Reads the password of the service's role.
pub(crate) fn read_service_password(data_dir: &Path) -> Result<String, PostgresError> {
    let path = data_dir.join(CREDENTIALS_DIR).join(SERVICE_NAME);
    match read_password(&path)? {
        Some(password) => Ok(password),
        None => Err(PostgresError::NoPassword { path }),
    }
}

fn ensure_password(folder: &Path, role: &str) -> Result<(String, bool), PostgresError> {
    let path = folder.join(role);
    if let Some(password) = read_password(&path)? {
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(PostgresError::io_at(&path))?;
        return Ok((password, false));
    }
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| PostgresError::Io { path: path.clone(), source: error.into() })?;
    let password = hex::encode(bytes);
    write_synced(&path, &password).map_err(PostgresError::io_at(&path))?;
    Ok((password, true))
}

/// `None` when there is no file, or an empty one.
fn read_password(path: &Path) -> Result<Option<String>, PostgresError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|password| !password.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PostgresError::Io { path: path.to_owned(), source }),
    }
}

/// The file appears complete or not at all, and is on the disk before the cluster learns the password.
fn write_synced(path: &Path, password: &str) -> io::Result<()> {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let mut file = tempfile::NamedTempFile::new_in(&folder)?;
    writeln!(file, "{password}")?;
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(&folder)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_random_private_and_stay() {
        let data_dir = tempfile::tempdir().unwrap();
        let (first, is_new) = Credentials::ensure(data_dir.path()).unwrap();
        assert!(is_new && first.service.len() == 64 && first.superuser != first.service);
        let folder = data_dir.path().join(CREDENTIALS_DIR);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&folder), mode(&folder.join(SERVICE_NAME)), mode(&folder.join(SUPERUSER))),
            (0o700, 0o600, 0o600)
        );
        let (second, is_new) = Credentials::ensure(data_dir.path()).unwrap();
        assert_eq!((second.service, second.superuser, is_new), (first.service, first.superuser, false));
        assert_eq!(format!("{:?}", Credentials::ensure(data_dir.path()).unwrap().0), "Credentials");
    }

    #[test]
    fn a_password_that_is_lost_is_made_anew() {
        let data_dir = tempfile::tempdir().unwrap();
        let (first, _) = Credentials::ensure(data_dir.path()).unwrap();
        fs::write(data_dir.path().join(CREDENTIALS_DIR).join(SERVICE_NAME), "\n").unwrap();
        assert!(matches!(read_service_password(data_dir.path()), Err(PostgresError::NoPassword { .. })));
        let (second, is_new) = Credentials::ensure(data_dir.path()).unwrap();
        assert!(is_new && second.service != first.service && second.superuser == first.superuser);
        assert_eq!(read_service_password(data_dir.path()).unwrap(), second.service);
    }
}
