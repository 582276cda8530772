//! `offprint admin rotate-link-key`: another key signs links from now on.

use super::super::Refusal;
use crate::code::Code;
use crate::db::audit::{self, NewLine};
use crate::db::{self, company, link};
use crate::settings::Settings;

/// Whose key is changed, and what becomes of older links.
#[derive(clap::Args)]
pub struct Arguments {
    /// The company's name.
    #[arg(long, default_value = company::DEFAULT)]
    company: String,

    /// Forget the older keys: every link that was made until now ends at once, also those in mails.
    #[arg(long)]
    end_links: bool,

    #[command(flatten)]
    settings: Box<Settings>,
}

/// Makes a new key, and says which it is.
pub async fn run(arguments: Arguments) -> Result<(), Refusal> {
    let pool = super::open(&arguments.settings).await?;
    let failed = |error: db::Error| {
        Refusal::new(Code::Unavailable, format!("The key could not be changed: {error}. Check DATABASE_URL."))
    };
    let missing = || Refusal::new(Code::NotFound, format!("There is no company {:?}.", arguments.company));
    let company = company::find(&pool, &arguments.company).await.map_err(failed)?.ok_or_else(missing)?;
    let key = link::rotate(&pool, company, arguments.end_links).await.map_err(failed)?;
    let line = NewLine::of_command(company, "rotate-link-key", format!("key {key}"));
    audit::write(&pool, &line).await.map_err(failed)?;
    let older =
        if arguments.end_links { "Links made until now do not work any more" } else { "Older links go on working" };
    println!("Key {key} signs links from now on. {older}.");
    Ok(())
}
