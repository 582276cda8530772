//! API keys of a company: create, list, show and revoke. For keys with the capability `admin`.

use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::{DateTime, TimeDelta, Utc};
use offprint_core::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::api_key::{self, NewApiKeyRow, RawKey};
use crate::db::capability::{self, Capability};
use crate::db::company::{self, UserRow};
use crate::db::idempotency::IdempotencyRow;
use crate::db::{self, DbConnection, link};
use crate::http::address::write_address;
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::extract::idempotency::IdempotencyKey;
use crate::http::extract::page;
use crate::http::extract::page::Page;
use crate::http::extract::page::PageQuery;
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::http::responses::BodyProblems;
use crate::http::responses::KeyIdempotencyProblem;
use crate::http::responses::NotFoundProblem;
use crate::http::responses::QueryProblems;
use crate::id::{KeyId, UserId};
use crate::jobs::recipients::parse_mailbox;
use crate::jobs::schedule::parse_time_zone;

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Handle of the key; also a part of the key itself.
    pub(in crate::http) key_handle: KeyId,
    /// What the key is for.
    pub(in crate::http) name: String,
    /// The user that the key belongs to.
    pub(in crate::http) user: User,
    /// What the key allows.
    pub(in crate::http) capabilities: Vec<Capability>,
    /// When the key was created.
    pub(in crate::http) created_at: DateTime<Utc>,
    /// When the key expires; null for never.
    pub(in crate::http) expires_at: Option<DateTime<Utc>>,
    /// When the key was revoked; null if it was not.
    pub(in crate::http) revoked_at: Option<DateTime<Utc>>,
    /// When the key was last used, to about a minute; null if it never was.
    pub(in crate::http) last_used_at: Option<DateTime<Utc>>,
}

/// A user of the company.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Handle of the user, for `userHandle` of an export request.
    pub(in crate::http) user_handle: UserId,
    /// Name of the user, unique within the company.
    #[schema(example = "ann")]
    pub(in crate::http) name: String,
    /// Receives the mail of the user's jobs that name no other recipient.
    #[schema(example = "ann@example.org")]
    pub(in crate::http) email: Option<String>,
    /// Language of the user's mails.
    #[schema(example = "en")]
    pub(in crate::http) locale: Option<String>,
    /// Time zone of the user's mails.
    #[schema(example = "America/New_York")]
    pub(in crate::http) time_zone: Option<String>,
}

impl From<api_key::ApiKeyRow> for ApiKey {
    fn from(row: api_key::ApiKeyRow) -> Self {
        Self {
            key_handle: row.key_id,
            name: row.name,
            user: User {
                user_handle: row.user_id,
                name: row.user_name,
                email: row.user_email,
                locale: row.user_locale,
                time_zone: row.user_time_zone,
            },
            capabilities: row.capabilities.0,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.used_at,
        }
    }
}

/// An API key that was just created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedApiKey {
    /// The key itself. It is shown only once and cannot be retrieved later.
    #[schema(example = "op_0198f3c2a7e47d5f8b1c2d3e4f5a6b7c_…")]
    pub(in crate::http) key: String,
    /// The key without its secret.
    #[serde(flatten)]
    pub(in crate::http) about: ApiKey,
}

/// An API key to create.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateApiKey {
    /// What the key is for.
    #[schema(min_length = 1, max_length = 255, example = "web shop")]
    pub(in crate::http) name: String,
    /// Name of the user that the key belongs to; the user is created if it does not exist. Default: the name of the key.
    #[schema(min_length = 1, max_length = 255, example = "ann")]
    pub(in crate::http) user: Option<String>,
    /// Mail address of a new user.
    #[schema(max_length = 320, example = "ann@example.org")]
    pub(in crate::http) email: Option<String>,
    /// Language of a new user's mails, such as `en` or `fr-BE`.
    #[schema(max_length = 12, example = "en")]
    pub(in crate::http) locale: Option<String>,
    /// Time zone of a new user's mails, by its IANA name.
    #[schema(max_length = 64, example = "America/New_York")]
    pub(in crate::http) time_zone: Option<String>,
    /// What the key allows. Default, without `role`: everything except `admin`.
    #[schema(min_items = 1, max_items = 32)]
    pub(in crate::http) capabilities: Option<Vec<Capability>>,
    /// A role of IPS, such as `IpsUser`, instead of `capabilities`.
    #[schema(max_length = 32, example = "IpsUser")]
    pub(in crate::http) role: Option<String>,
    /// When the key expires. Default: never.
    pub(in crate::http) expires_at: Option<DateTime<Utc>>,
}

