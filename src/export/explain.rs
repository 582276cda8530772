//! What a modifier means, told without rendering: its commands, who said each, what is ignored, and the picture to be.

use serde::Serialize;
use utoipa::ToSchema;

use crate::code::Code;
use crate::reason::Note;
use crate::export::Desk;
use crate::export::modifier::code;
use crate::export::names;
use crate::language::{Complaint, Fate, Recipe, Segment, Spoken, Understood};
use crate::render::{Header, Headers, Plan};

/// What a modifier means.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ModifierMeaning)]
pub struct Explanation {
    /// Every macro in its place; the last writer of each command wins.
    #[schema(example = "fmt=png&wid=640&fmt=tif,,lzw")]
    effective_modifier: String,
    /// Every known command in the order in which they were read, and what becomes of it.
    commands: Vec<ExplainedCommand>,
    /// The format that comes out.
    #[schema(example = "tiff")]
    format: &'static str,
    /// Its media type.
    #[schema(example = "image/tiff")]
    mime: &'static str,
    /// The extension that files get.
    #[schema(example = ".tiff")]
    extension: &'static str,
    /// The picture to be; null when no picture was named.
    picture: Option<ExplainedPicture>,
    /// What was ignored and why, and what to know about the picture.
    warnings: Vec<Note>,
}

/// One command of a modifier.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedCommand {
    /// Its name.
    #[schema(example = "wid")]
    name: &'static str,
    /// Its value: decoded, with variables filled in.
    #[schema(example = "640")]
    value: String,
    /// What it applies to: `view`, `composite` or a layer.
    #[schema(example = "view")]
    scope: String,
    /// Who said it: `urlModifier`, `is_modifier`, `macro` and a name, or `urlPostApplyModifier`.
    #[schema(example = "macro test")]
    from: String,
    /// Bytes from the start of that text.
    offset: usize,
    /// `holds`, `replaced` by a later one, or `ignored`.
    #[schema(example = "holds")]
    fate: &'static str,
    /// Why it is ignored; null when it is not.
    why: Option<String>,
}

/// The picture that would come out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPicture {
    /// The name of its file.
    #[schema(example = "fileToExport.tiff")]
    file_name: String,
    /// Pixels across; null when it would fail.
    width: Option<u32>,
    /// Pixels down; null when it would fail.
    height: Option<u32>,
    /// Why it would fail.
    failure: Option<Note>,
}

impl Explanation {
    /// Explains an order that was understood, for no picture in particular.
    pub fn of(understood: &Understood) -> Self {
        let format = understood.recipe.format();
        Self {
            effective_modifier: understood.effective.clone(),
            commands: understood.commands.iter().map(ExplainedCommand::from).collect(),
            format: format.name(),
            mime: format.mime(),
            extension: format.extension(),
            picture: None,
            warnings: understood.warnings.iter().map(remark).collect(),
        }
    }

    /// Adds the picture that comes out of a source of this name, planned from its header: no pixels are read.
    pub fn with_picture(mut self, name: &str, plan: Result<Plan, Note>) -> Self {
        let (size, failure) = match plan {
            Ok(plan) => {
                self.warnings.extend(plan.warnings.into_iter().map(|it| Note::new(it.code, it.detail)));
                (Some((plan.width, plan.height)), None)
            }
            Err(failure) => (None, Some(failure)),
        };
        self.picture = Some(ExplainedPicture {
            file_name: names::output(name, None, Some(self.extension)),
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
            failure,
        });
        self
    }
}

/// Plans a picture from its header, if that could be read.
pub fn plan(recipe: &Recipe, header: Option<&Header>, others: &Headers, desk: &Desk<'_>) -> Result<Plan, Note> {
    let Some(header) = header else {
        return Err(Note::new(Code::UnsupportedFormat, "The format of this picture cannot be read."));
    };
    desk.plan(recipe, header, others).map_err(|failure| Note::new(failure.code, failure.detail))
}

fn remark(complaint: &Complaint) -> Note {
    Note::new(code(complaint.kind), complaint.to_string())
}

impl From<&Spoken> for ExplainedCommand {
    fn from(spoken: &Spoken) -> Self {
        let (fate, why) = match &spoken.fate {
            Fate::Holds => ("holds", None),
            Fate::Replaced => ("replaced", None),
            Fate::Ignored(why) => ("ignored", Some(why.clone())),
        };
        Self {
            name: spoken.name,
            value: spoken.value.clone(),
            scope: spoken.segment.map_or_else(|| "view".to_owned(), |segment: Segment| segment.to_string()),
            from: spoken.origin.to_string(),
            offset: spoken.offset,
            fate,
            why,
        }
    }
}
