//! Sends the mails about imports that have ended.

use offprint_core::Code;

use crate::app::AppState;
use crate::db::enums::{ImportEntryState, Outcome};
use crate::db::task::TaskClaim;
use crate::db::{self, company, import, import_entry};
use crate::i18n;
use crate::id::ImportId;
use crate::jobs::recipients::parse_mailbox;
use crate::notify::{ImportMail, MailFailure};
use crate::worker::mail::to_attempt_result;
use crate::worker::performed::Performed;

/// Failed files that a mail lists.
const MAX_FAILURES: i64 = 10;

/// Sends a mail. Its key is the recipient.
pub(super) async fn perform_import_mail(
    state: &AppState,
    claim: &TaskClaim,
    import: ImportId,
) -> Result<Performed, db::DbError> {
    let mail = db::with_query_timeout(build_mail(state, claim, import)).await?;
    Ok(to_attempt_result(state.mailer.send_import(&mail).await).into())
}

async fn build_mail(state: &AppState, claim: &TaskClaim, import: ImportId) -> Result<ImportMail, db::DbError> {
    let row = import::fetch_import(&state.system, claim.company_id, import).await?;
    let failed = Some(ImportEntryState::Failed);
    let entries =
        import_entry::list_entries(&state.system, claim.company_id, import, failed, None, MAX_FAILURES).await?;
    let failures = entries.into_iter().map(|entry| {
        let failure = entry.failure.map(|failure| failure.0);
        let (code, reason) = failure.map_or((Code::Internal, String::new()), |found| (found.code, found.detail));
        MailFailure { name: entry.path, code, reason }
    });
    let user = match parse_mailbox(&claim.key) {
        Ok(mailbox) => company::find_user_by_email(&state.system, claim.company_id, mailbox.email.as_ref()).await?,
        Err(_) => None,
    };
    let language = user.and_then(|user| i18n::find_language(user.locale.as_deref()?));
    let host = state.public_url().split_once("://").map_or("offprint", |(_, rest)| rest).replace([':', '/'], ".");
    let counts = row.counts();
    Ok(ImportMail {
        message_id: format!("<{}.{}@{host}>", claim.task_id, row.run),
        recipient: claim.key.clone(),
        language: language.unwrap_or_else(i18n::default_language),
        outcome: row.outcome.unwrap_or(Outcome::Stopped),
        found: counts.found.into(),
        imported: counts.imported.into(),
        skipped: counts.skipped.into(),
        failed: counts.failed.into(),
        stopped: counts.stopped.into(),
        failures: failures.collect(),
        url: format!("{}/imports/{import}", state.public_url()),
        name: row.name,
    })
}
