//! A Postgres server as somebody else would set it up: by hand, with its own rules and settings.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use offprint_embedded_postgres::ClientPrograms;
use tokio::process::{Child, Command};

/// The oldest version that the service works with.
const OLDEST_POSTGRES: u32 = 15;

/// User and group that may run Postgres, when the test itself runs as root.
fn find_server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = fields.into_iter().find(|fields| fields[0] == "postgres");
    Some(user.map_or((65534, 65534), |fields| (fields[2].parse().unwrap(), fields[3].parse().unwrap())))
}

/// A cluster that was made by hand, in a folder of its own that only its user can enter.
pub struct PostgresCluster {
    programs: ClientPrograms,
    pub folder: PathBuf,
    server: Option<Child>,
}

impl PostgresCluster {
    /// Creates `folder` with a cluster in `data` and a folder `socket`. The superuser is `postgres`.
    pub async fn create(folder: &Path, initdb_arguments: &[&str]) -> Self {
        let programs = ClientPrograms::find(OLDEST_POSTGRES).await.unwrap();
        fs::create_dir(folder).unwrap();
        let cluster = Self { programs, folder: folder.to_owned(), server: None };
        cluster.give(folder, 0o700);
        let mut initdb = cluster.command("initdb");
        initdb.arg("--pgdata").arg(folder.join("data")).args(["--username", "postgres", "--no-sync"]);
        let output = initdb.args(initdb_arguments).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::create_dir(folder.join("socket")).unwrap();
        cluster.give(&folder.join("socket"), 0o700);
        cluster
    }

    /// Writes a file that belongs to the server's user.
    pub fn write(&self, name: &str, content: &str) {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        self.give(&path, 0o600);
    }

    pub fn append(&self, name: &str, content: &str) {
        let text = fs::read_to_string(self.folder.join(name)).unwrap();
        self.write(name, &(text + content));
    }

    fn give(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        if let Some((user, group)) = find_server_user() {
            chown(path, Some(user), Some(group)).unwrap();
        }
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, mode);
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.programs.command(program);
        command.current_dir("/");
        if let Some((user, group)) = find_server_user() {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts the server and waits until it accepts connections.
    pub async fn start(&mut self) {
        let log = fs::File::create(self.folder.join("log")).unwrap();
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(self.folder.join("data")).process_group(0);
        postgres.stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(postgres.spawn().unwrap());
        let ready = async {
            loop {
                let mut status = self.command("pg_ctl");
                status.arg("status").arg("-D").arg(self.folder.join("data"));
                let is_up = status.output().await.unwrap().status.success();
                let pid_file = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
                if is_up && pid_file.lines().nth(7).is_some_and(|state| state.trim() == "ready") {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let result = tokio::time::timeout(std::time::Duration::from_secs(60), ready).await;
        assert!(result.is_ok(), "{}", fs::read_to_string(self.folder.join("log")).unwrap());
    }

    /// Leaves a server that runs to somebody else.
    pub fn leave_running(mut self) {
        self.server = None;
    }
}

impl Drop for PostgresCluster {
    fn drop(&mut self) {
        if let Some(id) = self.server.take().and_then(|server| server.id()) {
            let pid = rustix::process::Pid::from_raw(id.cast_signed()).unwrap();
            // Immediate shutdown: there is nothing to keep.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
    }
}
