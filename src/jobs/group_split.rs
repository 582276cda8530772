//! Splits an export request that has more items than a job may have into requests of one job each.

use offprint_core::Code;

use crate::db::DbConnection;
use crate::db::asset::AssetRow;
use crate::id::CompanyId;
use crate::jobs::destination::OnRemoved;
use crate::jobs::draft::DraftError;
use crate::jobs::request::{AssetRequest, ExportRequest};
use crate::jobs::selection::select_assets;
use crate::reason::{Reason, ValidationError, ValidationErrors};

/// Most jobs of a group: all of them are created in one transaction.
pub const MAX_GROUP_JOBS: usize = 10;

/// A request as jobs.
pub struct SplitRequest {
    pub parts: Vec<RequestPart>,
    /// Assets of all parts.
    pub assets: usize,
    /// About the selection, such as assets that do not exist.
    pub warnings: Vec<Reason>,
}

/// The request of one job.
pub struct RequestPart {
    pub request: ExportRequest,
    /// Where in the whole request each handle of `assetHandleArray` stands, and each entry of `assets`.
    handle_pointers: Vec<String>,
    asset_pointers: Vec<String>,
}

/// Splits a request into jobs of at most `max_items` items. `root_ids` may stand before names.
///
/// # Errors
/// What is wrong with the selection, or contradicts several jobs. What is wrong otherwise is found when jobs are created.
pub async fn split_request(
    connection: &mut DbConnection,
    company: CompanyId,
    request: &ExportRequest,
    max_items: usize,
    root_ids: &[String],
) -> Result<SplitRequest, DraftError> {
    let mut errors = ValidationErrors::from(check_group_request(request));
    let selection = select_assets(connection, company, request, max_items * MAX_GROUP_JOBS, root_ids).await?;
    for error in selection.errors {
        errors.push(match error.code {
            Code::TooManyItems => ValidationError { detail: explain_limit(max_items), ..error },
            _ => error,
        });
    }
    if !errors.is_empty() {
        return Err(DraftError::Invalid(errors));
    }
    let parts = selection.assets.chunks(max_items.max(1)).map(|assets| build_part(request, assets)).collect();
    Ok(SplitRequest { parts, assets: selection.assets.len(), warnings: selection.warnings })
}

fn explain_limit(max_items: usize) -> String {
    format!(
        "A group can have {MAX_GROUP_JOBS} jobs of {max_items} items each (OFFPRINT_MAX_ITEMS), and this selection has more \
         assets. Send several requests, each with a part of the assets."
    )
}

/// What cannot be said of several jobs together.
fn check_group_request(request: &ExportRequest) -> Vec<ValidationError> {
    let mut errors = Vec::new();
    if request.exec_schedule.is_some() {
        let detail = "A group is created once. Leave out `execSchedule`, or create schedules for parts of the assets.";
        errors.push(ValidationError::new("/execSchedule", Code::ConflictingParameters, detail));
    }
    if request.on_removed == Some(OnRemoved::Delete) {
        let detail = "Each job of a group would remove the files of the others, because they are not in its selection. Leave out \
                      `onRemoved`.";
        errors.push(ValidationError::new("/onRemoved", Code::ConflictingParameters, detail));
    }
    for (index, destination) in request.deliver_to.iter().flatten().enumerate() {
        if destination.manifest == Some(true) && !destination.prefix_template().contains("{jobHandle}") {
            let pointer = format!("/deliverTo/{index}/manifest");
            let detail = "Each job of a group would replace the manifest of the others. Add `{jobHandle}` to `prefix`, or leave out \
                          `manifest`.";
            errors.push(ValidationError::new(pointer, Code::ConflictingParameters, detail));
        }
    }
    errors
}

/// The request with these assets only: by their handles, and with what it has for each.
fn build_part(request: &ExportRequest, assets: &[(String, AssetRow)]) -> RequestPart {
    let (mut handles, mut listed) = (Vec::new(), Vec::new());
    let (mut handle_pointers, mut asset_pointers) = (Vec::new(), Vec::new());
    for (pointer, asset) in assets {
        let handle = asset.asset_id.to_string();
        match find_listed_asset(request, pointer) {
            Some(own) => {
                listed.push(AssetRequest { asset_handle: Some(handle), name: None, ..own.clone() });
                asset_pointers.push(pointer.clone());
            }
            None => {
                handles.push(handle);
                handle_pointers.push(pointer.clone());
            }
        }
    }
    let request = ExportRequest {
        asset_handle_array: Some(handles).filter(|handles| !handles.is_empty()),
        assets: Some(listed).filter(|listed| !listed.is_empty()),
        asset_filter: None,
        ..request.clone()
    };
    RequestPart { request, handle_pointers, asset_pointers }
}

/// The entry of `assets` at this pointer.
fn find_listed_asset<'a>(request: &'a ExportRequest, pointer: &str) -> Option<&'a AssetRequest> {
    let index: usize = pointer.strip_prefix("/assets/")?.parse().ok()?;
    request.assets.as_ref()?.get(index)
}

impl RequestPart {
    /// An error of this part where it stands in the whole request.
    pub fn locate(&self, error: ValidationError) -> ValidationError {
        for (list, pointers) in [("/assetHandleArray/", &self.handle_pointers), ("/assets/", &self.asset_pointers)] {
            let Some(rest) = error.pointer.strip_prefix(list) else { continue };
            let (index, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if let Some(own) = index.parse().ok().and_then(|index: usize| pointers.get(index)) {
                return ValidationError { pointer: format!("{own}{below}"), ..error };
            }
        }
        error
    }
}
