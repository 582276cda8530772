//! Creates a migration: reads the addresses, plans, and creates the jobs and the redirect map in one transaction.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use offprint_core::name::fold_path;
use offprint_core::{Code, Digest};
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::app::AppState;
use crate::db::address_migration::{self, RedirectRow};
use crate::db::{self, DbConnection};
use crate::http::address::write_address;
use crate::http::admission::admit_request;
use crate::http::extract::body::{parse_body, read_list_bytes};
use crate::http::extract::caller::Caller;
use crate::http::extract::export_list::{read_query_fields, take_flag};
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::limits::EffectiveLimits;
use crate::http::problem::{Problem, ValidationError};
use crate::http::resources::export_jobs::authorization::authorize_request;
use crate::http::resources::export_jobs::create::convert_refusal;
use crate::http::resources::migrations::findings::Findings;
use crate::http::resources::migrations::plan::{MigrationPlan, PlannedFile};
use crate::http::resources::migrations::report::{MigrationLinks, Scene7Migration};
use crate::http::responses::{BodyProblems, BusyProblem, IdempotencyProblem, QueryProblems, QueueFullProblem};
use crate::id::{JobId, MigrationId};
use crate::jobs::ExportRequest;
use crate::jobs::name_template::NameTemplate;
use crate::jobs::old_addresses::AddressList;
use crate::jobs::placement::JobPlacement;
use crate::jobs::request::{AssetRequest, Fmt, Layout};

/// Bytes of a list, after decompression.
const MAX_LIST_BYTES: usize = 32 << 20;
/// The most jobs of one migration.
const MAX_JOBS: usize = 100;
/// How files are named where the request does not say.
const DEFAULT_TEMPLATE: &str = "{folder}/{name}/{rendition}";
/// The same where the layout has the folders already.
const DEFAULT_TEMPLATE_IN_FOLDERS: &str = "{name}/{rendition}";

/// How to migrate.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only shown in the document: `read_query_fields` parses all fields of a request")]
pub struct MigrationQuery {
    /// Whether to report only, and create nothing. Default: true. Send `false` when the report says what you want.
    #[param(rename = "dryRun")]
    dry_run: Option<bool>,
    /// How the files are named; `{rendition}` stands for the modifier, such as `pdp-wid400`. Default:
    /// `{folder}/{name}/{rendition}`.
    #[param(rename = "nameTemplate", max_length = 512)]
    name_template: Option<String>,
    /// A macro that follows the modifier of every address, such as `$webp$`. Every other field of an export request can stand
    /// here, too; those that are no texts as JSON.
    #[param(max_length = 66)]
    r#macro: Option<String>,
    /// Name of the jobs.
    #[param(rename = "jobName", max_length = 200)]
    job_name: Option<String>,
}

