//! `offprint assets`: lists and shows the assets of a running service, and downloads their originals.

use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use indicatif::DecimalBytes;
use offprint_core::Code;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::client::{self, ApiClient, ProgressReporter, ServiceArgs};
use super::listing::{self, MetadataCondition};
use super::{CliError, print_json, print_text};

/// Arguments of `offprint assets`.
#[derive(clap::Args)]
pub struct AssetsArgs {
    #[command(subcommand)]
    command: AssetsCommand,

    /// Prints JSON, one object on each line.
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(clap::Subcommand)]
enum AssetsCommand {
    /// Lists assets by folder and name.
    List(AssetListArgs),
    /// Shows an asset, or downloads its original with --out.
    Get(AssetGetArgs),
}

#[derive(clap::Args)]
struct AssetListArgs {
    /// Only assets in this folder; empty for the top level. Default: all folders.
    #[arg(long)]
    folder: Option<String>,

    /// Include the folders below --folder.
    #[arg(long, requires = "folder")]
    recursive: bool,

    /// Only assets of this type, such as Image or Pdf.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,

    /// Only assets whose name begins with this.
    #[arg(long)]
    name: Option<String>,

    /// Only assets whose metadata has this entry. Can be repeated.
    #[arg(long = "metadata", value_name = "KEY=VALUE")]
    metadata: Vec<MetadataCondition>,

    /// How many assets at most; 0: all.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(clap::Args)]
struct AssetGetArgs {
    /// Handle of the asset.
    asset: String,

    /// Writes the original to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run_assets(arguments: AssetsArgs) -> Result<(), CliError> {
    let AssetsArgs { command, json, service } = arguments;
    client::run_in_runtime(async {
        let connection = ApiClient::connect(&service).await?;
        match command {
            AssetsCommand::List(filter) => list_assets(&connection, &filter, json).await,
            AssetsCommand::Get(AssetGetArgs { asset, out }) => {
                let found: Value = connection.get(&["assets", &asset], &[]).await?;
                match out {
                    Some(out) => download_original(&connection, &found, &out, json).await,
                    None => print_asset(&found, json),
                }
            }
        }
    })
}

async fn list_assets(connection: &ApiClient, filter: &AssetListArgs, json: bool) -> Result<(), CliError> {
    let conditions: Vec<String> = filter.metadata.iter().map(MetadataCondition::to_parameter).collect();
    let mut query: Vec<(&str, &str)> = conditions.iter().map(|condition| ("metadata", condition.as_str())).collect();
    let others = [("folder", &filter.folder), ("type", &filter.kind), ("name", &filter.name)];
    query.extend(others.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    if filter.recursive {
        query.push(("recursive", "true"));
    }
    let assets = listing::fetch_list(connection, &["assets"], &query, filter.limit).await?;
    let columns = ["ASSET", "TYPE", "PIXELS", "SIZE", "FILE"];
    listing::print_list(&assets, json, &columns, |asset| {
        vec![
            listing::show_text(&asset["assetHandle"]),
            listing::show_text(&asset["type"]),
            show_pixels(asset),
            asset["size"].as_u64().map_or(String::new(), |size| DecimalBytes(size).to_string()),
            show_path(asset),
        ]
    })
}

fn show_pixels(asset: &Value) -> String {
    match (&asset["width"], &asset["height"]) {
        (Value::Number(width), Value::Number(height)) => format!("{width}x{height}"),
        _ => String::new(),
    }
}

/// Folder and file name; the name of a set, which has no file.
fn show_path(asset: &Value) -> String {
    let name = if asset["fileName"].is_null() { &asset["name"] } else { &asset["fileName"] };
    let path = format!("{}/{}", listing::show_text(&asset["folder"]), listing::show_text(name));
    path.trim_start_matches('/').to_owned()
}

fn print_asset(asset: &Value, json: bool) -> Result<(), CliError> {
    if json {
        return print_json(asset);
    }
    listing::print_fields(&[
        ("Asset", listing::show_text(&asset["assetHandle"])),
        ("File", show_path(asset)),
        ("Type", listing::show_text(&asset["type"])),
        ("Pixels", show_pixels(asset)),
        ("Size", asset["size"].as_u64().map_or(String::new(), |size| DecimalBytes(size).to_string())),
        ("SHA-256", listing::show_text(&asset["sha256"])),
        ("Modifier", listing::show_text(&asset["urlModifier"])),
        ("Created", listing::show_text(&asset["createdAt"])),
        ("Changed", listing::show_text(&asset["updatedAt"])),
        ("Metadata", listing::show_metadata(&asset["metadata"])),
    ])
}

/// Downloads an original. The file appears only when it is complete.
async fn download_original(connection: &ApiClient, asset: &Value, out: &Path, json: bool) -> Result<(), CliError> {
    let handle = asset["assetHandle"].as_str().unwrap_or_default();
    let progress = ProgressReporter::for_bytes("Downloading", asset["size"].as_u64().unwrap_or_default());
    let failed = |error: std::io::Error| {
        CliError::new(Code::InvalidParameter, format!("{} cannot be written: {error}.", out.display()))
    };
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let size = connection
        .retry(async || {
            let request = connection.request(Method::GET, &["assets", handle, "content"]);
            let mut bytes = client::send_request(request).await?.bytes_stream();
            let permanent = |error| client::ClientError::Permanent(failed(error));
            let mut file = tokio::fs::File::create(&part).await.map_err(permanent)?;
            let mut received = 0;
            while let Some(piece) = bytes.next().await {
                let piece = piece.map_err(|error| client::to_connection_error(&error))?;
                file.write_all(&piece).await.map_err(permanent)?;
                received += piece.len() as u64;
                progress.set(received);
            }
            file.sync_all().await.map_err(permanent)?;
            Ok(received)
        })
        .await?;
    std::fs::rename(&part, out).map_err(failed)?;
    if json {
        return print_json(&json!({ "file": out, "size": size }));
    }
    print_text(&format!("{} in {}\n", DecimalBytes(size), out.display()))
}
