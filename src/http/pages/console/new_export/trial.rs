//! What the job would do, for the buttons that try the request out: the dry run in words, and a preview of its first assets
//! beside their originals.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::AppState;
use crate::db::capability::Capability;
use crate::http::address::write_address;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::new_export::request::BuiltRequest;
use crate::http::pages::frame::PageTime;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::dry_run::{DryRun, DryRunFile, DryRunItem, preview_request};
use crate::jobs::ExportRequest;
use crate::jobs::rendition::list_rendition_specs;
use crate::reason::Reason;

/// Assets that a preview shows.
const MAX_PREVIEWED_ASSETS: usize = 12;
/// Items that the page lists; the dry run looks at all of them.
const MAX_LISTED_ITEMS: usize = 100;

/// Formats that browsers show.
const SHOWN_TYPES: [&str; 6] = ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/svg+xml"];

/// What the job would do.
pub(super) struct Trial {
    pub(super) counts: Counts,
    /// Bytes of the originals, in words.
    pub(super) source_size: String,
    pub(super) items: Vec<TrialItem>,
    /// How many items are not listed.
    pub(super) more_items: usize,
    pub(super) destinations: Vec<String>,
    /// The next runs of a schedule.
    pub(super) next_runs: Vec<PageTime>,
    /// Of a schedule.
    pub(super) cron: Option<String>,
    pub(super) warnings: Vec<Reason>,
    pub(super) notices: Vec<Reason>,
    /// The first assets with their images; empty in a trial without preview.
    pub(super) previews: Vec<AssetPreview>,
}

/// Numbers of items and files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) items: usize,
    pub(super) files: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
    pub(super) warned: usize,
    /// Files that get a number because another one has their name.
    pub(super) numbered: usize,
}

/// What would become of one asset.
pub(super) struct TrialItem {
    pub(super) name: String,
    /// `convert`, `original`, `skip` or `fail`.
    pub(super) action: &'static str,
    pub(super) files: Vec<TrialFile>,
    pub(super) failure: Option<Reason>,
    pub(super) warnings: Vec<Reason>,
}

pub(super) struct TrialFile {
    pub(super) path: String,
    /// In pixels.
    pub(super) size: Option<String>,
    /// Whether it has a number because another file has its name.
    pub(super) is_numbered: bool,
}

/// An asset beside what would be made of it.
pub(super) struct AssetPreview {
    pub(super) name: String,
    /// Address of the page of the asset.
    pub(super) page: Option<String>,
    /// Address of a small image of the original; none where it is no image.
    pub(super) original: Option<String>,
    pub(super) results: Vec<ResultPreview>,
    pub(super) failure: Option<Reason>,
    pub(super) warnings: Vec<Reason>,
}

/// One image that would be made.
pub(super) struct ResultPreview {
    pub(super) path: String,
    pub(super) size: Option<String>,
    /// Address of the image; none where browsers do not show its format.
    pub(super) image: Option<String>,
    /// Whether it is shown in another format than it would have.
    pub(super) is_converted: bool,
}

/// What renders one file of an item.
#[derive(Clone, Default)]
struct Rendering {
    modifier: String,
    r#macro: String,
    /// Whether browsers show its format.
    is_shown: bool,
}

/// Tries a request out.
///
/// # Errors
/// Those of a dry run.
pub(super) async fn try_request(
    state: &AppState,
    frame: &ConsoleFrame,
    built: &BuiltRequest,
    is_preview: bool,
) -> Result<Trial, Problem> {
    let (request, _) = super::parse_request(state, frame, built).await?;
    let may_write_modifiers = frame.caller.has_capability(Capability::ExportsCustomModifier);
    let is_preview = is_preview && frame.can("GET", "/assets/0/preview");
    let (cron, renderings) = (request.exec_schedule.clone(), list_renderings(&request));
    // Runs on the compute pool, where addresses cannot be written and words cannot be chosen for this reader.
    let summarize = move |dry_run: DryRun| {
        let counts = Counts::from_dry_run(&dry_run);
        let renderings = mark_shown(renderings, &dry_run);
        let previewed = if is_preview { MAX_PREVIEWED_ASSETS } else { 0 };
        let sketches: Vec<_> =
            dry_run.items.iter().take(previewed).map(|item| sketch(item, &renderings, may_write_modifiers)).collect();
        (counts, sketches, shorten(dry_run))
    };
    let (counts, sketches, dry_run) = preview_request(state, &frame.caller, request, summarize).await?;
    let listed = dry_run.items.len();
    Ok(Trial {
        counts,
        source_size: frame.language.format_size(dry_run.source_bytes),
        items: dry_run.items.into_iter().map(TrialItem::from).collect(),
        more_items: counts.items - listed,
        destinations: dry_run.deliver_to.into_iter().map(|to| format!("{}: {}/", to.connection, to.prefix)).collect(),
        next_runs: dry_run.next_runs.into_iter().flatten().map(|at| frame.time(at)).collect(),
        cron,
        warnings: dry_run.warnings,
        notices: dry_run.notices,
        previews: sketches.into_iter().map(|sketch| sketch.write(frame)).collect(),
    })
}

