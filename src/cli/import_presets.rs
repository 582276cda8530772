//! `offprint admin import-presets`: imports macros and templates of an Image Serving catalog, and presets of AEM.

use std::path::PathBuf;
use std::process::ExitCode;

use offprint_core::Code;
use offprint_imaging::ProfileLibrary;
use offprint_modifiers::Attributes;

use super::{CliError, DONE_WITH_REMARKS};
use crate::db::{self, PgPool, company, image_preset};
use crate::id::CompanyId;
use crate::jobs::catalog_files::{CatalogContent, CatalogFile, read_catalog_files};
use crate::jobs::preset_import::{
    CatalogImport, TemplateContext, check_presets, check_records, list_present_presets, merge_presets, save_presets,
    save_records,
};
use crate::settings::{DatabaseSettings, ModifierSettings};

/// Arguments of `offprint admin import-presets`.
#[derive(clap::Args)]
pub struct ImportPresetsArgs {
    /// Macro files (columns Name and Definition, separated by tabs), catalogs (Id, Modifier, PostModifier), attributes (`.ini`),
    /// presets of AEM (JSON).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The company's name. Default: the company of an installation without API keys.
    #[arg(long)]
    company: Option<String>,

    /// Only report the result for each macro, save nothing.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    database: DatabaseSettings,

    #[command(flatten)]
    modifiers: ModifierSettings,
}

/// Prints one JSON line for each macro and record: what it would lose, or why it cannot be imported. The others are saved, and
/// replace presets of the same name. Exit code 3 tells that something is lost or was refused.
pub async fn run_import_presets(arguments: ImportPresetsArgs) -> Result<ExitCode, CliError> {
    let ImportPresetsArgs { files, company, dry_run, database, modifiers } = arguments;
    let content = read_files(&files)?;
    let pool = super::database::connect_database(&database, 2).await?;
    let company = match company {
        None => company::ensure_default_company(&pool).await.map_err(to_import_error)?,
        Some(name) => {
            let unknown = || CliError::new(Code::NotFound, format!("Unknown company {name:?}. Check its name."));
            company::find_company(&pool, &name).await.map_err(to_import_error)?.ok_or_else(unknown)?
        }
    };
    let attributes = super::serve::build_attributes(&modifiers, &ProfileLibrary::read(&modifiers.icc_dir))?;
    let import = import_content(&pool, company, &content, &attributes, dry_run).await.map_err(to_import_error)?;
    import.presets.iter().try_for_each(super::print_json)?;
    import.templates.iter().try_for_each(super::print_json)?;
    if import.imported == 0 {
        return Err(CliError::new(Code::InvalidModifier, describe_import(&import)));
    }
    eprintln!("{}", describe_import(&import));
    let is_whole = import.refused == 0 && import.with_losses == 0;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(DONE_WITH_REMARKS) })
}

async fn import_content(
    pool: &PgPool,
    company: CompanyId,
    content: &CatalogContent,
    attributes: &Attributes,
    dry_run: bool,
) -> Result<CatalogImport, db::DbError> {
    let mut transaction = pool.begin().await?;
    image_preset::lock_image_presets(&mut transaction, company).await?;
    let present = list_present_presets(&mut transaction, company).await?;
    let presets = check_presets(content, &present, attributes);
    let context = TemplateContext { attributes, presets: merge_presets(content, &presets, present) };
    let mut templates = check_records(&content.records, &context);
    let root_ids = &attributes.root_ids;
    save_records(&mut transaction, company, root_ids, &content.records, &mut templates, dry_run).await?;
    if !dry_run {
        save_presets(&mut transaction, company, content, &presets).await?;
        transaction.commit().await?;
    }
    Ok(CatalogImport::new(dry_run, presets, templates))
}

/// What was imported and what was not, in a sentence.
fn describe_import(import: &CatalogImport) -> String {
    let CatalogImport { imported, with_losses, refused, dry_run, .. } = *import;
    let total = imported + refused;
    let mut text = match (imported, dry_run) {
        (0, _) => "Nothing was saved".to_owned(),
        (_, false) => format!("{imported} of {total} were saved"),
        (_, true) => format!("{imported} of {total} can be imported (dry run, nothing was saved)"),
    };
    if with_losses > 0 {
        text += &format!("; {with_losses} of them lose something, see `loses` of the lines on stdout");
    }
    if refused > 0 {
        text += &format!(
            "; {refused} cannot be imported, for the reasons in `mistakes` of the lines on stdout. Correct them and import the \
             file again: what is already there is replaced"
        );
    }
    text + "."
}

fn read_files(paths: &[PathBuf]) -> Result<CatalogContent, CliError> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let name = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| CliError::new(Code::InvalidValue, format!("{name} cannot be read: {error}")))?;
        files.push(CatalogFile { name, bytes });
    }
    read_catalog_files(files).map_err(|detail| CliError::new(Code::InvalidValue, detail))
}

fn to_import_error(error: impl std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The presets could not be imported: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_says_what_was_saved() {
        let import = |imported, with_losses, refused, dry_run| {
            let empty = CatalogImport::new(dry_run, Vec::new(), Vec::new());
            describe_import(&CatalogImport { imported, with_losses, refused, ..empty })
        };
        let detail = import(10, 2, 10, false);
        assert!(detail.starts_with("10 of 20 were saved; 2 of them lose something"), "{detail}");
        assert!(detail.contains("10 cannot be imported"), "{detail}");
        assert!(import(10, 0, 10, true).contains("nothing was saved"));
        assert!(import(0, 0, 1, true).starts_with("Nothing was saved; 1 cannot"));
        assert_eq!(import(2, 0, 0, false), "2 of 2 were saved.");
    }
}
