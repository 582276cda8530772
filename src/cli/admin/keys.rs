//! `offprint admin create-key`, `list-keys`, `revoke-key`: API keys without calling the API, so also the first one.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use offprint_core::Code;

use super::super::CliError;
use crate::db::api_key::{self, ApiKeyRow, NewApiKeyRow, RawKey};
use crate::db::audit::{self, NewAuditEntry};
use crate::db::capability::{self, Capability};
use crate::db::{self, PgPool, company, link};
use crate::id::{CompanyId, KeyId};
use crate::jobs::schedule::parse_time_zone;
use crate::settings::DatabaseSettings;

const KEYS_PAGE_SIZE: i64 = 1000;

/// Arguments of `offprint admin create-key`.
#[derive(clap::Args)]
pub struct CreateKeyArgs {
    /// The company whose assets and jobs the key can use. Created when it does not exist.
    #[arg(long, default_value = company::DEFAULT_COMPANY)]
    company: String,

    /// A name that says what the key is for. Default: the name of the user.
    #[arg(long)]
    name: Option<String>,

    /// The user of the company who owns the key and the jobs created with it. Created when it does not exist.
    #[arg(long, default_value = "admin")]
    user: String,

    /// Mail address of the user.
    #[arg(long)]
    email: Option<String>,

    /// Language of the user's mails, such as `en` or `nl-BE`.
    #[arg(long)]
    locale: Option<String>,

    /// Time zone of the user's mails, such as `Europe/Amsterdam`.
    #[arg(long, value_parser = parse_zone_name)]
    time_zone: Option<String>,

    /// A capability of the key, such as `assets:read`. Can be repeated. Default: all but `admin`.
    #[arg(long = "capability", value_parser = parse_capability)]
    capabilities: Vec<Capability>,

    /// A role of IPS, such as `IpsUser`, instead of single capabilities.
    #[arg(long, conflicts_with = "capabilities", value_parser = parse_role)]
    ips_role: Option<&'static [Capability]>,

    /// When the key expires, from now, such as `90d`. Default: never.
    #[arg(long, value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,

    #[command(flatten)]
    database: DatabaseSettings,
}

fn parse_zone_name(name: &str) -> Result<String, String> {
    parse_time_zone(name).map(|zone| zone.name().to_owned())
}

fn parse_capability(word: &str) -> Result<Capability, String> {
    let known = || Capability::ALL.map(Capability::name).join(", ");
    Capability::from_name(word).ok_or_else(|| format!("unknown capability; known are: {}", known()))
}

fn parse_role(name: &str) -> Result<&'static [Capability], String> {
    let known = || capability::ROLES.map(|(name, _)| name).join(", ");
    capability::find_role_capabilities(name).ok_or_else(|| format!("unknown role; known are: {}", known()))
}

/// Arguments of `offprint admin list-keys`.
#[derive(clap::Args)]
pub struct ListKeysArgs {
    /// The company's name.
    #[arg(long, default_value = company::DEFAULT_COMPANY)]
    company: String,

    #[command(flatten)]
    database: DatabaseSettings,
}

/// Arguments of `offprint admin revoke-key`.
#[derive(clap::Args)]
pub struct RevokeKeyArgs {
    /// The key's handle, as `list-keys` shows it.
    key: KeyId,

    /// The company's name.
    #[arg(long, default_value = company::DEFAULT_COMPANY)]
    company: String,

    #[command(flatten)]
    database: DatabaseSettings,
}

