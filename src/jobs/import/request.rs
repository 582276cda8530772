//! The body of `POST /imports`, and its rules.

use std::collections::HashMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use offprint_core::Code;
use offprint_core::name::{FileName, Folder};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::enums::{Layout, OnExisting};
use crate::db::import::MAX_ENTRIES;
use crate::db::metadata_map::MetadataMap;
use crate::jobs::CallbackPolicy;
use crate::jobs::import::names::find_url_name;
use crate::reason::{ValidationError, ValidationErrors};

/// Longest path of an object, in bytes: the limit of S3.
const MAX_PATH_BYTES: usize = 1024;
/// Longest URL, in bytes. It is a part of an index.
const MAX_URL_BYTES: usize = 2048;
/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 255;
const MAX_PATTERNS: usize = 100;
const MAX_RECIPIENTS: usize = 5;

/// What to import, and where to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportRequest {
    /// Where the files are.
    pub source: ImportSource,
    /// Folder of the new assets, as `a/b`. Default: the top level.
    #[schema(max_length = 1024, example = "")]
    pub folder: Option<String>,
    /// `folders` keeps the folders below `prefix`, `flat` puts all assets into `folder`. Files of URLs are always flat. Default:
    /// `folders`.
    pub layout: Option<Layout>,
    /// What to do where the folder has an asset with this file name already. Default: `skip`.
    pub on_existing: Option<OnExisting>,
    /// Texts of your own for the new assets.
    pub metadata: Option<MetadataMap>,
    /// URL that a signed webhook is sent to when the import has ended: https, on a public host.
    #[schema(max_length = 2048, example = "https://example.org/hooks/import")]
    pub callback_url: Option<String>,
    /// Who gets a mail when the import has ended: users of the company, or addresses of the domains that the operator allows.
    #[schema(max_items = 5)]
    pub notify_emails: Option<Vec<String>>,
    /// A name for people, which need not be unique. Default: the name of the connection.
    #[schema(max_length = 255, example = "new photos")]
    pub name: Option<String>,
}

/// Where the files of an import are: `connection`, or `urls`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportSource {
    /// Name of a connection, as `GET /connections` lists it.
    #[schema(max_length = 64, example = "shop-photos")]
    pub connection: Option<String>,
    /// Only what is below this folder of the connection.
    #[schema(max_length = 1024)]
    pub prefix: Option<String>,
    /// Only paths below `prefix` that match one of these patterns: `*` within a folder, `**` across folders, `?`, `[a-z]`,
    /// `{jpg,png}`.
    #[schema(min_items = 1, max_items = 100, example = json!(["**/*.{jpg,png}"]))]
    pub include: Option<Vec<String>>,
    /// No paths that match one of these patterns.
    #[schema(min_items = 1, max_items = 100, example = json!(["drafts/**"]))]
    pub exclude: Option<Vec<String>>,
    /// Exactly these paths below `prefix`, instead of a listing. A web server cannot be listed, so it needs them.
    #[schema(min_items = 1, max_items = 100000, example = json!(["shoes/1.jpg"]))]
    pub paths: Option<Vec<String>>,
    /// Files of public web servers, instead of a connection.
    #[schema(min_items = 1, max_items = 100000)]
    pub urls: Option<Vec<SourceUrl>>,
}

/// A file of a public web server.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SourceUrl {
    /// Its https URL.
    #[schema(max_length = 2048, example = "https://images.example.org/shoe.jpg")]
    pub url: String,
    /// File name of the asset. Default: the last part of the URL's path.
    #[schema(max_length = 255, example = "shoe.jpg")]
    pub name: Option<String>,
}

impl ImportSource {
    /// The folder of the connection that paths are relative to, without slashes at the ends.
    pub fn base(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default().trim_matches('/')
    }
}

