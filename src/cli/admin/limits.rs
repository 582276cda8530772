//! `offprint admin set-limits`: the limits of one company, where they differ from the settings.

use offprint_core::Code;
use serde_json::json;

use super::super::CliError;
use crate::db::audit::{self, NewAuditEntry};
use crate::db::limits::{self, CompanyLimitsRow};
use crate::db::{self, company};
use crate::settings::DatabaseSettings;

/// Arguments of `offprint admin set-limits`.
#[derive(clap::Args)]
pub struct SetLimitsArgs {
    /// The company's name.
    #[arg(long, default_value = company::DEFAULT_COMPANY)]
    company: String,

    /// Limits, named as in `GET /info`: uploadBytes, assets, storedBytes, runningItems, unfinishedJobs, schedules. A value
    /// is a number, `none` for no limit, or `default` for the one of the settings. Limits that are not named stay as they
    /// are.
    #[arg(value_name = "LIMIT=VALUE", value_parser = parse_limit)]
    limits: Vec<LimitAssignment>,

    #[command(flatten)]
    database: DatabaseSettings,
}

/// One limit. `None` means that of the settings, 0 no limit.
#[derive(Clone, Copy)]
struct LimitAssignment {
    name: &'static str,
    value: Option<i64>,
}

const LIMIT_NAMES: [&str; 6] = ["uploadBytes", "assets", "storedBytes", "runningItems", "unfinishedJobs", "schedules"];

fn parse_limit(text: &str) -> Result<LimitAssignment, String> {
    let (name, value) = text.split_once('=').ok_or("write LIMIT=VALUE, such as assets=1000")?;
    let known = || format!("unknown limit {name}; known are: {}", LIMIT_NAMES.join(", "));
    let name = LIMIT_NAMES.into_iter().find(|known| *known == name).ok_or_else(known)?;
    let value = match value {
        "default" => None,
        "none" => Some(0),
        number => Some(
            number
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{number:?} is not a number of at least 1, `none` or `default`"))?,
        ),
    };
    Ok(LimitAssignment { name, value })
}

/// Sets the named limits and prints the company's own limits as JSON.
pub async fn run_set_limits(arguments: SetLimitsArgs) -> Result<(), CliError> {
    let pool = super::open_database(&arguments.database).await?;
    let unknown = || CliError::new(Code::NotFound, format!("Unknown company {:?}. Check its name.", arguments.company));
    let company =
        company::find_company(&pool, &arguments.company).await.map_err(to_limits_error)?.ok_or_else(unknown)?;
    let mut own = limits::find_company_limits(&pool, company).await.map_err(to_limits_error)?;
    for limit in &arguments.limits {
        apply_limit(&mut own, limit)?;
    }
    limits::update_company_limits(&pool, company, &own).await.map_err(to_limits_error)?;
    if !arguments.limits.is_empty() {
        let entry = NewAuditEntry::for_command(company, "set-limits", arguments.company.as_str());
        audit::insert_audit_entry(&pool, &entry).await.map_err(to_limits_error)?;
    }
    let CompanyLimitsRow { max_upload, max_assets, max_stored, max_running, max_jobs, max_schedules } = own;
    println!(
        "{}",
        json!({
            "company": arguments.company, "uploadBytes": max_upload, "assets": max_assets, "storedBytes": max_stored,
            "runningItems": max_running, "unfinishedJobs": max_jobs, "schedules": max_schedules,
        })
    );
    Ok(())
}

fn apply_limit(own: &mut CompanyLimitsRow, limit: &LimitAssignment) -> Result<(), CliError> {
    let to_i32 = || {
        let too_large = |_| CliError::new(Code::InvalidValue, format!("{} can be at most {}.", limit.name, i32::MAX));
        limit.value.map(i32::try_from).transpose().map_err(too_large)
    };
    match limit.name {
        "uploadBytes" => own.max_upload = limit.value,
        "assets" => own.max_assets = limit.value,
        "storedBytes" => own.max_stored = limit.value,
        "runningItems" => own.max_running = to_i32()?,
        "unfinishedJobs" => own.max_jobs = to_i32()?,
        _ => own.max_schedules = to_i32()?,
    }
    Ok(())
}

fn to_limits_error(error: db::DbError) -> CliError {
    CliError::new(Code::Unavailable, format!("The limits could not be set: {error}. Check DATABASE_URL."))
}
