//! Keys: made, listed and revoked by those who administer a company.

use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::{DateTime, TimeDelta, Utc};
use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::page::{self, Page, PageQuery};
use crate::api::problem::{Mistake, Problem};
use crate::api::responses::{BadBody, BadQuery, Missing};
use crate::code::Code;
use crate::db::api_key::{self, NewKey, RawKey};
use crate::db::capability::{self, Capability};
use crate::db::{self, company};
use crate::id::{KeyId, UserId};
use crate::state::State;

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The key's handle; it stands in the key too.
    key_handle: KeyId,
    /// What it is for.
    name: String,
    /// Whose it is.
    user: User,
    /// What it may do.
    capabilities: Vec<Capability>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When its time is over; null for never.
    expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    revoked_at: Option<DateTime<Utc>>,
    /// When it was used last, to about a minute.
    last_used_at: Option<DateTime<Utc>>,
}

/// Somebody of the company.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// As `userHandle` of an order takes it.
    user_handle: UserId,
    /// Unique within the company.
    #[schema(example = "ann")]
    name: String,
    /// Gets the mail of jobs that name nobody.
    #[schema(example = "ann@example.org")]
    email: Option<String>,
    /// Language of mails.
    #[schema(example = "en")]
    locale: Option<String>,
}

impl From<api_key::ApiKey> for ApiKey {
    fn from(row: api_key::ApiKey) -> Self {
        Self {
            key_handle: row.key_id,
            name: row.name,
            user: User {
                user_handle: row.user_id,
                name: row.user_name,
                email: row.user_email,
                locale: row.user_locale,
            },
            capabilities: row.capabilities.0,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.used_at,
        }
    }
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeKey {
    /// The key itself. It is shown this once and cannot be had again.
    #[schema(example = "op_0198f3c2a7e47d5f8b1c2d3e4f5a6b7c_…")]
    key: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    about: ApiKey,
}

/// A key that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewApiKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 255, example = "web shop")]
    name: String,
    /// Whose it is: somebody of the company, made when missing. The key's name when absent.
    #[schema(min_length = 1, max_length = 255, example = "ann")]
    user: Option<String>,
    /// Where the user gets mail.
    #[schema(max_length = 320, example = "ann@example.org")]
    email: Option<String>,
    /// Language of the user's mails, such as `en` or `nl-BE`.
    #[schema(max_length = 12, example = "en")]
    locale: Option<String>,
    /// What it may do: everything but `admin` when this and `role` are absent.
    #[schema(min_items = 1)]
    capabilities: Option<Vec<Capability>>,
    /// A role of IPS, such as `IpsUser`, in the place of `capabilities`.
    #[schema(max_length = 32, example = "IpsUser")]
    role: Option<String>,
    /// When its time is over; never when absent.
    expires_at: Option<DateTime<Utc>>,
}

impl NewApiKey {
    /// What it may do, after all was checked.
    fn check(&self) -> Result<Vec<Capability>, Problem> {
        let mut mistakes = Vec::new();
        let mut wrong =
            |field: &str, code, detail: String| mistakes.push(Mistake::new(format!("/{field}"), code, detail));
        for (field, text) in [("name", Some(&self.name)), ("user", self.user.as_ref())] {
            if text.is_some_and(|text| text.trim().is_empty() || text.chars().any(char::is_control)) {
                wrong(field, Code::InvalidValue, "A name has visible characters, and no control characters.".into());
            }
        }
        if let Some(email) = self.email.as_ref().filter(|email| email.parse::<Mailbox>().is_err()) {
            wrong("email", Code::InvalidValue, format!("`{email}` is not a mail address."));
        }
        if let Some(at) = self.expires_at.filter(|at| *at <= Utc::now() + TimeDelta::seconds(1)) {
            wrong("expiresAt", Code::InvalidValue, format!("{} has passed. Send a time to come.", at.to_rfc3339()));
        }
        let role = self.role.as_deref().map(|name| (name, capability::role(name)));
        match role {
            Some((name, None)) => {
                let known: Vec<&str> = capability::ROLES.iter().map(|(name, _)| *name).collect();
                wrong("role", Code::InvalidValue, format!("`{name}` is no role. Known: {}.", known.join(", ")));
            }
            Some(_) if self.capabilities.is_some() => {
                let detail = "`role` and `capabilities` exclude each other. Send one of them.";
                wrong("role", Code::ConflictingParameters, detail.into());
            }
            _ => {}
        }
        if !mistakes.is_empty() {
            return Err(Problem::refused(mistakes));
        }
        let mut capabilities = match (role, &self.capabilities) {
            (Some((_, Some(set))), _) => set.to_vec(),
            (_, Some(said)) => said.clone(),
            _ => Capability::usual(),
        };
        capabilities.sort();
        capabilities.dedup();
        Ok(capabilities)
    }
}

