//! Multipart uploads: each file is streamed into the storage while it is hashed; all files become assets, or none.
//!
//! What stages a file and inspects it is shared with all that becomes an original: `app::original_intake`.

use std::ops::ControlFlow;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use offprint_core::name::FileName;
use offprint_core::{Code, Digest};
use offprint_storage::StagedBlob;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::original_intake::{inspect_original, stage_original};
use crate::app::{AppState, BlobTransaction};
use crate::db::asset::{self, AssetChange, NewAsset, Original};
use crate::db::idempotency::IdempotencyRow;
use crate::db::metadata_map::MetadataMap;
use crate::db::row_level_security;
use crate::http::address::write_address;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::extract::json::{self, clip_text, extend_pointer};
use crate::http::limits;
use crate::http::limits::{EffectiveLimits, StorageQuota};
use crate::http::problem::Problem;
use crate::http::problem::{ValidationError, ValidationErrors};
use crate::http::resources::assets::asset::Asset;
use crate::http::resources::assets::change::{check_safe_folder, read_record};
use crate::http::resources::assets::part_headers::{PartHeaders, open_form};
use crate::http::resources::assets::part_values::PartValues;
use crate::http::responses::{IdempotencyProblem, UploadProblems};
use crate::id::{AssetId, CompanyId};

/// Maximum number of files in one request.
const MAX_FILES: usize = 1000;
/// Maximum number of parts in one request: each file can have a folder, a time, metadata and a record of its own.
const MAX_PARTS: usize = 5 * MAX_FILES;
/// Maximum length of a text part, in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// Maximum length of a record, and of all records together, in bytes.
const MAX_RECORD_BYTES: usize = 32 << 10;
const MAX_ALL_RECORDS_BYTES: usize = 2 << 20;
/// Maximum length of the part `metadata`, in bytes: room for all entries, with escapes.
const MAX_METADATA_BYTES: usize = 64 << 10;
/// Maximum length of the name of a part and of a file name, in bytes.
const MAX_PART_NAME_BYTES: usize = 4096;
/// Maximum length of all headers of a part together, in bytes.
const MAX_PART_HEADER_BYTES: usize = 16 << 10;

/// The parts of an upload, read in order: `folder`, `lastModified`, `metadata` and `record` apply to the files that follow
/// them; the only one of its name, when it stands behind all files, to all of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only shown in the document: parts are read one after the other")]
#[schema(rename_all = "camelCase")]
pub struct UploadForm {
    /// Folder for the files that follow, as `a/b`; behind the last file, for all files. Default: the top level.
    // Swagger UI sends the example. Without one it would send the word `string`.
    #[schema(required = false, example = "")]
    folder: String,
    /// Modification time of the files that follow (RFC 3339), or of all files when it is behind the last one; used for them
    /// in archives. Empty is the same as absent.
    #[schema(required = false, example = "")]
    last_modified: String,
    /// Texts of your own for the files that follow, or for all files when it is behind the last one, as a JSON object such as
    /// `{"order": "A-1042"}`. Empty is the same as absent.
    #[schema(required = false, example = "")]
    metadata: String,
    /// What is kept with the files that follow, or with all files when it is behind the last one: a JSON object with fields of
    /// `PATCH /assets/{assetHandle}`, but no names and no folder, such as `{"maskAsset": "masks/shoe", "anchor": "10,20"}`.
    #[schema(required = false, example = "")]
    record: String,
    /// One or many files. The name is taken from the part, the type is detected from the bytes.
    // No `min_items`: what openapi-generator writes in Go to check it does not compile.
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<u8>,
}

/// The result of an upload.
#[derive(Serialize, ToSchema)]
pub struct UploadResult {
    /// The new assets, in the order of their files.
    pub(in crate::http) assets: Vec<Asset>,
}

/// Upload files.
///
/// Creates an asset for each file: for all of them, or for none when one is refused. Files of any type are accepted. Equal
/// bytes are stored once. File names are made safe: directories, control characters and names reserved by some operating
/// system are removed.
#[utoipa::path(
    tag = "assets",
    request_body(
        content = UploadForm,
        content_type = "multipart/form-data",
        description = "The files. Example: `curl -F folder=spring/shoes -F file=@a.jpg -F file=@b.jpg`."
    ),
    responses(
        (status = 201, description = "The assets were created.", body = UploadResult,
         headers(("Location" = String, description = "URL of the asset, when there is exactly one."))),
        UploadProblems, IdempotencyProblem,
    )
)]
#[post("/assets")]
pub async fn upload_assets(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    if !request.query_string().is_empty() {
        let detail = "This operation has no query parameters. Send `folder`, `lastModified`, `metadata` and `record` as parts of the form.";
        return Err(Problem::invalid_parameter("query", detail));
    }
    let response = receive_assets(state, caller, key, request.headers(), open_form(&request, body)).await?;
    Ok(response.into_response())
}

