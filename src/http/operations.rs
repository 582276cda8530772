//! The operation table: one row for each operation, and everything that holds for it.
//!
//! The middleware [`route`](crate::http::middleware::route) finds the row of a request once. Body limits, deadlines,
//! authentication, the audit log, logs, metrics and the OpenAPI document read it there, so a path stands in this table
//! and at its handler only. A handler whose operation has no row gets no [`Caller`], so a forgotten row is an error and
//! not a hole. A test compares the table with the document in both directions.
//!
//! [`Caller`]: crate::http::extract::caller::Caller

use std::sync::LazyLock;

use actix_web::dev::ResourceDef;

use crate::db::capability::Capability::{
    Admin, AssetsDelete, AssetsRead, AssetsWrite, ExportsCreate, ExportsCreateOriginal, ExportsManageAll,
    ExportsReadAll, PresetsRead, PresetsWrite, Schedules,
};
use crate::http::access_rule::AccessRule::{self, All, AnyKey, OneOf, Probe, Public};

/// An operation: method, path, and what holds for its requests.
#[derive(Clone, Copy, Debug)]
pub struct OperationSpec {
    pub method: &'static str,
    /// Path template of the router.
    pub path: &'static str,
    /// `operationId` in the document, and the label in metrics and logs.
    pub id: &'static str,
    pub access: AccessRule,
    pub body: BodyRule,
    pub deadline: Deadline,
    pub idempotency: Idempotency,
    pub audit: AuditClass,
    /// Whether the handler also answers HEAD itself, and the document shows that. For every other GET the middleware
    /// [`head`](crate::http::middleware::head) answers it. It needs what GET needs.
    pub has_head: bool,
    /// Whether the document shows the operation. It does not show itself and its pages.
    #[cfg_attr(dead_code_check, expect(dead_code, reason = "for the test that compares both"))]
    pub is_documented: bool,
    /// Whether requests count toward a rate limit. Liveness does not: it asks nothing, so it wears nothing out, and a stranger
    /// at a balancer's address must not make the service look dead.
    pub is_counted: bool,
}

/// The body of a request, and its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// None. Bytes that are sent all the same are not read.
    Empty,
    /// JSON of at most 1 MiB.
    Json,
    /// The same, and it may be absent.
    OptionalJson,
    /// JSON with room for the handles of the largest job.
    ExportRequest,
    /// The same, or a list of names as text or table.
    ExportList,
    /// Addresses: a log, a list or a sitemap, compressed or not. Its handler bounds it.
    Addresses,
    /// Files of a catalog: as JSON, or one as text.
    CatalogFiles,
    /// One JSON object a line, or a table. Its handler bounds it.
    Records,
    /// `multipart/form-data`. Its handler bounds the parts; each file has the company's upload limit.
    Form,
    /// A form of a page, a few kilobytes. Its extractor checks where it comes from.
    PageForm,
    /// A form of the console, with room for a list that somebody pastes. The same extractor checks it.
    ConsoleForm,
    /// A form of the console with files. Its first part proves where it comes from.
    FileForm,
    /// The bytes of a file or of a part of it, up to the company's upload limit.
    Bytes,
}

impl BodyRule {
    /// Whether it is a form of a page, which proves by a field that it comes from one.
    pub fn is_page_form(self) -> bool {
        matches!(self, Self::PageForm | Self::ConsoleForm | Self::FileForm)
    }
}

/// How long the handler may take until the response begins. A body that still arrives prolongs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    Standard,
    /// In addition, as long as the caller asks for with `?wait=`.
    Wait,
    /// In addition, as long as a render may take.
    Render,
    /// As long as the bytes of the upload arrive; storing them may take long, too.
    Transfer,
}

/// What happens when a client repeats a request because the response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// The same once more, by the nature of the operation.
    Inherent,
    /// With the same `Idempotency-Key`, nothing: the client gets the first response.
    Key,
    /// It is done again, or refused.
    Repeated,
}

