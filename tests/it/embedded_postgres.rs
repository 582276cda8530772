//! The embedded Postgres: created, stopped, killed, adopted, and never used by two processes at once.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use offprint::db::{self, row_level_security};
use offprint_embedded_postgres::{EmbeddedPostgres, PostgresError, find_running_server};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// A data folder that the unprivileged user who runs Postgres can enter too, for tests that run as root.
fn create_data_dir(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let data_dir = folder.path().join(name);
    fs::create_dir_all(&data_dir).unwrap();
    (folder, data_dir)
}

async fn query_text(options: &PgConnectOptions, question: &'static str) -> String {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap()
}

const STARTED_AT_SQL: &str = "select pg_postmaster_start_time()::text";

fn read_server_pid(data_dir: &Path) -> rustix::process::Pid {
    let pid_file = fs::read_to_string(data_dir.join("postgres/data/postmaster.pid")).unwrap();
    let pid = pid_file.lines().next().unwrap().parse().unwrap();
    rustix::process::Pid::from_raw(pid).unwrap()
}

#[tokio::test]
async fn one_service_holds_it_and_what_it_wrote_stays() {
    let (_folder, data_dir) = create_data_dir("data");
    assert!(matches!(find_running_server(&data_dir), Err(PostgresError::NotRunning { .. })));

    let postgres = EmbeddedPostgres::start(&data_dir).await.unwrap();
    let options = postgres.connect_options();
    let me = "select concat_ws(' ', current_user, current_database(), rolsuper, rolcreaterole, inet_server_port())
              from pg_roles where rolname = current_user";
    assert_eq!(query_text(&options, me).await, "offprint offprint f f");
    let durable = "select string_agg(setting, ' ' order by name) from pg_settings
                   where name in ('fsync', 'full_page_writes', 'listen_addresses', 'synchronous_commit')";
    assert_eq!(query_text(&options, durable).await, "on on  on");
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    sqlx::query("create table kept as select 'still here' as what").execute(&mut connection).await.unwrap();

    let second = EmbeddedPostgres::start(&data_dir).await;
    assert!(
        matches!(&second, Err(PostgresError::Locked { holder, .. }) if holder.contains(&std::process::id().to_string()))
    );
    assert_eq!(query_text(&find_running_server(&data_dir).unwrap(), "select what from kept").await, "still here");

    postgres.stop().await.unwrap();
    assert!(matches!(find_running_server(&data_dir), Err(PostgresError::NotRunning { .. })));
    let again = EmbeddedPostgres::start(&data_dir).await.unwrap();
    assert_eq!(query_text(&again.connect_options(), "select what from kept").await, "still here");
    again.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_left_running_is_adopted_and_a_killed_one_is_started() {
    let (_folder, data_dir) = create_data_dir("a folder, it's \"odd\"");
    let first = EmbeddedPostgres::start(&data_dir).await.unwrap();
    let started_at = query_text(&first.connect_options(), STARTED_AT_SQL).await;
    drop(first);

    let adopted = EmbeddedPostgres::start(&data_dir).await.unwrap();
    assert_eq!(query_text(&adopted.connect_options(), STARTED_AT_SQL).await, started_at);
    drop(adopted);

    // A killed server leaves its lock files behind.
    rustix::process::kill_process(read_server_pid(&data_dir), rustix::process::Signal::KILL).unwrap();
    let restarted = EmbeddedPostgres::start(&data_dir).await.unwrap();
    assert_ne!(query_text(&restarted.connect_options(), STARTED_AT_SQL).await, started_at);

    // After a restart of the machine, or in a container, the process ID in them may belong to any process.
    let lock = data_dir.join("postgres/data/postmaster.pid");
    let lock_text = fs::read_to_string(&lock).unwrap();
    restarted.stop().await.unwrap();
    let (_, rest) = lock_text.split_once('\n').unwrap();
    fs::write(&lock, format!("{}\n{rest}", std::process::id())).unwrap();
    fs::write(data_dir.join("postgres/socket/.s.PGSQL.5432.lock"), format!("{}\n", std::process::id())).unwrap();
    let started = EmbeddedPostgres::start(&data_dir).await.unwrap();
    started.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_has_its_socket_elsewhere() {
    let (_folder, data_dir) = create_data_dir(&"long-".repeat(30));
    let postgres = EmbeddedPostgres::start(&data_dir).await.unwrap();
    let options = postgres.connect_options();
    assert_eq!(query_text(&options, "select current_user::text").await, "offprint");
    let socket = options.get_socket().unwrap().clone();
    assert!(socket.starts_with("/tmp"));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o700);
    postgres.stop().await.unwrap();

    // A folder that other users can write to is not safe for a socket.
    fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
    let refused = EmbeddedPostgres::start(&data_dir).await;
    assert!(matches!(refused, Err(PostgresError::UnsafeFolder { folder, .. }) if folder == socket));
    fs::remove_dir_all(&socket).unwrap();
}

#[tokio::test]
async fn a_folder_that_only_root_can_enter_has_its_cluster_outside() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    let postgres = EmbeddedPostgres::start(folder.path()).await.unwrap();
    assert_eq!(query_text(&postgres.connect_options(), "select current_user::text").await, "offprint");
    let socket = find_running_server(folder.path()).unwrap().get_socket().unwrap().clone();
    postgres.stop().await.unwrap();
    let home = socket.parent().unwrap();
    if rustix::process::geteuid().is_root() {
        assert!(home.starts_with("/var/lib/offprint"));
        // Once the socket folder is chosen it stays, also when the shorter path becomes usable.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let again = EmbeddedPostgres::start(folder.path()).await.unwrap();
        assert_eq!(again.connect_options().get_socket(), Some(&socket));
        again.stop().await.unwrap();
        fs::remove_dir_all(home).unwrap();
    } else {
        assert_eq!(home, folder.path().canonicalize().unwrap().join("postgres"));
    }
}

#[tokio::test]
async fn a_throwaway_cluster_lets_tests_make_databases() {
    let (_folder, folder) = create_data_dir("tests");
    let postgres = EmbeddedPostgres::start_throwaway(&folder).await.unwrap();
    let options: PgConnectOptions = postgres.url().parse().unwrap();
    let rights = "select concat(rolsuper, rolcreatedb, rolbypassrls) from pg_roles where rolname = current_user";
    assert_eq!(query_text(&options, rights).await, "ftf");
    // Roles that row-level security binds, and roles that it does not.
    assert!(
        row_level_security::is_row_level_security_enforced(&db::open_system_pool(options.clone(), 1)).await.unwrap()
    );
    assert!(
        !row_level_security::is_row_level_security_enforced(&db::open_system_pool(options.username("postgres"), 1))
            .await
            .unwrap()
    );
    postgres.stop().await.unwrap();
}