/// Make a key.
///
/// For a user of the company, who is made when missing. The key itself is in this answer and nowhere else: only a hash
/// of it is kept.
#[utoipa::path(
    tag = "keys",
    operation_id = "createApiKey",
    request_body(content = NewApiKey, example = json!({"name": "web shop", "user": "ann", "email": "ann@example.org", "role": "IpsUser"})),
    responses(
        (status = 201, description = "The key.", body = MadeKey, headers(("Location" = String, description = "What is known of it."))),
        BadBody,
    ),
)]
#[post("/api-keys")]
pub async fn create_key(
    state: Data<State>,
    caller: Caller,
    Body(wish, _): Body<NewApiKey>,
) -> Result<HttpResponse, Problem> {
    let capabilities = wish.check()?;
    let raw = RawKey::new().map_err(Problem::internal)?;
    let user = wish.user.as_deref().unwrap_or(&wish.name);
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let (email, locale) = (wish.email.as_deref(), wish.locale.as_deref());
    let user = company::user(&mut transaction, caller.company, user, email, locale).await?;
    let new = NewKey { name: &wish.name, user, capabilities: &capabilities, expires_at: wish.expires_at };
    let made = api_key::insert(&mut transaction, caller.company, &raw, &new).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api-keys/{}", made.key_id)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(MadeKey { key: raw.reveal(), about: made.into() }))
}

/// List keys.
///
/// Oldest first; also those that were revoked or have expired.
#[utoipa::path(
    tag = "keys",
    operation_id = "listApiKeys",
    params(PageQuery),
    responses((status = 200, description = "A page of keys.", body = Page<ApiKey>), BadQuery),
)]
#[get("/api-keys")]
pub async fn list_keys(
    state: Data<State>,
    caller: Caller,
    query: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = page::limit(query.limit)?;
    let filters = "api-keys";
    let after = page::after(query.cursor.as_deref(), &filters, page::only)?;
    let found = api_key::list(&state.db, caller.company, after, limit + 1).await?;
    let found = found.into_iter().map(ApiKey::from).collect();
    Ok(Page::new(found, limit, &filters, |key: &ApiKey| vec![key.key_handle.to_string()]).answer(&request))
}

/// Show a key.
///
/// Who may call with it, what it is allowed and when it was last used; the key itself is shown once, when it is made.
#[utoipa::path(
    tag = "keys",
    operation_id = "showApiKey",
    params(("keyHandle" = KeyId, Path, description = "The key.")),
    responses((status = 200, description = "What is known of it.", body = ApiKey), Missing),
)]
#[get("/api-keys/{keyHandle}")]
pub async fn show_key(state: Data<State>, caller: Caller, handle: Path<KeyId>) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let found = api_key::fetch(&mut connection, caller.company, *handle).await?;
    Ok(HttpResponse::Ok().json(ApiKey::from(found)))
}

/// Revoke a key.
///
/// It is refused within a second, by every process of the service, and for ever. It stays in the list.
#[utoipa::path(
    tag = "keys",
    operation_id = "revokeApiKey",
    params(("keyHandle" = KeyId, Path, description = "The key.")),
    responses((status = 204, description = "It is revoked."), Missing),
)]
#[delete("/api-keys/{keyHandle}")]
pub async fn revoke_key(state: Data<State>, caller: Caller, handle: Path<KeyId>) -> Result<HttpResponse, Problem> {
    api_key::revoke(&state.db, caller.company, *handle).await?;
    state.keys.forget(*handle);
    Ok(HttpResponse::NoContent().finish())
}
