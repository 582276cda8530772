//! A link whose token was verified.

use offprint_core::Code;

use crate::app::AppState;
use crate::app::link_token::{LinkToken, TokenKind};
use crate::db::DbError;
use crate::db::job::{self, JobRow};
use crate::db::link::{self, LinkRow};
use crate::db::row_level_security::run_as_company;
use crate::http::problem::Problem;
use crate::id::{CompanyId, LinkId};

/// A genuine link that has neither expired nor been revoked.
#[derive(Clone, Debug)]
pub(crate) struct OpenedLink {
    pub(crate) company: CompanyId,
    pub(crate) link: LinkRow,
    /// As in the address.
    pub(crate) token: String,
}

fn reject_unknown_link() -> Problem {
    Problem::new(Code::NotFound, "Unknown link. Check that its URL was copied completely.")
}

/// The holder of a genuine token may know what happened to the link.
fn reject_gone_link(code: Code, detail: &str) -> Problem {
    Problem::new(code, format!("{detail} Ask the sender for a new link."))
}

fn reject_deleted_job() -> Problem {
    reject_gone_link(Code::LinkExpired, "The export job of this link was deleted.")
}

impl OpenedLink {
    /// Verifies a token and finds its link.
    ///
    /// # Errors
    /// 404 when the token is not genuine; 410 when the link has expired or was revoked, or when its job was deleted.
    pub(crate) async fn verify(state: &AppState, text: &str) -> Result<Self, Problem> {
        let token = LinkToken::parse(TokenKind::Download, text).ok_or_else(reject_unknown_link)?;
        // The company in the token is not trusted yet: it only selects rows to read, and nothing of them is returned before
        // the signature is verified.
        let link = run_as_company(token.company, find_verified_link(state, &token)).await?;
        Ok(Self { company: token.company, link, token: text.to_owned() })
    }

    /// The job of the link. Call it as its company.
    ///
    /// # Errors
    /// 410 when the job was deleted: its rows and links may not be removed yet.
    pub(crate) async fn fetch_job(&self, state: &AppState) -> Result<JobRow, Problem> {
        job::load_job(&state.db, self.company, self.link.job_id).await.map_err(|error| match error {
            DbError::NotFound(_) => reject_deleted_job(),
            error => error.into(),
        })
    }

    /// The address of something below this link; empty for the link itself.
    pub(crate) fn path(&self, below: &str) -> String {
        format!("/downloads/{}{below}", self.token)
    }
}

async fn find_verified_link(state: &AppState, token: &LinkToken) -> Result<LinkRow, Problem> {
    let mut connection = state.db.acquire().await.map_err(DbError::from)?;
    let key = link::find_link_key(&mut connection, token.company, token.key).await?;
    if !key.is_some_and(|key| token.is_signed_by(&key)) {
        return Err(reject_unknown_link());
    }
    let link =
        link::find_link(&mut connection, token.company, LinkId(token.link)).await?.ok_or_else(reject_deleted_job)?;
    if let Some(at) = link.revoked_at {
        return Err(reject_gone_link(Code::LinkRevoked, &format!("The link was revoked at {}.", at.to_rfc3339())));
    }
    if link.expired {
        let detail = format!("The link expired at {}.", link.expires_at.to_rfc3339());
        return Err(reject_gone_link(Code::LinkExpired, &detail));
    }
    Ok(link)
}
