//! The private Postgres: made, stopped, killed, adopted, and never held twice.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use offprint::db::cluster::{Cluster, Error, running};
use offprint::db::{self, wall};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// A data folder that also the user can enter who runs Postgres when the tests run as root.
fn data_dir(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let data_dir = folder.path().join(name);
    fs::create_dir_all(&data_dir).unwrap();
    (folder, data_dir)
}

async fn ask(options: &PgConnectOptions, question: &'static str) -> String {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap()
}

const STARTED_AT: &str = "select pg_postmaster_start_time()::text";

fn server_of(data_dir: &Path) -> rustix::process::Pid {
    let said = fs::read_to_string(data_dir.join("postgres/data/postmaster.pid")).unwrap();
    let pid = said.lines().next().unwrap().parse().unwrap();
    rustix::process::Pid::from_raw(pid).unwrap()
}

#[tokio::test]
async fn one_service_holds_it_and_what_it_wrote_stays() {
    let (_folder, data_dir) = data_dir("data");
    assert!(matches!(running(&data_dir), Err(Error::NotRunning { .. })));

    let cluster = Cluster::start(&data_dir).await.unwrap();
    let options = cluster.connect_options();
    let me = "select concat_ws(' ', current_user, current_database(), rolsuper, rolcreaterole, inet_server_port())
              from pg_roles where rolname = current_user";
    assert_eq!(ask(&options, me).await, "offprint offprint f f");
    let durable = "select string_agg(setting, ' ' order by name) from pg_settings
                   where name in ('fsync', 'full_page_writes', 'listen_addresses', 'synchronous_commit')";
    assert_eq!(ask(&options, durable).await, "on on  on");
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    sqlx::query("create table kept as select 'still here' as what").execute(&mut connection).await.unwrap();

    let second = Cluster::start(&data_dir).await;
    assert!(matches!(&second, Err(Error::Locked { holder, .. }) if holder.contains(&std::process::id().to_string())));
    assert_eq!(ask(&running(&data_dir).unwrap(), "select what from kept").await, "still here");

    cluster.stop().await.unwrap();
    assert!(matches!(running(&data_dir), Err(Error::NotRunning { .. })));
    let again = Cluster::start(&data_dir).await.unwrap();
    assert_eq!(ask(&again.connect_options(), "select what from kept").await, "still here");
    again.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_left_running_is_adopted_and_a_killed_one_is_started() {
    let (_folder, data_dir) = data_dir("a folder, it's \"odd\"");
    let first = Cluster::start(&data_dir).await.unwrap();
    let started_at = ask(&first.connect_options(), STARTED_AT).await;
    drop(first);

    let adopted = Cluster::start(&data_dir).await.unwrap();
    assert_eq!(ask(&adopted.connect_options(), STARTED_AT).await, started_at);
    drop(adopted);

    // Killed, the server leaves its lock files behind.
    rustix::process::kill_process(server_of(&data_dir), rustix::process::Signal::KILL).unwrap();
    let restarted = Cluster::start(&data_dir).await.unwrap();
    assert_ne!(ask(&restarted.connect_options(), STARTED_AT).await, started_at);

    // After a restart of the machine, or in a container, their number may be that of any process.
    let lock = data_dir.join("postgres/data/postmaster.pid");
    let said = fs::read_to_string(&lock).unwrap();
    restarted.stop().await.unwrap();
    let (_, rest) = said.split_once('\n').unwrap();
    fs::write(&lock, format!("{}\n{rest}", std::process::id())).unwrap();
    fs::write(data_dir.join("postgres/socket/.s.PGSQL.5432.lock"), format!("{}\n", std::process::id())).unwrap();
    let started = Cluster::start(&data_dir).await.unwrap();
    started.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_has_its_socket_elsewhere() {
    let (_folder, data_dir) = data_dir(&"long-".repeat(30));
    let cluster = Cluster::start(&data_dir).await.unwrap();
    let options = cluster.connect_options();
    assert_eq!(ask(&options, "select current_user::text").await, "offprint");
    let socket = options.get_socket().unwrap().clone();
    assert!(socket.starts_with("/tmp"));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o700);
    cluster.stop().await.unwrap();

    // A folder that others can enter may be a trap.
    fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
    let refused = Cluster::start(&data_dir).await;
    assert!(matches!(refused, Err(Error::Foreign { folder, .. }) if folder == socket));
    fs::remove_dir_all(&socket).unwrap();
}

#[tokio::test]
async fn a_folder_that_only_root_can_enter_has_its_cluster_outside() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    let cluster = Cluster::start(folder.path()).await.unwrap();
    assert_eq!(ask(&cluster.connect_options(), "select current_user::text").await, "offprint");
    let socket = running(folder.path()).unwrap().get_socket().unwrap().clone();
    cluster.stop().await.unwrap();
    let home = socket.parent().unwrap();
    if rustix::process::geteuid().is_root() {
        assert!(home.starts_with("/var/lib/offprint"));
        // Once made there it stays there, also when the path opens.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let again = Cluster::start(folder.path()).await.unwrap();
        assert_eq!(again.connect_options().get_socket(), Some(&socket));
        again.stop().await.unwrap();
        fs::remove_dir_all(home).unwrap();
    } else {
        assert_eq!(home, folder.path().canonicalize().unwrap().join("postgres"));
    }
}

#[tokio::test]
async fn a_throwaway_cluster_lets_tests_make_databases() {
    let (_folder, folder) = data_dir("tests");
    let cluster = Cluster::throwaway(&folder).await.unwrap();
    let options: PgConnectOptions = cluster.url().parse().unwrap();
    let rights = "select concat(rolsuper, rolcreatedb, rolbypassrls) from pg_roles where rolname = current_user";
    assert_eq!(ask(&options, rights).await, "ftf");
    // Whom walls bind, and whom they do not.
    assert!(wall::stands(&db::system(options.clone(), 1)).await.unwrap());
    assert!(!wall::stands(&db::system(options.username("postgres"), 1)).await.unwrap());
    cluster.stop().await.unwrap();
}
