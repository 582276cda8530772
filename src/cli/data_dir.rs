//! The data folder: nobody but the service's user may read what lies in it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use offprint_core::Code;
use rustix::fs::Mode;
use tracing::warn;

use super::CliError;

/// The folders that the service creates in its data folder. Versions before 0.1.0 let every user read them.
const SUBFOLDERS: [&str; 5] = ["blobs", "copies", "mail", "render", "tmp"];

/// From now on files that this process and its children create are 0600, and folders 0700. Must be called before there
/// are other threads.
pub(super) fn restrict_new_files() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Creates the data folder where it is missing, and closes its subfolders to other users. The mode of a data folder that
/// is there already is left alone: an operator may have chosen it, and what lies in it is closed.
pub(super) fn prepare_data_dir(data_dir: &Path) -> Result<(), CliError> {
    fs::create_dir_all(data_dir).map_err(|error| {
        let detail = format!("The data folder {} could not be created: {error}.", data_dir.display());
        CliError::new(Code::Unavailable, detail)
    })?;
    for folder in SUBFOLDERS.map(|name| data_dir.join(name)) {
        if let Err(error) = close_folder(&folder) {
            warn!(error = %error, "Other users can read {}, and that could not be changed: {error}", folder.display());
        }
    }
    Ok(())
}

/// Takes the rights of others off a folder, if it is one. Symbolic links are left alone.
fn close_folder(folder: &Path) -> io::Result<()> {
    match fs::symlink_metadata(folder) {
        Ok(metadata) if metadata.is_dir() && is_open_to_others(metadata.permissions().mode()) => {
            fs::set_permissions(folder, Permissions::from_mode(metadata.permissions().mode() & 0o700))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a mode gives any right to the group or to others.
pub(super) fn is_open_to_others(mode: u32) -> bool {
    mode & 0o077 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_before_are_closed_and_links_left_alone() {
        let (data_dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::set_permissions(elsewhere.path(), Permissions::from_mode(0o755)).unwrap();
        for name in ["blobs", "mail"] {
            fs::create_dir(data_dir.path().join(name)).unwrap();
            fs::set_permissions(data_dir.path().join(name), Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::symlink(elsewhere.path(), data_dir.path().join("tmp")).unwrap();
        prepare_data_dir(data_dir.path()).unwrap();
        assert_eq!((mode(&data_dir.path().join("blobs")), mode(&data_dir.path().join("mail"))), (0o700, 0o700));
        assert_eq!(mode(elsewhere.path()), 0o755);
    }
}