impl Counts {
    fn from_dry_run(dry_run: &DryRun) -> Self {
        let items = &dry_run.items;
        let of = |action: &str| items.iter().filter(|item| item.action == action).count();
        Self {
            items: items.len(),
            files: items.iter().filter(|item| item.action != "fail").map(|item| item.files.len()).sum(),
            failed: of("fail"),
            skipped: of("skip"),
            warned: items.iter().filter(|item| !item.warnings.is_empty()).count(),
            numbered: items.iter().flat_map(|item| &item.files).filter(|file| file.is_numbered).count(),
        }
    }
}

/// Only what is listed: what is left of ten thousand items is given up where there is time for it.
fn shorten(mut dry_run: DryRun) -> DryRun {
    dry_run.items.truncate(MAX_LISTED_ITEMS);
    dry_run
}

/// The modifiers and macros of a request, in the order of the files of each item.
fn list_renderings(request: &ExportRequest) -> Vec<Rendering> {
    let specs = list_rendition_specs(request);
    let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
    specs
        .iter()
        .map(|spec| Rendering { modifier: own(spec.modifier), r#macro: own(spec.r#macro), is_shown: false })
        .collect()
}

fn mark_shown(renderings: Vec<Rendering>, dry_run: &DryRun) -> Vec<Rendering> {
    let types = dry_run.modifiers.iter().map(|checked| checked.meaning.mime).chain(std::iter::repeat(""));
    let mark = |(rendering, mime): (Rendering, &str)| Rendering { is_shown: SHOWN_TYPES.contains(&mime), ..rendering };
    renderings.into_iter().zip(types).map(mark).collect()
}

/// A preview without addresses.
struct Sketch {
    handle: String,
    is_image: bool,
    name: String,
    results: Vec<(String, Option<String>, Option<ImageQuery>)>,
    failure: Option<Reason>,
    warnings: Vec<Reason>,
}

/// The query of a preview.
struct ImageQuery {
    modifier: String,
    r#macro: String,
    is_converted: bool,
}

fn sketch(item: &DryRunItem, renderings: &[Rendering], may_write_modifiers: bool) -> Sketch {
    let is_made = item.action == "convert";
    let result = |(file, rendering): (&DryRunFile, &Rendering)| {
        let query = rendering.query(item.is_modifier.as_deref(), may_write_modifiers);
        (file.path.clone(), format_size(file.width, file.height), query.filter(|_| is_made))
    };
    let unknown = Rendering::default();
    let renderings = renderings.iter().chain(std::iter::repeat(&unknown));
    Sketch {
        handle: item.asset_handle.to_string(),
        is_image: item.is_image,
        name: item.name.clone(),
        results: item.files.iter().zip(renderings).map(result).collect(),
        failure: item.failure.clone(),
        warnings: item.warnings.clone(),
    }
}

impl Rendering {
    /// What to ask for to see the image. One in a format that browsers do not show is asked for as PNG, which needs the right
    /// to write modifiers.
    fn query(&self, of_item: Option<&str>, may_write_modifiers: bool) -> Option<ImageQuery> {
        let own = of_item.unwrap_or_default();
        let joined = [self.modifier.as_str(), own].into_iter().filter(|text| !text.trim().is_empty());
        let modifier = joined.collect::<Vec<_>>().join("&");
        if self.is_shown {
            return Some(ImageQuery { modifier, r#macro: self.r#macro.clone(), is_converted: false });
        }
        // Behind the macro, which would win otherwise.
        let parts = [modifier.as_str(), self.r#macro.as_str(), "fmt=png-alpha"];
        let parts = parts.into_iter().filter(|text| !text.trim().is_empty()).collect::<Vec<_>>();
        may_write_modifiers.then(|| ImageQuery {
            modifier: parts.join("&"),
            r#macro: String::new(),
            is_converted: true,
        })
    }
}

impl Sketch {
    fn write(self, frame: &ConsoleFrame) -> AssetPreview {
        let page = format!("/console/assets/{}", self.handle);
        let write_image = |query: &ImageQuery| {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let mut address = format!("/assets/{}/preview?is_modifier={}", self.handle, encode(&query.modifier));
            if !query.r#macro.is_empty() {
                address = format!("{address}&macro={}", encode(&query.r#macro));
            }
            write_address(&address)
        };
        let result = |(path, size, query): (String, Option<String>, Option<ImageQuery>)| ResultPreview {
            path,
            size,
            image: query.as_ref().map(write_image),
            is_converted: query.is_some_and(|query| query.is_converted),
        };
        AssetPreview {
            original: self.is_image.then(|| write_address(&format!("{page}/thumbnail"))),
            results: self.results.into_iter().map(result).collect(),
            page: frame.can("GET", &page).then(|| write_address(&page)),
            name: self.name,
            failure: self.failure,
            warnings: self.warnings,
        }
    }
}

fn format_size(width: Option<u32>, height: Option<u32>) -> Option<String> {
    Some(format!("{} × {}", width?, height?))
}

impl From<DryRunItem> for TrialItem {
    fn from(item: DryRunItem) -> Self {
        let file = |file: DryRunFile| TrialFile {
            size: format_size(file.width, file.height),
            is_numbered: file.is_numbered,
            path: file.path,
        };
        Self {
            name: item.name,
            action: item.action,
            files: item.files.into_iter().map(file).collect(),
            failure: item.failure,
            warnings: item.warnings,
        }
    }
}
