//! Offprint exports many stored pictures at once.
//!
//! A request comes in at [`api`], is made into a draft by [`export`], written down by [`db`] and answered. Later
//! [`worker`] claims one item at a time from [`db`], fetches the original from [`storage`], lets [`render`] develop it
//! as the [`language`] said, puts the result back and settles the item; when the last one is settled it seals the
//! archive and [`notify`] tells people, in their [`words`]. [`cli`] holds the subcommands of the one binary.
//!
//! Folders are layers: who may use whom stands in `docs/ARCHITECTURE.md`, and a test keeps it true.

pub use offprint_core::{code, digest, name};
pub use offprint_modifiers as language;
pub use offprint_storage as storage;

/// Recipes and images to encoded bytes, and the processes that do it.
pub mod render {
    pub use offprint_imaging::*;
    pub use offprint_sandbox as pool;
    pub use offprint_sandbox::{Confinement, Fault, Pool};
}

pub mod api;
pub mod cli;
pub mod db;
pub mod export;
pub mod id;
pub mod notify;
pub mod reason;
pub mod settings;
pub mod state;
pub mod telemetry;
pub mod words;
pub mod worker;
