//! Who may do what: one row for each operation. The guard reads it before a handler runs, and the OpenAPI document
//! shows it, so the two cannot drift apart. A handler whose operation has no row gets no [`Caller`].
//!
//! [`Caller`]: crate::api::caller::Caller

use std::sync::LazyLock;

use actix_web::dev::ResourceDef;

use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::code::Code;
use crate::db::capability::Capability::{
    self, Admin, AssetsDelete, AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal, ExportsManageAll,
    ExportsReadAll, PresetsRead, PresetsWrite, Schedules,
};

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// No key: whoever reaches the service.
    Nothing,
    /// A key, whatever it may do.
    AnyKey,
    /// A key that may do all of these.
    All(&'static [Capability]),
    /// A key that may do one of these.
    OneOf(&'static [Capability]),
}

use Needs::{All, AnyKey, Nothing, OneOf};

/// Jobs are seen by whoever ordered them, and by those who see everybody's.
const SEE_JOBS: Needs = OneOf(&[ExportsCreate, ExportsReadAll, ExportsManageAll]);
/// Orders are given by whoever ordered the job, and by those who manage everybody's.
const ORDER_JOBS: Needs = OneOf(&[ExportsCreate, ExportsManageAll]);

/// Schedules are seen as jobs are.
const SEE_SCHEDULES: Needs = OneOf(&[Schedules, ExportsReadAll, ExportsManageAll]);
/// They are stopped and go on by whoever made them, and by those who manage everybody's.
const ORDER_SCHEDULES: Needs = OneOf(&[Schedules, ExportsManageAll]);
/// What makes jobs, now or later, is for those who may order any.
const MAKE_RUNS: Needs = All(&[Schedules, ExportsCreate]);

/// Method, address as the router reads it, what is needed.
type Row = (&'static str, &'static str, Needs);

/// Every operation, as the document names it. HEAD needs what GET does.
const TABLE: &[Row] = &[
    ("POST", "/export-jobs/validate", All(&[ExportsCreate])),
    ("POST", "/export-jobs", All(&[ExportsCreate])),
    ("GET", "/export-jobs", SEE_JOBS),
    ("GET", "/export-jobs/{jobHandle}", SEE_JOBS),
    ("GET", "/export-jobs/{jobHandle}/items", SEE_JOBS),
    ("GET", "/export-jobs/{jobHandle}/items/{position}", SEE_JOBS),
    ("GET", "/export-jobs/{jobHandle}/events", SEE_JOBS),
    ("POST", "/export-jobs/{jobHandle}/pause", ORDER_JOBS),
    ("POST", "/export-jobs/{jobHandle}/resume", ORDER_JOBS),
    ("POST", "/export-jobs/{jobHandle}/stop", ORDER_JOBS),
    ("POST", "/export-jobs/{jobHandle}/run", ORDER_JOBS),
    ("POST", "/export-jobs/{jobHandle}/retry", ORDER_JOBS),
    ("DELETE", "/export-jobs/{jobHandle}", ORDER_JOBS),
    ("GET", "/export-jobs/{jobHandle}/files", SEE_JOBS),
    ("GET", "/export-jobs/{jobHandle}/files/{path:.*}", SEE_JOBS),
    ("GET", "/export-jobs/{jobHandle}/download", SEE_JOBS),
    ("GET", "/export-jobs/{jobHandle}/archive", SEE_JOBS),
    ("GET", "/export-jobs/{jobHandle}/manifest", SEE_JOBS),
    ("POST", "/export-jobs/{jobHandle}/links", ORDER_JOBS),
    ("GET", "/export-jobs/{jobHandle}/links", SEE_JOBS),
    ("DELETE", "/export-jobs/{jobHandle}/links/{linkHandle}", ORDER_JOBS),
    ("POST", "/export-schedules", MAKE_RUNS),
    ("GET", "/export-schedules", SEE_SCHEDULES),
    ("GET", "/export-schedules/{scheduleHandle}", SEE_SCHEDULES),
    ("PATCH", "/export-schedules/{scheduleHandle}", MAKE_RUNS),
    ("POST", "/export-schedules/{scheduleHandle}/pause", ORDER_SCHEDULES),
    ("POST", "/export-schedules/{scheduleHandle}/resume", ORDER_SCHEDULES),
    ("POST", "/export-schedules/{scheduleHandle}/run", MAKE_RUNS),
    ("DELETE", "/export-schedules/{scheduleHandle}", ORDER_SCHEDULES),
    ("GET", "/export-jobs/{jobHandle}/deliveries", SEE_JOBS),
    ("POST", "/export-jobs/{jobHandle}/deliveries/{deliveryHandle}/replay", ORDER_JOBS),
    // Whoever has it can pretend to be us.
    ("GET", "/webhook-secret", All(&[Admin])),
    ("POST", "/webhook-secret/rotate", All(&[Admin])),
    // The address itself is the key.
    ("GET", "/downloads/{token}", Nothing),
    ("POST", "/assets", All(&[AssetsWrite])),
    ("GET", "/assets", All(&[AssetsRead])),
    ("GET", "/assets/{assetHandle}", All(&[AssetsRead])),
    ("PATCH", "/assets/{assetHandle}", All(&[AssetsWrite])),
    ("DELETE", "/assets/{assetHandle}", All(&[AssetsDelete])),
    ("GET", "/assets/{assetHandle}/preview", All(&[AssetsRead])),
    // Who may not export originals shall not get them another way.
    ("GET", "/assets/{assetHandle}/content", All(&[AssetsRead, ExportsCreateOriginal])),
    ("PUT", "/assets/{assetHandle}/content", All(&[AssetsWrite])),
    ("POST", "/asset-sets", All(&[AssetsWrite])),
    // What the service can do, told before anybody has a key in hand.
    ("OPTIONS", "/uploads", Nothing),
    ("POST", "/uploads", All(&[AssetsWrite])),
    ("GET", "/uploads", All(&[AssetsWrite])),
    ("GET", "/uploads/{uploadHandle}", All(&[AssetsWrite])),
    ("PATCH", "/uploads/{uploadHandle}", All(&[AssetsWrite])),
    ("DELETE", "/uploads/{uploadHandle}", All(&[AssetsWrite])),
    ("GET", "/image-presets", All(&[PresetsRead])),
    ("GET", "/image-presets/{name}", All(&[PresetsRead])),
    ("PUT", "/image-presets/{name}", All(&[PresetsWrite])),
    ("DELETE", "/image-presets/{name}", All(&[PresetsWrite])),
    ("GET", "/modifier-commands", AnyKey),
    // It shows what presets say.
    ("POST", "/modifier-check", All(&[PresetsRead])),
    ("POST", "/api-keys", All(&[Admin])),
    ("GET", "/api-keys", All(&[Admin])),
    ("GET", "/api-keys/{keyHandle}", All(&[Admin])),
    ("DELETE", "/api-keys/{keyHandle}", All(&[Admin])),
    ("GET", "/audit-log", All(&[Admin])),
    ("GET", "/usage", AnyKey),
    ("GET", "/workers", All(&[Admin])),
    ("GET", "/", AnyKey),
    ("GET", "/info", AnyKey),
    ("GET", "/health/live", Nothing),
    ("GET", "/health/ready", Nothing),
    ("GET", "/metrics", All(&[Admin])),
];

/// The same with their addresses as the router reads them.
static ROWS: LazyLock<Vec<(ResourceDef, &Row)>> =
    LazyLock::new(|| TABLE.iter().map(|row| (ResourceDef::new(row.1), row)).collect());

/// What an operation of the document needs.
pub fn needs(method: &str, path: &str) -> Option<Needs> {
    let named = |address: &str| address.replace(":.*}", "}") == path;
    TABLE.iter().find(|(its, address, _)| *its == as_get(method) && named(address)).map(|(_, _, needs)| *needs)
}

/// What a request needs: its path as the router matches it. None where no operation is.
pub fn of_request(method: &str, path: &str) -> Option<Needs> {
    row(method, path).map(|(_, _, needs)| *needs)
}

/// The operation that a request asks for, as the document names it: method and address.
pub fn operation(method: &str, path: &str) -> Option<String> {
    row(method, path).map(|(_, address, _)| format!("{method} {}", address.replace(":.*}", "}")))
}

fn row(method: &str, path: &str) -> Option<&'static Row> {
    ROWS.iter().find(|(address, row)| row.0 == as_get(method) && address.is_match(path)).map(|(_, row)| *row)
}

