//! Where the files of a job are delivered: `deliverTo` of a request, its checks, and what its prefixes become.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use offprint_core::Code;
use offprint_core::name::FileName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::destination::NewDestination;
pub use crate::db::destination::OnExistingFile;
use crate::db::{DbConnection, DbError, company};
use crate::id::{CompanyId, JobId};
use crate::jobs::ExportContext;
use crate::jobs::request::ExportRequest;
use crate::reason::ValidationError;

/// The longest prefix in bytes, before and after its placeholders are replaced. Stores take paths of 1024 bytes.
const MAX_PREFIX_BYTES: usize = 512;

/// What a prefix is when the request has none.
const DEFAULT_PREFIX: &str = "{jobName}";

/// Stands for every company.
const ALL_COMPANIES: &str = "*";

/// A store to which the files of a job are delivered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestinationRequest {
    /// Name of a connection that can be written; see `GET /connections`.
    #[schema(max_length = 64, example = "shop-photos")]
    pub connection: String,
    /// Folder below the connection's address. `{date}` becomes the day of the run in `timeZone`, as `2026-11-29`, `{jobName}`
    /// the name and `{jobHandle}` the handle of the job. Empty: no folder. Default: `{jobName}`.
    #[schema(max_length = 512, example = "{date}/{jobName}")]
    pub prefix: Option<String>,
    /// What to do when the store has another file under the path of a delivered one. Default: `overwrite`.
    pub on_existing: Option<OnExistingFile>,
    /// Whether `manifest.json` and `manifest.csv` are delivered, after all files. Default: false.
    pub manifest: Option<bool>,
    /// `Cache-Control` under which the store serves the files, where it can keep that.
    #[schema(max_length = 255, example = "public, max-age=31536000")]
    pub cache_control: Option<String>,
}

/// What happens to delivered files whose assets are gone from the selection of a request with `onlyChanged`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRemoved {
    /// They stay.
    #[default]
    Keep,
    /// They are removed from the store, if nobody has replaced them there.
    Delete,
}

impl DestinationRequest {
    /// The prefix as sent, without outer slashes.
    pub fn prefix_template(&self) -> &str {
        self.prefix.as_deref().unwrap_or(DEFAULT_PREFIX).trim_matches('/')
    }
}

/// A connection, as far as export requests need to know it.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionRights<'a> {
    pub name: &'a str,
    pub can_write: bool,
    /// Names of companies; `*`: all.
    pub companies: &'a [String],
}

impl ConnectionRights<'_> {
    /// Whether a company may use it.
    pub fn is_for(&self, company: &str) -> bool {
        self.companies.iter().any(|known| known == ALL_COMPANIES || known == company)
    }
}

/// What the placeholders of a prefix stand for.
#[derive(Clone, Copy)]
pub struct PrefixValues<'a> {
    /// When the job runs.
    pub time: DateTime<Utc>,
    /// IANA name; none: UTC.
    pub time_zone: Option<&'a str>,
    pub job_name: &'a str,
    /// None when there is no job, as in a dry run.
    pub job: Option<JobId>,
    /// Leaves what differs from run to run as it is.
    pub keeps_variables: bool,
}

impl PrefixValues<'_> {
    /// The value of a placeholder, by its name; none when there is no such one.
    fn find(&self, name: &str) -> Option<String> {
        match name {
            "date" if self.keeps_variables => Some("{date}".to_owned()),
            "date" => {
                let zone: Tz = self.time_zone.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC);
                Some(self.time.with_timezone(&zone).format("%Y-%m-%d").to_string())
            }
            "jobName" => {
                // One folder, whatever the name is.
                let name = self.job_name.replace(['/', '\\'], "-");
                FileName::sanitize(&name).map_or_else(|_| self.find("jobHandle"), |name| Some(name.as_str().to_owned()))
            }
            "jobHandle" if self.keeps_variables => Some("{jobHandle}".to_owned()),
            "jobHandle" => Some(self.job.map_or_else(|| "{jobHandle}".to_owned(), |job| job.to_string())),
            _ => None,
        }
    }
}

/// A prefix with its placeholders replaced.
///
/// # Errors
/// A sentence with the remedy.
pub fn resolve_prefix(template: &str, values: &PrefixValues<'_>) -> Result<String, String> {
    let (mut resolved, mut rest) = (String::new(), template);
    let check_text = |text: &str| match text.contains('}') {
        true => Err(format!("`{template}` has a `}}` without a `{{` before it. Remove it.")),
        false => Ok(()),
    };
    while let Some((before, after)) = rest.split_once('{') {
        check_text(before)?;
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| format!("`{template}` has a `{{` without a `}}` behind it. Close the placeholder."))?;
        let value = values
            .find(name)
            .ok_or_else(|| format!("`{{{name}}}` is not a placeholder. Use {{date}}, {{jobName}} or {{jobHandle}}."))?;
        resolved.push_str(before);
        resolved.push_str(&value);
        rest = after;
    }
    check_text(rest)?;
    resolved.push_str(rest);
    check_prefix(&resolved)?;
    Ok(resolved)
}

