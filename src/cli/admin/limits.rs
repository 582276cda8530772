//! `offprint admin set-limits`: what one company may have, where it is not what the settings say.

use serde_json::json;

use super::super::Refusal;
use crate::code::Code;
use crate::db::audit::{self, NewLine};
use crate::db::limits::{self, OwnLimits};
use crate::db::{self, company};
use crate::settings::Settings;

/// Limits that are to be set.
#[derive(clap::Args)]
pub struct Arguments {
    /// The company's name.
    #[arg(long, default_value = company::DEFAULT)]
    company: String,

    /// What is to hold for it, named as in `GET /info`: uploadBytes, assets, storedBytes, runningItems, unfinishedJobs,
    /// schedules. A value is a number, `none` for no limit, or `default` for what the settings say. What is not named stays.
    #[arg(value_name = "LIMIT=VALUE", value_parser = wish)]
    limits: Vec<Wish>,

    #[command(flatten)]
    settings: Box<Settings>,
}

/// One limit; none is what the settings say, 0 no limit.
#[derive(Clone, Copy)]
struct Wish {
    name: &'static str,
    value: Option<i64>,
}

const NAMES: [&str; 6] = ["uploadBytes", "assets", "storedBytes", "runningItems", "unfinishedJobs", "schedules"];

fn wish(said: &str) -> Result<Wish, String> {
    let (name, value) = said.split_once('=').ok_or("write LIMIT=VALUE, such as assets=1000")?;
    let known = || format!("there is no limit {name}; known: {}", NAMES.join(", "));
    let name = NAMES.into_iter().find(|known| *known == name).ok_or_else(known)?;
    let value = match value {
        "default" => None,
        "none" => Some(0),
        number => Some(
            number
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{number:?} is neither a number from 1 on, nor `none`, nor `default`"))?,
        ),
    };
    Ok(Wish { name, value })
}

/// Sets what is named, and prints the company's own limits as JSON.
pub async fn run(arguments: Arguments) -> Result<(), Refusal> {
    let pool = super::open(&arguments.settings).await?;
    let missing = || Refusal::new(Code::NotFound, format!("There is no company {:?}.", arguments.company));
    let company = company::find(&pool, &arguments.company).await.map_err(unavailable)?.ok_or_else(missing)?;
    let mut own = limits::own(&pool, company).await.map_err(unavailable)?;
    for wish in &arguments.limits {
        apply(&mut own, wish)?;
    }
    limits::set(&pool, company, &own).await.map_err(unavailable)?;
    if !arguments.limits.is_empty() {
        let line = NewLine::of_command(company, "set-limits", arguments.company.as_str());
        audit::write(&pool, &line).await.map_err(unavailable)?;
    }
    let OwnLimits { max_upload, max_assets, max_stored, max_running, max_jobs, max_schedules } = own;
    println!(
        "{}",
        json!({
            "company": arguments.company, "uploadBytes": max_upload, "assets": max_assets, "storedBytes": max_stored,
            "runningItems": max_running, "unfinishedJobs": max_jobs, "schedules": max_schedules,
        })
    );
    Ok(())
}

fn apply(own: &mut OwnLimits, wish: &Wish) -> Result<(), Refusal> {
    let small = || {
        let large = |_| Refusal::new(Code::InvalidValue, format!("{} is at most {}.", wish.name, i32::MAX));
        wish.value.map(i32::try_from).transpose().map_err(large)
    };
    match wish.name {
        "uploadBytes" => own.max_upload = wish.value,
        "assets" => own.max_assets = wish.value,
        "storedBytes" => own.max_stored = wish.value,
        "runningItems" => own.max_running = small()?,
        "unfinishedJobs" => own.max_jobs = small()?,
        _ => own.max_schedules = small()?,
    }
    Ok(())
}

fn unavailable(error: db::Error) -> Refusal {
    Refusal::new(Code::Unavailable, format!("The limits could not be set: {error}. Check DATABASE_URL."))
}
