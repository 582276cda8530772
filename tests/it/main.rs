//! The house through its front doors.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod access;
mod archive;
mod assets;
mod cluster;
mod deploy;
mod colours;
mod documents;
mod downloads_of_assets;
mod engine;
mod exportjob;
mod exportjob_results;
mod fleet;
mod hostile;
mod house;
mod idempotency;
mod image_presets;
mod inks;
mod metadata;
mod modifier_language;
mod notify;
mod object_store;
mod openapi;
mod orders;
mod processes;
mod queue;
mod render;
mod render_command;
mod render_damage;
mod renditions;
mod retention;
mod s3;
mod service;
mod storage;
mod system;
