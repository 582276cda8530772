//! The house through its front doors.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod access;
mod archive;
mod assets;
mod cluster;
mod documents;
mod downloads_of_assets;
mod exportjob;
mod exportjob_results;
mod house;
mod image_presets;
mod notify;
mod openapi;
mod queue;
mod render;
mod render_command;
mod render_damage;
mod renditions;
mod service;
mod storage;
mod system;
