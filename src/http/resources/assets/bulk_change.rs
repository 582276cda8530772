//! Changes many assets at once: each record of the body is for one asset, and is applied or refused for itself.

use std::collections::{BTreeMap, HashMap};

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, patch};
use offprint_core::Code;
use offprint_modifiers::{AssetModifierIndex, WorkBudget};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::asset::{self, AssetChange, AssetRow};
use crate::db::capability::Capability;
use crate::db::{self, asset_list, image_preset};
use crate::http::admission::admit_request;
use crate::http::extract::body::read_whole_body;
use crate::http::extract::caller::Caller;
use crate::http::extract::content_headers::{is_json, is_table};
use crate::http::problem::{Problem, ValidationError, ValidationErrors};
use crate::http::resources::assets::change::ChangeAsset;
use crate::http::resources::assets::record_lines::{RecordLine, parse_array, parse_json_lines, parse_table};
use crate::http::responses::BodyProblems;
use crate::id::AssetId;
use crate::jobs::build_macros;
use crate::jobs::rendition_resolver::{ModifierSpec, to_validation_error};

/// Largest body in bytes.
const MAX_BULK_BYTES: usize = 16 << 20;

/// Units of work for the modifiers of all records, about a second of one processor.
const MAX_BULK_UNITS: u64 = 100_000_000;

/// Changes to many assets.
#[derive(ToSchema)]
#[schema(as = AssetRecords)]
#[allow(dead_code, reason = "the document shows it; records are read one by one, each with its own errors")]
pub struct AssetRecords {
    #[schema(max_items = 10_000)]
    records: Vec<AssetRecord>,
}

/// Changes to one of many assets.
#[derive(ToSchema)]
#[allow(dead_code, reason = "as above")]
pub struct AssetRecord {
    /// Handle of the asset, or its name as modifiers write it.
    #[schema(max_length = 1300, example = "shoes/red")]
    asset: String,
    #[serde(flatten)]
    change: ChangeAsset,
}

/// What became of the records.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkChange {
    /// Number of records that were applied.
    #[schema(example = 1)]
    changed: usize,
    /// Number of records that were refused.
    #[schema(example = 0)]
    failed: usize,
    /// One result for each record, in their order.
    results: Vec<RecordResult>,
}

/// What became of one record.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordResult {
    /// The line of the body that the record begins in, or its place in `records`, from 1.
    #[schema(example = 1)]
    line: usize,
    /// The asset as the record names it.
    #[schema(example = "shoes/red")]
    asset: String,
    /// Handle of the asset; null when there is no such asset.
    asset_handle: Option<AssetId>,
    /// Whether the record was applied.
    changed: bool,
    /// Why it was not.
    errors: Vec<ValidationError>,
}

/// Change many assets.
///
/// The body has one record for each asset: `asset` is its handle, or its name as modifiers write it (`name` or
/// `folder/name`), and the other fields are those of `PATCH /assets/{assetHandle}` but `metadata`. Send `{"records": […]}`, JSON objects,
/// one a line (`application/x-ndjson`), or a table with a header line (`text/csv`), where an empty cell leaves its field as it is and
/// `null` removes its value. A record is applied or refused for itself, at most 10,000 in one request. Existing jobs are not
/// affected.
#[utoipa::path(
    tag = "assets",
    operation_id = "changeAssets",
    request_body(
        description = "The records.",
        content(
            (AssetRecords = "application/json", example = json!({"records": [{"asset": "fileToExport", "anchor": "10,20"}]})),
            (String = "application/x-ndjson", example = "{\"asset\": \"fileToExport\", \"anchor\": \"10,20\"}\n"),
            (String = "text/csv", example = "asset,anchor,userData\r\nfileToExport,\"10,20\",4711\r\n"),
        ),
    ),
    responses((status = 200, description = "What became of each record.", body = BulkChange), BodyProblems)
)]
#[patch("/assets")]
pub async fn change_assets(
    state: Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let text = read_whole_body(&request, body, MAX_BULK_BYTES).await?;
    let (is_table, is_json) = (is_table(request.headers()), is_json(request.headers()));
    let _admission = admit_request(&state, caller.company).await?;
    let parse = move || match (is_table, is_json) {
        (true, _) => parse_table(&text),
        (false, true) => parse_array(&text),
        (false, false) => parse_json_lines(&text),
    };
    let records = state.compute.run(caller.company, parse).await.map_err(Problem::internal)??;
    if records.is_empty() {
        let detail = "The body has no records. Send one for each asset to change.";
        return Err(Problem::from_errors(vec![ValidationError::new("", Code::MissingParameter, detail)]));
    }
    let records = check_records(&state, &caller, records).await?;
    let results = apply_records(&state, &caller, records).await?;
    let changed = results.iter().filter(|result| result.changed).count();
    Ok(HttpResponse::Ok().json(BulkChange { changed, failed: results.len() - changed, results }))
}