/// Migrate from Scene7.
///
/// Takes the addresses that a shop uses today: an access log (common, combined or W3C format), a sitemap, or a list with an
/// address a line, which a number of requests may precede, as `uniq -c` writes it; as a gzip file (`application/gzip`), too, 32
/// MiB at most.
/// Leaves out what changes no image (cache-busters, campaigns), finds the assets by name, and resolves each modifier. The report
/// says what would not be understood and how often it was requested. With `dryRun=false` export jobs are created for exactly
/// the pairs of asset and modifier that were requested, and a redirect map from each old address to its new path is kept at
/// `…/redirects`.
#[utoipa::path(
    tag = "migrations",
    operation_id = "migrateScene7",
    params(MigrationQuery),
    request_body(description = "The addresses.", content(
        (String = "application/octet-stream", example = "/is/image/Acme/fileToExport?wid=400\n"),
        (String = "text/plain", example = "/is/image/Acme/fileToExport?wid=400\n/is/image/Acme/fileToExport?$test$\n"),
        (String = "text/xml", example = "<urlset><url><loc>https://s7.example/is/image/Acme/fileToExport?wid=400</loc></url></urlset>"),
    )),
    responses(
        (status = 200, description = "What would be done (dry run).", body = Scene7Migration, headers(
            ("Location" = String, description = "URL of the migration; absent after a dry run."),
            ("Idempotent-Replayed" = String, description = "`true` when this is the response to an earlier request with the same key."),
        )),
        QueryProblems, BodyProblems, IdempotencyProblem, QueueFullProblem, BusyProblem,
    ),
)]
#[post("/migrations/scene7")]
pub async fn migrate_scene7(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = read_list_bytes(&request, body, MAX_LIST_BYTES).await?;
    let digest = Digest::compute(&[request.query_string().as_bytes(), b"\n", &bytes].concat());
    let (base, is_dry) = read_base_request(request.query_string())?;
    let _admission = admit_request(&state, caller.company).await?;
    let read = move || AddressList::read(&String::from_utf8_lossy(&bytes));
    let list = state.compute.run(caller.company, read).await.map_err(Problem::internal)?;
    let list = list.map_err(reject_list)?;
    if list.addresses.is_empty() {
        let detail = format!(
            "There is no address with `/is/image/` in the {} lines. Send an access log, a sitemap or a list of addresses.",
            list.lines
        );
        return Err(reject_list(detail));
    }
    let plan = MigrationPlan::new(&state, caller.company, &list).await?;
    if is_dry {
        let report = build_report(&list, plan, Created::default());
        return Ok(HttpResponse::Ok().json(report));
    }
    create_migration(&state, &caller, &key, digest, base, (list, plan)).await
}

fn reject_list(detail: String) -> Problem {
    Problem::from_errors(vec![ValidationError::new("", Code::InvalidValue, detail)])
}

/// Longest name of a migration's jobs: the number of each is added to it.
const MAX_JOB_NAME_CHARS: usize = 200;

/// What the query string says about the jobs, and whether it is a dry run.
fn read_base_request(query: &str) -> Result<(ExportRequest, bool), Problem> {
    let mut fields = read_query_fields(query)?;
    let is_dry = take_flag(&mut fields, "dryRun")?.unwrap_or(true);
    let refused: Vec<ValidationError> = ["renditions", "execSchedule", "fmt"]
        .into_iter()
        .filter(|name| fields.contains_key(*name))
        .map(|name| {
            let detail = format!("`{name}` has no place in a migration: the addresses say what is made. Leave it out.");
            ValidationError::new(format!("/{name}"), Code::ConflictingParameters, detail)
        })
        .collect();
    if !refused.is_empty() {
        return Err(Problem::from_errors(refused));
    }
    fields.insert("fmt".to_owned(), json!("convert"));
    let request: ExportRequest = parse_body(Value::Object(fields).to_string().as_bytes())?;
    check_template(&request)?;
    if request.job_name.as_deref().is_some_and(|name| name.chars().count() > MAX_JOB_NAME_CHARS) {
        let detail = format!("The name has more than {MAX_JOB_NAME_CHARS} characters. Shorten it.");
        return Err(Problem::from_errors(vec![ValidationError::new("/jobName", Code::InvalidValue, detail)]));
    }
    Ok((request, is_dry))
}

/// A template is checked before anything is read: with a label in place of `{rendition}`.
fn check_template(request: &ExportRequest) -> Result<(), Problem> {
    let text = fill_label(request, "x");
    let errors = NameTemplate::parse(&text).map(drop).err().unwrap_or_default();
    let errors: Vec<ValidationError> = (errors.into_iter())
        .map(|error| ValidationError::new("/nameTemplate", Code::InvalidValue, error.detail))
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Problem::from_errors(errors)) }
}

/// The name template of a file with this label.
fn fill_label(request: &ExportRequest, label: &str) -> String {
    let default = match request.layout {
        Some(Layout::Folders) => DEFAULT_TEMPLATE_IN_FOLDERS,
        _ => DEFAULT_TEMPLATE,
    };
    request.name_template.as_deref().unwrap_or(default).replace("{rendition}", label)
}

