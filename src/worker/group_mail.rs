//! The mail about a group of jobs: what the mail about its last job says, over all of them.

use crate::app::AppState;
use crate::db::enums::ItemState;
use crate::db::job::{self, JobRow};
use crate::db::job_group::{self, combine_outcomes};
use crate::db::link::NewLink;
use crate::db::task::TaskClaim;
use crate::db::{self, item_view};
use crate::id::{JobGroupId, JobId};
use crate::notify::{JobMail, MailCounts, MailFailure, MailLinks};

/// Failures that a mail lists.
const MAX_FAILURES: usize = 10;

/// Makes the mail about a job one about the group that it is the last of.
pub(super) async fn describe_group(
    state: &AppState,
    claim: &TaskClaim,
    group: JobGroupId,
    mail: JobMail,
) -> Result<JobMail, db::DbError> {
    let row = job_group::fetch_group(&state.system, claim.company_id, group).await?;
    let jobs = job::list_group_jobs(&state.system, claim.company_id, group).await?;
    let sum = |count: fn(&JobRow) -> i32| -> i64 { jobs.iter().map(|job| i64::from(count(job))).sum() };
    let outcomes: Vec<_> = jobs.iter().filter_map(|job| job.outcome).collect();
    let address = format!("{}/export-job-groups/{group}", state.public_url());
    Ok(JobMail {
        job_name: row.group_name,
        // The handle that the mail names.
        job_handle: JobId(group.0),
        outcome: combine_outcomes(&outcomes),
        counts: MailCounts {
            total: sum(|job| job.total),
            succeeded: sum(|job| job.succeeded),
            failed: sum(|job| job.failed),
            skipped: sum(|job| job.skipped),
            stopped: sum(|job| job.stopped),
            warnings: sum(|job| job.warned),
        },
        files: sum(|job| job.files),
        bytes: jobs.iter().map(|job| job.bytes).sum(),
        failures: list_failures(state, claim, &jobs).await?,
        expires_at: jobs.iter().filter_map(|job| job.expires_at).min(),
        archives: create_links(state, claim, &jobs).await?,
        links: MailLinks {
            page: None,
            can_download: false,
            job: mail.links.job.as_ref().map(|_| address),
            manifest: None,
        },
        ..mail
    })
}

/// The first failed items of all jobs.
async fn list_failures(state: &AppState, claim: &TaskClaim, jobs: &[JobRow]) -> Result<Vec<MailFailure>, db::DbError> {
    let mut failures = Vec::new();
    for job in jobs.iter().filter(|job| job.failed > 0) {
        let left = MAX_FAILURES.saturating_sub(failures.len()) as i64;
        if left == 0 {
            break;
        }
        let (pool, failed) = (&state.system, Some(ItemState::Failed));
        let items = item_view::list_item_views(pool, claim.company_id, job.job_id, failed, 0, left).await?;
        failures.extend(items.into_iter().filter_map(MailFailure::from_item));
    }
    Ok(failures)
}

/// A link to the files of each job that has any, for recipients without an account.
async fn create_links(state: &AppState, claim: &TaskClaim, jobs: &[JobRow]) -> Result<Vec<String>, db::DbError> {
    let mut urls = Vec::new();
    for job in jobs.iter().filter(|job| job.files > 0) {
        let new = NewLink {
            job_id: job.job_id,
            path: None,
            expires_in: job.expires_in,
            mail: Some(claim.task_id),
            api_key: None,
        };
        match state.create_link(&state.system, claim.company_id, &new).await {
            Ok((_, url)) => urls.push(url),
            Err(db::DbError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(urls)
}
