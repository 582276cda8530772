//! Uploads: a multipart body, streamed to the storage part by part while it is hashed. All or nothing.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::http::header::{self, DispositionParam};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::asset_change::safe_folder;
use crate::api::assets::Asset;
use crate::api::caller::Caller;
use crate::api::limits::{self, Room};
use crate::api::problem::{Mistake, Problem};
use crate::api::responses::BadUpload;
use crate::api::sniff;
use crate::code::Code;
use crate::db;
use crate::db::asset::{self, NewAsset, Original};
use crate::id::AssetId;
use crate::name::FileName;
use crate::state::State;
use crate::storage::Staged;

/// Most files in one request.
const MAX_FILES: usize = 1000;
/// Longest text part, in bytes.
const MAX_TEXT: usize = 4096;

/// The parts of an upload. They are read in order: `folder` and `lastModified` hold for the files that follow them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only shown in the document: parts are read one after the other")]
#[schema(rename_all = "camelCase")]
pub struct UploadForm {
    /// The folder for the files that follow, as `a/b`; without it the top.
    #[schema(example = "spring/shoes", required = false)]
    folder: String,
    /// When the files that follow were last changed (RFC 3339); becomes the time of their entry in archives. Empty counts as
    /// absent.
    #[schema(required = false, example = "2026-12-24T06:00:00Z")]
    last_modified: String,
    /// One or many files. A file's name is taken from its part; its type is told from its bytes.
    #[schema(value_type = Vec<String>, format = Binary, min_items = 1)]
    file: Vec<u8>,
}

/// What was registered.
#[derive(Serialize, ToSchema)]
pub struct Uploaded {
    /// The assets, in the order of their files.
    assets: Vec<Asset>,
}

/// Upload files.
///
/// Streams one or many files into the storage and registers each as an asset: all of them, or none when one is
/// refused. Any kind of file is taken. The same bytes are stored once. Names are made safe: path parts, control
/// characters and words that some system gives a meaning to are taken out.
#[utoipa::path(
    tag = "assets",
    request_body(
        content = UploadForm,
        content_type = "multipart/form-data",
        description = "The files, such as `curl -F folder=spring/shoes -F file=@a.jpg -F file=@b.jpg`."
    ),
    responses(
        (status = 201, description = "The assets. `Location` when it is one.", body = Uploaded,
         headers(("Location" = String, description = "The asset, when it is one."))),
        BadUpload,
    )
)]
#[post("/assets")]
pub async fn upload_assets(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    mut parts: Multipart,
) -> Result<HttpResponse, Problem> {
    check_media_type(&request)?;
    let mut room = Room::for_assets(&state, caller.company).await?;
    let mut upload = Upload::default();
    while let Some(part) = parts.try_next().await.map_err(malformed)? {
        upload.take(&state, &mut room, part).await?;
    }
    let files = upload.finish()?;
    let mut new = Vec::with_capacity(files.len());
    for file in files {
        let original = keep(&state, file.staged, file.last_modified).await?;
        let (name, file_name) = (file.name.stem().to_owned(), file.name.to_string());
        new.push(NewAsset { asset_id: AssetId::new(), name, file_name, folder: file.folder, original });
    }
    let mut assets = Vec::with_capacity(new.len());
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    for asset in &new {
        asset::insert(&mut transaction, caller.company, asset).await?;
        assets.push(Asset::from(asset::fetch(&mut transaction, caller.company, asset.asset_id).await?));
    }
    limits::check(&mut transaction, caller.company, &room.allowed).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    let mut answer = HttpResponse::Created();
    if let [only] = new.as_slice() {
        answer.insert_header((header::LOCATION, format!("/assets/{}", only.asset_id)));
    }
    Ok(answer.json(Uploaded { assets }))
}

/// What came so far. Dropped, nothing of it stays.
#[derive(Default)]
struct Upload {
    folder: String,
    last_modified: Option<DateTime<Utc>>,
    files: Vec<File>,
    seen: usize,
    mistakes: Vec<Mistake>,
}

struct File {
    name: FileName,
    folder: String,
    last_modified: Option<DateTime<Utc>>,
    staged: Staged,
}

impl Upload {
    async fn take(&mut self, state: &State, room: &mut Room, mut part: Field) -> Result<(), Problem> {
        match part.name().unwrap_or_default() {
            "file" => self.file(state, room, part).await,
            "folder" => {
                let said = self.text("folder", &mut part).await?;
                self.folder = safe_folder("/folder", &said, &mut self.mistakes).unwrap_or_default();
                Ok(())
            }
            "lastModified" => {
                let said = self.text("lastModified", &mut part).await?;
                self.last_modified = date("/lastModified", &said, &mut self.mistakes);
                Ok(())
            }
            other => {
                let detail = format!("There is no part `{other}`. Known: file, folder, lastModified.");
                self.mistakes.push(Mistake::new(format!("/{other}"), Code::UnknownField, detail));
                Ok(())
            }
        }
    }

