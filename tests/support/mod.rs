//! What several tests share: the application as `serve` builds it, its users, the servers it talks to, and test data.
//!
//! Start with `test_app` (one application per test), then `export_jobs` (create a job and do its work) and `images`.

pub mod avif_writer;
pub mod breaking_proxy;
pub mod browser;
pub mod cmyk_profile;
pub mod cut_off;
pub mod event_stream_reader;
pub mod export_jobs;
pub mod fake_s3;
pub mod http_server;
pub mod identity_provider;
pub mod images;
pub mod local_server;
pub mod mail;
pub mod many_rows;
pub mod operations;
pub mod postgres_server;
pub mod psd;
pub mod queue;
pub mod random_bytes;
pub mod render_fixture;
pub mod schedules;
pub mod secret_leak_check;
pub mod service_process;
pub mod storage_fixture;
pub mod test_app;
pub mod test_database;
pub mod test_user;
pub mod tus;
pub mod web_server;
pub mod webhook_receiver;
pub mod zero_filled_archive;
