//! Reads the parts of an upload's form: stages its files, and collects all mistakes.

use std::ops::ControlFlow;

use actix_multipart::{Field, Multipart, MultipartError};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use offprint_core::Code;
use offprint_core::name::FileName;
use offprint_storage::StagedBlob;

use crate::app::AppState;
use crate::app::original_intake::stage_original;
use crate::db::asset::AssetChange;
use crate::db::metadata_map::MetadataMap;
use crate::http::extract::caller::Caller;
use crate::http::extract::json::{clip_text, extend_pointer};
use crate::http::limits::StorageQuota;
use crate::http::problem::Problem;
use crate::http::problem::{ValidationError, ValidationErrors};
use crate::http::resources::assets::change::{check_safe_folder, read_record};
use crate::http::resources::assets::part_headers::PartHeaders;
use crate::http::resources::assets::part_values::PartValues;
use crate::http::resources::assets::text_field::{MAX_TEXT_BYTES, TextField, parse_date, parse_metadata_text};

/// Maximum number of files in one request.
const MAX_FILES: usize = 1000;
/// Maximum number of parts in one request: each file can have a folder, a time, metadata and a record of its own.
const MAX_PARTS: usize = 5 * MAX_FILES;

/// What was received so far. Dropping it deletes the staged files.
#[derive(Default)]
pub(super) struct MultipartUpload {
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
pub(super) struct UploadedFile {
    pub(super) name: FileName,
    pub(super) folder: String,
    pub(super) last_modified: Option<DateTime<Utc>>,
    pub(super) record: AssetChange,
    pub(super) metadata: MetadataMap,
    pub(super) staged: StagedBlob,
}

impl MultipartUpload {
    /// Reads the parts of a form in their order, and stages its files.
    pub(super) async fn receive(
        state: &AppState,
        quota: &mut StorageQuota,
        mut parts: Multipart,
    ) -> Result<Self, Problem> {
        let mut upload = Self::default();
        while let Some(part) = parts.try_next().await.map_err(reject_multipart)? {
            // A part that breaks a limit ends the request, so that nobody can make it endless.
            if upload.take_part(state, quota, part).await?.is_break() {
                upload.is_cut_off = true;
                break;
            }
        }
        Ok(upload)
    }

    /// Takes a part; `Break` when the rest of the body is not read because the request is refused anyway.
    async fn take_part(
        &mut self,
        state: &AppState,
        quota: &mut StorageQuota,
        part: Field,
    ) -> Result<ControlFlow<()>, Problem> {
        self.parts_seen += 1;
        let PartHeaders { name, file_name } = match self.read_part_headers(&part) {
            Ok(part_headers) => part_headers,
            Err(detail) => {
                self.mistakes.push(ValidationError::new("", Code::InvalidValue, detail));
                return Ok(ControlFlow::Break(()));
            }
        };
        match TextField::find_named(&name) {
            Some(field) => self.take_text(field, part).await,
            None if name == "file" => {
                self.receive_file(state, quota, file_name, part).await?;
                Ok(ControlFlow::Continue(()))
            }
            None => Ok(self.refuse_part(&name, part).await),
        }
    }

    /// What the headers of the part say; a sentence when they exceed a limit or cannot be understood.
    fn read_part_headers(&self, part: &Field) -> Result<PartHeaders, String> {
        if self.parts_seen > MAX_PARTS {
            return Err(format!(
                "One request may have at most {MAX_PARTS} parts. Nothing was stored. Split the request."
            ));
        }
        PartHeaders::read_limited(part, self.parts_seen)
    }

    /// Takes a text for the files that follow; `Break` when it is longer than the limit.
    async fn take_text(&mut self, field: TextField, mut part: Field) -> Result<ControlFlow<()>, Problem> {
        let Some(text) = self.read_text(field, &mut part).await? else { return Ok(ControlFlow::Break(())) };
        match field {
            TextField::Folder => {
                let folder = check_safe_folder("/folder", &text, &mut self.mistakes).unwrap_or_default();
                self.folders.push(self.files_seen, folder);
            }
            TextField::LastModified => {
                let time = parse_date("/lastModified", &text, &mut self.mistakes);
                self.times.push(self.files_seen, time);
            }
            TextField::Metadata => {
                let metadata = parse_metadata_text("/metadata", &text, &mut self.mistakes);
                self.metadata.push(self.files_seen, metadata);
            }
            TextField::Record => self.record_texts.push((self.files_seen, text)),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Reads a text; none, with an error in `mistakes`, when it is longer than the limit. Text that is not UTF-8 is an
    /// error, too, and counts as empty.
    async fn read_text(&mut self, field: TextField, part: &mut Field) -> Result<Option<String>, Problem> {
        let max_bytes = field.limit_bytes(self.record_texts.iter().map(|(_, text)| text.len()).sum());
        let pointer = format!("/{}", field.name());
        let Ok(bytes) = part.bytes(max_bytes).await else {
            let detail = format!("The text is longer than {max_bytes} bytes.");
            self.mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
            return Ok(None);
        };
        let text = String::from_utf8(bytes.map_err(reject_multipart)?.to_vec());
        Ok(Some(text.unwrap_or_else(|_| {
            let detail = "The text is not valid UTF-8.";
            self.mistakes.push(ValidationError::new(pointer, Code::InvalidValue, detail));
            String::new()
        })))
    }

    /// Reads on for more mistakes, but not through a large file under a wrong name.
    async fn refuse_part(&mut self, name: &str, mut part: Field) -> ControlFlow<()> {
        let name = clip_text(name);
        self.mistakes.push_with(|| {
            let detail = format!("Unknown part `{name}`. Known: file, folder, lastModified, metadata, record.");
            ValidationError::new(extend_pointer("", &name), Code::UnknownField, detail)
        });
        match part.bytes(MAX_TEXT_BYTES).await {
            Ok(_) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
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

    /// Parses and checks the records, when all parts have arrived.
    pub(super) async fn read_records(&mut self, state: &AppState, caller: &Caller) -> Result<(), Problem> {
        for (files_before, text) in std::mem::take(&mut self.record_texts) {
            let record = match text.trim() {
                "" => AssetChange::default(),
                text => read_record(state, caller, "/record", text, &mut self.mistakes).await?,
            };
            self.records.push(files_before, record);
        }
        Ok(())
    }

    /// The files of the form, each with what is for it.
    ///
    /// # Errors
    /// 422 with all mistakes of the form.
    pub(super) fn finish(mut self) -> Result<Vec<UploadedFile>, Problem> {
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

fn reject_multipart(error: MultipartError) -> Problem {
    Problem::invalid_parameter("body", format!("The multipart body cannot be read: {error}. Nothing was stored."))
}
