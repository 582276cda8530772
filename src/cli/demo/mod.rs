//! `offprint demo`: an export of real images from upload to zip, with every result checked. For `script/demo`.

mod checks;
mod images;
mod scenario;
mod service;

use std::io::IsTerminal;
use std::path::PathBuf;

use offprint_core::Code;
use tokio::signal::unix::{SignalKind, signal};

use self::checks::CheckList;
use self::images::DemoImages;
use self::service::DemoService;
use super::{CliError, client};

/// Arguments of `offprint demo`.
#[derive(clap::Args)]
pub struct DemoArgs {
    /// Folder for the service's data, its log and the downloads.
    #[arg(long)]
    work: PathBuf,

    /// End after the checks instead of keeping the service running.
    #[arg(long)]
    once: bool,

    /// Folder of your own images. Default: samples that the project draws.
    images: Option<PathBuf>,
}

/// Runs the demo. Fails when a check fails.
pub fn run_demo(arguments: DemoArgs) -> Result<(), CliError> {
    let once = arguments.once || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal();
    client::run_in_runtime(async {
        std::fs::create_dir_all(&arguments.work).map_err(|error| to_demo_error("create its folder", error))?;
        let mut service = DemoService::start(&arguments.work).await?;
        let result = match show_demo(&service, &arguments, once).await {
            Ok(()) if !once => wait_for_stop(&mut service).await,
            result => result,
        };
        service.stop().await;
        result
    })
}

async fn show_demo(service: &DemoService, arguments: &DemoArgs, once: bool) -> Result<(), CliError> {
    let images = DemoImages::prepare(arguments.images.as_deref(), &arguments.work)?;
    let mut checks = CheckList::default();
    let jobs = scenario::run_scenario(service, &images, &arguments.work, &mut checks).await?;
    checks.to_result()?;
    println!("\nAll {} checks passed. Downloaded files are in {}.", checks.count(), arguments.work.display());
    if !once {
        println!("\nThe service runs until Ctrl-C. See");
        println!("  {}/swagger-ui/   the API, to try in the browser", service.url);
        println!("  {}/export-jobs   the export jobs", service.url);
        for (name, job) in jobs {
            println!("  {}/export-jobs/{job}   {name}", service.url);
        }
    }
    Ok(())
}

/// Waits for Ctrl-C, SIGTERM or the end of the service.
async fn wait_for_stop(service: &mut DemoService) -> Result<(), CliError> {
    let to_error = |error| to_demo_error("wait for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(to_error)?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
        error = service.wait_for_exit() => Err(error),
    }
}

fn to_demo_error(what: &str, error: impl std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The demo could not {what}: {error}."))
}