/// Which requests have an entry in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditClass {
    /// Those that were refused.
    Refusals,
    /// All: the response has a secret, so it matters who read it.
    Disclosure,
    /// All: the operation changes something.
    Changes,
}

impl OperationSpec {
    const fn new(method: &'static str, path: &'static str, id: &'static str, access: AccessRule) -> Self {
        Self {
            method,
            path,
            id,
            access,
            body: BodyRule::Empty,
            deadline: Deadline::Standard,
            idempotency: Idempotency::Inherent,
            audit: AuditClass::Changes,
            has_head: false,
            is_documented: true,
            is_counted: true,
        }
    }

    const fn with_body(self, body: BodyRule) -> Self {
        Self { body, ..self }
    }

    const fn with_deadline(self, deadline: Deadline) -> Self {
        Self { deadline, ..self }
    }

    const fn with_audit(self, audit: AuditClass) -> Self {
        Self { audit, ..self }
    }

    const fn with_idempotency(self, idempotency: Idempotency) -> Self {
        Self { idempotency, ..self }
    }

    const fn with_head(self) -> Self {
        Self { has_head: true, ..self }
    }

    const fn without_count(self) -> Self {
        Self { is_counted: false, ..self }
    }

    const fn without_document(self) -> Self {
        Self { is_documented: false, ..self }
    }

    /// Whether the operation answers this method: GET implies HEAD.
    pub fn has_method(&self, method: &str) -> bool {
        self.method == method || (self.method == "GET" && method == "HEAD")
    }

    /// The path template as the document has it.
    pub fn document_path(&self) -> String {
        self.path.replace(":.*}", "}")
    }

    /// Method and path as the document and the audit log have them.
    #[cfg_attr(dead_code_check, expect(dead_code, reason = "for tests, which name operations"))]
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.document_path())
    }
}

const fn get(path: &'static str, id: &'static str, access: AccessRule) -> OperationSpec {
    OperationSpec::new("GET", path, id, access).with_audit(AuditClass::Refusals)
}

const fn post(path: &'static str, id: &'static str, access: AccessRule) -> OperationSpec {
    OperationSpec::new("POST", path, id, access).with_idempotency(Idempotency::Repeated)
}

const fn put(path: &'static str, id: &'static str, access: AccessRule) -> OperationSpec {
    OperationSpec::new("PUT", path, id, access)
}

const fn patch(path: &'static str, id: &'static str, access: AccessRule) -> OperationSpec {
    OperationSpec::new("PATCH", path, id, access)
}

const fn delete(path: &'static str, id: &'static str, access: AccessRule) -> OperationSpec {
    OperationSpec::new("DELETE", path, id, access)
}

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

const CREATE_JOBS: AccessRule = All(&[ExportsCreate]);
const ADMIN: AccessRule = All(&[Admin]);
const READ_ASSETS: AccessRule = All(&[AssetsRead]);
const WRITE_ASSETS: AccessRule = All(&[AssetsWrite]);

