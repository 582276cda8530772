//! Sends the mails by which users sign in. They are tried for as long as their link works.

use crate::app::AppState;
use crate::db;
use crate::db::sign_in_link::{self, SignInMailRow};
use crate::db::task::TaskClaim;
use crate::i18n;
use crate::id::SignInLinkId;
use crate::notify::SignInMail;
use crate::worker::mail::to_attempt_result;
use crate::worker::performed::{AttemptResult, Performed};

/// Sends a mail. Its key is the link.
pub(super) async fn perform_sign_in_mail(state: &AppState, claim: &TaskClaim) -> Result<Performed, db::DbError> {
    let Ok(link) = claim.key.parse() else {
        return Ok(AttemptResult::Failed("the mail belongs to no link".into()).into());
    };
    let finding = sign_in_link::find_sign_in_mail(&state.system, claim.company_id, link);
    let Some(row) = db::with_query_timeout(finding).await? else {
        return Ok(AttemptResult::Failed("the link was used or has expired".into()).into());
    };
    let mail = build_mail(state, claim, link, row).await?;
    Ok(to_attempt_result(state.mailer.send_sign_in(&mail).await).into())
}

async fn build_mail(
    state: &AppState,
    claim: &TaskClaim,
    link: SignInLinkId,
    row: SignInMailRow,
) -> Result<SignInMail, db::DbError> {
    let url = db::with_query_timeout(state.write_sign_in_url(claim.company_id, link)).await?;
    let host = state.public_url().split_once("://").map_or("offprint", |(_, rest)| rest).replace([':', '/'], ".");
    Ok(SignInMail {
        message_id: format!("<{link}@{host}>"),
        recipient: row.recipient,
        language: row.locale.as_deref().and_then(i18n::find_language).unwrap_or_else(i18n::default_language),
        user_name: row.user_name,
        company_name: row.company_name,
        url,
    })
}
