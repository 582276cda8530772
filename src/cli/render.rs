//! `offprint render`: renders one image with the code and the defaults of the service, without a database or service.

use std::path::PathBuf;

use offprint_imaging::{ImageHeader, RenderLimits, RenderPlan, RenderWarning, SourceFiles};
use offprint_modifiers::Diagnostic;
use serde::Serialize;

use super::modifier_args::ModifierArgs;
use super::{CliError, print_json};
use crate::jobs::rendition_resolver::to_code;

/// Arguments of `offprint render`.
#[derive(clap::Args)]
pub struct RenderArgs {
    /// The image to render. Without one, layer 0 is a colour or an empty canvas.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,

    #[command(flatten)]
    modifier_args: ModifierArgs,

    /// The file to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Print the plan as JSON first: decoder shrink, steps, estimated memory.
    #[arg(long)]
    explain: bool,
}

/// The result, printed as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RenderSummary {
    width: u32,
    height: u32,
    format: &'static str,
    mime: &'static str,
    bytes: u64,
    file_name: String,
    plan: String,
    /// What may make the image differ from what was asked for.
    warnings: Vec<RenderWarning>,
    /// What was ignored and makes no difference.
    notices: Vec<RenderWarning>,
}

/// Renders and prints one JSON line.
pub fn run_render(arguments: RenderArgs) -> Result<(), CliError> {
    let source_name = |source: &PathBuf| source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let source_name = arguments.source.as_ref().map(source_name);
    let name = source_name.clone().unwrap_or_default();
    let library = arguments.modifier_args.read_profiles();
    let resolved = arguments.modifier_args.resolve(source_name.as_deref(), &library)?;
    let recipe = &resolved.recipe;
    let header: ImageHeader = match &arguments.source {
        Some(source) => offprint_imaging::read_header_for_render(&source.into()).map_err(to_cli_error)?,
        None => ImageHeader::without_image(),
    };
    let objects = arguments.modifier_args.files(&resolved, &name, arguments.source.as_deref());
    let files = SourceFiles { source: arguments.source.unwrap_or_default().into(), objects };
    let profiles = library.fetch([recipe]).map_err(to_cli_error)?;
    let plan = RenderPlan::new(recipe, &header, &files.read_headers(), &RenderLimits::default(), &profiles)
        .map_err(to_cli_error)?;
    if arguments.explain {
        print_json(&plan)?;
    }
    let rendered = offprint_imaging::render_image(&plan, &files, &arguments.output).map_err(to_cli_error)?;
    let mut warnings: Vec<RenderWarning> = resolved.warnings.iter().map(to_warning).collect();
    warnings.extend(rendered.warnings);
    let format = recipe.format();
    print_json(&RenderSummary {
        width: rendered.width,
        height: rendered.height,
        format: format.name(),
        mime: format.media_type(),
        bytes: rendered.bytes,
        file_name: name + format.extension(),
        plan: rendered.plan,
        warnings,
        notices: resolved.notices.iter().map(to_warning).collect(),
    })
}

fn to_warning(diagnostic: &Diagnostic) -> RenderWarning {
    RenderWarning::new(to_code(diagnostic.kind), diagnostic.to_string())
}

fn to_cli_error(error: offprint_imaging::RenderError) -> CliError {
    CliError::new(error.code, error.detail)
}
