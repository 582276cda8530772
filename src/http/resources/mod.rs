//! The handlers: one folder or file for each noun of the API, with its JSON representation.

pub mod api_keys;
pub mod assets;
pub mod audit_log;
pub mod connections;
pub mod export_job_groups;
pub mod export_jobs;
pub mod export_schedules;
pub mod image_preset_import;
pub mod image_presets;
pub mod imports;
pub mod migrations;
pub mod modifiers;
pub mod problems;
pub mod shared_links;
pub mod system;
pub mod uploads;
pub mod usage;
pub mod webhook_secret;
pub mod workers;