fn as_get(method: &str) -> &str {
    if method == "HEAD" { "GET" } else { method }
}

impl Needs {
    /// Whether the caller has what is needed.
    ///
    /// # Errors
    /// 403 that names what is missing.
    pub fn check(self, caller: &Caller) -> Result<(), Problem> {
        let words = |capabilities: &[Capability], between: &str| {
            let words: Vec<String> = capabilities.iter().map(|capability| format!("`{}`", capability.name())).collect();
            words.join(between)
        };
        let missing = match self {
            Nothing | AnyKey => return Ok(()),
            All(needed) => {
                let missing: Vec<Capability> = needed.iter().copied().filter(|it| !caller.may(*it)).collect();
                if missing.is_empty() {
                    return Ok(());
                }
                words(&missing, " and ")
            }
            OneOf(needed) if needed.iter().any(|it| caller.may(*it)) => return Ok(()),
            OneOf(needed) => words(needed, " or "),
        };
        let detail = format!("The key may not do this: it lacks {missing}. Ask whoever gave it to you for another.");
        Err(Problem::new(Code::OperationForbidden, detail))
    }

    /// The alternatives as the document's `security` has them: each a list of what a key must be allowed.
    pub fn alternatives(self) -> Vec<Vec<String>> {
        match self {
            Nothing => Vec::new(),
            AnyKey => vec![Vec::new()],
            All(needed) => vec![needed.iter().map(|capability| capability.name()).collect()],
            OneOf(needed) => needed.iter().map(|capability| vec![capability.name()]).collect(),
        }
    }
}
