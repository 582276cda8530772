//! `offprint parity`: renders the same images at Scene7 and here, and shows where they differ. Begin reading at [`run_parity`].

mod compare;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt;
use offprint_core::Code;
use reqwest::{Client, Method};
use serde::{Deserialize, Serialize};
use url::Url;

use self::compare::{Comparison, compare_images};
use self::report::write_report;
use super::client::{self, ApiClient, ServiceArgs};
use super::{CliError, DONE_WITH_REMARKS};

/// Largest image that is fetched, in bytes.
const MAX_IMAGE_BYTES: usize = 64 << 20;
/// How long one image may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);
/// How many pairs are fetched at once: Scene7 should not notice.
const PAIRS_AT_ONCE: usize = 4;
/// After how many pairs the pictures are dropped that the page will not show.
const PAIRS_BETWEEN_SORTS: usize = 64;

/// Arguments of `offprint parity`.
#[derive(clap::Args)]
pub struct ParityArgs {
    /// Address of the images at Scene7, with the root ID, like `https://s7d1.scene7.com/is/image/Acme`.
    #[arg(long, value_name = "URL")]
    live: Url,

    /// Names of assets, one a line, as both sides have them.
    #[arg(long, value_name = "FILE")]
    assets: PathBuf,

    /// Image presets or modifiers, one a line: `pdp`, `$pdp$&wid=400`.
    #[arg(long, value_name = "FILE")]
    presets: PathBuf,

    /// The page to write: the worst pairs first, with both pictures.
    #[arg(long, value_name = "FILE", default_value = "parity.html")]
    out: PathBuf,

    /// How many pairs the page shows with their pictures.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    show: u32,

    #[command(flatten)]
    service: ServiceArgs,
}

/// A pair of an asset and a modifier, and what came of it.
pub(super) struct Pair {
    asset: String,
    modifier: String,
    /// What Scene7 answered.
    live: Option<FetchedImage>,
    /// What this service answered.
    ours: Option<FetchedImage>,
    result: Result<Comparison, String>,
}

/// An image as it was answered.
pub(super) struct FetchedImage {
    bytes: Vec<u8>,
    media_type: String,
}

/// The result, printed as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParitySummary {
    pairs: usize,
    /// Pairs whose images have the same size.
    compared: usize,
    /// Pairs whose images have different sizes.
    sizes_differ: usize,
    /// Pairs of which an image is missing or cannot be read.
    failed: usize,
    /// Mean of the mean differences of all compared pairs, 0 to 255; null without any.
    mean_difference: Option<f64>,
    /// Smallest SSIM of all compared pairs; null without any.
    smallest_ssim: Option<f64>,
}

/// Compares all pairs, writes the page and prints a summary. Exit code 3 when images differ in size or are missing.
pub fn run_parity(arguments: ParityArgs) -> Result<ExitCode, CliError> {
    client::run_in_runtime(async {
        let (assets, modifiers) = (read_lines(&arguments.assets)?, read_lines(&arguments.presets)?);
        let modifiers: Vec<String> = modifiers.iter().map(|line| complete_modifier(line)).collect();
        let service = ApiClient::connect(&arguments.service).await?;
        let live = LiveImages::new(&arguments.live)?;
        let wanted = assets.iter().flat_map(|asset| modifiers.iter().map(move |modifier| (asset, modifier)));
        let mut results = futures_util::stream::iter(wanted)
            .map(|(asset, modifier)| measure_pair(&service, &live, asset, modifier))
            .buffer_unordered(PAIRS_AT_ONCE);
        let mut pairs: Vec<Pair> = Vec::new();
        while let Some(pair) = results.next().await {
            pairs.push(pair);
            // Pictures are large and sorting is not free: now and then is enough.
            if pairs.len().is_multiple_of(PAIRS_BETWEEN_SORTS) {
                keep_pictures_of_worst(&mut pairs, arguments.show as usize);
            }
        }
        keep_pictures_of_worst(&mut pairs, arguments.show as usize);
        drop(results);
        let summary = summarize(&pairs);
        write_report(&arguments.out, &arguments.live, &summary, &pairs).map_err(|error| {
            CliError::new(Code::InvalidValue, format!("{} cannot be written: {error}.", arguments.out.display()))
        })?;
        super::print_json(&summary)?;
        eprintln!("{}: the worst pairs first.", arguments.out.display());
        let is_equal = summary.failed == 0 && summary.sizes_differ == 0;
        Ok(if is_equal { ExitCode::SUCCESS } else { ExitCode::from(DONE_WITH_REMARKS) })
    })
}

fn read_lines(path: &Path) -> Result<Vec<String>, CliError> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::new(Code::InvalidValue, format!("{name} cannot be read: {error}.")))?;
    let lines: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(CliError::new(Code::InvalidValue, format!("{name} is empty. Write one entry a line.")));
    }
    Ok(lines)
}

/// A name alone is that of a preset.
fn complete_modifier(line: &str) -> String {
    let line = line.trim_start_matches(['?', '&']);
    if line.contains(['=', '$', '&']) { line.to_owned() } else { format!("${line}$") }
}

/// The images at Scene7.
struct LiveImages {
    http: Client,
    base: Url,
}

