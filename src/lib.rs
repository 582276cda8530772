//! Offprint exports many stored images in one job. This crate is the service and its command line; the crates under
//! `crates/` do what needs neither HTTP nor SQL.
//!
//! # An export in ten lines
//!
//! 1. [`http`] receives `POST /export-jobs`, authenticates the caller and parses a [`jobs::ExportRequest`].
//! 2. [`jobs::prepare_draft`] validates it as a whole: assets, modifiers (`offprint_modifiers`), rights, archive paths.
//! 3. [`db::insert_job::insert_job`] writes job, items and files in one transaction; `http` answers 202.
//! 4. [`app::AppState`] notifies the workers, here and through [`app::signal_relay`] in the other processes.
//! 5. The dispatcher of [`worker`] claims items for its free slots ([`db::item::claim_items`]) and renews
//!    their leases while they are worked on.
//! 6. It fetches the original from `offprint_storage`, and `offprint_sandbox` renders it in a process of its own.
//! 7. In there `offprint_imaging` reads the header, plans, decodes, executes the steps and encodes.
//! 8. The files are stored as blobs, and [`db::settle::settle_items`] records the end of the attempt in one statement.
//! 9. When all items have ended, a worker seals the job: manifests, archive index, outcome ([`db::seal`]).
//! 10. [`notify`] sends mail and webhook in the language of [`i18n`]; clients download files or the archive.
//!
//! # Modules
//!
//! | module | is for |
//! |---|---|
//! | [`app`] | the state that `http` and `worker` share: pools, notifiers, live updates, limiters |
//! | [`cli`] | the subcommands of the binary: `serve`, clients, administration |
//! | [`compute_pool`] | threads for work that takes processor time |
//! | [`db`] | all SQL; a row type beside its queries |
//! | [`fair_queue`] | slots that companies take turns for |
//! | [`http`] | routes, middleware, JSON; the only module that knows status codes |
//! | [`i18n`] | texts for people in their language |
//! | [`id`] | the typed ids (handles) |
//! | [`jobs`] | from export request to draft, job actions, outcomes, schedules; no SQL, no HTTP |
//! | [`notify`] | sends mails and webhooks |
//! | [`oidc`] | asks an identity provider who somebody is |
//! | [`reason`] | a code with a sentence: why something failed, or what to know about it |
//! | [`settings`] | all settings: meaning, default, environment variable |
//! | [`telemetry`] | logs and metrics |
//! | [`worker`] | background work: items, sealing, mails, webhooks, schedules, maintenance |
//!
//! | crate | is for |
//! |---|---|
//! | `offprint_core` | codes, digests, safe names |
//! | `offprint_modifiers` | the Image Serving modifier language: text to recipe |
//! | `offprint_imaging` | headers, plans, pixels, colour, codecs: recipe and image to encoded bytes |
//! | `offprint_sandbox` | render processes: pool, protocol, confinement |
//! | `offprint_storage` | blobs by content, object stores, the archive layout |
//! | `offprint_embedded_postgres` | the private Postgres of an installation without `DATABASE_URL` |
//!
//! Dependencies point one way: `cli` uses everything; `http` and `worker` use `app`, `jobs`, `notify`, `db` and the
//! crates, but never each other; `jobs` uses `db`. `docs/ARCHITECTURE.md` has the rules, and a test checks them.

pub mod app;
pub mod cli;
pub mod compute_pool;
pub mod db;
pub mod fair_queue;
pub mod http;
pub mod i18n;
pub mod id;
pub mod jobs;
pub mod notify;
pub mod oidc;
pub mod reason;
pub mod settings;
pub mod telemetry;
pub mod worker;
