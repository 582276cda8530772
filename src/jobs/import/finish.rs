//! The end of an import: its outcome, and what is told about it.

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use tracing::{info, warn};

use crate::db::import::{self, ImportRow};
use crate::db::task::{self, NewTask, TaskKind};
use crate::db::webhook::build_import_webhook_task;
use crate::db::{DbConnection, DbError, limits};
use crate::id::{CompanyId, ImportId};
use crate::settings::Settings;

/// Finishes an import whose entries have all ended, with the message and the mails that its request asks for. The caller holds the
/// lock of its row. Returns the import when it has been finished now.
pub async fn finish_import(
    connection: &mut DbConnection,
    company: CompanyId,
    import: ImportId,
    settings: &Settings,
) -> Result<Option<ImportRow>, DbError> {
    let Some(finished) = import::finish_ended_import(connection, company, import).await? else { return Ok(None) };
    let mut tasks: Vec<NewTask> = build_message(&finished, settings.public_url.as_deref()).into_iter().collect();
    tasks.extend(build_mails(connection, company, &finished, settings.max_mails).await?);
    task::insert_tasks(connection, company, &tasks).await?;
    Ok(Some(finished))
}

/// A mail to each recipient. Those beyond the company's limit of the day are never sent.
async fn build_mails(
    connection: &mut DbConnection,
    company: CompanyId,
    import: &ImportRow,
    max_mails: u32,
) -> Result<Vec<NewTask>, DbError> {
    let recipients = &import.notify_emails.0;
    if recipients.is_empty() {
        return Ok(Vec::new());
    }
    let allowed = limits::reserve_mails(connection, company, recipients.len() as i32, max_mails as i32).await? as usize;
    let refusal = format!("The company's limit of {max_mails} mails a day is reached.");
    let build_task = |(number, recipient): (usize, &String)| NewTask {
        key: recipient.clone(),
        refusal: (number >= allowed).then(|| refusal.clone()),
        ..NewTask::of_import(TaskKind::Mail, import.import_id, import.run)
    };
    if allowed < recipients.len() {
        warn!(import.handle = %import.import_id, "Mails about import {} are not sent: {refusal}", import.import_id);
    }
    Ok(recipients.iter().enumerate().map(build_task).collect())
}

/// Logs and counts an import that is finished, after the commit.
pub fn report_finished_import(import: &ImportRow) {
    let counts = import.counts();
    info!(
        import.handle = %import.import_id,
        "Import {:?} ({}) is finished: {} of {} files imported, {} skipped, {} failed",
        import.name, import.import_id, counts.imported, counts.found, counts.skipped, counts.failed
    );
    if let Some(outcome) = import.outcome {
        metrics::counter!("offprint_imports_finished_total", "outcome" => outcome.name()).increment(1);
    }
}

fn build_message(import: &ImportRow, public_url: Option<&str>) -> Option<NewTask> {
    let url = import.callback_url.as_deref()?;
    let base = public_url.unwrap_or_default().trim_end_matches('/');
    let path = format!("{base}/imports/{}", import.import_id);
    // The same names as in the import's JSON; a test compares the two.
    let body = json!({
        "type": "import.finished",
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "data": {
            "importHandle": import.import_id, "name": import.name, "run": import.run, "state": import.state,
            "outcome": import.outcome, "failure": import.failure, "counts": import.counts(),
            "links": { "self": path, "entries": format!("{path}/entries") },
        },
    });
    Some(build_import_webhook_task(import.import_id, import.run, url, &body.to_string()))
}