impl LiveImages {
    fn new(base: &Url) -> Result<Self, CliError> {
        if base.cannot_be_a_base() {
            let detail =
                format!("{base} is no address of images. Write one like https://s7d1.scene7.com/is/image/Acme.");
            return Err(CliError::new(Code::InvalidParameter, detail));
        }
        let mut http =
            Client::builder().timeout(FETCH_TIMEOUT).user_agent(concat!("offprint/", env!("CARGO_PKG_VERSION")));
        if base.scheme() == "http" {
            // Without this a machine without CA certificates could not even ask a server of its own network.
            http = http.tls_certs_only([]);
        }
        let http = http
            .build()
            .map_err(|error| CliError::new(Code::Unavailable, format!("The client cannot start: {error}.")))?;
        Ok(Self { http, base: base.clone() })
    }

    async fn fetch(&self, asset: &str, modifier: &str) -> Result<FetchedImage, String> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(asset.split('/'));
        }
        url.set_query(Some(modifier));
        let response = self.http.get(url).send().await.map_err(|error| format!("Scene7 does not answer: {error}."))?;
        read_image("Scene7", response).await
    }
}

async fn read_image(side: &str, response: reqwest::Response) -> Result<FetchedImage, String> {
    let status = response.status();
    let header = response.headers().get(reqwest::header::CONTENT_TYPE);
    let media_type = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| format!("{side}: the answer broke off: {error}."))?);
        if bytes.len() > MAX_IMAGE_BYTES {
            return Err(format!("{side}: the image is larger than {MAX_IMAGE_BYTES} bytes."));
        }
    }
    if status.is_success() {
        return Ok(FetchedImage { bytes, media_type });
    }
    let text: String = String::from_utf8_lossy(&bytes).chars().take(300).collect();
    Err(format!("{side} answers {status}: {text}"))
}

async fn measure_pair(service: &ApiClient, live: &LiveImages, asset: &str, modifier: &str) -> Pair {
    let (theirs, ours) = tokio::join!(live.fetch(asset, modifier), fetch_ours(service, asset, modifier));
    let result = match (&theirs, &ours) {
        (Ok(theirs), Ok(ours)) => compare_images(&theirs.bytes, &ours.bytes),
        (Err(detail), Ok(_)) | (Ok(_), Err(detail)) => Err(detail.clone()),
        (Err(theirs), Err(ours)) => Err(format!("{theirs} {ours}")),
    };
    Pair { asset: asset.to_owned(), modifier: modifier.to_owned(), live: theirs.ok(), ours: ours.ok(), result }
}

/// The image as this service makes it.
async fn fetch_ours(service: &ApiClient, asset: &str, modifier: &str) -> Result<FetchedImage, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ListedAsset {
        asset_handle: String,
        name: String,
    }
    let name = asset.rsplit('/').next().unwrap_or(asset);
    let found: Vec<ListedAsset> =
        service.list(&["assets"], &[("name", name)]).await.map_err(|error| format!("Offprint: {}", error.detail))?;
    let mut same_name = found.into_iter().filter(|listed| listed.name == name);
    let handle = match (same_name.next(), same_name.next()) {
        (Some(only), None) => only.asset_handle,
        (None, _) => return Err(format!("Offprint has no asset {name}.")),
        (Some(_), Some(_)) => return Err(format!("Offprint has several assets {name}.")),
    };
    let response = service
        .retry(async || {
            let request = service.request(Method::GET, &["assets", &handle, "preview"]);
            client::send_request(request.query(&[("is_modifier", modifier)])).await
        })
        .await
        .map_err(|error| format!("Offprint: {}", error.detail))?;
    read_image("Offprint", response).await
}

/// How bad a pair is: missing images first, then sizes, then the lowest SSIM.
fn rank_pair(pair: &Pair) -> f64 {
    match &pair.result {
        Err(_) => 4.0,
        Ok(comparison) => match &comparison.difference {
            None => 3.0,
            Some(difference) => 1.0 - difference.ssim,
        },
    }
}

/// Sorts the pairs, the worst first, and drops the pictures that the page will not show.
fn keep_pictures_of_worst(pairs: &mut [Pair], shown: usize) {
    pairs.sort_by(|one, other| {
        let by_name = || (&one.asset, &one.modifier).cmp(&(&other.asset, &other.modifier));
        rank_pair(other).total_cmp(&rank_pair(one)).then_with(by_name)
    });
    for pair in pairs.iter_mut().skip(shown) {
        (pair.live, pair.ours) = (None, None);
    }
}

fn summarize(pairs: &[Pair]) -> ParitySummary {
    let comparisons: Vec<&Comparison> = pairs.iter().filter_map(|pair| pair.result.as_ref().ok()).collect();
    let differences: Vec<_> = comparisons.iter().filter_map(|comparison| comparison.difference.as_ref()).collect();
    let mean = differences.iter().map(|difference| difference.mean).sum::<f64>() / differences.len() as f64;
    ParitySummary {
        pairs: pairs.len(),
        compared: differences.len(),
        sizes_differ: comparisons.len() - differences.len(),
        failed: pairs.len() - comparisons.len(),
        mean_difference: (!differences.is_empty()).then_some(mean),
        smallest_ssim: differences.iter().map(|difference| difference.ssim).min_by(f64::total_cmp),
    }
}
