//! The operation table: which capabilities each operation needs.
//!
//! The authentication middleware reads it before a handler runs, and the OpenAPI document shows it, so the two cannot
//! drift apart. A handler whose operation has no row gets no [`Caller`], so a forgotten row is an error and not a hole.
//!
//! [`Caller`]: crate::http::extract::caller::Caller

use std::sync::LazyLock;

use actix_web::dev::ResourceDef;
use offprint_core::Code;

use crate::db::capability::Capability::{
    self, Admin, AssetsDelete, AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal, ExportsManageAll,
    ExportsReadAll, PresetsRead, PresetsWrite, Schedules,
};
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessRule {
    /// No key.
    Public,
    /// Any valid key.
    AnyKey,
    /// A key with all of these capabilities.
    All(&'static [Capability]),
    /// A key with at least one of these capabilities.
    OneOf(&'static [Capability]),
}

use AccessRule::{All, AnyKey, OneOf, Public};

/// Users see their own jobs; readers and managers of all see everybody's.
const READ_JOBS: AccessRule = OneOf(&[ExportsCreate, ExportsReadAll, ExportsManageAll]);
/// Users control their own jobs; managers of all control everybody's.
const MANAGE_JOBS: AccessRule = OneOf(&[ExportsCreate, ExportsManageAll]);

/// Users see their own schedules; readers and managers of all see everybody's.
const READ_SCHEDULES: AccessRule = OneOf(&[Schedules, ExportsReadAll, ExportsManageAll]);
/// Users control their own schedules; managers of all control everybody's.
const MANAGE_SCHEDULES: AccessRule = OneOf(&[Schedules, ExportsManageAll]);
/// What creates jobs, now or later, also needs the capability to create jobs.
const CREATE_RUNS: AccessRule = All(&[Schedules, ExportsCreate]);

/// Method, path template of the router, what is needed.
type OperationRow = (&'static str, &'static str, AccessRule);

/// Every operation. HEAD needs what GET needs.
const OPERATIONS: &[OperationRow] = &[
    ("POST", "/export-jobs/validate", All(&[ExportsCreate])),
    ("POST", "/export-jobs", All(&[ExportsCreate])),
    ("GET", "/export-jobs", READ_JOBS),
    ("GET", "/export-jobs/{jobHandle}", READ_JOBS),
    ("GET", "/export-jobs/{jobHandle}/items", READ_JOBS),
    ("GET", "/export-jobs/{jobHandle}/items/{position}", READ_JOBS),
    ("GET", "/export-jobs/{jobHandle}/events", READ_JOBS),
    ("POST", "/export-jobs/{jobHandle}/pause", MANAGE_JOBS),
    ("POST", "/export-jobs/{jobHandle}/resume", MANAGE_JOBS),
    ("POST", "/export-jobs/{jobHandle}/stop", MANAGE_JOBS),
    ("POST", "/export-jobs/{jobHandle}/run", MANAGE_JOBS),
    ("POST", "/export-jobs/{jobHandle}/retry", MANAGE_JOBS),
    ("DELETE", "/export-jobs/{jobHandle}", MANAGE_JOBS),
    ("GET", "/export-jobs/{jobHandle}/files", READ_JOBS),
    ("GET", "/export-jobs/{jobHandle}/files/{path:.*}", READ_JOBS),
    ("GET", "/export-jobs/{jobHandle}/download", READ_JOBS),
    ("GET", "/export-jobs/{jobHandle}/archive", READ_JOBS),
    ("GET", "/export-jobs/{jobHandle}/manifest", READ_JOBS),
    ("POST", "/export-jobs/{jobHandle}/links", MANAGE_JOBS),
    ("GET", "/export-jobs/{jobHandle}/links", READ_JOBS),
    ("DELETE", "/export-jobs/{jobHandle}/links/{linkHandle}", MANAGE_JOBS),
    ("POST", "/export-schedules", CREATE_RUNS),
    ("GET", "/export-schedules", READ_SCHEDULES),
    ("GET", "/export-schedules/{scheduleHandle}", READ_SCHEDULES),
    ("PATCH", "/export-schedules/{scheduleHandle}", CREATE_RUNS),
    ("POST", "/export-schedules/{scheduleHandle}/pause", MANAGE_SCHEDULES),
    ("POST", "/export-schedules/{scheduleHandle}/resume", MANAGE_SCHEDULES),
    ("POST", "/export-schedules/{scheduleHandle}/run", CREATE_RUNS),
    ("DELETE", "/export-schedules/{scheduleHandle}", MANAGE_SCHEDULES),
    ("GET", "/export-jobs/{jobHandle}/deliveries", READ_JOBS),
    ("POST", "/export-jobs/{jobHandle}/deliveries/{deliveryHandle}/replay", MANAGE_JOBS),
    // Whoever has the secret can forge webhooks.
    ("GET", "/webhook-secret", All(&[Admin])),
    ("POST", "/webhook-secret/rotate", All(&[Admin])),
    // The token in the path is the credential.
    ("GET", "/downloads/{token}", Public),
    ("POST", "/assets", All(&[AssetsWrite])),
    ("GET", "/assets", All(&[AssetsRead])),
    ("GET", "/assets/{assetHandle}", All(&[AssetsRead])),
    ("PATCH", "/assets/{assetHandle}", All(&[AssetsWrite])),
    ("DELETE", "/assets/{assetHandle}", All(&[AssetsDelete])),
    ("GET", "/assets/{assetHandle}/preview", All(&[AssetsRead])),
    // A key that may not export originals must not get them by another way.
    ("GET", "/assets/{assetHandle}/content", All(&[AssetsRead, ExportsCreateOriginal])),
    ("PUT", "/assets/{assetHandle}/content", All(&[AssetsWrite])),
    ("POST", "/asset-sets", All(&[AssetsWrite])),
    // Clients of tus ask what the server supports before they authenticate.
    ("OPTIONS", "/uploads", Public),
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
    // The answer shows the text of presets.
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
    ("GET", "/health/live", Public),
    ("GET", "/health/ready", Public),
    ("GET", "/metrics", All(&[Admin])),
];

/// The rows with their compiled path templates.
static OPERATION_MATCHERS: LazyLock<Vec<(ResourceDef, &OperationRow)>> =
    LazyLock::new(|| OPERATIONS.iter().map(|row| (ResourceDef::new(row.1), row)).collect());

/// The rule of an operation, by method and path template as in the document.
pub fn find_rule_by_template(method: &str, path: &str) -> Option<AccessRule> {
    let matches_path = |template: &str| template.replace(":.*}", "}") == path;
    OPERATIONS
        .iter()
        .find(|(name, template, _)| *name == normalize_method(method) && matches_path(template))
        .map(|(_, _, needs)| *needs)
}

/// The rule of a request, by method and actual path. None when no operation matches.
pub fn find_rule_for_request(method: &str, path: &str) -> Option<AccessRule> {
    match_operation(method, path).map(|(_, _, needs)| *needs)
}

/// The operation of a request as the document names it: method and path template.
pub fn find_operation_name(method: &str, path: &str) -> Option<String> {
    match_operation(method, path).map(|(_, template, _)| format!("{method} {}", template.replace(":.*}", "}")))
}

fn match_operation(method: &str, path: &str) -> Option<&'static OperationRow> {
    OPERATION_MATCHERS
        .iter()
        .find(|(template, row)| row.0 == normalize_method(method) && template.is_match(path))
        .map(|(_, row)| *row)
}

fn normalize_method(method: &str) -> &str {
    if method == "HEAD" { "GET" } else { method }
}

impl AccessRule {
    /// Checks that the caller has the capabilities.
    ///
    /// # Errors
    /// 403 that names the missing ones.
    pub fn check(self, caller: &Caller) -> Result<(), Problem> {
        let join_names = |capabilities: &[Capability], separator: &str| {
            let names: Vec<String> = capabilities.iter().map(|capability| format!("`{}`", capability.name())).collect();
            names.join(separator)
        };
        let missing = match self {
            Public | AnyKey => return Ok(()),
            All(needed) => {
                let missing: Vec<Capability> =
                    needed.iter().copied().filter(|needed| !caller.has_capability(*needed)).collect();
                if missing.is_empty() {
                    return Ok(());
                }
                join_names(&missing, " and ")
            }
            OneOf(needed) if needed.iter().any(|capability| caller.has_capability(*capability)) => return Ok(()),
            OneOf(needed) => join_names(needed, " or "),
        };
        let detail = format!("The API key lacks the capability {missing}. Ask an administrator for a key that has it.");
        Err(Problem::new(Code::OperationForbidden, detail))
    }

    /// The alternatives for `security` in the document: each a list of the capabilities that a key must have.
    pub fn alternatives(self) -> Vec<Vec<String>> {
        match self {
            Public => Vec::new(),
            AnyKey => vec![Vec::new()],
            All(needed) => vec![needed.iter().map(|capability| capability.name()).collect()],
            OneOf(needed) => needed.iter().map(|capability| vec![capability.name()]).collect(),
        }
    }
}
