//! `offprint admin create-key`, `list-keys`, `revoke-key`: who may call, before anybody can.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::Refusal;
use crate::code::Code;
use crate::db::api_key::{self, ApiKey, NewKey, RawKey};
use crate::db::audit::{self, NewLine};
use crate::db::capability::{self, Capability};
use crate::db::{self, PgPool, company};
use crate::id::{CompanyId, KeyId};
use crate::settings::Settings;

/// Keys are read in pages of this size.
const PAGE: i64 = 1000;

/// A key that is to be made.
#[derive(clap::Args)]
pub struct Create {
    /// Whose assets and jobs it reaches; made when there is no such company.
    #[arg(long, default_value = company::DEFAULT)]
    company: String,

    /// What it is for.
    #[arg(long)]
    name: Option<String>,

    /// Whose it is: somebody of the company, made when missing. Its jobs are this user's.
    #[arg(long, default_value = "admin")]
    user: String,

    /// Where the user gets mail.
    #[arg(long)]
    email: Option<String>,

    /// Language of the user's mails, such as `en` or `nl-BE`.
    #[arg(long)]
    locale: Option<String>,

    /// What it may do, such as `assets:read`; may be given more than once. Everything but `admin` when absent.
    #[arg(long = "capability", value_parser = capability_of)]
    capabilities: Vec<Capability>,

    /// A role of IPS, such as `IpsUser`, in the place of single capabilities.
    #[arg(long, conflicts_with = "capabilities", value_parser = role_of)]
    ips_role: Option<&'static [Capability]>,

    /// When its time is over, such as `90d`. Never when absent.
    #[arg(long, value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,

    #[command(flatten)]
    settings: Box<Settings>,
}

fn capability_of(word: &str) -> Result<Capability, String> {
    let known = || Capability::ALL.map(Capability::name).join(", ");
    Capability::of(word).ok_or_else(|| format!("there is no such capability; known: {}", known()))
}

fn role_of(name: &str) -> Result<&'static [Capability], String> {
    let known = || capability::ROLES.map(|(name, _)| name).join(", ");
    capability::role(name).ok_or_else(|| format!("there is no such role; known: {}", known()))
}

/// Which keys to list.
#[derive(clap::Args)]
pub struct List {
    /// Whose keys.
    #[arg(long, default_value = company::DEFAULT)]
    company: String,

    #[command(flatten)]
    settings: Box<Settings>,
}

/// Which key to revoke.
#[derive(clap::Args)]
pub struct Revoke {
    /// The key's handle, as `list-keys` shows it.
    key: KeyId,

    /// Whose key it is.
    #[arg(long, default_value = company::DEFAULT)]
    company: String,

    #[command(flatten)]
    settings: Box<Settings>,
}

/// Makes a key and prints it, and nothing else, on stdout.
pub async fn create(arguments: Create) -> Result<(), Refusal> {
    let pool = super::open(&arguments.settings).await?;
    let raw = RawKey::new().map_err(refused)?;
    let capabilities = match arguments.ips_role {
        Some(role) => role.to_vec(),
        None if arguments.capabilities.is_empty() => Capability::usual(),
        None => arguments.capabilities.clone(),
    };
    let mut transaction = pool.begin().await.map_err(refused)?;
    let company = company::find_or_make(&mut transaction, &arguments.company).await.map_err(refused)?;
    let (email, locale) = (arguments.email.as_deref(), arguments.locale.as_deref());
    let user = company::user(&mut transaction, company, &arguments.user, email, locale).await.map_err(refused)?;
    let new = NewKey {
        name: arguments.name.as_deref().unwrap_or(&arguments.user),
        user,
        capabilities: &capabilities,
        expires_at: arguments.expires_in.map(end).transpose()?,
    };
    let made = api_key::insert(&mut transaction, company, &raw, &new).await.map_err(refused)?;
    transaction.commit().await.map_err(refused)?;
    let line = NewLine::of_command(company, "create-key", format!("/api-keys/{}", made.key_id));
    audit::write(&pool, &line).await.map_err(refused)?;
    eprintln!("Key {} of {} in the company {}. It is shown this once:", made.key_id, made.user_name, arguments.company);
    println!("{}", raw.reveal());
    Ok(())
}

fn end(from_now: Duration) -> Result<DateTime<Utc>, Refusal> {
    let end = TimeDelta::from_std(from_now).ok().and_then(|span| Utc::now().checked_add_signed(span));
    end.ok_or_else(|| Refusal::new(Code::InvalidValue, "--expires-in is too long."))
}

/// Prints a company's keys, oldest first.
pub async fn list(arguments: List) -> Result<(), Refusal> {
    let pool = super::open(&arguments.settings).await?;
    let company = named(&pool, &arguments.company).await?;
    let mut after = None;
    loop {
        let page = api_key::list(&pool, company, after, PAGE).await.map_err(refused)?;
        page.iter().for_each(|key| println!("{}", line(key)));
        match page.last() {
            Some(last) if page.len() as i64 == PAGE => after = Some(last.key_id),
            _ => return Ok(()),
        }
    }
}

fn line(key: &ApiKey) -> String {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", at.format("%Y-%m-%d")),
        (None, Some(at)) if key.expired => format!("expired {}", at.format("%Y-%m-%d")),
        (None, Some(at)) => format!("until {}", at.format("%Y-%m-%d")),
        (None, None) => "valid".to_owned(),
    };
    let used = key.used_at.map_or("never used".to_owned(), |at| format!("used {}", at.format("%Y-%m-%d %H:%M")));
    let capabilities: Vec<String> = key.capabilities.iter().map(|capability| capability.name()).collect();
    format!("{}\t{}\t{}\t{state}\t{used}\t{}", key.key_id, key.name, key.user_name, capabilities.join(" "))
}

/// Ends a key for ever.
pub async fn revoke(arguments: Revoke) -> Result<(), Refusal> {
    let pool = super::open(&arguments.settings).await?;
    let company = named(&pool, &arguments.company).await?;
    match api_key::revoke(&pool, company, arguments.key).await {
        Err(db::Error::Missing(_)) => {
            let detail = format!(
                "The company {} has no key {}. See `offprint admin list-keys`.",
                arguments.company, arguments.key
            );
            Err(Refusal::new(Code::NotFound, detail))
        }
        other => {
            other.map_err(refused)?;
            let line = NewLine::of_command(company, "revoke-key", format!("/api-keys/{}", arguments.key));
            audit::write(&pool, &line).await.map_err(refused)
        }
    }
}

async fn named(pool: &PgPool, name: &str) -> Result<CompanyId, Refusal> {
    let found = company::find(pool, name).await.map_err(refused)?;
    found.ok_or_else(|| Refusal::new(Code::NotFound, format!("There is no company {name}.")))
}

fn refused(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Unavailable, format!("Keys could not be looked after: {error}."))
}