/// A prefix names a folder below the connection's address, and no other place.
fn check_prefix(prefix: &str) -> Result<(), String> {
    if prefix.len() > MAX_PREFIX_BYTES {
        return Err(format!("The prefix has {} bytes; at most {MAX_PREFIX_BYTES} are allowed.", prefix.len()));
    }
    for part in prefix.split('/').filter(|_| !prefix.is_empty()) {
        let clean = FileName::sanitize(part).map(|name| name.as_str().to_owned());
        match clean {
            Ok(clean) if clean == part => {}
            _ if part.is_empty() => return Err(format!("`{prefix}` has an empty part. Remove the second `/`.")),
            _ if part == "." || part == ".." => {
                return Err(format!("`{part}` is not allowed. Write the path from the address of the connection."));
            }
            Ok(clean) => {
                return Err(format!("{part:?} is not a safe folder name on every system. Use {clean:?}."));
            }
            Err(_) => return Err(format!("{part:?} cannot be a folder name.")),
        }
    }
    Ok(())
}

/// All mistakes in the destinations of a request.
///
/// # Errors
/// When the database fails.
pub(crate) async fn check_destinations(
    connection: &mut DbConnection,
    company: CompanyId,
    request: &ExportRequest,
    context: &ExportContext<'_>,
) -> Result<Vec<ValidationError>, DbError> {
    let destinations = request.deliver_to.as_deref().unwrap_or_default();
    let mut errors = check_only_changed(request, destinations);
    if destinations.is_empty() {
        return Ok(errors);
    }
    let company = company::fetch_company_name(connection, company).await?;
    let known: Vec<&ConnectionRights<'_>> =
        context.connections.iter().filter(|connection| connection.is_for(&company)).collect();
    for (index, destination) in destinations.iter().enumerate() {
        let mut add = |field: &str, code, detail| {
            errors.push(ValidationError::new(format!("/deliverTo/{index}/{field}"), code, detail));
        };
        if let Err(detail) = check_connection(&destination.connection, &known) {
            add("connection", Code::InvalidValue, detail);
        }
        // The values do not matter: those of names are safe, whatever they are.
        let values = PrefixValues {
            time: Utc::now(),
            time_zone: None,
            job_name: "name",
            job: Some(JobId::new()),
            keeps_variables: false,
        };
        if let Err(detail) = resolve_prefix(destination.prefix_template(), &values) {
            add("prefix", Code::InvalidValue, detail);
        }
        if let Some(detail) = destination.cache_control.as_deref().and_then(check_cache_control) {
            add("cacheControl", Code::InvalidValue, detail);
        }
        let is_same = |other: &&DestinationRequest| {
            other.connection == destination.connection && other.prefix_template() == destination.prefix_template()
        };
        if destinations.iter().take(index).any(|other| is_same(&other)) {
            let detail = "Two destinations have the same connection and prefix. Remove one, or give it another prefix.";
            add("prefix", Code::ConflictingParameters, detail.to_owned());
        }
    }
    Ok(errors)
}

/// What is delivered only when it changed needs somewhere to go, and a folder that has the same name next time.
fn check_only_changed(request: &ExportRequest, destinations: &[DestinationRequest]) -> Vec<ValidationError> {
    let only_changed = request.only_changed.unwrap_or(false);
    let mut errors = Vec::new();
    if only_changed && destinations.is_empty() {
        let detail =
            "`onlyChanged` compares with what was delivered before. Send `deliverTo`, or leave `onlyChanged` out.";
        errors.push(ValidationError::new("/onlyChanged", Code::ConflictingParameters, detail));
    }
    if request.on_removed == Some(OnRemoved::Delete) && !only_changed {
        let detail = "Only what `onlyChanged` has delivered can be removed. Send `onlyChanged: true`, too.";
        errors.push(ValidationError::new("/onRemoved", Code::ConflictingParameters, detail));
    }
    let has_no_name = request.job_name.as_deref().is_none_or(|name| name.trim().is_empty());
    let uses_name = destinations.iter().any(|destination| destination.prefix_template().contains("{jobName}"));
    if only_changed && has_no_name && uses_name {
        let detail = "The prefix has {jobName}, and a name that is made up differs from day to day. Send `jobName` with \
                      `onlyChanged`, or a prefix without it.";
        errors.push(ValidationError::new("/jobName", Code::MissingParameter, detail));
    }
    errors
}

