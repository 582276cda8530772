//! Users who sign in at an identity provider. There a name or a mail address may change hands, a subject does not: whoever
//! signs in is known by issuer and subject, and the name counts the first time only.

use crate::db::{DbConnection, DbError};
use crate::id::{CompanyId, UserId};

/// Who signs in at a provider.
#[derive(Clone, Debug)]
pub struct NewUserIdentity<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    /// Of a new user.
    pub name: &'a str,
    pub email: Option<&'a str>,
    pub locale: Option<&'a str>,
    pub time_zone: Option<&'a str>,
    /// Whether it may become an existing user of this name.
    pub may_link: bool,
}

/// Finds the user of an identity, or creates one. None when another user has the name. A user who exists gets a mail address
/// where there was none, and is not changed otherwise.
pub async fn find_or_insert_identity(
    connection: &mut DbConnection,
    company: CompanyId,
    identity: &NewUserIdentity<'_>,
) -> Result<Option<UserId>, DbError> {
    if let Some(user) = find_identity(connection, company, identity).await? {
        return Ok(Some(user));
    }
    let created: Option<UserId> = sqlx::query_scalar(
        "insert into company_user (company_id, user_id, name, email, locale, time_zone) values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint user_name_taken do nothing returning user_id",
    )
    .bind(company)
    .bind(UserId::new())
    .bind(identity.name)
    .bind(identity.email)
    .bind(identity.locale)
    .bind(identity.time_zone)
    .fetch_optional(&mut *connection)
    .await?;
    let user: UserId = match created {
        Some(user) => user,
        // Of two first attempts at the same time one has created it.
        None => match find_identity(connection, company, identity).await? {
            Some(user) => return Ok(Some(user)),
            None if !identity.may_link => return Ok(None),
            None => {
                let sql = "select user_id from company_user where company_id = $1 and name = $2";
                let named = sqlx::query_scalar(sql).bind(company).bind(identity.name);
                named.fetch_optional(&mut *connection).await?.ok_or(DbError::NotFound("user"))?
            }
        },
    };
    // A user has one identity at a provider: a second person of the same name does not become the first one.
    let linked = sqlx::query_scalar(
        "insert into user_identity (company_id, issuer, subject, user_id) values ($1, $2, $3, $4)
         on conflict do nothing returning user_id",
    )
    .bind(company)
    .bind(identity.issuer)
    .bind(identity.subject)
    .bind(user)
    .fetch_optional(connection)
    .await?;
    Ok(linked)
}

async fn find_identity(
    connection: &mut DbConnection,
    company: CompanyId,
    identity: &NewUserIdentity<'_>,
) -> Result<Option<UserId>, DbError> {
    let user = sqlx::query_scalar(
        "with found as (
             update user_identity set used_at = now() where company_id = $1 and issuer = $2 and subject = $3 returning user_id
         ), addressed as (
             update company_user set email = $4 from found
              where company_id = $1 and company_user.user_id = found.user_id and email is null and $4::text is not null
         )
         select user_id from found",
    )
    .bind(company)
    .bind(identity.issuer)
    .bind(identity.subject)
    .bind(identity.email)
    .fetch_optional(connection)
    .await?;
    Ok(user)
}
