//! By a link in a mail: it works once, for some minutes, in the browser that asked for it. Opening it only shows a button, so
//! that programs which look at the links in mails do not use it up.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use askama::Template;
use offprint_core::Code;
use serde::Deserialize;

use super::{begin, check_keys_required, check_next, count_attempt, find_client, hash_to_id};
use crate::app::AppState;
use crate::app::link_token::{LinkToken, TokenKind};
use crate::app::rate_limiter::RateLimitKey;
use crate::db::browser_session::SignInMethod;
use crate::db::capability::Capability;
use crate::db::row_level_security::run_as_company;
use crate::db::sign_in_link::{self, SignInLinkRow};
use crate::db::{self, api_key, link};
use crate::http::extract::caller::Caller;
use crate::http::extract::form::{EmptyForm, PageForm};
use crate::http::extract::locale;
use crate::http::pages::frame::Frame;
use crate::http::problem::Problem;
use crate::http::session::{self, BrowserSecret};
use crate::i18n;
use crate::id::{CompanyId, SignInLinkId, UserId};
use crate::jobs::recipients::parse_mailbox;

/// How long a link works.
const LINK_TTL: Duration = Duration::from_secs(15 * 60);

/// A page that says one thing.
#[derive(Template)]
#[template(path = "sign_in_mail.html")]
struct MailPage {
    frame: Frame,
    text: String,
    /// What the button sends.
    confirmation: Option<Confirmation>,
}

struct Confirmation {
    address: String,
    csrf: String,
}

fn show_message(
    request: &HttpRequest,
    status: StatusCode,
    name: &str,
    (text, confirmation): (Option<String>, Option<Confirmation>),
) -> Result<HttpResponse, Problem> {
    let language = locale::find_accepted_language(request).unwrap_or_else(i18n::default_language);
    let mut frame = Frame::new(language, language.format(&format!("{name}-title"), &[]));
    frame.is_address_secret = confirmation.is_none();
    let text = text.unwrap_or_else(|| language.format(&format!("{name}-text"), &[]));
    let page = MailPage { frame, text, confirmation };
    page.frame.respond(status, &page)
}

#[derive(Deserialize)]
pub(in crate::http) struct MailForm {
    email: String,
    next: Option<String>,
}

/// `POST /sign-in/mail`: sends a link to each account with this address. The answer is the same when there is none, and
/// comes as fast: the mails are sent later.
#[post("/sign-in/mail")]
pub(in crate::http) async fn request_sign_in_mail(
    state: Data<AppState>,
    PageForm(form): PageForm<MailForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    check_keys_required(&state)?;
    count_attempt(&state, find_client(&request))?;
    let browser = session::read_browser(request.headers()).ok_or_else(reject_without_cookie)?;
    if let Ok(mailbox) = parse_mailbox(form.email.trim()) {
        let address = mailbox.email.to_string();
        count_attempt(&state, RateLimitKey::Caller(hash_to_id(&address)))?;
        let next = form.next.as_deref().map(|next| check_next(Some(next)));
        let links =
            sign_in_link::insert_sign_in_links(&state.system, &address, &browser.hash(), next, LINK_TTL).await?;
        tracing::info!(links, "Somebody asked for a mail to sign in; {links} accounts get one");
        state.work_available.notify();
    }
    show_message(&request, StatusCode::OK, "page-sign-in-sent", (None, None))
}

fn reject_without_cookie() -> Problem {
    Problem::new(Code::ForeignOrigin, "The form is out of date. Load its page again, with cookies allowed.")
}

/// A genuine link and its state.
struct FoundLink {
    company: CompanyId,
    id: SignInLinkId,
    row: SignInLinkRow,
}

/// Why a link does not sign in.
#[derive(Clone, Copy)]
enum Unusable {
    Unknown,
    Used,
    Expired,
    OtherBrowser,
}

impl Unusable {
    fn respond(self, request: &HttpRequest) -> Result<HttpResponse, Problem> {
        let (status, name, code) = match self {
            Self::Unknown => (StatusCode::NOT_FOUND, "page-sign-in-unknown", Code::NotFound),
            Self::Used => (StatusCode::GONE, "page-sign-in-used", Code::LinkExpired),
            Self::Expired => (StatusCode::GONE, "page-sign-in-expired", Code::LinkExpired),
            Self::OtherBrowser => (StatusCode::FORBIDDEN, "page-sign-in-other-browser", Code::OperationForbidden),
        };
        let mut answer = show_message(request, status, name, (None, None))?;
        answer.extensions_mut().insert(code);
        Ok(answer)
    }
}

