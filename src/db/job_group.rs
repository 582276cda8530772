//! Groups of jobs: one request that has more items than a job may have. A group has no state of its own: it is that of its
//! jobs, read whenever somebody asks. What is told when the last of them ends is in [`super::job_group_end`].

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::db::enums::{EmailSetting, Outcome};
use crate::db::metadata_map::MetadataMap;
use crate::db::{DbConnection, DbError, PgPool};
use crate::id::{CompanyId, JobGroupId, JobId, UserId};
use crate::reason::Reason;

/// A group.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct JobGroupRow {
    pub group_id: JobGroupId,
    pub user_id: Option<UserId>,
    pub group_name: String,
    pub email_setting: EmailSetting,
    pub callback_url: Option<String>,
    pub metadata: Json<MetadataMap>,
    /// About the selection.
    pub warnings: Json<Vec<Reason>>,
    pub created_at: DateTime<Utc>,
}

const GROUP_COLUMNS: &str =
    "group_id, user_id, group_name, email_setting, callback_url, metadata, warnings, created_at";

/// A group to insert.
#[derive(Clone, Debug)]
pub struct NewJobGroup<'a> {
    pub group_id: JobGroupId,
    pub user_id: Option<UserId>,
    pub group_name: &'a str,
    pub email_setting: EmailSetting,
    pub callback_url: Option<&'a str>,
    pub metadata: &'a MetadataMap,
    pub warnings: &'a [Reason],
}

/// Inserts a group of jobs that this transaction has inserted.
pub async fn insert_group(
    connection: &mut DbConnection,
    company: CompanyId,
    new: &NewJobGroup<'_>,
    jobs: &[JobId],
) -> Result<(), DbError> {
    sqlx::query(
        "insert into export_job_group (company_id, group_id, user_id, group_name, email_setting, callback_url, metadata, warnings)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(company)
    .bind(new.group_id)
    .bind(new.user_id)
    .bind(new.group_name)
    .bind(new.email_setting)
    .bind(new.callback_url)
    .bind(Json(new.metadata))
    .bind(Json(new.warnings))
    .execute(&mut *connection)
    .await?;
    sqlx::query("update export_job set group_id = $2 where company_id = $1 and job_id = any($3)")
        .bind(company)
        .bind(new.group_id)
        .bind(jobs)
        .execute(connection)
        .await?;
    Ok(())
}

/// Fetches a group of a company.
pub async fn fetch_group(
    executor: impl PgExecutor<'_>,
    company: CompanyId,
    group: JobGroupId,
) -> Result<JobGroupRow, DbError> {
    let sql = format!("select {GROUP_COLUMNS} from export_job_group where company_id = $1 and group_id = $2");
    let row = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(company).bind(group).fetch_optional(executor).await?;
    row.ok_or(DbError::NotFound("group of export jobs"))
}

/// A path that files of two of these jobs have, if there is one. Within a job they differ.
pub async fn find_shared_path(
    connection: &mut DbConnection,
    company: CompanyId,
    jobs: &[JobId],
) -> Result<Option<String>, DbError> {
    let path = sqlx::query_scalar(
        "select min(path) from export_file where company_id = $1 and job_id = any($2)
          group by path_key having count(*) > 1 order by path_key limit 1",
    )
    .bind(company)
    .bind(jobs)
    .fetch_optional(connection)
    .await?;
    Ok(path)
}

/// Removes groups whose jobs are gone. Returns how many.
pub async fn remove_empty_groups(pool: &PgPool) -> Result<u64, DbError> {
    let removed = sqlx::query(
        "delete from export_job_group job_group
          where not exists (select from export_job job
                             where job.company_id = job_group.company_id and job.group_id = job_group.group_id)",
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

/// The outcome of several jobs together: that of one job with all their items.
pub fn combine_outcomes(outcomes: &[Outcome]) -> Outcome {
    use Outcome::{Failed, PartiallyFailed, Stopped, Succeeded, SucceededWithWarnings};
    let has = |wanted: Outcome| outcomes.contains(&wanted);
    if has(Stopped) {
        Stopped
    } else if has(Failed) && outcomes.iter().all(|outcome| *outcome == Failed) {
        Failed
    } else if has(Failed) || has(PartiallyFailed) {
        PartiallyFailed
    } else if has(SucceededWithWarnings) {
        SucceededWithWarnings
    } else {
        Succeeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_of_parts_are_that_of_the_whole() {
        use Outcome::{Failed, PartiallyFailed, Stopped, Succeeded, SucceededWithWarnings};
        for (parts, whole) in [
            (&[Succeeded, Succeeded][..], Succeeded),
            (&[Succeeded, SucceededWithWarnings], SucceededWithWarnings),
            (&[Succeeded, Failed], PartiallyFailed),
            (&[SucceededWithWarnings, PartiallyFailed], PartiallyFailed),
            (&[Failed, Failed], Failed),
            (&[Failed, Stopped], Stopped),
            (&[], Succeeded),
        ] {
            assert_eq!(combine_outcomes(parts), whole, "{parts:?}");
        }
    }
}