/// Makes assets of the files in the parts of a form: of all of them, or of none when one is refused.
pub(in crate::http) async fn receive_assets(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    headers: &HeaderMap,
    mut parts: Multipart,
) -> Result<UploadResponse, Problem> {
    let mut quota = match key.find_earlier(&state.db, &caller).await? {
        // It creates nothing, and the assets that it repeats may be what fills the quota.
        Some(earlier) => StorageQuota::load(&state, caller.company, count_stored_bytes(&earlier)).await?,
        None => StorageQuota::for_assets(&state, caller.company).await?,
    };
    limits::check_free_space(&state, limits::read_announced_bytes(headers)).await?;
    let mut upload = MultipartUpload::default();
    while let Some(part) = parts.try_next().await.map_err(reject_multipart)? {
        // A part that breaks a limit ends the request, so that nobody can make it endless.
        if upload.take_part(&state, &mut quota, part).await?.is_break() {
            upload.is_cut_off = true;
            break;
        }
    }
    upload.read_records(&state, &caller).await?;
    let files = upload.finish()?;
    let (mut new, mut blobs) = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
    for file in files {
        let (staged, original) = inspect_original(&state, file.staged, file.last_modified).await?;
        let (name, file_name) = (file.name.stem().to_owned(), file.name.to_string());
        let (asset_id, folder, metadata, record) = (AssetId::new(), file.folder, file.metadata, file.record);
        new.push(NewAsset { asset_id, name, file_name, folder, metadata, original, record });
        blobs.push(staged);
    }
    blobs.sort_by_key(|staged| staged.digest.to_bytes());
    let limits = quota.hand_over();
    let company = caller.company;
    let digest = compute_request_digest(&new);
    run_to_end(company, async move {
        let mut transaction = BlobTransaction::begin(&state.db, &state.storage).await?;
        let registered = register_once(&mut transaction, &caller, (&key, digest), (&new, blobs), &limits).await;
        transaction.end(registered).await
    })
    .await
}

/// The bytes of the assets that an earlier upload created.
fn count_stored_bytes(earlier: &IdempotencyRow) -> u64 {
    let assets = earlier.answer.get("assets").and_then(Value::as_array);
    assets.into_iter().flatten().filter_map(|asset| asset.get("size")?.as_u64()).sum()
}

/// What an upload answers: once more, or with new assets.
pub(in crate::http) enum UploadResponse {
    Replayed(IdempotencyRow),
    Created { location: String, result: UploadResult },
}

impl UploadResponse {
    /// The new assets; none of an upload that was done before.
    pub(in crate::http) fn into_assets(self) -> Vec<Asset> {
        match self {
            Self::Replayed(_) => Vec::new(),
            Self::Created { result, .. } => result.assets,
        }
    }

    fn into_response(self) -> HttpResponse {
        match self {
            Self::Replayed(earlier) => earlier.into_response(StatusCode::CREATED),
            Self::Created { location, result } => {
                let mut answer = HttpResponse::Created();
                if !location.is_empty() {
                    answer.insert_header((header::LOCATION, write_address(&location)));
                }
                answer.json(result)
            }
        }
    }
}

/// The digest of what an upload asks for. Not of the body's bytes: a repeated request has other boundaries between its parts.
fn compute_request_digest(new: &[NewAsset]) -> Digest {
    let files: Vec<_> = new
        .iter()
        .map(|asset| {
            let Original { sha256, entry_time, .. } = &asset.original;
            let AssetChange { url_modifier, url_post_apply_modifier, settings, .. } = &asset.record;
            let record = (url_modifier, url_post_apply_modifier, settings);
            (&asset.file_name, &asset.folder, &asset.metadata, sha256.to_string(), entry_time, record)
        })
        .collect();
    Digest::compute(&serde_json::to_vec(&files).unwrap_or_default())
}

