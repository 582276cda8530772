//! `offprint admin set-root-ids`: the names that a company has in Image Serving.

use offprint_core::Code;
use offprint_modifiers::Attributes;
use serde_json::json;

use super::super::CliError;
use crate::db::audit::{self, NewAuditEntry};
use crate::db::{self, company};
use crate::settings::DatabaseSettings;

/// Arguments of `offprint admin set-root-ids`.
#[derive(clap::Args)]
pub struct SetRootIdsArgs {
    /// The company's name.
    #[arg(long, default_value = company::DEFAULT_COMPANY)]
    company: String,

    /// Root IDs, case-sensitive, without slashes: `Acme` makes `src=Acme/shoe` mean the company's asset `shoe`. They
    /// replace those that the company has. Its own name always is one.
    #[arg(value_name = "ROOT_ID")]
    root_ids: Vec<String>,

    /// Removes all root IDs.
    #[arg(long, conflicts_with = "root_ids")]
    clear: bool,

    #[command(flatten)]
    database: DatabaseSettings,
}

/// Replaces the root IDs, if any are given, and prints those of the company as JSON.
pub async fn run_set_root_ids(arguments: SetRootIdsArgs) -> Result<(), CliError> {
    let mut attributes = Attributes::default();
    attributes
        .set("RootId", &arguments.root_ids.join(","))
        .map_err(|error| CliError::new(Code::InvalidValue, error.detail))?;
    let pool = super::open_database(&arguments.database).await?;
    let unknown = || CliError::new(Code::NotFound, format!("Unknown company {:?}. Check its name.", arguments.company));
    let company =
        company::find_company(&pool, &arguments.company).await.map_err(to_root_ids_error)?.ok_or_else(unknown)?;
    if arguments.clear || !attributes.root_ids.is_empty() {
        company::update_root_ids(&pool, company, &attributes.root_ids).await.map_err(to_root_ids_error)?;
        let entry = NewAuditEntry::for_command(company, "set-root-ids", arguments.company.as_str());
        audit::insert_audit_entry(&pool, &entry).await.map_err(to_root_ids_error)?;
    }
    let root_ids = company::fetch_root_ids(&pool, company).await.map_err(to_root_ids_error)?;
    println!("{}", json!({ "company": arguments.company, "rootIds": root_ids }));
    Ok(())
}

fn to_root_ids_error(error: db::DbError) -> CliError {
    CliError::new(Code::Unavailable, format!("The root IDs could not be set: {error}. Check DATABASE_URL."))
}
