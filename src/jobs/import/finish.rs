//! The end of an import: its outcome, and the message about it.

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use tracing::info;

use crate::db::import::{self, ImportRow};
use crate::db::task::{self, NewTask};
use crate::db::webhook::build_import_webhook_task;
use crate::db::{DbConnection, DbError};
use crate::id::{CompanyId, ImportId};

/// Finishes an import whose entries have all ended, with the message that its request asks for. The caller holds the lock of
/// its row. Returns the import when it has been finished now. Links begin with `public_url`, where the service knows it.
pub async fn finish_import(
    connection: &mut DbConnection,
    company: CompanyId,
    import: ImportId,
    public_url: Option<&str>,
) -> Result<Option<ImportRow>, DbError> {
    let Some(finished) = import::finish_ended_import(connection, company, import).await? else { return Ok(None) };
    if let Some(message) = build_message(&finished, public_url) {
        task::insert_tasks(connection, company, &[message]).await?;
    }
    Ok(Some(finished))
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
