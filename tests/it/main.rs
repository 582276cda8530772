//! The house through its front doors.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod access;
mod archive;
mod assets;
mod cluster;
mod damage;
mod deploy;
mod documents;
mod downloads_of_assets;
mod engine;
mod exportjob;
mod exportjob_results;
mod fleet;
mod formats;
mod hostile;
mod house;
mod idempotency;
mod image_presets;
mod modifier_language;
mod notify;
mod object_store;
mod objects;
mod openapi;
mod orders;
mod processes;
mod queue;
mod render;
mod render_command;
mod render_damage;
mod render_tiff;
mod renditions;
mod retention;
mod s3;
mod service;
mod storage;
mod system;