impl CreateApiKey {
    /// Checks the whole request and returns the capabilities it asks for.
    fn resolve_capabilities(&self) -> Result<Vec<Capability>, Problem> {
        let mut mistakes = Vec::new();
        let mut wrong =
            |field: &str, code, detail: String| mistakes.push(ValidationError::new(format!("/{field}"), code, detail));
        for (field, text) in [("name", Some(&self.name)), ("user", self.user.as_ref())] {
            if text.is_some_and(|text| text.trim().is_empty() || text.chars().any(char::is_control)) {
                wrong(
                    field,
                    Code::InvalidValue,
                    "The name must have visible characters and no control characters.".into(),
                );
            }
        }
        if let Some(Err(detail)) = self.email.as_deref().map(parse_mailbox) {
            wrong("email", Code::InvalidValue, detail);
        }
        if let Some(Err(detail)) = self.time_zone.as_deref().map(parse_time_zone) {
            wrong("timeZone", Code::InvalidValue, detail);
        }
        if let Some(at) = self.expires_at.filter(|at| *at <= Utc::now() + TimeDelta::seconds(1)) {
            wrong("expiresAt", Code::InvalidValue, format!("{} is in the past. Send a future time.", at.to_rfc3339()));
        }
        let role = self.role.as_deref().map(|name| (name, capability::find_role_capabilities(name)));
        match role {
            Some((name, None)) => {
                let known: Vec<&str> = capability::ROLES.iter().map(|(name, _)| *name).collect();
                wrong("role", Code::InvalidValue, format!("Unknown role `{name}`. Known: {}.", known.join(", ")));
            }
            Some(_) if self.capabilities.is_some() => {
                let detail = "`role` and `capabilities` exclude each other. Send only one of them.";
                wrong("role", Code::ConflictingParameters, detail.into());
            }
            _ => {}
        }
        if !mistakes.is_empty() {
            return Err(Problem::from_errors(mistakes));
        }
        let mut capabilities = match (role, &self.capabilities) {
            (Some((_, Some(set))), _) => set.to_vec(),
            (_, Some(listed)) => listed.clone(),
            _ => Capability::defaults(),
        };
        capabilities.sort();
        capabilities.dedup();
        Ok(capabilities)
    }
}

/// Create an API key.
///
/// The key belongs to a user of the company, who is created if necessary. A user who exists is not changed: another `email`,
/// `locale` or `timeZone` is refused. The key itself is only in this response: the service stores a hash of it. So a repeated request
/// with the same `Idempotency-Key` creates no second key, but cannot return the first one again: it is answered with 409
/// `secret-not-stored`, which names the key to revoke.
#[utoipa::path(
    tag = "keys",
    operation_id = "createApiKey",
    request_body(content = CreateApiKey, example = json!({"name": "web shop", "user": "ann", "email": "ann@example.org", "role": "IpsUser"})),
    responses(
        (status = 201, description = "The key was created.", body = CreatedApiKey, headers(("Location" = String, description = "URL of the key, without its secret."))),
        BodyProblems, KeyIdempotencyProblem,
    ),
)]
#[post("/api-keys")]
pub async fn create_api_key(
    state: Data<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(body, digest): JsonBody<CreateApiKey>,
) -> Result<HttpResponse, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    if let Some(earlier) = key.reserve(&mut transaction, &caller, digest).await? {
        return Err(reject_repeated_key(&earlier));
    }
    let created = insert_key(&mut transaction, &caller, &body).await?;
    let location = format!("/api-keys/{}", created.about.key_handle);
    key.store(&mut transaction, &caller, digest, (&location, &created.about)).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, write_address(&location)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(created))
}

/// Creates a key in a transaction of its own.
///
/// # Errors
/// 422 with everything that is wrong.
pub(in crate::http) async fn create_key(
    state: &AppState,
    caller: &Caller,
    body: &CreateApiKey,
) -> Result<CreatedApiKey, Problem> {
    let mut transaction = state.db.begin().await.map_err(db::DbError::from)?;
    let created = insert_key(&mut transaction, caller, body).await?;
    transaction.commit().await.map_err(db::DbError::from)?;
    Ok(created)
}

async fn insert_key(
    transaction: &mut DbConnection,
    caller: &Caller,
    body: &CreateApiKey,
) -> Result<CreatedApiKey, Problem> {
    let capabilities = body.resolve_capabilities()?;
    let raw = RawKey::new().map_err(Problem::internal)?;
    let user = body.user.as_deref().unwrap_or(&body.name);
    let (email, locale, zone) = (body.email.as_deref(), body.locale.as_deref(), body.time_zone.as_deref());
    let user_row = company::find_or_insert_user(transaction, caller.company, user, email, locale, zone).await?;
    check_user_unchanged(body, user, &user_row)?;
    let user = user_row.user_id;
    let new = NewApiKeyRow { name: &body.name, user, capabilities: &capabilities, expires_at: body.expires_at };
    let row = api_key::insert_api_key(transaction, caller.company, &raw, &new).await?;
    Ok(CreatedApiKey { key: raw.reveal(), about: ApiKey::from(row) })
}