/// Creates a key and prints it, and nothing else, on stdout.
pub async fn run_create_key(arguments: CreateKeyArgs) -> Result<(), CliError> {
    let pool = super::open_database(&arguments.database).await?;
    let raw = RawKey::new().map_err(to_key_error)?;
    let capabilities = match arguments.ips_role {
        Some(role) => role.to_vec(),
        None if arguments.capabilities.is_empty() => Capability::defaults(),
        None => arguments.capabilities.clone(),
    };
    let mut transaction = pool.begin().await.map_err(to_key_error)?;
    let company = company::ensure_company(&mut transaction, &arguments.company).await.map_err(to_key_error)?;
    let (email, locale) = (arguments.email.as_deref(), arguments.locale.as_deref());
    let user =
        company::upsert_user(&mut transaction, company, &arguments.user, email, locale).await.map_err(to_key_error)?;
    if let Some(zone) = &arguments.time_zone {
        company::set_user_time_zone(&mut transaction, company, user, zone).await.map_err(to_key_error)?;
    }
    let new = NewApiKeyRow {
        name: arguments.name.as_deref().unwrap_or(&arguments.user),
        user,
        capabilities: &capabilities,
        expires_at: arguments.expires_in.map(compute_expiry).transpose()?,
    };
    let created = api_key::insert_api_key(&mut transaction, company, &raw, &new).await.map_err(to_key_error)?;
    transaction.commit().await.map_err(to_key_error)?;
    let entry = NewAuditEntry::for_command(company, "create-key", format!("/api-keys/{}", created.key_id));
    audit::insert_audit_entry(&pool, &entry).await.map_err(to_key_error)?;
    eprintln!(
        "Key {} of user {} in company {} was created. It is shown only once:",
        created.key_id, created.user_name, arguments.company
    );
    println!("{}", raw.reveal());
    Ok(())
}

fn compute_expiry(from_now: Duration) -> Result<DateTime<Utc>, CliError> {
    let expires_at = TimeDelta::from_std(from_now).ok().and_then(|span| Utc::now().checked_add_signed(span));
    expires_at.ok_or_else(|| CliError::new(Code::InvalidValue, "--expires-in is too long."))
}

/// Prints a company's keys, oldest first.
pub async fn run_list_keys(arguments: ListKeysArgs) -> Result<(), CliError> {
    let pool = super::open_database(&arguments.database).await?;
    let company = find_company(&pool, &arguments.company).await?;
    let mut after = None;
    loop {
        let page = api_key::list_api_keys(&pool, company, after, KEYS_PAGE_SIZE).await.map_err(to_key_error)?;
        page.iter().for_each(|key| println!("{}", format_key(key)));
        match page.last() {
            Some(last) if page.len() as i64 == KEYS_PAGE_SIZE => after = Some(last.key_id),
            _ => return Ok(()),
        }
    }
}

fn format_key(key: &ApiKeyRow) -> String {
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

/// Revokes a key for good, and the download links that were created with it.
pub async fn run_revoke_key(arguments: RevokeKeyArgs) -> Result<(), CliError> {
    let pool = super::open_database(&arguments.database).await?;
    let company = find_company(&pool, &arguments.company).await?;
    match api_key::revoke_api_key(&pool, company, arguments.key).await {
        Err(db::DbError::NotFound(_)) => {
            let detail = format!(
                "Company {} has no key {}. `offprint admin list-keys` lists its keys.",
                arguments.company, arguments.key
            );
            Err(CliError::new(Code::NotFound, detail))
        }
        other => {
            other.map_err(to_key_error)?;
            link::revoke_links_of_key(&pool, company, arguments.key).await.map_err(to_key_error)?;
            let entry = NewAuditEntry::for_command(company, "revoke-key", format!("/api-keys/{}", arguments.key));
            audit::insert_audit_entry(&pool, &entry).await.map_err(to_key_error)
        }
    }
}

async fn find_company(pool: &PgPool, name: &str) -> Result<CompanyId, CliError> {
    let found = company::find_company(pool, name).await.map_err(to_key_error)?;
    found.ok_or_else(|| CliError::new(Code::NotFound, format!("Unknown company {name:?}. Check its name.")))
}

fn to_key_error(error: impl std::fmt::Display) -> CliError {
    CliError::new(Code::Unavailable, format!("The command failed in the database: {error}."))
}
