//! The service's database and its owner, checked at each start. The only use of the superuser while a server runs.

use std::path::Path;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};

use super::credentials::Credentials;
use super::{SERVICE_NAME, SUPERUSER, build_connect_options};

/// Gives the service what others own in its database. Not system objects, parts of extensions, and sequences that
/// follow their table. `format` with `regclass` writes names as they must be quoted.
const ADOPT_OBJECTS_SQL: &str = "do $$
declare statement text;
begin
    for statement in
        with ours as (select oid from pg_namespace where nspname <> 'information_schema' and nspname !~ '^pg_')
        select format('alter table %s owner to offprint', class.oid::regclass) from pg_class class
         where relnamespace in (select oid from ours) and relkind in ('r', 'p', 'v', 'm', 'f')
           and relowner <> 'offprint'::regrole
           and not exists (select from pg_depend where objid = class.oid and deptype = 'e')
        union all
        select format('alter sequence %s owner to offprint', class.oid::regclass) from pg_class class
         where relnamespace in (select oid from ours) and relkind = 'S' and relowner <> 'offprint'::regrole
           and not exists (select from pg_depend where objid = class.oid and deptype in ('e', 'a', 'i'))
        union all
        select format('alter routine %s owner to offprint', routine.oid::regprocedure) from pg_proc routine
         where pronamespace in (select oid from ours) and proowner <> 'offprint'::regrole
           and not exists (select from pg_depend where objid = routine.oid and deptype = 'e')
        union all
        select format('alter type %s owner to offprint', type.oid::regtype) from pg_type type
         where typnamespace in (select oid from ours) and typtype in ('e', 'd', 'r') and typowner <> 'offprint'::regrole
           and not exists (select from pg_depend where objid = type.oid and deptype = 'e')
        union all
        select format('alter schema %I owner to offprint', nspname) from pg_namespace
         where oid in (select oid from ours) and nspname <> 'public' and nspowner <> 'offprint'::regrole
           and not exists (select from pg_depend where objid = pg_namespace.oid and deptype = 'e')
    loop
        execute statement;
    end loop;
end $$";

/// Creates the service's database where it is missing, and makes the service's role the owner of it and of all that is
/// in it. Then connects as the service, so that a password that does not work is found here.
pub(crate) async fn ensure_service_database(socket: &Path, credentials: &Credentials) -> Result<(), sqlx::Error> {
    let superuser_options = |database| {
        // Functions of the service's role must not be called in place of the system's.
        let options: PgConnectOptions = build_connect_options(SUPERUSER, database, socket, &credentials.superuser);
        options.options([("search_path", "pg_catalog")])
    };
    let mut connection = PgConnection::connect_with(&superuser_options("postgres")).await?;
    let owner: Option<String> = sqlx::query_scalar("select datdba::regrole::text from pg_database where datname = $1")
        .bind(SERVICE_NAME)
        .fetch_optional(&mut connection)
        .await?;
    let change = match owner.as_deref() {
        None => Some("create database"),
        Some(owner) if owner != SERVICE_NAME => Some("alter database"),
        Some(_) => None,
    };
    if let Some(change) = change {
        let link = if owner.is_none() { "owner" } else { "owner to" };
        let sql = format!("{change} {SERVICE_NAME} {link} {SERVICE_NAME}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    connection.close().await?;
    let mut connection = PgConnection::connect_with(&superuser_options(SERVICE_NAME)).await?;
    sqlx::query(ADOPT_OBJECTS_SQL).execute(&mut connection).await?;
    connection.close().await?;
    let service_options = build_connect_options(SERVICE_NAME, SERVICE_NAME, socket, &credentials.service);
    PgConnection::connect_with(&service_options).await?.close().await
}
