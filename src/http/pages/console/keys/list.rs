//! The list of keys, and the form for a new one.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, get, post};
use askama::Template;
use chrono::Utc;
use serde::Deserialize;

use crate::app::AppState;
use crate::db::capability::{Capability, ROLES};
use crate::http::address::write_address;
use crate::http::extract::caller::Caller;
use crate::http::extract::form::PageForm;
use crate::http::extract::page::PageQuery;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::keys::create::KeyFields;
use crate::http::pages::console::message::redirect_after;
use crate::http::pages::console::pager::Pager;
use crate::http::pages::console::section::Section;
use crate::http::pages::frame::{Icon, PageTime};
use crate::http::problem::Problem;
use crate::http::resources::api_keys::{ApiKey, load_key_page, revoke_key};
use crate::id::KeyId;

/// Keys on one page.
const KEYS_PER_PAGE: u32 = 100;

#[derive(Template)]
#[template(path = "console/keys.html")]
struct KeysPage {
    frame: ConsoleFrame,
    keys: Vec<KeyLine>,
    pager: Pager,
    fields: KeyFields,
    errors: FormErrors,
    capabilities: Vec<CapabilityChoice>,
    roles: Vec<&'static str>,
    /// A key that was just created, which is shown once.
    created: Option<String>,
}

struct KeyLine {
    handle: KeyId,
    name: String,
    user: String,
    email: Option<String>,
    capabilities: String,
    created: PageTime,
    used: Option<PageTime>,
    icon: Icon,
    word: String,
    /// When it expires or was revoked.
    ended: Option<PageTime>,
    /// Address of the form that revokes it.
    revoke: Option<String>,
}

struct CapabilityChoice {
    name: String,
    is_chosen: bool,
}

/// Where the list goes on.
#[derive(Deserialize)]
pub(super) struct KeysQuery {
    cursor: Option<String>,
}

/// `GET /console/keys`.
#[get("/console/keys")]
pub(super) async fn show_keys(
    state: Data<AppState>,
    query: Query<KeysQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Keys).await?;
    let form = KeyFormState { fields: KeyFields::default(), errors: FormErrors::default(), created: None };
    show_key_page(&state, &request, frame, query.into_inner().cursor, form).await
}

/// The form below the list, and what became of it.
pub(super) struct KeyFormState {
    pub(super) fields: KeyFields,
    pub(super) errors: FormErrors,
    pub(super) created: Option<String>,
}

/// Shows the list, with the form as it was sent.
pub(super) async fn show_key_page(
    state: &AppState,
    request: &HttpRequest,
    frame: ConsoleFrame,
    cursor: Option<String>,
    form: KeyFormState,
) -> Result<HttpResponse, Problem> {
    let page = load_key_page(state, &frame.caller, &PageQuery { limit: Some(KEYS_PER_PAGE), cursor }).await?;
    let status = match (&form.created, form.errors.is_empty()) {
        (Some(_), _) => StatusCode::CREATED,
        (None, true) => StatusCode::OK,
        (None, false) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let choice = |capability: Capability| CapabilityChoice {
        is_chosen: form.fields.capabilities.contains(&capability),
        name: capability.name(),
    };
    let page = KeysPage {
        pager: Pager::new(request, page.next_cursor.as_deref()),
        keys: page.items.into_iter().map(|key| KeyLine::new(&frame, key)).collect(),
        capabilities: Capability::ALL.into_iter().map(choice).collect(),
        roles: ROLES.iter().map(|(role, _)| *role).collect(),
        fields: form.fields,
        errors: form.errors,
        created: form.created,
        frame,
    };
    page.frame.respond(status, &page)
}

/// The box that was ticked: links that were created with the key stay.
#[derive(Deserialize)]
pub(super) struct RevokeForm {
    links: Option<String>,
}

/// `POST /console/keys/{keyHandle}/revoke`.
#[post("/console/keys/{keyHandle}/revoke")]
pub(super) async fn revoke_key_by_form(
    state: Data<AppState>,
    caller: Caller,
    key: Path<KeyId>,
    PageForm(form): PageForm<RevokeForm>,
) -> Result<HttpResponse, Problem> {
    let revoked = revoke_key(&state, &caller, *key, form.links.is_some()).await;
    redirect_after(revoked, Section::Keys.path(), "key-revoke")
}

impl KeyLine {
    fn new(frame: &ConsoleFrame, key: ApiKey) -> Self {
        // For people: whether a key is accepted is decided by the database's clock.
        let is_expired = key.expires_at.is_some_and(|at| at <= Utc::now());
        let (icon, word) = match (key.revoked_at, is_expired) {
            (Some(_), _) => (Icon::Failed, "console-key-revoked"),
            (None, true) => (Icon::Failed, "console-key-expired"),
            (None, false) => (Icon::Done, "console-key-valid"),
        };
        let names: Vec<String> = key.capabilities.iter().map(|capability| capability.name()).collect();
        let path = format!("/console/keys/{}/revoke", key.key_handle);
        Self {
            handle: key.key_handle,
            name: key.name,
            user: key.user.name,
            email: key.user.email,
            capabilities: if names.len() == Capability::ALL.len() {
                frame.text("console-key-all")
            } else {
                names.join(", ")
            },
            created: frame.time(key.created_at),
            used: key.last_used_at.map(|at| frame.time(at)),
            icon,
            word: frame.text(word),
            ended: key.revoked_at.or(key.expires_at).map(|at| frame.time(at)),
            revoke: key.revoked_at.is_none().then(|| write_address(&path)),
        }
    }
}
