//! The embedded Postgres: created, stopped, killed, adopted, and never used by two processes at once.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use offprint::db::{self, row_level_security};
use offprint_embedded_postgres::{EmbeddedPostgres, PostgresError, find_running_server};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::support::postgres_server::PostgresCluster;

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

/// The superuser with its password.
fn to_superuser(data_dir: &Path, options: PgConnectOptions) -> PgConnectOptions {
    let password = fs::read_to_string(data_dir.join("postgres-credentials/postgres")).unwrap();
    options.username("postgres").password(password.trim())
}

/// Why a connection was refused; empty when it was not.
async fn read_refusal(options: &PgConnectOptions) -> String {
    match PgConnection::connect_with(options).await {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// Nobody gets in without a password, and with the service's nobody gets out of the database.
async fn assert_protected(data_dir: &Path, options: &PgConnectOptions) {
    for role in ["postgres", "offprint"] {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(options.get_socket().unwrap())
            .username(role)
            .database("offprint");
        // sqlx sends an empty password where it has none.
        let refusal = read_refusal(&options.password("")).await;
        assert!(refusal.contains("password"), "{role}: {refusal:?}");
    }
    for database in ["offprint", "postgres"] {
        let wrong = options.clone().database(database).password("trust me");
        assert!(read_refusal(&wrong).await.contains("password authentication failed"));
    }
    let roles = "select string_agg(rolname, ' ') from pg_roles where rolcanlogin and rolsuper";
    assert_eq!(query_text(options, roles).await, "postgres");
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    for sql in ["copy (select 1) to program 'true'", "select pg_read_file('PG_VERSION')", "create role other"] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_err();
        assert!(
            refused.to_string().contains("permission denied") || refused.to_string().contains("must be superuser"),
            "{refused}"
        );
    }
    let verifiers = "select string_agg(distinct left(rolpassword, 13), ' ') from pg_authid where rolcanlogin";
    assert_eq!(query_text(&to_superuser(data_dir, options.clone()), verifiers).await, "SCRAM-SHA-256");
    let rules = fs::read_to_string(data_dir.join("postgres/data/pg_hba.conf")).unwrap();
    let rules: Vec<&str> = rules.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules, ["local all all scram-sha-256"]);
    let mode = |name: &str| fs::metadata(data_dir.join(name)).unwrap().permissions().mode() & 0o777;
    for (name, expected) in [
        ("postgres", 0o700),
        ("postgres/data", 0o700),
        ("postgres/socket", 0o700),
        ("postgres/log", 0o600),
        ("postgres/data/pg_hba.conf", 0o600),
        ("postgres-credentials", 0o700),
        ("postgres-credentials/offprint", 0o600),
        ("postgres-credentials/postgres", 0o600),
    ] {
        assert_eq!(mode(name), expected, "{name}");
    }
}

#[tokio::test]
async fn everybody_needs_a_password_and_the_service_is_no_superuser() {
    let (_folder, data_dir) = create_data_dir("data");
    let postgres = EmbeddedPostgres::start(&data_dir).await.unwrap();
    assert_protected(&data_dir, &postgres.connect_options()).await;
    assert!(!data_dir.join("postgres/data/pg_hba.conf.replaced").exists());
    let secret = fs::read_to_string(data_dir.join("postgres-credentials/offprint")).unwrap();
    for shown in [format!("{postgres:?}"), fs::read_to_string(data_dir.join("postgres/log")).unwrap()] {
        assert!(!shown.contains(secret.trim()), "{shown}");
    }
    postgres.stop().await.unwrap();
}