fn check_connection(name: &str, known: &[&ConnectionRights<'_>]) -> Result<(), String> {
    let writable: Vec<String> = known
        .iter()
        .filter(|connection| connection.can_write)
        .map(|connection| format!("`{}`", connection.name))
        .collect();
    let remedy = match writable.as_slice() {
        [] => "There is none to which files can be delivered; the operator sets them up (OFFPRINT_CONNECTIONS)."
            .to_owned(),
        names => format!("Files can be delivered to {}.", names.join(", ")),
    };
    match known.iter().find(|connection| connection.name == name) {
        Some(connection) if connection.can_write => Ok(()),
        Some(_) => Err(format!("The connection `{name}` can only be read. {remedy}")),
        None => Err(format!("There is no connection `{name}`. {remedy}")),
    }
}

/// A header value is visible ASCII; anything else could end the header.
fn check_cache_control(text: &str) -> Option<String> {
    let is_value = !text.trim().is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (!is_value).then(|| format!("{text:?} is not a value of Cache-Control. Send one such as `public, max-age=86400`."))
}

/// The destinations of a job, with their prefixes.
pub(crate) fn build_destinations(request: &ExportRequest, values: &PrefixValues<'_>) -> Vec<NewDestination> {
    let destinations = request.deliver_to.iter().flatten();
    let only_changed = request.only_changed.unwrap_or(false);
    let build = |destination: &DestinationRequest| {
        let template = destination.prefix_template();
        let fixed = PrefixValues { keeps_variables: true, ..*values };
        let target = only_changed.then(|| {
            let prefix = resolve_prefix(template, &fixed).unwrap_or_else(|_| template.to_owned());
            format!("{}/{prefix}", destination.connection)
        });
        NewDestination {
            connection: destination.connection.clone(),
            prefix_template: template.to_owned(),
            // It was checked with the request. A prefix that is too long with the name of this job falls back to its handle.
            prefix: resolve_prefix(template, values)
                .unwrap_or_else(|_| values.job.map(|job| job.to_string()).unwrap_or_default()),
            on_existing: destination.on_existing.unwrap_or_default(),
            manifest: destination.manifest.unwrap_or(false),
            cache_control: destination.cache_control.clone(),
            target,
            removes: request.on_removed == Some(OnRemoved::Delete),
            left_out: 0,
        }
    };
    destinations.map(build).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(template: &str, job_name: &str) -> Result<String, String> {
        let time = "2026-11-29T23:30:00Z".parse().unwrap();
        let job = Some("00000000-0000-7000-8000-000000000001".parse().unwrap());
        resolve_prefix(
            template,
            &PrefixValues { time, time_zone: Some("Europe/Brussels"), job_name, job, keeps_variables: false },
        )
    }

    #[test]
    fn placeholders_have_their_values_in_the_zone_of_the_job() {
        assert_eq!(resolve("{date}/{jobName}", "spring").unwrap(), "2026-11-30/spring");
        assert_eq!(resolve("a/{jobHandle}", "").unwrap(), "a/00000000-0000-7000-8000-000000000001");
        assert_eq!(resolve("", "x").unwrap(), "");
        assert_eq!(resolve("x-{date}", "").unwrap(), "x-2026-11-30");
    }

    #[test]
    fn names_of_jobs_are_one_safe_folder() {
        for (name, folder) in [
            ("12 assets from spring/shoes, 29 Nov", "12 assets from spring-shoes, 29 Nov"),
            ("..", "00000000-0000-7000-8000-000000000001"),
            ("../../etc", "..-..-etc"),
            ("a\\b", "a-b"),
        ] {
            assert_eq!(resolve("{jobName}", name).unwrap(), folder, "{name}");
        }
    }

    #[test]
    fn prefixes_name_no_other_place() {
        for (template, words) in [
            ("a/../b", "from the address"),
            ("./a", "from the address"),
            ("a//b", "empty part"),
            ("{day}", "{date}, {jobName} or {jobHandle}"),
            ("{date", "without a `}`"),
            ("date}", "without a `{`"),
            ("a\\b", "safe folder name"),
            ("a\u{0}b", "safe folder name"),
            ("{}", "not a placeholder"),
        ] {
            let error = resolve(template, "x").unwrap_err();
            assert!(error.contains(words), "{template}: {error}");
        }
        assert!(resolve(&"a/".repeat(300), "x").unwrap_err().contains("512"));
    }

    #[test]
    fn cache_control_is_one_header_value() {
        assert!(check_cache_control("public, max-age=60").is_none());
        for text in ["", " ", "a\r\nx: y", "ä"] {
            assert!(check_cache_control(text).is_some(), "{text:?}");
        }
    }
}