    async fn file(&mut self, state: &State, room: &mut Room, part: Field) -> Result<(), Problem> {
        let pointer = format!("/file/{}", self.seen);
        self.seen += 1;
        if self.seen > MAX_FILES {
            let detail = format!("At most {MAX_FILES} files fit in one request. Split it; nothing was kept.");
            return Err(Problem::refused(vec![Mistake::new("/file", Code::InvalidValue, detail)]));
        }
        let said = file_name(&part);
        let staged = stage(state, room, part.map_err(malformed)).await?;
        let name = match FileName::made_of(&said) {
            Ok(name) => name,
            Err(_) if said.is_empty() => {
                let detail =
                    "The part has no file name. Send `Content-Disposition: form-data; name=\"file\"; filename=\"…\"`.";
                self.mistakes.push(Mistake::new(pointer, Code::MissingParameter, detail));
                return Ok(());
            }
            Err(nothing) => {
                let detail = format!("{said:?} cannot be a file name: {nothing}.");
                self.mistakes.push(Mistake::new(pointer, Code::InvalidValue, detail));
                return Ok(());
            }
        };
        match staged {
            Some(staged) => {
                let (folder, last_modified) = (self.folder.clone(), self.last_modified);
                self.files.push(File { name, folder, last_modified, staged });
            }
            None => self.mistakes.push(Mistake::new(pointer, Code::EmptyFile, format!("`{name}` has no bytes."))),
        }
        Ok(())
    }

    async fn text(&mut self, name: &str, part: &mut Field) -> Result<String, Problem> {
        let pointer = format!("/{name}");
        let detail = match part.bytes(MAX_TEXT).await {
            Ok(bytes) => match String::from_utf8(bytes.map_err(malformed)?.to_vec()) {
                Ok(text) => return Ok(text),
                Err(_) => "The text is not UTF-8.".to_owned(),
            },
            Err(_) => format!("The text has more than {MAX_TEXT} bytes."),
        };
        self.mistakes.push(Mistake::new(pointer, Code::InvalidValue, detail));
        Ok(String::new())
    }

    fn finish(mut self) -> Result<Vec<File>, Problem> {
        if self.seen == 0 {
            let detail = "There is no part `file`. Send at least one file.";
            self.mistakes.push(Mistake::new("/file", Code::MissingParameter, detail));
        }
        if self.mistakes.is_empty() { Ok(self.files) } else { Err(Problem::refused(self.mistakes)) }
    }
}

/// When a file was last changed, as a client says it; none where it says nothing or what is no date.
pub(super) fn date(pointer: &str, said: &str, mistakes: &mut Vec<Mistake>) -> Option<DateTime<Utc>> {
    if said.is_empty() {
        return None;
    }
    let date = DateTime::parse_from_rfc3339(said).ok().map(|date| date.to_utc());
    if date.is_none() {
        let detail = format!("{said:?} is not a date with time and zone (RFC 3339), such as 2026-12-24T06:00:00Z.");
        mistakes.push(Mistake::new(pointer, Code::InvalidValue, detail));
    }
    date
}

/// The name that a client gives its file. Browsers write a quotation mark and line breaks as HTML says.
fn file_name(part: &Field) -> String {
    let Some(disposition) = part.content_disposition() else { return String::new() };
    let extended = disposition.parameters.iter().find_map(|parameter| match parameter {
        DispositionParam::FilenameExt(name) => String::from_utf8(name.value.clone()).ok(),
        _ => None,
    });
    let plain = || disposition.get_filename().unwrap_or_default();
    extended.unwrap_or_else(|| plain().replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
}

/// Streams one file to the disk; none when it is empty.
///
/// # Errors
/// 413 beyond the limit for a file, 422 beyond the company's, 507 when the disk is full.
pub async fn stage(
    state: &State,
    room: &mut Room,
    bytes: impl Stream<Item = Result<Bytes, Problem>>,
) -> Result<Option<Staged>, Problem> {
    let mut bytes = std::pin::pin!(bytes);
    let mut incoming = state.storage.receive().await?;
    while let Some(piece) = bytes.next().await {
        let piece = piece?;
        room.check(incoming.size() + piece.len() as u64)?;
        incoming.write(&piece).await?;
    }
    room.left = room.left.saturating_sub(incoming.size());
    if incoming.size() == 0 { Ok(None) } else { Ok(Some(incoming.finish().await?)) }
}

/// Looks at a staged file and makes it a blob.
pub async fn keep(state: &State, staged: Staged, last_modified: Option<DateTime<Utc>>) -> Result<Original, Problem> {
    let facts = sniff::facts(staged.path().to_owned()).await.map_err(Problem::internal)?;
    let size = staged.size as i64;
    let sha256 = state.keep(staged).await?;
    let entry_time = last_modified.or(facts.taken);
    Ok(Original { kind: facts.kind, sha256, size, mime: facts.mime.to_owned(), header: facts.header, entry_time })
}

fn check_media_type(request: &HttpRequest) -> Result<(), Problem> {
    let said = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = said.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("multipart/form-data") {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        "Send the files as `multipart/form-data` in parts named `file`, such as `curl -F file=@photo.jpg`.",
    ))
}

fn malformed(error: MultipartError) -> Problem {
    Problem::parameter("body", format!("The multipart body cannot be read: {error}. Nothing was kept."))
}