/// What a migration created.
#[derive(Default)]
struct Created {
    migration: Option<MigrationId>,
    jobs: Vec<JobId>,
    /// Addresses whose items failed already.
    failures: Findings,
    redirects: Vec<RedirectRow>,
    /// The path of each file, folded.
    path_keys: Vec<String>,
}

async fn create_migration(
    state: &AppState,
    caller: &Caller,
    key: &IdempotencyKey,
    digest: Digest,
    base: ExportRequest,
    (list, mut plan): (AddressList, MigrationPlan),
) -> Result<HttpResponse, Problem> {
    if plan.files.is_empty() {
        let detail = "No file can be made of these addresses; the dry run says why. Nothing was created.".to_owned();
        return Err(reject_list(detail));
    }
    let company_limits = EffectiveLimits::load(state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, caller, digest).await? {
        return Ok(earlier.into_response(actix_web::http::StatusCode::OK));
    }
    let files = std::mem::take(&mut plan.files);
    let chunks = split_files(&files, state.settings.max_items)?;
    let context = state.export_context();
    let mut created = Created { migration: Some(MigrationId::new()), ..Created::default() };
    for (index, chunk) in chunks.iter().enumerate() {
        let mut request = build_request(&base, chunk, (index + 1, chunks.len()));
        let user = authorize_request(&mut transaction, caller, &mut request).await?;
        let placement = JobPlacement {
            company: caller.company,
            user: user.as_ref(),
            schedule: None,
            max_jobs: company_limits.jobs,
            settings: &state.settings,
            context: &context,
        };
        let job = placement.create_job(&mut transaction, request).await.map_err(convert_refusal)?;
        created.add_job(&mut transaction, caller, job, &list, chunk).await?;
        // Last, because it locks the company and other requests wait for the lock.
        if index + 1 == chunks.len() {
            placement.check_queue_room(&mut transaction, true).await.map_err(convert_refusal)?;
        }
    }
    created.check_paths()?;
    plan.files = files;
    let response = store_migration(&mut transaction, caller, key, digest, (list, plan, created)).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    state.work_available.notify();
    Ok(response)
}

async fn store_migration(
    connection: &mut DbConnection,
    caller: &Caller,
    key: &IdempotencyKey,
    digest: Digest,
    (list, plan, mut created): (AddressList, MigrationPlan, Created),
) -> Result<HttpResponse, Problem> {
    let migration = created.migration.unwrap_or_default();
    let redirects = std::mem::take(&mut created.redirects);
    let report = build_report(&list, plan, Created { redirects: Vec::new(), ..created });
    let report = Scene7Migration { redirects: redirects.len(), ..report };
    let stored = crate::http::address::serialize_without_base(&report).map_err(Problem::internal)?;
    address_migration::insert_migration(connection, caller.company, migration, &stored, &redirects).await?;
    let location = format!("/migrations/scene7/{migration}");
    key.store(connection, caller, digest, (&location, &report)).await?;
    let (jobs, files) = (report.job_handles.len(), report.files);
    tracing::info!(migration.handle = %migration, "A migration from Scene7 was created: {jobs} jobs, {files} files");
    let mut response = HttpResponse::Ok();
    response.insert_header((actix_web::http::header::LOCATION, write_address(&location)));
    Ok(response.json(report))
}