/// Checks everything of a request that can be checked without its connection, and normalises its folder. Returns all mistakes.
pub fn check_import(
    request: &mut ImportRequest,
    callbacks: &CallbackPolicy,
    reads: &CallbackPolicy,
) -> ValidationErrors {
    let mut mistakes = ValidationErrors::default();
    let mut report = |pointer: String, code: Code, detail: String| {
        mistakes.push_with(|| ValidationError::new(pointer, code, detail));
    };
    match Folder::parse(request.folder.as_deref().unwrap_or_default()) {
        Ok(folder) => request.folder = Some(folder.as_str().to_owned()),
        Err(detail) => report("/folder".into(), Code::InvalidValue, detail),
    }
    if let Some(Err(detail)) = request.callback_url.as_deref().map(|url| callbacks.check_url(url)) {
        report("/callbackUrl".into(), Code::InvalidValue, detail);
    }
    if request.name.as_deref().is_some_and(|name| name.contains('\0')) {
        report("/name".into(), Code::InvalidValue, "The name contains a NUL character (U+0000). Remove it.".into());
    }
    let recipients = request.notify_emails.as_ref().map_or(0, Vec::len);
    if recipients > MAX_RECIPIENTS {
        let detail = format!("There are {recipients} recipients; the limit is {MAX_RECIPIENTS}.");
        report("/notifyEmails".into(), Code::InvalidValue, detail);
    }
    let source = &request.source;
    match (&source.connection, &source.urls) {
        (Some(_), Some(_)) => {
            let detail = "Send either `connection` or `urls`, not both.";
            report("/source".into(), Code::ConflictingParameters, detail.into());
        }
        (None, None) => {
            let detail = "Send `connection` with the name of a connection (`GET /connections`), or `urls`.";
            report("/source".into(), Code::MissingParameter, detail.into());
        }
        (Some(_), None) => check_paths(source, &mut report),
        (None, Some(urls)) => check_urls(source, urls, reads, &mut report),
    }
    mistakes.extend(request.metadata.iter().flat_map(|metadata| metadata.check("/metadata")));
    mistakes
}

fn check_paths(source: &ImportSource, report: &mut impl FnMut(String, Code, String)) {
    if source.prefix.as_deref().is_some_and(|prefix| !prefix.trim_matches('/').is_empty() && !is_path(source.base())) {
        let detail = "This is no folder: it has empty parts, `.`, `..` or control characters, or is too long.";
        report("/source/prefix".into(), Code::InvalidValue, detail.into());
    }
    for (field, patterns) in [("include", &source.include), ("exclude", &source.exclude)] {
        if patterns.is_some() && source.paths.is_some() {
            let detail = "`paths` names the files; patterns select from a listing. Send one of them.";
            report(format!("/source/{field}"), Code::ConflictingParameters, detail.into());
        }
        let patterns = patterns.as_deref().unwrap_or_default();
        if patterns.len() > MAX_PATTERNS {
            let detail = format!("There are {} patterns; the limit is {MAX_PATTERNS}.", patterns.len());
            report(format!("/source/{field}"), Code::InvalidValue, detail);
        }
        for (index, pattern) in patterns.iter().enumerate() {
            if let Err(detail) = check_pattern(pattern) {
                report(format!("/source/{field}/{index}"), Code::InvalidValue, detail);
            }
        }
    }
    let paths = source.paths.as_deref().unwrap_or_default();
    if paths.len() > MAX_ENTRIES {
        report("/source/paths".into(), Code::TooManyItems, explain_too_many(paths.len()));
    }
    for (index, path) in paths.iter().enumerate().filter(|(_, path)| !is_path(path.trim_matches('/'))) {
        let shown: String = path.chars().take(100).collect();
        let detail = format!(
            "{shown:?} is no path of a file: it has empty parts, `.`, `..` or control characters, or is too long."
        );
        report(format!("/source/paths/{index}"), Code::InvalidValue, detail);
    }
    report_repeated("paths", paths.iter().map(|path| path.trim_matches('/')), report);
}

/// A file that is named twice would be imported once, and one of two names would be lost.
fn report_repeated<'a>(
    field: &str,
    names: impl Iterator<Item = &'a str>,
    report: &mut impl FnMut(String, Code, String),
) {
    let mut seen = HashMap::new();
    for (index, name) in names.enumerate() {
        if let Some(first) = seen.insert(name, index) {
            let detail = format!("This is the same file as number {first}. Send it once.");
            report(format!("/source/{field}/{index}"), Code::InvalidValue, detail);
        }
    }
}