/// Every operation. The first match counts: `/things/new` stands before `/things/{thingHandle}`.
#[rustfmt::skip]
pub const OPERATIONS: &[OperationSpec] = &[
    post("/export-jobs/validate", "validateExportJob", CREATE_JOBS)
        .with_body(BodyRule::ExportList).with_idempotency(Idempotency::Inherent).with_audit(AuditClass::Refusals),
    post("/export-jobs", "createExportJob", CREATE_JOBS)
        .with_body(BodyRule::ExportList).with_idempotency(Idempotency::Key),
    get("/export-jobs", "listExportJobs", READ_JOBS),
    get("/export-jobs/{jobHandle}", "showExportJob", READ_JOBS).with_deadline(Deadline::Wait),
    get("/export-jobs/{jobHandle}/items", "listExportItems", READ_JOBS),
    get("/export-jobs/{jobHandle}/items/{position}", "showExportItem", READ_JOBS),
    get("/export-jobs/{jobHandle}/events", "listExportEvents", READ_JOBS),
    post("/export-jobs/{jobHandle}/pause", "pauseExportJob", MANAGE_JOBS),
    post("/export-jobs/{jobHandle}/resume", "resumeExportJob", MANAGE_JOBS),
    post("/export-jobs/{jobHandle}/stop", "stopExportJob", MANAGE_JOBS),
    post("/export-jobs/{jobHandle}/run", "runExportJob", MANAGE_JOBS).with_idempotency(Idempotency::Key),
    post("/export-jobs/{jobHandle}/retry", "retryExportJob", MANAGE_JOBS)
        .with_body(BodyRule::OptionalJson).with_idempotency(Idempotency::Key),
    delete("/export-jobs/{jobHandle}", "deleteExportJob", MANAGE_JOBS),
    get("/export-jobs/{jobHandle}/files", "listExportFiles", READ_JOBS),
    get("/export-jobs/{jobHandle}/files/{path:.*}", "fetchExportFile", READ_JOBS).with_head(),
    get("/export-jobs/{jobHandle}/thumbnails/{path:.*}", "fetchExportThumbnail", READ_JOBS)
        .with_deadline(Deadline::Render),
    get("/export-jobs/{jobHandle}/download", "downloadExport", READ_JOBS).with_head(),
    get("/export-jobs/{jobHandle}/archive", "fetchExportArchive", READ_JOBS).with_head(),
    get("/export-jobs/{jobHandle}/manifest", "fetchExportManifest", READ_JOBS).with_head(),
    post("/export-jobs/{jobHandle}/links", "createExportLink", MANAGE_JOBS)
        .with_body(BodyRule::Json).with_idempotency(Idempotency::Key),
    get("/export-jobs/{jobHandle}/links", "listExportLinks", READ_JOBS),
    delete("/export-jobs/{jobHandle}/links/{linkHandle}", "revokeExportLink", MANAGE_JOBS),
    post("/export-job-groups", "createExportJobGroup", CREATE_JOBS)
        .with_body(BodyRule::ExportList).with_deadline(Deadline::Transfer).with_idempotency(Idempotency::Key),
    get("/export-job-groups/{jobHandle}", "showExportJobGroup", READ_JOBS).with_deadline(Deadline::Wait),
    post("/export-schedules", "createSchedule", CREATE_RUNS)
        .with_body(BodyRule::ExportRequest).with_idempotency(Idempotency::Key),
    get("/export-schedules", "listSchedules", READ_SCHEDULES),
    get("/export-schedules/{scheduleHandle}", "showSchedule", READ_SCHEDULES),
    patch("/export-schedules/{scheduleHandle}", "changeSchedule", CREATE_RUNS).with_body(BodyRule::ExportRequest),
    post("/export-schedules/{scheduleHandle}/pause", "pauseSchedule", MANAGE_SCHEDULES),
    post("/export-schedules/{scheduleHandle}/resume", "resumeSchedule", MANAGE_SCHEDULES),
    post("/export-schedules/{scheduleHandle}/run", "runSchedule", CREATE_RUNS).with_idempotency(Idempotency::Key),
    delete("/export-schedules/{scheduleHandle}", "deleteSchedule", MANAGE_SCHEDULES),
    get("/export-jobs/{jobHandle}/deliveries", "listDeliveries", READ_JOBS),
    get("/export-jobs/{jobHandle}/destinations", "listDestinations", READ_JOBS),
    post("/export-jobs/{jobHandle}/deliveries/{deliveryHandle}/replay", "replayDelivery", MANAGE_JOBS),
    // Whoever has the secret can forge webhooks.
    get("/webhook-secret", "showWebhookSecret", ADMIN).with_audit(AuditClass::Disclosure),
    post("/webhook-secret/rotate", "rotateWebhookSecret", ADMIN).with_idempotency(Idempotency::Key),
    // The token in the path is the credential.
    get("/downloads/{token}", "openLink", Public).with_head(),
    get("/downloads/{token}/events", "streamLinkProgress", Public).without_document(),
    get("/downloads/{token}/files/{path:.*}", "fetchLinkFile", Public).with_head().without_document(),
    get("/downloads/{token}/thumbnails/{path:.*}", "fetchLinkThumbnail", Public)
        .with_deadline(Deadline::Render).without_document(),
    post("/assets", "uploadAssets", WRITE_ASSETS)
        .with_body(BodyRule::Form).with_deadline(Deadline::Transfer).with_idempotency(Idempotency::Key),
    get("/assets", "listAssets", READ_ASSETS),
    patch("/assets", "changeAssets", WRITE_ASSETS).with_body(BodyRule::Records).with_deadline(Deadline::Transfer),
    get("/assets/{assetHandle}", "showAsset", READ_ASSETS),
    patch("/assets/{assetHandle}", "changeAsset", WRITE_ASSETS).with_body(BodyRule::Json),
    delete("/assets/{assetHandle}", "deleteAsset", All(&[AssetsDelete])),
    // Rendered before the response begins.
    get("/assets/{assetHandle}/preview", "previewAsset", READ_ASSETS).with_deadline(Deadline::Render),
    get("/assets/{assetHandle}/template", "showTemplate", READ_ASSETS),
    // A key that may not export originals must not get them by another way.
    get("/assets/{assetHandle}/content", "downloadContent", All(&[AssetsRead, ExportsCreateOriginal])).with_head(),
    put("/assets/{assetHandle}/content", "replaceContent", WRITE_ASSETS)
        .with_body(BodyRule::Bytes).with_deadline(Deadline::Transfer),
    post("/asset-sets", "createSet", WRITE_ASSETS).with_body(BodyRule::Json).with_idempotency(Idempotency::Key),
    // Clients of tus ask what the server supports before they authenticate.
    OperationSpec::new("OPTIONS", "/uploads", "describeUploads", Public).with_audit(AuditClass::Refusals),
    post("/uploads", "createUpload", WRITE_ASSETS).with_idempotency(Idempotency::Key),
    get("/uploads", "listUploads", WRITE_ASSETS),
    get("/uploads/{uploadHandle}", "showUpload", WRITE_ASSETS).with_head(),
    patch("/uploads/{uploadHandle}", "appendToUpload", WRITE_ASSETS)
        .with_body(BodyRule::Bytes).with_deadline(Deadline::Transfer),
    delete("/uploads/{uploadHandle}", "endUpload", WRITE_ASSETS),
    post("/image-presets/import", "importImagePresets", All(&[PresetsWrite])).with_body(BodyRule::CatalogFiles),
    get("/image-presets", "listImagePresets", All(&[PresetsRead])),
    get("/image-presets/{name}", "showImagePreset", All(&[PresetsRead])),
    put("/image-presets/{name}", "saveImagePreset", All(&[PresetsWrite])).with_body(BodyRule::Json),
    delete("/image-presets/{name}", "deleteImagePreset", All(&[PresetsWrite])),
    post("/migrations/scene7", "migrateScene7", CREATE_JOBS)
        .with_body(BodyRule::Addresses).with_deadline(Deadline::Transfer).with_idempotency(Idempotency::Key),
    get("/migrations", "listMigrations", READ_JOBS),
    get("/migrations/scene7/{jobHandle}", "showScene7Migration", READ_JOBS),
    delete("/migrations/scene7/{jobHandle}", "deleteScene7Migration", MANAGE_JOBS),
    get("/migrations/scene7/{jobHandle}/redirects", "fetchRedirects", READ_JOBS),
    get("/modifier-commands", "listModifierCommands", AnyKey),
    // The answer shows the text of presets.
    post("/modifier-check", "checkModifier", All(&[PresetsRead]))
        .with_body(BodyRule::Json).with_idempotency(Idempotency::Inherent).with_audit(AuditClass::Refusals),
    post("/api-keys", "createApiKey", ADMIN).with_body(BodyRule::Json).with_idempotency(Idempotency::Key),
    get("/api-keys", "listApiKeys", ADMIN),
    get("/api-keys/{keyHandle}", "showApiKey", ADMIN),
    delete("/api-keys/{keyHandle}", "revokeApiKey", ADMIN),
    get("/audit-log", "listAuditLog", ADMIN),
    get("/connections", "listConnections", AnyKey),
    post("/imports", "createImport", WRITE_ASSETS)
        .with_body(BodyRule::ExportRequest).with_idempotency(Idempotency::Key),
    get("/imports", "listImports", WRITE_ASSETS),
    get("/imports/{jobHandle}", "showImport", WRITE_ASSETS).with_deadline(Deadline::Wait),
    get("/imports/{jobHandle}/entries", "listImportEntries", WRITE_ASSETS),
    post("/imports/{jobHandle}/stop", "stopImport", WRITE_ASSETS),
    post("/imports/{jobHandle}/retry", "retryImport", WRITE_ASSETS).with_idempotency(Idempotency::Key),
    delete("/imports/{jobHandle}", "deleteImport", WRITE_ASSETS),
    get("/usage", "showUsage", AnyKey),
    get("/workers", "listWorkers", ADMIN),
    get("/info", "showInfo", AnyKey),
    get("/health/live", "checkLiveness", Probe).without_count(),
    get("/health/ready", "checkReadiness", Probe),
    get("/metrics", "showMetrics", ADMIN),
    get("/", "showStartPage", Public).without_document(),
    // Signing in and out. The forms prove themselves that they come from our pages.
    get("/sign-in", "showSignIn", Public).without_document(),
    post("/sign-in/key", "signInByKey", Public).with_body(BodyRule::PageForm).without_document(),
    post("/sign-in/mail", "requestSignInMail", Public).with_body(BodyRule::PageForm).without_document(),
    get("/sign-in/mail/{token}", "showSignInLink", Public).without_document(),
    post("/sign-in/mail/{token}", "signInByMail", Public).with_body(BodyRule::PageForm).without_document(),
    get("/sign-in/oidc", "beginOidcSignIn", Public).without_document(),
    // The response has a session.
    get("/sign-in/oidc/callback", "finishOidcSignIn", Public).with_audit(AuditClass::Disclosure)
        .with_idempotency(Idempotency::Repeated).without_document(),
    post("/sign-out", "signOut", Public).with_body(BodyRule::PageForm).without_document(),
    // The console. Each page needs what the JSON operation needs whose data it shows.
    get("/console", "redirectToConsole", Public).without_document(),
    get("/console/jobs", "showJobsPage", READ_JOBS).without_document(),
    get("/console/jobs/events", "streamJobs", READ_JOBS).without_document(),
    post("/console/jobs/batch", "changeJobs", MANAGE_JOBS).with_body(BodyRule::PageForm).without_document(),
    get("/console/jobs/{jobHandle}", "showJobPage", READ_JOBS).without_document(),
    // The source is an asset.
    get("/console/jobs/{jobHandle}/items/{position}/thumbnail", "showSourceThumbnail", READ_ASSETS)
        .with_deadline(Deadline::Render).without_document(),
    get("/console/jobs/{jobHandle}/files", "showJobFilesPage", READ_JOBS).without_document(),
    get("/console/jobs/{jobHandle}/log", "showJobLogPage", READ_JOBS).without_document(),
    get("/console/jobs/{jobHandle}/request", "showJobRequestPage", READ_JOBS).without_document(),
    get("/console/jobs/{jobHandle}/deliveries", "showJobDeliveriesPage", READ_JOBS).without_document(),
    post("/console/jobs/{jobHandle}/deliveries/{deliveryHandle}/replay", "sendWebhookAgain", MANAGE_JOBS)
        .with_body(BodyRule::PageForm).without_document(),
    post("/console/jobs/{jobHandle}/delete", "deleteJobByForm", MANAGE_JOBS)
        .with_body(BodyRule::PageForm).without_document(),
    post("/console/jobs/{jobHandle}/{action}", "changeJobByForm", MANAGE_JOBS)
        .with_body(BodyRule::PageForm).without_document(),
    // The console, second part: what people export.
    get("/console/exports/new", "showNewExport", CREATE_JOBS).without_document(),
    post("/console/exports/new", "submitNewExport", CREATE_JOBS).with_body(BodyRule::ConsoleForm).without_document(),
    get("/console/assets", "showAssetsPage", READ_ASSETS).without_document(),
    post("/console/assets", "uploadByForm", WRITE_ASSETS)
        .with_body(BodyRule::FileForm).with_deadline(Deadline::Transfer).without_document(),
    post("/console/assets/move", "moveAssetsByForm", WRITE_ASSETS).with_body(BodyRule::ConsoleForm).without_document(),
    get("/console/assets/{assetHandle}", "showAssetPage", READ_ASSETS).without_document(),
    post("/console/assets/{assetHandle}", "changeAssetByForm", WRITE_ASSETS)
        .with_body(BodyRule::ConsoleForm).without_document(),
    post("/console/assets/{assetHandle}/delete", "deleteAssetByForm", All(&[AssetsDelete]))
        .with_body(BodyRule::ConsoleForm).without_document(),
    post("/console/assets/{assetHandle}/content", "replaceByForm", WRITE_ASSETS)
        .with_body(BodyRule::FileForm).with_deadline(Deadline::Transfer).without_document(),
    get("/console/assets/{assetHandle}/thumbnail", "showAssetThumbnail", READ_ASSETS)
        .with_deadline(Deadline::Render).without_document(),
    get("/console/presets", "showPresetsPage", All(&[PresetsRead])).without_document(),
    post("/console/presets", "createPresetByForm", All(&[PresetsWrite]))
        .with_body(BodyRule::ConsoleForm).without_document(),
    post("/console/preset-imports", "importPresetsByForm", All(&[PresetsWrite]))
        .with_body(BodyRule::FileForm).without_document(),
    get("/console/presets/{name}", "showPresetPage", All(&[PresetsRead])).without_document(),
    post("/console/presets/{name}", "changePresetByForm", All(&[PresetsWrite]))
        .with_body(BodyRule::ConsoleForm).without_document(),
    post("/console/presets/{name}/delete", "deletePresetByForm", All(&[PresetsWrite]))
        .with_body(BodyRule::ConsoleForm).without_document(),
    get("/console/schedules", "showSchedulesPage", READ_SCHEDULES).without_document(),
    post("/console/schedules/{scheduleHandle}/run", "runScheduleByForm", CREATE_RUNS)
        .with_body(BodyRule::PageForm).without_document(),
    post("/console/schedules/{scheduleHandle}/pause", "pauseScheduleByForm", MANAGE_SCHEDULES)
        .with_body(BodyRule::PageForm).without_document(),
    post("/console/schedules/{scheduleHandle}/resume", "resumeScheduleByForm", MANAGE_SCHEDULES)
        .with_body(BodyRule::PageForm).without_document(),
    post("/console/schedules/{scheduleHandle}/delete", "deleteScheduleByForm", MANAGE_SCHEDULES)
        .with_body(BodyRule::PageForm).without_document(),
    get("/console/usage", "showUsagePage", AnyKey).without_document(),
    get("/console/connections", "showConnectionsPage", AnyKey).without_document(),
    get("/console/keys", "showKeysPage", ADMIN).without_document(),
    // The response has the key.
    post("/console/keys", "createKeyByForm", ADMIN).with_body(BodyRule::PageForm).without_document(),
    post("/console/keys/{keyHandle}/revoke", "revokeKeyByForm", ADMIN)
        .with_body(BodyRule::PageForm).without_document(),
    get("/console/users", "showUsersPage", ADMIN).without_document(),
    get("/console/system", "showSystemPage", ADMIN).without_document(),
    // What browsers ask for when they show a page.
    get("/static/{version}/{file}", "showStaticFile", Public).without_document(),
    get("/favicon.ico", "showIcon", Public).without_document(),
    get("/robots.txt", "showRobots", Public).without_document(),
    // The document, and pages around it.
    get("/problems/{code}", "explainCode", Public).without_document(),
    get("/openapi.json", "showDocument", Public).without_document(),
    get("/swagger-ui", "redirectToSwaggerUi", Public).without_document(),
    get("/swagger-ui/{file:.*}", "showSwaggerUi", Public).without_document(),
];

