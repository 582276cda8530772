//! Fills the form from the request of a job, to create another like it.

use serde_json::{Map, Value, json};

use crate::app::AppState;
use crate::db::item_view::{self, ItemView};
use crate::http::extract::caller::Caller;
use crate::http::pages::console::form_fields::FormFields;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::find_visible_job;
use crate::http::resources::export_jobs::job::Job;
use crate::jobs::schedule::DEFAULT_TIME_ZONE;

/// More assets than these are a list: nobody ticks a thousand boxes.
const MAX_PICKED_ASSETS: usize = 100;

/// Fields of a job that are fields of the form as they are.
const SAME_FIELDS: [&str; 11] = [
    "fmt",
    "is_modifier",
    "macro",
    "nameTemplate",
    "description",
    "layout",
    "emailSetting",
    "onUnconvertible",
    "onCorrupt",
    "onUnsupported",
    "jobName",
];

/// Fields of a request that the form has no place for.
const FURTHER_FIELDS: [&str; 6] = ["callbackUrl", "clientId", "locale", "metadata", "strict", "expiresIn"];

/// The fields of the form for the same job again, now.
///
/// # Errors
/// 404 when there is no such job that the caller may see.
pub(super) async fn fill_from_job(state: &AppState, caller: &Caller, job: &str) -> Result<FormFields, Problem> {
    let row = find_visible_job(state, caller, job).await?;
    let (handle, time_zone, total) = (row.job_id, row.time_zone.clone(), i64::from(row.total));
    let job = serde_json::to_value(Job::from(row)).map_err(Problem::internal)?;
    let items = item_view::list_item_views(&state.db, caller.company, handle, None, 0, total).await?;
    let (mut fields, mut further) = (FormFields::default(), Map::new());
    add_items(&mut fields, &mut further, &items);
    for name in SAME_FIELDS {
        let default = matches!((name, job[name].as_str()), ("layout", Some("flat")) | ("emailSetting", Some("None")));
        if let Some(text) = job[name].as_str().filter(|_| !default) {
            fields.push(name, text);
        }
    }
    add_renditions(&mut fields, &job["renditions"]);
    let recipients = job["notifyEmails"].as_array().into_iter().flatten().filter_map(Value::as_str);
    fields.push("notifyEmails", recipients.collect::<Vec<_>>().join(", "));
    if let Some(priority) = job["priority"].as_i64().filter(|priority| *priority != 0) {
        fields.push("priority", priority.to_string());
    }
    add_delivery(&mut fields, &mut further, &job["deliverTo"]);
    for name in FURTHER_FIELDS {
        let is_empty = match &job[name] {
            Value::Null | Value::Bool(false) => true,
            Value::Object(entries) => entries.is_empty(),
            _ => false,
        };
        if !is_empty {
            further.insert(name.to_owned(), job[name].clone());
        }
    }
    if !further.is_empty() {
        fields.push("further", serde_json::to_string_pretty(&further).unwrap_or_default());
    }
    fields.push("when", "now");
    fields.push("timeZone", time_zone.unwrap_or_else(|| DEFAULT_TIME_ZONE.to_owned()));
    Ok(fields)
}

/// The assets: few are ticked; many, and those with a modifier of their own, are a list. Parameters of templates have no place in
/// either.
fn add_items(fields: &mut FormFields, further: &mut Map<String, Value>, items: &[ItemView]) {
    if items.iter().any(|item| item.parameters.is_some()) {
        let asset = |item: &ItemView| {
            let parameters = item.parameters.as_ref().map(|parameters| &parameters.0);
            json!({"assetHandle": item.asset_id, "is_modifier": item.is_modifier, "parameters": parameters})
        };
        fields.push("source", "picked");
        further.insert("assets".to_owned(), items.iter().map(asset).collect());
        return;
    }
    let has_own = items.iter().any(|item| item.is_modifier.is_some());
    if items.len() <= MAX_PICKED_ASSETS && !has_own {
        fields.push("source", "picked");
        fields.push("recursive", "1");
        items.iter().for_each(|item| fields.push("asset", item.asset_id.to_string()));
        return;
    }
    fields.push("source", "list");
    let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let lines = items.iter().map(|item| match has_own {
        true => format!("{},{}", item.asset_id, quote(item.is_modifier.as_deref().unwrap_or_default())),
        false => item.asset_id.to_string(),
    });
    let header = has_own.then(|| "name,modifier".to_owned());
    fields.push("list", header.into_iter().chain(lines).collect::<Vec<_>>().join("\n"));
}

fn add_renditions(fields: &mut FormFields, renditions: &Value) {
    for rendition in renditions.as_array().into_iter().flatten() {
        for (field, name) in super::request::RENDITION_FIELDS {
            fields.push(field, rendition[name].as_str().unwrap_or_default());
        }
    }
}

/// One destination is in the form, several are among the further fields.
fn add_delivery(fields: &mut FormFields, further: &mut Map<String, Value>, destinations: &Value) {
    let destinations = destinations.as_array().cloned().unwrap_or_default();
    let kept = ["connection", "prefix", "onExisting", "manifest", "cacheControl"];
    let requests: Vec<Value> = destinations
        .iter()
        .map(|to| {
            kept.iter()
                .filter(move |name| !to[**name].is_null())
                .map(move |name| ((*name).to_owned(), to[*name].clone()))
        })
        .map(|fields| Value::Object(fields.collect()))
        .collect();
    match requests.as_slice() {
        [] => {}
        [one] if one["cacheControl"].is_null() => {
            for name in ["connection", "prefix"] {
                fields.push(name, one[name].as_str().unwrap_or_default());
            }
            if let Some(other) = one["onExisting"].as_str().filter(|choice| *choice != "overwrite") {
                fields.push("onExisting", other);
            }
            if one["manifest"] == json!(true) {
                fields.push("manifest", "1");
            }
        }
        several => drop(further.insert("deliverTo".to_owned(), json!(several))),
    }
}
