//! `offprint render`: one picture, with the code and the defaults of the service, without database or service.

use std::path::PathBuf;

use serde::Serialize;

use super::wish::Wish;
use super::{Refusal, print_json};
use crate::export::modifier::code;
use crate::language::Complaint;
use crate::render::{self, Files, Header, Limits, Plan, Warning};

/// Arguments of `offprint render`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The picture to render.
    #[arg(long, value_name = "FILE")]
    source: PathBuf,

    #[command(flatten)]
    wish: Wish,

    /// The file to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Prints the plan as JSON first: decoder shrink, steps, estimated memory.
    #[arg(long)]
    explain: bool,
}

/// What `offprint render` says of its picture.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    width: u32,
    height: u32,
    format: &'static str,
    mime: &'static str,
    bytes: u64,
    file_name: String,
    plan: String,
    warnings: Vec<Warning>,
}

/// Renders and prints one JSON line.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    let name = arguments.source.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let library = arguments.wish.profiles();
    let understood = arguments.wish.understand(&name, &library)?;
    let recipe = &understood.recipe;
    let header: Header = render::probe(&arguments.source).map_err(refused)?;
    let files = Files { source: arguments.source, objects: arguments.wish.files(&understood) };
    let profiles = library.fetch([recipe]).map_err(refused)?;
    let plan = Plan::of(recipe, &header, &files.headers(), &Limits::default(), &profiles).map_err(refused)?;
    if arguments.explain {
        print_json(&plan)?;
    }
    let rendered = render::render(&plan, &files, &arguments.output).map_err(refused)?;
    let mut warnings: Vec<Warning> = understood.warnings.iter().map(remark).collect();
    warnings.extend(rendered.warnings);
    let format = recipe.format();
    print_json(&Said {
        width: rendered.width,
        height: rendered.height,
        format: format.name(),
        mime: format.mime(),
        bytes: rendered.bytes,
        file_name: name + format.extension(),
        plan: rendered.plan,
        warnings,
    })
}

fn remark(complaint: &Complaint) -> Warning {
    Warning::new(code(complaint.kind), complaint.to_string())
}

fn refused(failure: render::Failure) -> Refusal {
    Refusal::new(failure.code, failure.detail)
}
