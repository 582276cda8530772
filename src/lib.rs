//! Offprint exports many stored pictures at once.
//!
//! A request comes in at [`api`], is made into a draft by [`export`], written down by [`db`] and answered. Later
//! [`worker`] claims one item at a time from [`db`], fetches the original from [`storage`], lets [`render`] develop it
//! as the [`language`] said, puts the result back and settles the item; when the last one is settled it seals the
//! archive and [`notify`] tells people, in their [`words`]. [`cli`] holds the subcommands of the one binary.
//!
//! Folders are layers: who may use whom stands in `docs/ARCHITECTURE.md`, and a test keeps it true.

pub mod api;
pub mod cli;
pub mod code;
pub mod db;
pub mod digest;
pub mod export;
pub mod id;
pub mod language;
pub mod name;
pub mod notify;
pub mod render;
pub mod settings;
pub mod state;
pub mod storage;
pub mod telemetry;
pub mod words;
pub mod worker;
