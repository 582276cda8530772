//! The dry run: validates an export request and previews its result, without creating anything.

use actix_web::http::header::ContentType;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, Utc};
use offprint_imaging::ImageHeader;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db;
use crate::db::company::UserRow;
use crate::db::destination::NewDestination;
use crate::db::enums::ItemState;
use crate::db::job::Rendition;
use crate::http::admission::admit_request;
use crate::http::extract::caller::Caller;
use crate::http::extract::export_list::{ExportBody, ExportListQuery};
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::authorization::authorize_request;
use crate::http::resources::export_jobs::create::convert_refusal;
use crate::http::resources::export_schedules::schedule::MAX_SHOWN_RUNS;
use crate::http::responses::BodyProblems;
use crate::http::responses::BusyProblem;
use crate::id::{AssetId, CompanyId};
use crate::jobs::Draft;
use crate::jobs::DraftFile;
use crate::jobs::DraftItem;
use crate::jobs::ExportRequest;
use crate::jobs::RecipeContext;
use crate::jobs::changes::count_changes;
use crate::jobs::destination::{PrefixValues, build_destinations};
use crate::jobs::explain::{ModifierMeaning, plan_from_header};
use crate::jobs::placement::check_archive_size;
use crate::jobs::placement::check_recipient;
use crate::jobs::prepare_draft;
use crate::jobs::rendition::{RenditionSpec, list_rendition_specs, merge_failures};
use crate::jobs::require_asset_header;
use crate::jobs::schedule::Recurrence;
use crate::reason::Reason;

/// The result of a dry run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// One item for each asset, in request order.
    pub(in crate::http) items: Vec<DryRunItem>,
    /// The modifier with all macros expanded; null for `orig`, and with renditions.
    pub(in crate::http) effective_modifier: Option<String>,
    /// The renditions with their effective modifiers; null when the request has none.
    pub(in crate::http) renditions: Option<Vec<Rendition>>,
    /// What each modifier means, command by command, as `POST /modifier-check` explains it: one for each rendition, or one for
    /// `is_modifier` and `macro`; empty for `orig`. The resulting images are in `items`.
    pub(in crate::http) modifiers: Vec<CheckedModifier>,
    /// Size in bytes of the originals that would be read or exported.
    pub(in crate::http) source_bytes: i64,
    /// Where the files would be delivered, in the order of the request. `{jobHandle}` stands for the handle that the job will have.
    pub(in crate::http) deliver_to: Vec<DryRunDestination>,
    /// The first runs of a request with `execSchedule`, else null. The other fields describe a run now.
    pub(in crate::http) next_runs: Option<Vec<DateTime<Utc>>>,
    /// Warnings about the request and its modifier.
    pub(in crate::http) warnings: Vec<Reason>,
    /// Harmless remarks about the modifier, such as commands that have no meaning in an export.
    pub(in crate::http) notices: Vec<Reason>,
}

/// A store to which the files would be delivered.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunDestination {
    /// Name of the connection.
    pub(in crate::http) connection: String,
    /// Folder in the store, if the job ran now.
    #[schema(example = "nightly/spring catalogue")]
    pub(in crate::http) prefix: String,
    /// With `onlyChanged`: new or changed files, which would be delivered; null without it.
    pub(in crate::http) changed: Option<usize>,
    /// With `onlyChanged`: files that would not be delivered again; null without it.
    pub(in crate::http) unchanged: Option<usize>,
    /// With `onlyChanged`: delivered files that are gone from the selection; null without it.
    pub(in crate::http) removed: Option<usize>,
}

/// A modifier of an export request.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckedModifier {
    /// Name of the rendition; null without `renditions`.
    pub(in crate::http) rendition: Option<String>,
    /// The meaning of its modifier.
    pub(in crate::http) meaning: ModifierMeaning,
}

/// What the job would do with one asset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRunItem {
    /// The asset.
    pub(in crate::http) asset_handle: AssetId,
    /// Name of the asset.
    pub(in crate::http) name: String,
    /// What would be done: `convert`, `original`, `skip` or `fail`.
    #[schema(example = "convert")]
    pub(in crate::http) action: &'static str,
    /// Path of the file in the archive; null when there is no file or there are several.
    pub(in crate::http) path: Option<String>,
    /// Width of the rendered image in pixels; null when there are several.
    pub(in crate::http) width: Option<u32>,
    /// Height of the rendered image in pixels; null when there are several.
    pub(in crate::http) height: Option<u32>,
    /// One file for each rendition, or one original; empty when there would be none.
    pub(in crate::http) files: Vec<DryRunFile>,
    /// Why the item would fail; null if it would not.
    pub(in crate::http) failure: Option<Reason>,
    /// Whether the asset is an image whose header can be read. For pages.
    #[serde(skip)]
    pub(in crate::http) is_image: bool,
    /// The modifier that the request has for this asset alone. For pages.
    #[serde(skip)]
    pub(in crate::http) is_modifier: Option<String>,
    /// Warnings about the item, as far as its header tells, and those about the modifiers that are applied to it.
    pub(in crate::http) warnings: Vec<Reason>,
}

