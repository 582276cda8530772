//! `offprint admin rotate-link-key`: signs download links with a new key from now on.

use offprint_core::Code;

use super::super::CliError;
use crate::db::audit::{self, NewAuditEntry};
use crate::db::{self, company, link};
use crate::settings::DatabaseSettings;

/// Arguments of `offprint admin rotate-link-key`.
#[derive(clap::Args)]
pub struct RotateLinkKeyArgs {
    /// The company's name.
    #[arg(long, default_value = company::DEFAULT_COMPANY)]
    company: String,

    /// Delete the older keys: all existing links stop working at once, also those in mails.
    #[arg(long)]
    end_links: bool,

    #[command(flatten)]
    database: DatabaseSettings,
}

/// Creates a new key and prints its number.
pub async fn run_rotate_link_key(arguments: RotateLinkKeyArgs) -> Result<(), CliError> {
    let pool = super::open_database(&arguments.database).await?;
    let failed = |error: db::DbError| {
        CliError::new(Code::Unavailable, format!("The link key could not be changed: {error}. Check DATABASE_URL."))
    };
    let unknown = || CliError::new(Code::NotFound, format!("Unknown company {:?}. Check its name.", arguments.company));
    let company = company::find_company(&pool, &arguments.company).await.map_err(failed)?.ok_or_else(unknown)?;
    let key = link::rotate_link_key(&pool, company, arguments.end_links).await.map_err(failed)?;
    let entry = NewAuditEntry::for_command(company, "rotate-link-key", format!("key {key}"));
    audit::insert_audit_entry(&pool, &entry).await.map_err(failed)?;
    let older = if arguments.end_links { "Existing links no longer work" } else { "Existing links still work" };
    println!("Key {key} signs links from now on. {older}.");
    Ok(())
}