/// Registers the assets, unless the same request was done before.
async fn register_once(
    transaction: &mut BlobTransaction<'_>,
    caller: &Caller,
    (key, digest): (&IdempotencyKey, Digest),
    (new, blobs): (&[NewAsset], Vec<StagedBlob>),
    limits: &EffectiveLimits,
) -> Result<UploadResponse, Problem> {
    if let Some(earlier) = key.reserve(transaction.connection(), caller, digest).await? {
        return Ok(UploadResponse::Replayed(earlier));
    }
    let assets = register_assets(transaction, caller.company, (new, blobs), limits).await?;
    let location = if let [only] = new { format!("/assets/{}", only.asset_id) } else { String::new() };
    let result = UploadResult { assets };
    key.store(transaction.connection(), caller, digest, (&location, &result)).await?;
    Ok(UploadResponse::Created { location, result })
}

async fn register_assets(
    transaction: &mut BlobTransaction<'_>,
    company: CompanyId,
    (new, blobs): (&[NewAsset], Vec<StagedBlob>),
    limits: &EffectiveLimits,
) -> Result<Vec<Asset>, Problem> {
    for staged in blobs {
        transaction.store(staged).await?;
    }
    let connection = transaction.connection();
    let mut assets = Vec::with_capacity(new.len());
    for asset in new {
        asset::insert_asset(connection, company, asset).await?;
        assets.push(Asset::from(asset::fetch_asset(connection, company, asset.asset_id).await?));
    }
    limits::check_company_limits(connection, company, limits).await?;
    Ok(assets)
}

/// Runs the end of an upload in a task of its own. When the client disconnects, actix drops a handler wherever it is: a
/// file might already have its name, and the row that says so might never be committed.
pub(in crate::http) async fn run_to_end<T: Send + 'static>(
    company: CompanyId,
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(row_level_security::run_as_company(company, work)).await.map_err(Problem::internal)?
}

/// What was received so far. Dropping it deletes the staged files.
#[derive(Default)]
struct MultipartUpload {
    folders: PartValues<String>,
    times: PartValues<Option<DateTime<Utc>>>,
    /// Records that are not parsed yet, each with the number of files before it.
    record_texts: Vec<(usize, String)>,
    records: PartValues<AssetChange>,
    metadata: PartValues<MetadataMap>,
    files: Vec<ReceivedFile>,
    files_seen: usize,
    parts_seen: usize,
    /// Whether parts may follow that were not looked at.
    is_cut_off: bool,
    mistakes: ValidationErrors,
}

struct ReceivedFile {
    /// Its place among the files of the form.
    index: usize,
    name: FileName,
    staged: StagedBlob,
}

/// A file of the form, with the fields that are for it.
struct UploadedFile {
    name: FileName,
    folder: String,
    last_modified: Option<DateTime<Utc>>,
    record: AssetChange,
    metadata: MetadataMap,
    staged: StagedBlob,
}

impl MultipartUpload {
    /// Takes a part; `Break` when the rest of the body is not read because the request is refused anyway.
    async fn take_part(
        &mut self,
        state: &AppState,
        quota: &mut StorageQuota,
        mut part: Field,
    ) -> Result<ControlFlow<()>, Problem> {
        self.parts_seen += 1;
        let part_headers = self.read_part_headers(&part);
        let PartHeaders { name, file_name } = match part_headers {
            Ok(part_headers) => part_headers,
            Err(detail) => {
                self.mistakes.push(ValidationError::new("", Code::InvalidValue, detail));
                return Ok(ControlFlow::Break(()));
            }
        };
        match name.as_str() {
            "file" => {
                self.receive_file(state, quota, file_name, part).await?;
                Ok(ControlFlow::Continue(()))
            }
            "folder" => {
                let Some(text) = self.read_text("folder", &mut part).await? else {
                    return Ok(ControlFlow::Break(()));
                };
                let folder = check_safe_folder("/folder", &text, &mut self.mistakes).unwrap_or_default();
                self.folders.push(self.files_seen, folder);
                Ok(ControlFlow::Continue(()))
            }
            "lastModified" => {
                let Some(text) = self.read_text("lastModified", &mut part).await? else {
                    return Ok(ControlFlow::Break(()));
                };
                let time = parse_date("/lastModified", &text, &mut self.mistakes);
                self.times.push(self.files_seen, time);
                Ok(ControlFlow::Continue(()))
            }
            "record" => {
                let known: usize = self.record_texts.iter().map(|(_, text)| text.len()).sum();
                let limit = MAX_RECORD_BYTES.min(MAX_ALL_RECORDS_BYTES - known);
                let Some(text) = self.read_long_text("record", limit, &mut part).await? else {
                    return Ok(ControlFlow::Break(()));
                };
                self.record_texts.push((self.files_seen, text));
                Ok(ControlFlow::Continue(()))
            }
            "metadata" => {
                let Some(text) = self.read_long_text("metadata", MAX_METADATA_BYTES, &mut part).await? else {
                    return Ok(ControlFlow::Break(()));
                };
                let metadata = parse_metadata_text("/metadata", &text, &mut self.mistakes);
                self.metadata.push(self.files_seen, metadata);
                Ok(ControlFlow::Continue(()))
            }
            other => {
                let name = clip_text(other);
                self.mistakes.push_with(|| {
                    let detail = format!("Unknown part `{name}`. Known: file, folder, lastModified, metadata, record.");
                    ValidationError::new(extend_pointer("", &name), Code::UnknownField, detail)
                });
                // Read on for more mistakes, but not through a large file under a wrong name.
                Ok(match part.bytes(MAX_TEXT_BYTES).await {
                    Ok(_) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                })
            }
        }
    }

