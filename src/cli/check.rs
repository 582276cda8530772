//! `offprint check`: explains a modifier without rendering, as `POST /modifier-check` does.

use std::path::PathBuf;
use std::sync::Arc;

use offprint_imaging::{RenderLimits, SourceFiles};

use super::modifier_args::ModifierArgs;
use super::{CliError, print_json};
use crate::jobs::RecipeContext;
use crate::jobs::explain::ModifierMeaning;
use crate::jobs::explain::plan_from_header;

/// Arguments of `offprint check`.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// An image that the modifier is for. Only its header is read.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,

    #[command(flatten)]
    modifier_args: ModifierArgs,
}

/// Prints one JSON line.
pub fn run_check(arguments: CheckArgs) -> Result<(), CliError> {
    let CheckArgs { source, modifier_args } = arguments;
    let to_text = |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let profiles = modifier_args.read_profiles();
    let object = to_text(source.as_ref().and_then(|source| source.file_stem()));
    let resolved = modifier_args.resolve(Some(&object), &profiles)?;
    let mut explanation = ModifierMeaning::from_modifier(&resolved);
    if let Some(source) = source {
        let header =
            offprint_imaging::read_image_header(&source).map_err(|error| CliError::new(error.code, error.detail))?;
        let objects = modifier_args.files(&resolved, &object, Some(&source));
        let files = SourceFiles { objects, ..SourceFiles::from_source(source.clone()) };
        let context = RecipeContext::new(Arc::default(), RenderLimits::default(), profiles.clone());
        let plan = plan_from_header(&resolved.recipe, &header, &files.read_headers(), &context);
        explanation = explanation.with_image(&to_text(source.file_name()), plan);
    }
    print_json(&explanation)
}
