//! `offprint render`: one picture, with the code and the defaults of the service, without database or service.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Refusal;
use crate::code::Code;
use crate::language::{self, Attributes, Complaint, ComplaintKind, Macros, Order, Understood};
use crate::render::{self, Header, Library, Limits, Plan, Warning};

/// Arguments of `offprint render`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The picture to render.
    #[arg(long, value_name = "FILE")]
    source: PathBuf,

    /// Another picture that the modifier may name.
    #[arg(long = "asset", value_name = "NAME=FILE", value_parser = pair)]
    assets: Vec<(String, String)>,

    /// A macro; one may call those given before it.
    #[arg(long = "macro", value_name = "NAME=MODIFIER", value_parser = pair)]
    macros: Vec<(String, String)>,

    /// A default where the modifier is silent, such as DefaultPix=800,800.
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,

    /// The source's own modifier that stands before the other.
    #[arg(long, value_name = "MODIFIER", default_value = "", allow_hyphen_values = true)]
    source_modifier: String,

    /// The source's own modifier that stands after the other.
    #[arg(long, value_name = "MODIFIER", default_value = "", allow_hyphen_values = true)]
    source_post_modifier: String,

    /// What the picture is to become.
    #[arg(long, value_name = "MODIFIER", allow_hyphen_values = true)]
    modifier: String,

    /// The macro that stands after the modifier, as an export's `macro`.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    export_macro: Option<String>,

    /// Folder of colour profiles that the modifier may name, besides the built-in ones.
    #[arg(long, value_name = "FOLDER", env = "OFFPRINT_ICC_DIR", default_value = "/usr/share/color/icc")]
    icc_dir: PathBuf,

    /// The file to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Prints the plan as JSON first: decoder shrink, steps, estimated memory.
    #[arg(long)]
    explain: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
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
    warnings: Vec<Warning>,
}

/// Renders and prints one JSON line.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    if let Some((name, _)) = arguments.assets.iter().find(|(_, file)| !Path::new(file).is_file()) {
        return Err(Refusal::new(Code::SourceMissing, format!("The asset {name} is not there.")));
    }
    let name = arguments.source.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let library = Library::read(&arguments.icc_dir);
    let understood = understand(&arguments, &name, &library)?;
    let recipe = &understood.recipe;
    let header: Header = render::probe(&arguments.source).map_err(refused)?;
    let profiles = library.fetch([recipe]).map_err(refused)?;
    let plan = Plan::of(recipe, &header, &Limits::default(), &profiles).map_err(refused)?;
    if arguments.explain {
        print_json(&plan)?;
    }
    let rendered = render::render(&plan, &arguments.source, &arguments.output).map_err(refused)?;
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
        warnings,
    })
}

fn understand(arguments: &Arguments, object: &str, library: &Library) -> Result<Understood, Refusal> {
    let mut attributes = Attributes { profiles: library.names().clone(), ..Attributes::default() };
    let mut errors = Vec::new();
    for (name, value) in &arguments.attributes {
        if let Err(fault) = attributes.set(name, value) {
            errors.push(serde_json::json!({ "code": fault.kind, "attribute": name, "detail": fault.detail }));
        }
    }
    let order = Order {
        before: &arguments.source_modifier,
        modifier: &arguments.modifier,
        export_macro: arguments.export_macro.as_deref(),
        after: &arguments.source_post_modifier,
        macros: &Macros::in_definition_order(arguments.macros.clone()),
        object,
        attributes: &attributes,
    };
    let understood = language::recipe(&order);
    let complaints = understood.as_ref().err().map(Vec::as_slice).unwrap_or_default();
    let first = complaints.first().map_or(Code::InvalidModifier, |complaint| code(complaint.kind));
    let detail = complaints.first().map(ToString::to_string);
    errors.extend(complaints.iter().filter_map(|complaint| serde_json::to_value(complaint).ok()));
    match understood {
        Ok(understood) if errors.is_empty() => Ok(understood),
        _ => {
            let detail = detail.unwrap_or_else(|| "An attribute has a value that cannot be used.".into());
            Err(Refusal { code: first, detail, errors })
        }
    }
}

/// What the one list of codes calls a complaint.
fn code(kind: ComplaintKind) -> Code {
    match kind {
        ComplaintKind::InvalidModifier => Code::InvalidModifier,
        ComplaintKind::UnknownCommand => Code::UnknownCommand,
        ComplaintKind::IgnoredCommand => Code::IgnoredCommand,
        ComplaintKind::UnknownMacro => Code::UnknownMacro,
        ComplaintKind::NotSupportedYet => Code::NotSupportedYet,
    }
}

fn remark(complaint: &Complaint) -> Warning {
    Warning::new(code(complaint.kind), complaint.to_string())
}

fn refused(failure: render::Failure) -> Refusal {
    Refusal::new(failure.code, failure.detail)
}

fn print_json(value: &impl Serialize) -> Result<(), Refusal> {
    let line = serde_json::to_string(value).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    println!("{line}");
    Ok(())
}