    /// What the headers of the part say; a sentence when they exceed a limit or cannot be understood.
    fn read_part_headers(&self, part: &Field) -> Result<PartHeaders, String> {
        if let Some(detail) = self.find_part_over_limit(part) {
            return Err(detail);
        }
        let part_headers = PartHeaders::read(part)
            .map_err(|finding| format!("Part {} {finding}. Nothing was stored.", self.parts_seen))?;
        if part_headers.name.len().max(part_headers.file_name.len()) > MAX_PART_NAME_BYTES {
            return Err(format!(
                "The name of part {} has more than {MAX_PART_NAME_BYTES} bytes. Send a shorter one.",
                self.parts_seen
            ));
        }
        Ok(part_headers)
    }

    /// Which limit the part exceeds.
    fn find_part_over_limit(&self, part: &Field) -> Option<String> {
        let header_bytes: usize =
            part.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if self.parts_seen > MAX_PARTS {
            Some(format!("One request may have at most {MAX_PARTS} parts. Nothing was stored. Split the request."))
        } else if header_bytes > MAX_PART_HEADER_BYTES {
            Some(format!(
                "Part {} has {header_bytes} bytes of headers; the limit is {MAX_PART_HEADER_BYTES}. Send smaller headers.",
                self.parts_seen
            ))
        } else {
            None
        }
    }

    async fn receive_file(
        &mut self,
        state: &AppState,
        quota: &mut StorageQuota,
        sent_name: String,
        part: Field,
    ) -> Result<(), Problem> {
        let index = self.files_seen;
        let pointer = format!("/file/{}", self.files_seen);
        self.files_seen += 1;
        if self.files_seen > MAX_FILES {
            let detail =
                format!("One request may have at most {MAX_FILES} files. Nothing was stored. Split the request.");
            return Err(Problem::from_errors(vec![ValidationError::new("/file", Code::InvalidValue, detail)]));
        }
        let staged = stage_original(state, quota, part.map_err(reject_multipart)).await?;
        let name = match FileName::sanitize(&sent_name) {
            Ok(name) => name,
            Err(_) if sent_name.is_empty() => {
                let detail =
                    "The part has no file name. Send `Content-Disposition: form-data; name=\"file\"; filename=\"…\"`.";
                self.mistakes.push(ValidationError::new(pointer, Code::MissingParameter, detail));
                return Ok(());
            }
            Err(error) => {
                let detail = format!("{:?} cannot be a file name: {error}.", clip_text(&sent_name));
                self.mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
                return Ok(());
            }
        };
        match staged {
            Some(staged) => self.files.push(ReceivedFile { index, name, staged }),
            None => self.mistakes.push(ValidationError::new(pointer, Code::EmptyFile, format!("`{name}` is empty."))),
        }
        Ok(())
    }

    /// Reads a text part; none, with an error in `mistakes`, when it is longer than the limit. Text that is not UTF-8 is an
    /// error, too, and counts as empty.
    async fn read_text(&mut self, name: &str, part: &mut Field) -> Result<Option<String>, Problem> {
        self.read_long_text(name, MAX_TEXT_BYTES, part).await
    }

