//! The service through its public interfaces: HTTP, the command line, and the crates' public functions.
//!
//! Each file tests one subject. Test data, fake servers and other helpers are in `tests/support/`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod addresses;
mod archive;
mod asset_content;
mod assets;
mod audit;
mod avif;
mod backup;
mod colours;
mod command_line;
mod conditional_requests;
mod confinement;
mod connections;
mod damage;
mod database_tls;
mod deploy;
mod doctor;
mod documents;
mod embedded_postgres;
mod engine_version;
mod event_stream;
mod exportjob;
mod exportjob_results;
mod fleet;
mod formats;
mod hostile_input;
mod http;
mod idempotency;
mod image_presets;
mod job_actions;
mod keys;
mod limits;
mod links;
mod log;
mod mails;
mod metadata;
mod modifier_language;
mod named_assets;
mod names;
mod notify;
mod object_store;
mod openapi;
mod operations;
mod private_files;
mod process_lifecycle;
mod proxies;
mod queue;
mod quota;
mod quota_renditions;
mod recipe_sources;
mod render;
mod render_command;
mod render_damage;
mod render_paths;
mod render_processes;
mod render_tiff;
mod renditions;
mod retention;
mod row_level_security;
mod schedule_rights;
mod schedules;
mod storage;
mod streamed_encoding;
mod supply_chain;
mod system;
mod tus;
mod tus_writers;
mod warnings;
mod webhooks;
mod work_limits;
