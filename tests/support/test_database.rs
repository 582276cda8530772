//! The database of a test: sqlx opens a pool of its own for it, the service another.

use offprint::db;
use sqlx::postgres::PgConnectOptions;

pub trait TestDatabase {
    fn get_connect_options(&self) -> PgConnectOptions;
}

impl TestDatabase for sqlx::PgPool {
    fn get_connect_options(&self) -> PgConnectOptions {
        (*self.connect_options()).clone()
    }
}

impl TestDatabase for db::PgPool {
    fn get_connect_options(&self) -> PgConnectOptions {
        self.connect_options().clone()
    }
}