/// Checks the modifiers of all records, each distinct one once.
async fn check_records(
    state: &AppState,
    caller: &Caller,
    mut records: Vec<RecordLine>,
) -> Result<Vec<RecordLine>, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let macros = image_preset::list_macros(&mut connection, caller.company).await?;
    drop(connection);
    let attributes = state.attributes.clone();
    let may_write_modifiers = caller.has_capability(Capability::ExportsCustomModifier);
    let check = move || {
        let (macros, budget) = (build_macros(macros), WorkBudget::new(MAX_BULK_UNITS));
        let mut known: HashMap<String, Vec<ValidationError>> = HashMap::new();
        for record in &mut records {
            let Ok(change) = &record.change else { continue };
            let mut errors = Vec::new();
            if change.has_metadata() {
                let detail = "Metadata is not changed in bulk. Use PATCH /assets/{assetHandle}.";
                errors.push(ValidationError::new("/metadata", Code::InvalidValue, detail));
            }
            for (pointer, text) in change.own_modifiers().filter(|(_, text)| !offprint_modifiers::is_blank(text)) {
                if !may_write_modifiers {
                    let detail =
                        "The API key lacks the capability `exports:custom-modifier`, which custom modifiers need.";
                    errors.push(ValidationError::new(pointer, Code::ValueForbidden, detail));
                    continue;
                }
                let found = known.entry(text.to_owned()).or_insert_with(|| {
                    let (modifier, macros, attributes) = (Some(text), &macros, attributes.as_ref());
                    let spec =
                        ModifierSpec { modifier, export_macro: None, asset: None, item: None, macros, attributes };
                    let resolved = spec.resolve(&AssetModifierIndex::default(), &budget);
                    let diagnostics = resolved.err().unwrap_or_default();
                    diagnostics.iter().map(|diagnostic| to_validation_error(diagnostic, "")).collect()
                });
                errors.extend(found.iter().map(|error| ValidationError { pointer: pointer.clone(), ..error.clone() }));
            }
            if !errors.is_empty() {
                record.change = Err(errors);
            }
        }
        records
    };
    state.compute.run(caller.company, check).await.map_err(Problem::internal)
}

/// Applies all valid records in one transaction. Later records of the same asset see what earlier ones changed.
async fn apply_records(
    state: &AppState,
    caller: &Caller,
    records: Vec<RecordLine>,
) -> Result<Vec<RecordResult>, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let targets = find_targets(state, caller, &mut transaction, &records).await?;
    let mut handles: Vec<AssetId> = targets.values().filter_map(|found| found.as_ref().ok().copied()).collect();
    handles.sort_unstable_by_key(|handle| handle.0);
    handles.dedup();
    let rows = asset::lock_assets(&mut transaction, caller.company, &handles).await?;
    let mut rows: HashMap<AssetId, AssetRow> = rows.into_iter().map(|row| (row.asset_id, row)).collect();
    let mut changes: BTreeMap<uuid::Uuid, AssetChange> = BTreeMap::new();
    let mut results = Vec::with_capacity(records.len());
    for record in records {
        let found = targets.get(&record.target);
        let asset_handle = found.and_then(|found| found.as_ref().ok()).copied();
        let row = asset_handle.and_then(|handle| rows.get_mut(&handle));
        let errors = match (record.change, found, row) {
            (Err(errors), _, _) => errors,
            (Ok(_), Some(Err(error)), _) => vec![error.clone()],
            (Ok(_), _, None) => vec![reject_target(&record.target)],
            (Ok(change), _, Some(row)) => {
                let mut mistakes = ValidationErrors::default();
                let change = change.to_asset_change(row.kind, &row.settings, &mut mistakes);
                if mistakes.is_empty() {
                    merge_change(changes.entry(row.asset_id.0).or_default(), &change);
                    row.settings = change.settings.unwrap_or_else(|| std::mem::take(&mut row.settings));
                }
                mistakes.into_parts().1
            }
        };
        let changed = errors.is_empty();
        results.push(RecordResult { line: record.line, asset: record.target, asset_handle, changed, errors });
    }
    let changes: Vec<(AssetId, AssetChange)> =
        changes.into_iter().map(|(handle, change)| (AssetId(handle), change)).collect();
    for changes in changes.chunks(1000) {
        asset::update_assets(&mut transaction, caller.company, changes).await?;
    }
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(results)
}

/// What one change after another changes together.
fn merge_change(all: &mut AssetChange, later: &AssetChange) {
    let merge = |field: &mut Option<String>, later: &Option<String>| *field = later.clone().or(field.take());
    merge(&mut all.name, &later.name);
    merge(&mut all.file_name, &later.file_name);
    merge(&mut all.folder, &later.folder);
    merge(&mut all.url_modifier, &later.url_modifier);
    merge(&mut all.url_post_apply_modifier, &later.url_post_apply_modifier);
    let settings: Option<Value> = later.settings.clone();
    all.settings = settings.or(all.settings.take());
}

/// The handles of the assets that the records name, or why a name means none.
async fn find_targets(
    state: &AppState,
    caller: &Caller,
    connection: &mut db::DbConnection,
    records: &[RecordLine],
) -> Result<HashMap<String, Result<AssetId, ValidationError>>, Problem> {
    let valid = records.iter().filter(|record| record.change.is_ok()).map(|record| record.target.as_str());
    let (handles, names): (Vec<&str>, Vec<&str>) = valid.partition(|target| target.parse::<AssetId>().is_ok());
    let mut targets = HashMap::new();
    for handle in handles {
        if let Ok(parsed) = handle.parse() {
            targets.insert(handle.to_owned(), Ok(parsed));
        }
    }
    let names: Vec<String> =
        names.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(targets);
    }
    for found in asset_list::find_assets_by_name(connection, caller.company, &state.attributes.root_ids, &names).await?
    {
        let result = match found.count {
            1 => Ok(found.asset.asset_id),
            count => {
                let name = &found.wanted;
                let detail = format!("{count} assets are named {name}. Write folder/name, or the handle of the asset.");
                Err(ValidationError::new("/asset", Code::InvalidValue, detail))
            }
        };
        targets.insert(found.wanted, result);
    }
    Ok(targets)
}

fn reject_target(target: &str) -> ValidationError {
    let detail = format!("There is no asset {target}. GET /assets lists the assets; a set is named by its handle.");
    ValidationError::new("/asset", Code::AssetNotFound, detail)
}