/// The answer to a request that has created its key before.
fn reject_repeated_key(earlier: &IdempotencyRow) -> Problem {
    let detail = format!(
        "The key {} was created by the first request with this `Idempotency-Key`. Its secret was only in that response, and is \
         not stored. If the response was lost, revoke the key (`DELETE {}`) and create another with a new `Idempotency-Key`.",
        earlier.location.rsplit('/').next().unwrap_or_default(),
        earlier.location
    );
    Problem::new(Code::SecretNotStored, detail)
}

/// A key is not a way to change its user: whoever gets the mails of a user must not change by the way.
fn check_user_unchanged(body: &CreateApiKey, name: &str, user: &UserRow) -> Result<(), Problem> {
    let fields = [
        ("email", &body.email, &user.email),
        ("locale", &body.locale, &user.locale),
        ("timeZone", &body.time_zone, &user.time_zone),
    ];
    let changed = fields.into_iter().filter(|(_, sent, stored)| sent.is_some() && sent != stored);
    let mistakes: Vec<ValidationError> = changed
        .map(|(field, _, _)| {
            let detail = format!(
                "The user `{name}` exists with another `{field}`, and a new key does not change its user. Leave out `{field}`. \
                 An operator can change it with `offprint admin create-key`."
            );
            ValidationError::new(format!("/{field}"), Code::InvalidValue, detail)
        })
        .collect();
    if mistakes.is_empty() { Ok(()) } else { Err(Problem::from_errors(mistakes)) }
}

/// List API keys.
///
/// Oldest first, including revoked and expired keys.
#[utoipa::path(
    tag = "keys",
    operation_id = "listApiKeys",
    params(PageQuery),
    responses((status = 200, description = "A page of keys.", body = Page<ApiKey>), QueryProblems),
)]
#[get("/api-keys")]
pub async fn list_api_keys(
    state: Data<AppState>,
    caller: Caller,
    query: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    Ok(load_key_page(&state, &caller, &query).await?.into_response(&request))
}

/// A page of the company's keys.
///
/// # Errors
/// 400 for a limit or a cursor that is wrong.
pub(in crate::http) async fn load_key_page(
    state: &AppState,
    caller: &Caller,
    query: &PageQuery,
) -> Result<Page<ApiKey>, Problem> {
    let limit = page::parse_limit(query.limit)?;
    let filters = "api-keys";
    let after = page::parse_cursor(query.cursor.as_deref(), &filters, page::parse_single_key)?;
    let rows = api_key::list_api_keys(&state.db, caller.company, after, limit + 1).await?;
    let keys = rows.into_iter().map(ApiKey::from).collect();
    Ok(Page::new(keys, limit, &filters, |key: &ApiKey| vec![key.key_handle.to_string()]))
}

/// Show an API key.
///
/// Its user, its capabilities and when it was last used. The key itself is shown only once, when it is created.
#[utoipa::path(
    tag = "keys",
    operation_id = "showApiKey",
    params(("keyHandle" = KeyId, Path, description = "Handle of the key.")),
    responses((status = 200, description = "The key.", body = ApiKey), NotFoundProblem),
)]
#[get("/api-keys/{keyHandle}")]
pub async fn show_api_key(state: Data<AppState>, caller: Caller, handle: Path<KeyId>) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let row = api_key::fetch_api_key(&mut connection, caller.company, *handle).await?;
    Ok(HttpResponse::Ok().json(ApiKey::from(row)))
}

/// What to revoke.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevokeQuery {
    /// Whether the download links that were created with the key stay valid. Default: false.
    keep_links: Option<bool>,
}

/// Revoke an API key.
///
/// Every process of the service refuses the key within a second, and the download links that were created with it end.
/// This cannot be undone. The key stays in the list.
#[utoipa::path(
    tag = "keys",
    operation_id = "revokeApiKey",
    params(("keyHandle" = KeyId, Path, description = "Handle of the key."), RevokeQuery),
    responses((status = 204, description = "The key was revoked."), NotFoundProblem, QueryProblems),
)]
#[delete("/api-keys/{keyHandle}")]
pub async fn revoke_api_key(
    state: Data<AppState>,
    caller: Caller,
    handle: Path<KeyId>,
    query: Query<RevokeQuery>,
) -> Result<HttpResponse, Problem> {
    revoke_key(&state, &caller, *handle, query.keep_links.unwrap_or(false)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Revokes a key of the company, and ends the links that were created with it unless they stay.
///
/// # Errors
/// 404.
pub(in crate::http) async fn revoke_key(
    state: &AppState,
    caller: &Caller,
    key: KeyId,
    keeps_links: bool,
) -> Result<(), Problem> {
    api_key::revoke_api_key(&state.db, caller.company, key).await?;
    state.keys.invalidate(key);
    if !keeps_links {
        let links = link::revoke_links_of_key(&state.db, caller.company, key).await?;
        tracing::info!("Revoked {links} links with their key {key}");
    }
    Ok(())
}