    async fn read_long_text(
        &mut self,
        name: &str,
        max_bytes: usize,
        part: &mut Field,
    ) -> Result<Option<String>, Problem> {
        let Ok(bytes) = part.bytes(max_bytes).await else {
            let detail = format!("The text is longer than {max_bytes} bytes.");
            self.mistakes.push(ValidationError::new(format!("/{name}"), Code::InvalidValue, detail));
            return Ok(None);
        };
        let text = String::from_utf8(bytes.map_err(reject_multipart)?.to_vec());
        Ok(Some(text.unwrap_or_else(|_| {
            let detail = "The text is not valid UTF-8.";
            self.mistakes.push(ValidationError::new(format!("/{name}"), Code::InvalidValue, detail));
            String::new()
        })))
    }

    /// Parses and checks the records, when all parts have arrived.
    async fn read_records(&mut self, state: &AppState, caller: &Caller) -> Result<(), Problem> {
        for (files_before, text) in std::mem::take(&mut self.record_texts) {
            let record = match text.trim() {
                "" => AssetChange::default(),
                text => read_record(state, caller, "/record", text, &mut self.mistakes).await?,
            };
            self.records.push(files_before, record);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<UploadedFile>, Problem> {
        let count = self.files_seen;
        if self.files_seen == 0 && !self.is_cut_off {
            let detail = "The part `file` is missing. Send at least one file.";
            self.mistakes.push(ValidationError::new("/file", Code::MissingParameter, detail));
        }
        let unused = [
            ("folder", self.folders.find_unused(count)),
            ("lastModified", self.times.find_unused(count)),
            ("metadata", self.metadata.find_unused(count)),
            ("record", self.records.find_unused(count)),
        ];
        for (name, unused) in unused.into_iter().filter(|_| !self.is_cut_off) {
            self.mistakes.extend(
                unused.map(|unused| ValidationError::new(format!("/{name}"), Code::InvalidValue, unused.explain(name))),
            );
        }
        if !self.mistakes.is_empty() {
            return Err(Problem::from_errors(self.mistakes));
        }
        let (folders, times, metadata, records) = (self.folders, self.times, self.metadata, self.records);
        let add_fields = |file: ReceivedFile| UploadedFile {
            folder: folders.find(file.index, count).unwrap_or_default(),
            last_modified: times.find(file.index, count).flatten(),
            record: records.find(file.index, count).unwrap_or_default(),
            metadata: metadata.find(file.index, count).unwrap_or_default(),
            name: file.name,
            staged: file.staged,
        };
        Ok(self.files.into_iter().map(add_fields).collect())
    }
}

/// Parses metadata that was sent as JSON text; empty when the text is empty or, with errors in `mistakes`, invalid.
pub(in crate::http) fn parse_metadata_text(pointer: &str, text: &str, mistakes: &mut ValidationErrors) -> MetadataMap {
    if text.is_empty() {
        return MetadataMap::default();
    }
    let parsed = json::parse_json(text.as_bytes());
    let map = parsed.ok().and_then(|(value, duplicates)| {
        let map: MetadataMap = serde_json::from_value(value).ok()?;
        duplicates.is_empty().then_some(map)
    });
    let Some(map) = map else {
        let detail = "The text is not a JSON object of texts with each key once. Example: {\"order\": \"A-1042\"}.";
        mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
        return MetadataMap::default();
    };
    let errors = map.check(pointer);
    let is_valid = errors.is_empty();
    mistakes.extend(errors);
    if is_valid { map } else { MetadataMap::default() }
}

/// Parses a modification time; none when it is empty or, with an error in `mistakes`, invalid.
pub(in crate::http) fn parse_date(pointer: &str, text: &str, mistakes: &mut ValidationErrors) -> Option<DateTime<Utc>> {
    if text.is_empty() {
        return None;
    }
    let date = DateTime::parse_from_rfc3339(text).ok().map(|date| date.to_utc());
    if date.is_none() {
        mistakes.push_with(|| {
            let shown = clip_text(text);
            let detail = format!("{shown:?} is not a date-time with a zone (RFC 3339). Example: 2026-12-24T06:00:00Z.");
            ValidationError::new(pointer, Code::InvalidValue, detail)
        });
    }
    date
}

fn reject_multipart(error: MultipartError) -> Problem {
    Problem::invalid_parameter("body", format!("The multipart body cannot be read: {error}. Nothing was stored."))
}
