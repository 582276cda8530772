//! Who is told that a job, or the last job of a group, has ended.

use crate::app::AppState;
use crate::db::company::find_requester_email;
use crate::db::enums::{EmailSetting, Outcome};
use crate::db::job_group_end::GroupNotice;
use crate::db::mail_task::MailRecipients;
use crate::db::{DbError, PgPool};
use crate::id::{CompanyId, JobId};
use crate::jobs::outcome::is_mail_wanted;

impl AppState {
    /// The recipients that the request names; otherwise the job's owner; otherwise `OFFPRINT_MAIL_TO`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_recipients(
        &self,
        pool: &PgPool,
        (company, job): (CompanyId, JobId),
        named: &[String],
    ) -> Result<MailRecipients, DbError> {
        let addresses = match named {
            [] => {
                let requester = find_requester_email(pool, company, job).await?;
                requester.or_else(|| self.settings.mail_to.clone()).into_iter().collect()
            }
            named => named.to_vec(),
        };
        Ok(MailRecipients { addresses, max_mails: self.settings.max_mails })
    }

    /// What is told about the group of a job, when its last job ends: to whom depends on how all of them ended.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn build_group_notice(
        &self,
        pool: &PgPool,
        job: (CompanyId, JobId),
        (setting, named): (EmailSetting, &[String]),
    ) -> Result<GroupNotice, DbError> {
        let mailed_outcomes: Vec<Outcome> =
            Outcome::ALL.into_iter().filter(|outcome| is_mail_wanted(setting, *outcome)).collect();
        let recipients = match mailed_outcomes.is_empty() {
            true => MailRecipients::default(),
            false => self.find_recipients(pool, job, named).await?,
        };
        let base_url = self.settings.public_url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(GroupNotice { mailed_outcomes, recipients, base_url })
    }
}
