//! Transactions on a connection of a pool, and savepoints in them.
//!
//! Not those of sqlx: a transaction of sqlx returns its connection to a pool of sqlx. Nothing else in the service may begin one
//! (`clippy.toml`), because sqlx does not know of these and would take a savepoint for a transaction.

use std::ops::{Deref, DerefMut};

use sqlx::{Executor as _, PgConnection};

use crate::db::DbConnection;
use crate::db::connection::PooledConnection;

/// A transaction that has a connection of a pool for itself. Dropped without a commit it is rolled back, before the connection
/// is used again.
#[derive(Debug)]
pub struct Transaction(PooledConnection);

impl Transaction {
    /// Begins a transaction on a connection that has none.
    pub(super) async fn begin(mut connection: PooledConnection) -> Result<Self, sqlx::Error> {
        connection.begin_transaction().await?;
        Ok(Self(connection))
    }

    /// # Errors
    /// When the server refuses it, or when its answer was lost: then it may have been committed all the same.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.0.end_transaction("commit").await
    }

    /// Rolls back, and waits for it.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.0.end_transaction("rollback").await
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

/// Marks the place to which [`roll_back_to_savepoint`] goes back. A later one takes its place.
pub async fn set_savepoint(connection: &mut DbConnection) -> Result<(), sqlx::Error> {
    connection.execute("savepoint here").await.map(drop)
}

/// Undoes what the transaction has done since the last [`set_savepoint`]; what came before stays.
pub async fn roll_back_to_savepoint(connection: &mut DbConnection) -> Result<(), sqlx::Error> {
    connection.execute("rollback to savepoint here").await.map(drop)
}
