//! `offprint admin import-presets`: imports macros of an Image Serving catalog as image presets.

use std::path::{Path, PathBuf};

use offprint_core::Code;
use offprint_imaging::ProfileLibrary;

use super::{CliError, print_json};
use crate::db::{company, image_preset};
use crate::jobs::catalog;
use crate::jobs::catalog::CatalogAttribute;
use crate::jobs::catalog::CatalogMacro;
use crate::settings::{DatabaseSettings, ModifierSettings};

/// Arguments of `offprint admin import-presets`.
#[derive(clap::Args)]
pub struct ImportPresetsArgs {
    /// Macro files (columns Name and Definition, separated by tabs), and catalog attributes as `.ini` files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Only report the result for each macro, save nothing.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    database: DatabaseSettings,

    #[command(flatten)]
    modifiers: ModifierSettings,
}

/// Prints one JSON line for each macro: what it would lose, or why it cannot be imported. The others are saved, and replace
/// presets of the same name.
pub async fn run_import_presets(arguments: ImportPresetsArgs) -> Result<(), CliError> {
    let ImportPresetsArgs { files, dry_run, database, modifiers } = arguments;
    let (definitions, catalog_attributes) = read_catalog(&files)?;
    let pool = super::database::connect_database(&database, 2).await?;
    let company = company::ensure_default_company(&pool).await.map_err(to_import_error)?;
    let mut transaction = pool.begin().await.map_err(to_import_error)?;
    image_preset::lock_image_presets(&mut transaction, company).await.map_err(to_import_error)?;
    let present = image_preset::list_macros(&mut transaction, company).await.map_err(to_import_error)?;
    let present: Vec<(String, String)> = present.into_iter().map(|preset| (preset.name, preset.url_modifier)).collect();
    let attributes = super::serve::build_attributes(&modifiers, &ProfileLibrary::read(&modifiers.icc_dir))?;
    let imports = catalog::check_preset_imports(&definitions, &present, &catalog_attributes, &attributes);
    let refused = imports.iter().filter(|import| !import.mistakes.is_empty()).count();
    for (import, definition) in imports.iter().zip(&definitions) {
        print_json(import)?;
        if import.mistakes.is_empty() {
            let (name, text) = (&definition.name, &definition.text);
            image_preset::save_image_preset(&mut transaction, company, name, text, None, None)
                .await
                .map_err(to_import_error)?;
        }
    }
    if !dry_run {
        transaction.commit().await.map_err(to_import_error)?;
    }
    if refused == 0 {
        return Ok(());
    }
    Err(CliError::new(Code::InvalidModifier, describe_partial_import(imports.len(), refused, dry_run)))
}

/// What was imported and what was not, for the error that ends an import with mistakes.
fn describe_partial_import(total: usize, refused: usize, dry_run: bool) -> String {
    let imported = total - refused;
    let result = match (imported, dry_run) {
        (0, _) => "No image preset was saved".to_owned(),
        (_, false) => format!("{imported} of {total} image presets were saved"),
        (_, true) => format!("{imported} of {total} image presets can be imported (dry run, nothing was saved)"),
    };
    format!(
        "{result}; {refused} cannot be imported, for the reasons in `mistakes` of the lines on stdout. Correct these macros \
         and import the file again: presets that are already there are replaced."
    )
}

fn read_catalog(files: &[PathBuf]) -> Result<(Vec<CatalogMacro>, Vec<CatalogAttribute>), CliError> {
    let (mut definitions, mut attributes) = (Vec::new(), Vec::new());
    for file in files {
        let to_error = |error: &dyn std::fmt::Display| {
            CliError::new(Code::InvalidValue, format!("{} cannot be read: {error}", file.display()))
        };
        let text = catalog::decode_catalog_text(std::fs::read(file).map_err(|error| to_error(&error))?);
        if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ini")) {
            attributes.extend(catalog::parse_catalog_attributes(&text));
        } else {
            definitions.extend(catalog::parse_catalog_macros(&text).map_err(|error| to_error(&error))?);
        }
    }
    if definitions.is_empty() {
        let names: Vec<_> = files.iter().map(|file| Path::display(file).to_string()).collect();
        return Err(CliError::new(
            Code::InvalidValue,
            format!(
                "No macros were found in {}. A macro file has the columns Name and Definition, separated by tabs.",
                names.join(", ")
            ),
        ));
    }
    Ok((definitions, attributes))
}

fn to_import_error(error: impl std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The presets could not be imported: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_import_says_what_was_saved() {
        let detail = describe_partial_import(20, 10, false);
        assert!(detail.starts_with("10 of 20 image presets were saved; 10 cannot be imported"), "{detail}");
        assert!(describe_partial_import(20, 10, true).contains("nothing was saved"));
        assert!(describe_partial_import(1, 1, false).starts_with("No image preset was saved; 1 cannot"));
    }
}
