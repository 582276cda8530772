//! Sends the mails by which users sign in. They are tried for as long as their link works.

use std::time::Duration;

use tracing::{info, warn};

use crate::app::AppState;
use crate::db;
use crate::db::sign_in_link::{self, SignInMailClaim};
use crate::i18n;
use crate::notify::{SendError, SignInMail};

/// The pause after a failed attempt: somebody waits for the mail.
const RETRY_INTERVAL: Duration = Duration::from_secs(20);

/// Sends one mail that is due. Returns whether there was one.
pub(super) async fn send_next_sign_in_mail(state: &AppState) -> Result<bool, db::DbError> {
    let claiming = sign_in_link::claim_sign_in_mail(&state.system, state.settings.lease * 6);
    let Some(claim) = db::with_query_timeout(claiming).await? else { return Ok(false) };
    let id = claim.sign_in_link_id;
    let retry = match state.mailer.send_sign_in(&build_mail(state, &claim).await?).await {
        Ok(()) => {
            info!("Sent the mail with link {id} to sign in");
            None
        }
        Err(SendError::Temporary(reason)) => {
            warn!("Could not send the mail with link {id} to sign in yet: {reason}");
            Some(RETRY_INTERVAL)
        }
        Err(SendError::Permanent(reason)) => {
            warn!("Gave up the mail with link {id} to sign in: {reason}");
            None
        }
    };
    db::with_query_timeout(sign_in_link::settle_sign_in_mail(&state.system, &claim, retry)).await?;
    Ok(true)
}

async fn build_mail(state: &AppState, claim: &SignInMailClaim) -> Result<SignInMail, db::DbError> {
    let url = db::with_query_timeout(state.write_sign_in_url(claim.company_id, claim.sign_in_link_id)).await?;
    let host = state.public_url().split_once("://").map_or("offprint", |(_, rest)| rest).replace([':', '/'], ".");
    Ok(SignInMail {
        message_id: format!("<{}@{host}>", claim.sign_in_link_id),
        recipient: claim.recipient.clone(),
        language: claim.locale.as_deref().and_then(i18n::find_language).unwrap_or_else(i18n::default_language),
        user_name: claim.user_name.clone(),
        company_name: claim.company_name.clone(),
        url,
    })
}