/// A file that the job would produce.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRunFile {
    /// Name of the rendition; null for originals and without `renditions`.
    pub(in crate::http) rendition: Option<String>,
    /// Path of the file in the archive.
    pub(in crate::http) path: String,
    /// Whether the path has a number because another file has the name. For pages.
    #[serde(skip)]
    pub(in crate::http) is_numbered: bool,
    /// Width of the rendered image in pixels.
    pub(in crate::http) width: Option<u32>,
    /// Height of the rendered image in pixels.
    pub(in crate::http) height: Option<u32>,
    /// Why rendering would fail; null if it would not.
    pub(in crate::http) failure: Option<Reason>,
    /// Warnings about the file, as far as the header tells, and those about its modifier.
    pub(in crate::http) warnings: Vec<Reason>,
}

/// Validate an export request (dry run).
///
/// Shows what the job would do with each asset, without creating anything and without reading pixels: file names, sizes,
/// and what would be skipped or fail and why. Explains the modifiers command by command. Errors in the request are reported as
/// by `POST /export-jobs`.
#[utoipa::path(
    tag = "export jobs",
    operation_id = "validateExportJob",
    params(ExportListQuery),
    request_body(content(
        (ExportRequest = "application/json", example = json!({
            "assetFilter": {"type": "Image"}, "fmt": "convert", "is_modifier": "wid=640&fmt=png"
        })),
        (String = "text/csv", example = "name,modifier\r\nfileToExport,wid=640&fmt=png\r\n"),
        (String = "text/plain", example = "fileToExport\n"),
    )),
    responses((status = 200, description = "What the job would do.", body = DryRun), BodyProblems, BusyProblem),
)]
#[post("/export-jobs/validate")]
pub async fn validate_export_job(
    state: Data<AppState>,
    caller: Caller,
    body: ExportBody,
) -> Result<HttpResponse, Problem> {
    let (request, _, lines) = body.into_parts();
    let body = preview_request(&state, &caller, request, |dry_run| serde_json::to_vec(&dry_run)).await;
    let body = body.map_err(|problem| lines.locate(problem))?.map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(body))
}

/// Does a dry run. `write` makes of it what is shown, on the compute pool: the result of a large job has megabytes.
pub(in crate::http) async fn preview_request<T: Send + 'static>(
    state: &AppState,
    caller: &Caller,
    mut request: ExportRequest,
    write: impl FnOnce(DryRun) -> T + Send + 'static,
) -> Result<T, Problem> {
    let _admission = admit_request(state, caller.company).await?;
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let user = authorize_request(&mut connection, caller, &mut request).await?;
    let context = state.export_context();
    let draft = prepare_draft(&mut connection, caller.company, request, state.settings.max_items, &context)
        .await
        .map_err(convert_refusal)?;
    check_archive_size(&draft, &state.settings).map_err(convert_refusal)?;
    let next_runs = list_next_runs(&mut connection, &draft.request).await?;
    let deliver_to = preview_destinations(&mut connection, caller.company, &draft, user.as_ref()).await?;
    drop(connection);
    let recipient_warning = check_recipient(&state.settings, &draft.request, user.as_ref());
    // When the request is given up, so is its answer.
    let given_up = CancellationToken::new();
    let _guard = given_up.clone().drop_guard();
    let recipes = context.recipes.clone();
    let build = move || write(build_dry_run(draft, (recipient_warning, next_runs, deliver_to), &recipes, &given_up));
    state.compute.run(caller.company, build).await.map_err(Problem::internal)
}

/// Plans every image, so it runs on the compute pool.
fn build_dry_run(
    draft: Draft,
    (recipient_warning, next_runs, deliver_to): (Option<Reason>, Option<Vec<DateTime<Utc>>>, Vec<DryRunDestination>),
    recipes: &RecipeContext,
    given_up: &CancellationToken,
) -> DryRun {
    let modifiers = explain_modifiers(&draft);
    let source_bytes =
        draft.items.iter().filter(|item| item.state == ItemState::Waiting).filter_map(|item| item.asset.size).sum();
    let mut warnings = draft.warnings;
    warnings.extend(recipient_warning);
    let preview = ItemPreview {
        renditions: draft.renditions.as_deref().unwrap_or_default(),
        modifier_warnings: &draft.modifier_warnings,
        recipes,
    };
    let items = draft.items.into_iter().take_while(|_| !given_up.is_cancelled());
    let items = items.map(|item| preview.preview_item(item)).collect();
    warnings.extend(draft.modifier_warnings);
    DryRun {
        items,
        effective_modifier: draft.effective_modifier,
        renditions: draft.renditions,
        modifiers,
        source_bytes,
        deliver_to,
        next_runs,
        warnings,
        notices: draft.notices,
    }
}

