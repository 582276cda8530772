//! Explains a modifier without rendering: its commands, where each comes from, what is ignored, and the resulting image.

use offprint_imaging::{ImageHeader, ObjectHeaders, RenderPlan};
use offprint_modifiers::{CommandStatus, ModifierSegment, Recipe, ResolvedCommand, ResolvedModifier};
use serde::Serialize;
use utoipa::ToSchema;

use crate::jobs::RecipeContext;
use crate::jobs::archive_paths;
use crate::jobs::rendition_resolver::to_reason;
use crate::reason::Reason;

/// The meaning of a modifier.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ModifierMeaning)]
pub struct ModifierMeaning {
    /// The modifier with all macros expanded. The last occurrence of each command wins.
    #[schema(example = "fmt=png&wid=640&fmt=tif,,lzw")]
    pub effective_modifier: String,
    /// Every known command in the order of the modifier, and whether it has an effect.
    pub commands: Vec<ExplainedCommand>,
    /// The output format.
    #[schema(example = "tiff")]
    pub format: &'static str,
    /// Media type of the output format.
    #[schema(example = "image/tiff")]
    pub mime: &'static str,
    /// Extension of the output files.
    #[schema(example = ".tiff")]
    pub extension: &'static str,
    /// The resulting image; null when no asset was named.
    pub picture: Option<ExplainedPicture>,
    /// What may make the image differ from what was asked for.
    pub warnings: Vec<Reason>,
    /// What was ignored and makes no difference.
    pub notices: Vec<Reason>,
}

/// One command of a modifier.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedCommand {
    /// Name of the command.
    #[schema(example = "wid")]
    pub name: &'static str,
    /// Value: decoded, with variables replaced.
    #[schema(example = "640")]
    pub value: String,
    /// What the command applies to: `view`, `composite` or a layer.
    #[schema(example = "view")]
    pub scope: String,
    /// The text that the command is from: `urlModifier`, `is_modifier`, `macro` and a name, or `urlPostApplyModifier`.
    #[schema(example = "macro test")]
    pub from: String,
    /// Position of the command in that text, in bytes.
    pub offset: usize,
    /// `holds` (has an effect), `replaced` by a later command, or `ignored`.
    #[schema(example = "holds")]
    pub fate: &'static str,
    /// Why the command is ignored; null when it is not.
    pub why: Option<String>,
}

/// The image that would be rendered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPicture {
    /// Name of the file.
    #[schema(example = "fileToExport.tiff")]
    pub file_name: String,
    /// Width in pixels; null when rendering would fail.
    pub width: Option<u32>,
    /// Height in pixels; null when rendering would fail.
    pub height: Option<u32>,
    /// Why rendering would fail; null when it would not.
    pub failure: Option<Reason>,
}

impl ModifierMeaning {
    /// Explains a resolved modifier, without an image.
    pub fn from_modifier(resolved: &ResolvedModifier) -> Self {
        let format = resolved.recipe.format();
        Self {
            effective_modifier: resolved.effective_modifier.clone(),
            commands: resolved.commands.iter().map(ExplainedCommand::from).collect(),
            format: format.name(),
            mime: format.media_type(),
            extension: format.extension(),
            picture: None,
            warnings: resolved.warnings.iter().map(to_reason).collect(),
            notices: resolved.notices.iter().map(to_reason).collect(),
        }
    }

    /// Adds the image that a source of this name would become, planned from its header: no pixels are read.
    pub fn with_image(mut self, name: &str, plan: Result<RenderPlan, Reason>) -> Self {
        let (size, failure) = match plan {
            Ok(plan) => {
                self.warnings
                    .extend(plan.warnings.into_iter().map(|warning| Reason::new(warning.code, warning.detail)));
                (Some((plan.width, plan.height)), None)
            }
            Err(failure) => (None, Some(failure)),
        };
        self.picture = Some(ExplainedPicture {
            file_name: archive_paths::build_output_name(name, None, Some(self.extension)),
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
            failure,
        });
        self
    }
}

/// Plans an image from its header.
///
/// # Errors
/// Why rendering would fail.
pub fn plan_from_header(
    recipe: &Recipe,
    header: &ImageHeader,
    others: &ObjectHeaders,
    context: &RecipeContext,
) -> Result<RenderPlan, Reason> {
    context.plan(recipe, header, others).map_err(|failure| Reason::new(failure.code, failure.detail))
}

impl From<&ResolvedCommand> for ExplainedCommand {
    fn from(command: &ResolvedCommand) -> Self {
        let (fate, why) = match &command.status {
            CommandStatus::Effective => ("holds", None),
            CommandStatus::Replaced => ("replaced", None),
            CommandStatus::Ignored(why) => ("ignored", Some(why.clone())),
        };
        Self {
            name: command.name,
            value: command.value.clone(),
            scope: command.segment.map_or_else(|| "view".to_owned(), |segment: ModifierSegment| segment.to_string()),
            from: command.origin.to_string(),
            offset: command.offset,
            fate,
            why,
        }
    }
}
