//! `offprint demo`: the main job from upload to zip on real pictures, with every result checked. For `script/demo`.

mod checks;
mod pictures;
mod service;
mod story;

use std::io::IsTerminal;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use self::checks::Checks;
use self::pictures::Pictures;
use self::service::Running;
use super::{Refusal, client};
use crate::code::Code;

/// Arguments of `offprint demo`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder for the service's data, its log and what is downloaded.
    #[arg(long)]
    work: PathBuf,

    /// End when all is checked, and do not stay up.
    #[arg(long)]
    once: bool,

    /// Your own pictures. Without it the project draws some.
    pictures: Option<PathBuf>,
}

/// Fails when a check does.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    let once = arguments.once || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal();
    client::run(async {
        std::fs::create_dir_all(&arguments.work).map_err(|error| failed("make the folder for the demo", error))?;
        let mut service = Running::start(&arguments.work).await?;
        let told = show(&service, &arguments, once).await;
        let told = match told {
            Ok(()) if !once => stay(&mut service).await,
            told => told,
        };
        service.stop().await;
        told
    })
}

async fn show(service: &Running, arguments: &Arguments, once: bool) -> Result<(), Refusal> {
    let pictures = Pictures::of(arguments.pictures.as_deref(), &arguments.work)?;
    let mut checks = Checks::default();
    let jobs = story::tell(service, &pictures, &arguments.work, &mut checks).await?;
    checks.verdict()?;
    println!("\nAll {} checks passed. Downloaded files are in {}.", checks.count(), arguments.work.display());
    if !once {
        println!("\nThe service stays up until Ctrl-C. Look at");
        println!("  {}/swagger-ui/   all calls, to try in the browser", service.url);
        println!("  {}/export-jobs   the jobs", service.url);
        for (name, job) in jobs {
            println!("  {}/export-jobs/{job}   {name}", service.url);
        }
    }
    Ok(())
}

/// Until Ctrl-C, a request to end, or the end of the service itself.
async fn stay(service: &mut Running) -> Result<(), Refusal> {
    let broken = |error| failed("wait for signals", error);
    let mut ended = signal(SignalKind::terminate()).map_err(broken)?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = ended.recv() => Ok(()),
        why = service.ended() => Err(why),
    }
}

fn failed(what: &str, error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Unavailable, format!("The demo could not {what}: {error}."))
}
