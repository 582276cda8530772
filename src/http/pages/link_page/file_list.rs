//! The files behind a link, a page at a time.

use crate::app::AppState;
use crate::db::archive::{self, FileRow};
use crate::db::enums::FileState;
use crate::db::job::JobRow;
use crate::http::address::write_address;
use crate::http::pages::file_words::describe_file;
use crate::http::pages::frame::Icon;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::files::{BEFORE_FIRST_FILE, encode_path};
use crate::http::resources::export_jobs::thumbnails::has_thumbnail;
use crate::http::resources::shared_links::opened_link::OpenedLink;
use crate::i18n::Language;

/// Files on one page: more would be slow on a phone.
const FILES_PER_PAGE: usize = 60;

/// Some of the files.
#[derive(Default)]
pub(super) struct FileList {
    pub(super) files: Vec<PageFile>,
    /// Address of the next page.
    pub(super) next: Option<String>,
    /// Address of the first page, where this is another.
    pub(super) first: Option<String>,
}

pub(super) struct PageFile {
    pub(super) name: String,
    /// The folder in the archive.
    pub(super) folder: Option<String>,
    /// Size, dimensions and type, or the state of a file that cannot be downloaded.
    pub(super) details: String,
    /// Address of the bytes; none when there are none.
    pub(super) address: Option<String>,
    pub(super) icon: Icon,
    /// Address of a small picture.
    pub(super) thumbnail: Option<String>,
}

impl FileList {
    pub(super) fn of_one(file: PageFile) -> Self {
        Self { files: vec![file], next: None, first: None }
    }
}

impl PageFile {
    pub(super) fn new(link: &OpenedLink, file: &FileRow, language: &Language) -> Self {
        let (folder, name) = file.path.rsplit_once('/').map_or((None, file.path.as_str()), |(a, b)| (Some(a), b));
        let is_ready = file.state == FileState::Ready;
        let write_file_address =
            |kind: &str| write_address(&link.path(&format!("/{kind}/{}", encode_path(&file.path))));
        Self {
            name: name.to_owned(),
            folder: folder.map(str::to_owned),
            details: match file.state {
                FileState::Ready => {
                    describe_file(language, file.size, file.width.zip(file.height), file.mime.as_deref())
                }
                FileState::Waiting => language.format("page-file-waiting", &[]),
                FileState::Absent => language.format("page-file-absent", &[]),
            },
            address: is_ready.then(|| write_file_address("files")),
            thumbnail: (is_ready && has_thumbnail(file.mime.as_deref())).then(|| write_file_address("thumbnails")),
            icon: match file.state {
                FileState::Ready => Icon::Done,
                FileState::Waiting => Icon::Waiting,
                FileState::Absent => Icon::Failed,
            },
        }
    }
}

/// The files after the given one, in request order.
///
/// # Errors
/// 400 when `after` is not what a page wrote.
pub(super) async fn load_files(
    state: &AppState,
    link: &OpenedLink,
    job: &JobRow,
    after: Option<&str>,
    language: &Language,
) -> Result<FileList, Problem> {
    let position = match after {
        Some(text) => parse_position(text).ok_or_else(|| {
            Problem::invalid_parameter("after", "The value is not the position of a file. Leave it out to start again.")
        })?,
        None => BEFORE_FIRST_FILE,
    };
    let limit = FILES_PER_PAGE as i64 + 1;
    let mut rows = archive::list_files(&state.db, link.company, job.job_id, None, position, limit).await?;
    let has_more = rows.len() > FILES_PER_PAGE;
    rows.truncate(FILES_PER_PAGE);
    let last = rows.last().filter(|_| has_more);
    let next =
        last.map(|file| write_address(&link.path(&format!("?after={}.{}#files", file.position, file.rendition))));
    Ok(FileList {
        next,
        first: after.map(|_| write_address(&link.path(""))),
        files: rows.iter().map(|file| PageFile::new(link, file, language)).collect(),
    })
}

/// `position.rendition`.
fn parse_position(text: &str) -> Option<(i32, i16)> {
    let (position, rendition) = text.split_once('.')?;
    Some((position.parse().ok()?, rendition.parse().ok()?))
}