async fn find_link(state: &AppState, token: &str) -> Result<Option<FoundLink>, Problem> {
    let Some(token) = LinkToken::parse(TokenKind::SignIn, token) else { return Ok(None) };
    // The company in the token is not trusted before the signature is verified: until then it only selects rows to read.
    run_as_company(token.company, find_verified_link(state, &token)).await
}

async fn find_verified_link(state: &AppState, token: &LinkToken) -> Result<Option<FoundLink>, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let key = link::find_link_key(&mut connection, token.company, token.key).await?;
    drop(connection);
    if !key.is_some_and(|key| token.is_signed_by(&key)) {
        return Ok(None);
    }
    let (company, id) = (token.company, SignInLinkId(token.link));
    let row = sign_in_link::find_sign_in_link(&state.db, company, id).await?;
    Ok(row.map(|row| FoundLink { company, id, row }))
}

/// Uses a link up. Returns its user with the capabilities of the user's keys, if there are any, and where to go; none when
/// somebody has used it meanwhile.
async fn use_link(
    state: &AppState,
    found: &FoundLink,
) -> Result<Option<(UserId, Option<Vec<Capability>>, Option<String>)>, Problem> {
    let FoundLink { company, id, row } = found;
    let used = sign_in_link::use_sign_in_link(&state.db, *company, *id, &row.browser_sha256).await?;
    let Some((user, next)) = used else { return Ok(None) };
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    Ok(Some((user, api_key::find_user_capabilities(&mut connection, *company, user).await?, next)))
}

/// A link that the browser of the request may use.
struct UsableLink {
    found: FoundLink,
    browser: BrowserSecret,
}

/// Finds the link of a token, if the browser of the request may use it. Counts as an attempt to sign in.
///
/// # Errors
/// 429 after too many attempts, and when the database does not answer.
async fn find_usable_link(
    state: &AppState,
    token: &str,
    request: &HttpRequest,
) -> Result<Result<UsableLink, Unusable>, Problem> {
    count_attempt(state, find_client(request))?;
    let found = find_link(state, token).await?;
    Ok(check_usable(found, session::read_browser(request.headers())))
}

fn check_usable(found: Option<FoundLink>, browser: Option<BrowserSecret>) -> Result<UsableLink, Unusable> {
    let found = found.ok_or(Unusable::Unknown)?;
    if found.row.is_used {
        return Err(Unusable::Used);
    }
    if found.row.is_expired {
        return Err(Unusable::Expired);
    }
    let browser = browser.filter(|browser| browser.hash() == found.row.browser_sha256);
    browser.map(|browser| UsableLink { found, browser }).ok_or(Unusable::OtherBrowser)
}

/// `GET /sign-in/mail/{token}`.
#[get("/sign-in/mail/{token}")]
pub(in crate::http) async fn show_sign_in_link(
    state: Data<AppState>,
    token: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let UsableLink { found, browser } = match find_usable_link(&state, &token, &request).await? {
        Ok(usable) => usable,
        Err(unusable) => return unusable.respond(&request),
    };
    let language = locale::find_accepted_language(&request).unwrap_or_else(i18n::default_language);
    let (who, company) = (&found.row.user_name, &found.row.company_name);
    let text = language.format("page-sign-in-confirm-text", &[("who", who.into()), ("name", company.into())]);
    let confirmation = Confirmation {
        address: crate::http::address::write_address(&format!("/sign-in/mail/{token}")),
        csrf: browser.csrf_token(),
    };
    show_message(&request, StatusCode::OK, "page-sign-in-confirm", (Some(text), Some(confirmation)))
}

/// `POST /sign-in/mail/{token}`.
#[post("/sign-in/mail/{token}")]
pub(in crate::http) async fn sign_in_by_mail(
    state: Data<AppState>,
    token: Path<String>,
    PageForm(EmptyForm {}): PageForm<EmptyForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let UsableLink { found, .. } = match find_usable_link(&state, &token, &request).await? {
        Ok(usable) => usable,
        Err(unusable) => return unusable.respond(&request),
    };
    let company = found.company;
    let Some((user, capabilities, next)) = run_as_company(company, use_link(&state, &found)).await? else {
        return Unusable::Used.respond(&request);
    };
    let Some(capabilities) = capabilities else {
        return show_message(&request, StatusCode::FORBIDDEN, "page-sign-in-no-rights", (None, None));
    };
    let caller = Caller::from_user(company, user, capabilities);
    begin(&state, &request, caller, &SignInMethod::Mail(user), check_next(next.as_deref())).await
}
