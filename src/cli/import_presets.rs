//! `offprint admin import-presets`: macro files and attributes of an Image Serving catalog become image presets.

use std::path::{Path, PathBuf};

use super::{Refusal, print_json};
use crate::code::Code;
use crate::db::{self, company, image_preset};
use crate::export::catalog::{self, Definition, Setting};
use crate::render::Library;
use crate::settings::Settings;

/// Arguments of `offprint admin import-presets`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Macro files (columns Name and Definition, tabs between), and attributes as `.ini`.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Only says what would become of each preset.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    settings: Box<Settings>,
}

/// Prints one JSON line for each macro: what it would lose, or why it cannot be taken. What can be taken is saved, and
/// replaces presets of its name.
pub async fn run(arguments: Arguments) -> Result<(), Refusal> {
    let Arguments { files, dry_run, settings } = arguments;
    let settings = settings.with_secrets().map_err(|error| Refusal::new(Code::InvalidValue, error))?;
    let (definitions, attributes) = read(&files)?;
    let pool = db::system(super::serve::options(&settings)?, 2);
    let company = company::default(&pool).await.map_err(unavailable)?;
    let mut transaction = pool.begin().await.map_err(unavailable)?;
    image_preset::lock(&mut transaction, company).await.map_err(unavailable)?;
    let present = image_preset::all(&mut transaction, company).await.map_err(unavailable)?;
    let here = super::serve::attributes(&settings, &Library::read(&settings.icc_dir))?;
    let looks = catalog::look(&definitions, &present, &attributes, &here);
    let refused = looks.iter().filter(|look| !look.mistakes.is_empty()).count();
    for (look, definition) in looks.iter().zip(&definitions) {
        print_json(look)?;
        if look.mistakes.is_empty() {
            let (name, text) = (&definition.name, &definition.text);
            image_preset::save(&mut transaction, company, name, text, None).await.map_err(unavailable)?;
        }
    }
    if !dry_run {
        transaction.commit().await.map_err(unavailable)?;
    }
    if refused == 0 {
        return Ok(());
    }
    let rest = if dry_run { "would be saved" } else { "were saved" };
    let detail = format!("{refused} of {} presets cannot be taken; the others {rest}.", looks.len());
    Err(Refusal::new(Code::InvalidModifier, detail))
}

fn read(files: &[PathBuf]) -> Result<(Vec<Definition>, Vec<Setting>), Refusal> {
    let (mut definitions, mut attributes) = (Vec::new(), Vec::new());
    for file in files {
        let wrong = |why: &dyn std::fmt::Display| {
            Refusal::new(Code::InvalidValue, format!("{} cannot be read: {why}", file.display()))
        };
        let text = catalog::text(std::fs::read(file).map_err(|error| wrong(&error))?);
        if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ini")) {
            attributes.extend(catalog::attributes(&text));
        } else {
            definitions.extend(catalog::macros(&text).map_err(|why| wrong(&why))?);
        }
    }
    if definitions.is_empty() {
        let names: Vec<_> = files.iter().map(|file| Path::display(file).to_string()).collect();
        return Err(Refusal::new(Code::InvalidValue, format!("There is no macro in {}.", names.join(", "))));
    }
    Ok((definitions, attributes))
}

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Unavailable, format!("The presets could not be imported: {error}."))
}