/// Where the files of a draft would be delivered, and with `onlyChanged` how many.
async fn preview_destinations(
    connection: &mut db::DbConnection,
    company: CompanyId,
    draft: &Draft,
    user: Option<&UserRow>,
) -> Result<Vec<DryRunDestination>, db::DbError> {
    let (request, time) = (&draft.request, Utc::now());
    let time_zone = request.time_zone.as_deref().or(user.and_then(|user| user.time_zone.as_deref()));
    let job_name = draft.choose_job_name(time_zone);
    let values = PrefixValues { time, time_zone, job_name: &job_name, job: None, keeps_variables: false };
    let destinations = build_destinations(request, &values);
    let only_changed = request.only_changed.unwrap_or(false);
    let changes =
        if only_changed { count_changes(connection, company, draft, &destinations).await? } else { Vec::new() };
    let preview = |(index, new): (usize, NewDestination)| {
        let counts = changes.get(index);
        DryRunDestination {
            connection: new.connection,
            prefix: new.prefix,
            changed: counts.map(|counts| counts.changed),
            unchanged: counts.map(|counts| counts.unchanged),
            removed: counts.map(|counts| counts.removed),
        }
    };
    Ok(destinations.into_iter().enumerate().map(preview).collect())
}

/// Explains the modifiers of a draft. An asset's own modifiers are not included: they differ from asset to asset.
fn explain_modifiers(draft: &Draft) -> Vec<CheckedModifier> {
    let specs = list_rendition_specs(&draft.request);
    let explain = |(spec, resolved): (RenditionSpec<'_>, _)| CheckedModifier {
        rendition: spec.rendition.map(|rendition| rendition.name.clone()),
        meaning: ModifierMeaning::from_modifier(resolved),
    };
    specs.into_iter().zip(&draft.resolved_renditions).map(explain).collect()
}

/// The first runs of a request with `execSchedule`.
async fn list_next_runs(
    connection: &mut db::DbConnection,
    request: &ExportRequest,
) -> Result<Option<Vec<DateTime<Utc>>>, Problem> {
    let Some(recurrence) = Recurrence::from_request(request).transpose().map_err(Problem::from_errors)? else {
        return Ok(None);
    };
    let now = db::schedule::fetch_database_time(connection).await?;
    Ok(Some(recurrence.runs_from(recurrence.next_after(now), MAX_SHOWN_RUNS)))
}

/// What the items of a draft are previewed with.
struct ItemPreview<'a> {
    renditions: &'a [Rendition],
    /// The draft's; files name theirs by index.
    modifier_warnings: &'a [Reason],
    recipes: &'a RecipeContext,
}

impl ItemPreview<'_> {
    /// Previews an item: plans its images from the header that was stored at upload.
    fn preview_item(&self, item: DraftItem) -> DryRunItem {
        let header = require_asset_header(&item.asset);
        let converts = item.files.iter().any(|file| file.recipe.is_some());
        let names = self.renditions.iter().map(|rendition| Some(rendition.name.clone()));
        let files: Vec<DryRunFile> = (item.files.into_iter().zip(names.chain(std::iter::repeat(None))))
            .map(|(file, name)| self.preview_file(file, name, &header))
            .collect();
        let failures = files.iter().filter_map(|file| Some((file.rendition.as_deref(), file.failure.as_ref()?)));
        let failure = item.failure.or_else(|| merge_failures(failures));
        let mut warnings = item.warnings;
        for warning in files.iter().flat_map(|file| &file.warnings) {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        let only = if let [only] = files.as_slice() { Some(only) } else { None };
        DryRunItem {
            asset_handle: item.asset.asset_id,
            name: item.asset.name,
            action: match item.state {
                ItemState::Skipped => "skip",
                _ if failure.is_some() => "fail",
                _ if converts => "convert",
                _ => "original",
            },
            path: only.map(|file| file.path.clone()),
            width: only.and_then(|file| file.width),
            height: only.and_then(|file| file.height),
            files,
            failure,
            is_image: item.asset.header.is_some(),
            is_modifier: item.texts.is_modifier,
            warnings,
        }
    }

    fn preview_file(&self, file: DraftFile, name: Option<String>, header: &Result<ImageHeader, Reason>) -> DryRunFile {
        let mut preview = DryRunFile {
            rendition: name.filter(|_| file.recipe.is_some()),
            path: file.path,
            is_numbered: file.is_numbered,
            width: None,
            height: None,
            failure: None,
            warnings: Vec::new(),
        };
        let Some(rendition) = file.recipe else { return preview };
        let plan = header
            .as_ref()
            .map_err(Reason::clone)
            .and_then(|header| plan_from_header(&rendition.recipe, header, &rendition.reference_headers, self.recipes));
        match plan {
            Ok(plan) => {
                (preview.width, preview.height) = (Some(plan.width), Some(plan.height));
                preview.warnings =
                    plan.warnings.into_iter().map(|warning| Reason::new(warning.code, warning.detail)).collect();
            }
            Err(failure) => preview.failure = Some(failure),
        }
        let of_modifier = file.modifier_warnings.iter().filter_map(|index| self.modifier_warnings.get(*index));
        preview.warnings.extend(of_modifier.cloned());
        preview
    }
}