/// A folder as versions before passwords left it, with a server that still runs, and as bad as it could be: the service's
/// role is a superuser, and its tables belong to another.
#[tokio::test]
async fn a_folder_of_an_earlier_version_is_converted() {
    let (_folder, data_dir) = create_data_dir("data");
    let mut old =
        PostgresCluster::create(&data_dir.join("postgres"), &["--auth-local=trust", "--auth-host=reject"]).await;
    let socket = data_dir.join("postgres/socket");
    old.append("data/postgresql.conf", "\ninclude 'offprint.conf'\n");
    old.write(
        "data/offprint.conf",
        &format!("listen_addresses = ''\nunix_socket_directories = '{}'\n", socket.display()),
    );
    old.start().await;
    let trusted = PgConnectOptions::new_without_pgpass().socket(&socket).username("postgres").database("postgres");
    let mut connection = PgConnection::connect_with(&trusted).await.unwrap();
    for sql in ["create role offprint login superuser createrole", "create database offprint owner postgres"] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    let mut connection = PgConnection::connect_with(&trusted.clone().database("offprint")).await.unwrap();
    sqlx::raw_sql(
        "create table kept (id serial primary key, what text);
         insert into kept (what) values ('still here');
         create function say() returns text language sql return 'hello';
         create schema apart; create table apart.too as select 1 as one;
         grant pg_execute_server_program to offprint;",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    drop(connection);
    old.leave_running();

    // A conversion that was interrupted left its passwords.
    fs::create_dir(data_dir.join("postgres-credentials")).unwrap();
    fs::write(data_dir.join("postgres-credentials/offprint"), "0123456789abcdef\n").unwrap();
    let postgres = EmbeddedPostgres::start(&data_dir).await.unwrap();
    let options = postgres.connect_options();
    assert_protected(&data_dir, &options).await;
    assert_eq!(fs::read_to_string(data_dir.join("postgres-credentials/offprint")).unwrap(), "0123456789abcdef\n");
    assert_eq!(
        query_text(&options, "insert into kept (what) select what from kept returning what").await,
        "still here"
    );
    let foreign = "select coalesce(string_agg(relname, ' '), 'none') from pg_class
                    where relnamespace in ('public'::regnamespace, 'apart'::regnamespace) and relowner <> 'offprint'::regrole";
    assert_eq!(query_text(&options, foreign).await, "none");
    let owners = "select concat_ws(' ', datdba::regrole, (select proowner::regrole from pg_proc where proname = 'say'))
                    from pg_database where datname = current_database()";
    assert_eq!(query_text(&options, owners).await, "offprint offprint");
    assert!(fs::read_to_string(data_dir.join("postgres/data/pg_hba.conf.replaced")).unwrap().contains("trust"));
    assert_eq!(query_text(&find_running_server(&data_dir).unwrap(), "select current_user::text").await, "offprint");
    // The second start has nothing to convert: it adopts the server as it is.
    let started_at = query_text(&options, STARTED_AT_SQL).await;
    drop(postgres);
    let again = EmbeddedPostgres::start(&data_dir).await.unwrap();
    assert_eq!(query_text(&again.connect_options(), STARTED_AT_SQL).await, started_at);
    again.stop().await.unwrap();
}

#[tokio::test]
async fn lost_passwords_and_opened_rules_are_repaired() {
    let (_folder, data_dir) = create_data_dir("data");
    drop(EmbeddedPostgres::start(&data_dir).await.unwrap());
    // A folder that was copied without its passwords, or with others.
    for (name, content) in
        [("offprint", None), ("postgres", None), ("offprint", Some("abcdef")), ("postgres", Some("abcdef"))]
    {
        let path = data_dir.join("postgres-credentials").join(name);
        match content {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        if (name, content) == ("offprint", None) {
            let missing = find_running_server(&data_dir);
            assert!(matches!(missing, Err(PostgresError::NoPassword { path: named }) if named.ends_with("offprint")));
        }
        let postgres = EmbeddedPostgres::start(&data_dir).await.unwrap();
        assert_protected(&data_dir, &postgres.connect_options()).await;
    }
    let rules = data_dir.join("postgres/data/pg_hba.conf");
    let content = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, content.replace("scram-sha-256", "trust")).unwrap();
    let postgres = EmbeddedPostgres::start(&data_dir).await.unwrap();
    assert_protected(&data_dir, &postgres.connect_options()).await;
    postgres.stop().await.unwrap();
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
        // A new data folder at the same place begins with a new database.
        let location = folder.path().join("postgres-location");
        assert_eq!(fs::read_to_string(&location).unwrap().trim(), home.to_str().unwrap());
        fs::remove_file(&location).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        let fresh = EmbeddedPostgres::start(folder.path()).await.unwrap();
        let other = fresh.connect_options().get_socket().unwrap().parent().unwrap().to_owned();
        fresh.stop().await.unwrap();
        assert_ne!(home, other);
        // A database that is gone is not replaced by an empty one in silence.
        fs::remove_dir_all(home).unwrap();
        fs::remove_dir_all(&other).unwrap();
        let refused = EmbeddedPostgres::start(folder.path()).await;
        assert!(matches!(refused, Err(PostgresError::UnsafeFolder { folder, .. }) if folder == other));
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
        !row_level_security::is_row_level_security_enforced(&db::open_system_pool(to_superuser(&folder, options), 1))
            .await
            .unwrap()
    );
    postgres.stop().await.unwrap();
}