/// Parts of the files for one job each. Files whose paths may be the same are in one part, where the job tells them apart.
fn split_files(files: &[PlannedFile], max_items: usize) -> Result<Vec<&[PlannedFile]>, Problem> {
    let mut parts = Vec::new();
    let mut rest = files;
    while rest.len() > max_items {
        let is_boundary = |end: &usize| rest[*end].sort_key != rest[end - 1].sort_key;
        let Some(end) = (1..=max_items).rev().find(is_boundary) else {
            let detail = format!(
                "One asset was requested with more than {max_items} modifiers, and a job can have {max_items} items \
                 (OFFPRINT_MAX_ITEMS). Leave out the addresses that were requested only once."
            );
            return Err(reject_list(detail));
        };
        let (part, others) = rest.split_at(end);
        parts.push(part);
        rest = others;
    }
    parts.push(rest);
    if parts.len() > MAX_JOBS {
        let detail = format!(
            "The {} files would need {} jobs; the limit is {MAX_JOBS}. Split the list, or raise OFFPRINT_MAX_ITEMS.",
            files.len(),
            parts.len()
        );
        return Err(reject_list(detail));
    }
    Ok(parts)
}

/// The request of one job.
fn build_request(base: &ExportRequest, files: &[PlannedFile], (number, total): (usize, usize)) -> ExportRequest {
    let to_asset = |file: &PlannedFile| AssetRequest {
        asset_handle: Some(file.asset.to_string()),
        name: None,
        is_modifier: Some(file.modifier.clone()),
        parameters: None,
        name_template: Some(fill_label(base, &file.label)),
    };
    let name = base.job_name.as_deref().unwrap_or("Migration from Scene7");
    ExportRequest {
        fmt: Fmt::Convert,
        assets: Some(files.iter().map(to_asset).collect()),
        name_template: None,
        job_name: Some(if total > 1 { format!("{name} ({number} of {total})") } else { name.to_owned() }),
        ..base.clone()
    }
}

impl Created {
    /// Adds a job with the paths of its files.
    async fn add_job(
        &mut self,
        connection: &mut DbConnection,
        caller: &Caller,
        job: JobId,
        list: &AddressList,
        files: &[PlannedFile],
    ) -> Result<(), Problem> {
        self.jobs.push(job);
        let items = address_migration::list_planned_items(connection, caller.company, job).await?;
        for item in items {
            let Some(file) = files.get(item.position as usize) else { continue };
            self.path_keys.extend(item.path.as_deref().map(fold_path));
            for counted in file.addresses.iter().map(|index| &list.addresses[*index]) {
                match (&item.path, &item.failure) {
                    (Some(path), _) => self.redirects.push(RedirectRow {
                        address: counted.text.clone(),
                        path: path.clone(),
                        requests: counted.requests as i64,
                    }),
                    (None, Some(failure)) => self.failures.add(&failure.0, &counted.text, counted.requests),
                    (None, None) => {}
                }
            }
        }
        Ok(())
    }

    /// Jobs do not know each other's paths. Within one they differ.
    fn check_paths(&mut self) -> Result<(), Problem> {
        self.path_keys.sort_unstable();
        match self.path_keys.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => {
                let detail = format!(
                    "`nameTemplate` gives files of two jobs the path `{}`. Add `{{folder}}/{{name}}` to it. Nothing was created.",
                    pair[0]
                );
                Err(Problem::from_errors(vec![ValidationError::new("/nameTemplate", Code::InvalidValue, detail)]))
            }
        }
    }
}

fn build_report(list: &AddressList, plan: MigrationPlan, created: Created) -> Scene7Migration {
    let mut not_understood = plan.not_understood;
    not_understood.append(created.failures);
    not_understood.add_failed_there(list);
    let redirects = match created.migration {
        None => plan.files.iter().map(|file| file.addresses.len()).sum(),
        Some(_) => created.redirects.len(),
    };
    Scene7Migration {
        migration_handle: created.migration,
        dry_run: created.migration.is_none(),
        lines: list.lines,
        requests: list.requests,
        others: list.others,
        addresses: list.addresses.len(),
        modifiers: plan.modifiers,
        assets: plan.assets,
        files: plan.files.len(),
        redirects,
        not_understood: not_understood.into_list(),
        remarks: plan.remarks.into_list(),
        top_modifiers: plan.top_modifiers,
        job_handles: created.jobs,
        links: created.migration.map(MigrationLinks::new),
    }
}