/// The operations of one path template.
#[derive(Debug)]
pub struct PathOperations {
    pub template: &'static str,
    matcher: ResourceDef,
    pub operations: Vec<&'static OperationSpec>,
}

/// The path templates in the order of the table.
static PATHS: LazyLock<Vec<PathOperations>> = LazyLock::new(|| {
    let mut paths: Vec<PathOperations> = Vec::new();
    for row in OPERATIONS {
        match paths.iter_mut().find(|path| path.template == row.path) {
            Some(path) => path.operations.push(row),
            None => {
                let matcher = ResourceDef::new(row.path);
                paths.push(PathOperations { template: row.path, matcher, operations: vec![row] });
            }
        }
    }
    paths
});

impl PathOperations {
    /// The methods that the path supports.
    pub fn list_methods(&self) -> Vec<&'static str> {
        let methods =
            self.operations.iter().flat_map(|row| [Some(row.method), (row.method == "GET").then_some("HEAD")]);
        methods.flatten().collect()
    }
}

/// What method and path of a request select.
#[derive(Clone, Copy, Debug)]
pub enum Route {
    Operation(&'static OperationSpec),
    /// The path is known, and has no operation with this method.
    OtherMethod(&'static PathOperations),
    Unknown,
}

impl Route {
    /// Finds the operation of a method and a path as the router decodes it.
    pub fn find(method: &str, path: &str) -> Self {
        let mut known_path = None;
        for paths in PATHS.iter().filter(|paths| paths.matcher.is_match(path)) {
            if let Some(row) = paths.operations.iter().find(|row| row.has_method(method)) {
                return Self::Operation(row);
            }
            known_path.get_or_insert(paths);
        }
        known_path.map_or(Self::Unknown, Self::OtherMethod)
    }

    /// Whether everybody may send the request. A wrong method of a path that is public reveals nothing either.
    pub fn is_public(self) -> bool {
        self.list_rules().is_some_and(|mut rules| rules.all(AccessRule::is_public))
    }

    /// Whether the request is one of those that load balancers send.
    pub fn is_probe(self) -> bool {
        self.list_rules().is_some_and(|mut rules| rules.all(|rule| rule == Probe))
    }

    /// The rule of the operation, or those of all operations of the path.
    fn list_rules(self) -> Option<impl Iterator<Item = AccessRule>> {
        let (one, several) = match self {
            Self::Operation(row) => (Some(row), &[][..]),
            Self::OtherMethod(path) => (None, path.operations.as_slice()),
            Self::Unknown => return None,
        };
        Some(one.into_iter().chain(several.iter().copied()).map(|row| row.access))
    }

    /// The row of the table.
    pub fn operation(self) -> Option<&'static OperationSpec> {
        match self {
            Self::Operation(row) => Some(row),
            _ => None,
        }
    }

    /// The path template of the router.
    pub fn template(self) -> Option<&'static str> {
        match self {
            Self::Operation(row) => Some(row.path),
            Self::OtherMethod(path) => Some(path.template),
            Self::Unknown => None,
        }
    }
}

/// The row of an operation of the document, by its method and path template there.
pub fn find_documented_operation(method: &str, path: &str) -> Option<&'static OperationSpec> {
    OPERATIONS.iter().find(|row| row.has_method(method) && row.document_path() == path)
}