fn check_urls(
    source: &ImportSource,
    urls: &[SourceUrl],
    reads: &CallbackPolicy,
    report: &mut impl FnMut(String, Code, String),
) {
    let others = [
        ("prefix", source.prefix.is_some()),
        ("include", source.include.is_some()),
        ("exclude", source.exclude.is_some()),
        ("paths", source.paths.is_some()),
    ];
    for (field, _) in others.iter().filter(|(_, is_sent)| *is_sent) {
        let detail = format!("`{field}` selects from a connection; `urls` names its files. Remove one of them.");
        report(format!("/source/{field}"), Code::ConflictingParameters, detail);
    }
    if urls.len() > MAX_ENTRIES {
        report("/source/urls".into(), Code::TooManyItems, explain_too_many(urls.len()));
    }
    report_repeated("urls", urls.iter().map(|url| url.url.as_str()), report);
    for (index, SourceUrl { url, name }) in urls.iter().enumerate() {
        if url.len() > MAX_URL_BYTES {
            let detail = format!("The URL has {} bytes; the limit is {MAX_URL_BYTES}.", url.len());
            report(format!("/source/urls/{index}/url"), Code::InvalidValue, detail);
        } else if let Err(detail) = reads.check_url(url) {
            report(format!("/source/urls/{index}/url"), Code::InvalidValue, detail);
        } else if name.is_none() && find_url_name(url).is_none() {
            let detail = "The path of the URL does not end with a file name. Send `name`.";
            report(format!("/source/urls/{index}/name"), Code::MissingParameter, detail.into());
        }
        if let Some(name) = name.as_deref().filter(|name| FileName::sanitize(name).is_err()) {
            let detail = format!("{name:?} cannot be a file name: it has no usable characters.");
            report(format!("/source/urls/{index}/name"), Code::InvalidValue, detail);
        }
    }
}

fn explain_too_many(count: usize) -> String {
    format!("There are {count} files; one import may have {MAX_ENTRIES}. Split the request.")
}

/// Whether a text can be the path of an object below a connection.
fn is_path(path: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control);
    path.len() <= MAX_PATH_BYTES && path.split('/').all(is_part)
}

fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() || pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!("A pattern has 1 to {MAX_PATTERN_BYTES} bytes."));
    }
    parse_glob(pattern).map(drop)
}

fn parse_glob(pattern: &str) -> Result<globset::Glob, String> {
    let parsed = GlobBuilder::new(pattern).literal_separator(true).build();
    parsed.map_err(|error| format!("This is no pattern: {}. Example: `**/*.jpg`.", error.kind()))
}

fn build_set(patterns: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(parse_glob(pattern)?);
    }
    set.build().map_err(|error| format!("The patterns are too large together: {error}."))
}

/// Which paths below `prefix` an import takes.
///
/// # Errors
/// A sentence, for patterns that [`check_import`] would refuse.
pub fn build_path_filter(source: &ImportSource) -> Result<impl Fn(&str) -> bool + Send + Sync + use<>, String> {
    let include = source.include.as_deref().map(build_set).transpose()?;
    let exclude = build_set(source.exclude.as_deref().unwrap_or_default())?;
    Ok(move |path: &str| include.as_ref().is_none_or(|patterns| patterns.is_match(path)) && !exclude.is_match(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select_paths() {
        let source = ImportSource {
            include: Some(vec!["**/*.{jpg,png}".into()]),
            exclude: Some(vec!["drafts/**".into(), "*.png".into()]),
            ..ImportSource::default()
        };
        let takes = build_path_filter(&source).unwrap();
        let paths = ["a.jpg", "a/b.jpg", "a/b.png", "b.png", "drafts/a.jpg", "a.txt", "a.JPG"];
        let taken: Vec<&str> = paths.into_iter().filter(|path| takes(path)).collect();
        assert_eq!(taken, ["a.jpg", "a/b.jpg", "a/b.png"]);
        assert!(check_pattern("a[").is_err() && check_pattern("").is_err() && check_pattern("a*").is_ok());
    }

    #[test]
    fn paths_stay_below_their_connection() {
        assert!(["a", "a/b.jpg", "ü/ b"].into_iter().all(is_path));
        assert!(!["", "/a", "a//b", "../a", "a/./b", "a\n"].into_iter().any(is_path));
    }
}
