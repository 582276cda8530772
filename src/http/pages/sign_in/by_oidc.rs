//! At an identity provider (OpenID Connect): the browser goes there with a state, and comes back with it and a code. The state
//! works once, for some minutes, in the browser that went.
//!
//! ```text
//!   browser cookie ──┬─► nonce, code verifier     both from the cookie and the state, so neither is stored
//!   state (random) ──┘
//!   row: SHA-256 of the state, SHA-256 of the cookie, where to go afterwards
//! ```

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offprint_core::{Code, Digest};
use serde::Deserialize;

use super::{NextQuery, begin, check_next, count_attempt, find_client, hash_to_id};
use crate::app::AppState;
use crate::app::rate_limiter::RateLimitKey;
use crate::db::browser_session::SignInMethod;
use crate::db::row_level_security::run_as_company;
use crate::db::user_identity::{self, NewUserIdentity};
use crate::db::{self, company, sign_in_attempt};
use crate::http::address::write_public_address;
use crate::http::extract::caller::Caller;
use crate::http::extract::locale;
use crate::http::pages::error_page::write_sign_in_path;
use crate::http::pages::frame::redirect_to;
use crate::http::problem::Problem;
use crate::http::session::{self, BrowserSecret};
use crate::i18n;
use crate::id::{CompanyId, UserId};
use crate::jobs::recipients::parse_mailbox;
use crate::jobs::schedule::parse_time_zone;
use crate::oidc::{AuthorizationRequest, CodeRedemption, IdentityProvider, ProviderError, ProviderIdentity};

/// How long the provider's page may take.
const ATTEMPT_TTL: Duration = Duration::from_secs(10 * 60);
/// The path to which the provider sends browsers back, which is registered there.
const CALLBACK_PATH: &str = "/sign-in/oidc/callback";
/// The longest state that is looked up. Ours are shorter.
const MAX_STATE_BYTES: usize = 200;

/// What an attempt needs to know of itself.
struct Attempt {
    state: String,
    nonce: String,
    code_verifier: String,
}

impl Attempt {
    fn new(browser: &BrowserSecret) -> Result<Self, Problem> {
        let mut state = [0; 32];
        getrandom::fill(&mut state).map_err(Problem::internal)?;
        Self::from_state(browser, URL_SAFE_NO_PAD.encode(state))
    }

    fn from_state(browser: &BrowserSecret, state: String) -> Result<Self, Problem> {
        let derive = |purpose| browser.derive(purpose, &state).map(|secret| URL_SAFE_NO_PAD.encode(secret));
        Ok(Self { nonce: derive("oidc nonce")?, code_verifier: derive("oidc code verifier")?, state })
    }

    /// What is stored of the state.
    fn hash(&self) -> Digest {
        Digest::compute(self.state.as_bytes())
    }

    fn code_challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Digest::compute(self.code_verifier.as_bytes()).to_bytes())
    }
}

fn find_provider(state: &AppState) -> Result<&IdentityProvider, Problem> {
    state.identity_provider.as_deref().ok_or_else(|| {
        Problem::new(Code::NotFound, "Nobody signs in at an identity provider here: OFFPRINT_OIDC_ISSUER is not set.")
    })
}

fn write_redirect_uri(state: &AppState) -> String {
    write_public_address(state, format!("{}{CALLBACK_PATH}", state.public_url()))
}

/// `GET /sign-in/oidc`: leads to the provider.
///
/// A link, not a form: browsers apply the page's policy for forms to where a form leads in the end.
#[get("/sign-in/oidc")]
pub(in crate::http) async fn begin_oidc_sign_in(
    state: Data<AppState>,
    query: Query<NextQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let provider = find_provider(&state)?;
    count_attempt(&state, find_client(&request))?;
    let next = check_next(query.next.as_deref());
    if session::find_session(&state, request.headers()).await?.is_some() {
        return Ok(redirect_to(next));
    }
    if session::is_sent_by_other_site(request.headers()) {
        // Where the provider asks nothing, its users would be signed in without knowing.
        return Ok(redirect_to(&write_sign_in_path(Some(next))));
    }
    let browser = BrowserSecret::find_or_create(request.headers())?;
    let attempt = Attempt::new(&browser)?;
    let language = locale::find_accepted_language(&request).unwrap_or_else(i18n::default_language);
    let authorization = AuthorizationRequest {
        redirect_uri: &write_redirect_uri(&state),
        state: &attempt.state,
        nonce: &attempt.nonce,
        code_challenge: &attempt.code_challenge(),
        language: language.tag(),
    };
    let url = provider.write_authorization_url(&authorization).await.map_err(explain_provider_error)?;
    sign_in_attempt::insert_sign_in_attempt(&state.system, &attempt.hash(), &browser.hash(), next, ATTEMPT_TTL).await?;
    let mut answer = HttpResponse::SeeOther()
        .insert_header((header::LOCATION, url.as_str()))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish();
    session::set_browser_cookie(&state, &request, &mut answer, &browser);
    Ok(answer)
}

/// What the provider sends back (RFC 6749 4.1.2, RFC 9207).
#[derive(Deserialize)]
pub(in crate::http) struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// `GET /sign-in/oidc/callback`: the browser comes back from the provider.
#[get("/sign-in/oidc/callback")]
pub(in crate::http) async fn finish_oidc_sign_in(
    state: Data<AppState>,
    query: Query<CallbackQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let provider = find_provider(&state)?;
    count_attempt(&state, find_client(&request))?;
    let CallbackQuery { state: sent_state, code, iss, error } = query.into_inner();
    let sent_state = sent_state.filter(|sent| sent.len() <= MAX_STATE_BYTES).ok_or_else(reject_attempt)?;
    let browser = session::read_browser(request.headers()).ok_or_else(reject_attempt)?;
    let attempt = Attempt::from_state(&browser, sent_state)?;
    // Whatever follows, this state works once.
    let used = sign_in_attempt::use_sign_in_attempt(&state.system, &attempt.hash(), &browser.hash()).await?;
    let (next, now) = used.ok_or_else(reject_attempt)?;
    provider.check_answer_issuer(iss.as_deref()).await.map_err(explain_provider_error)?;
    if let Some(error) = error {
        return Err(explain_refusal(&error));
    }
    let code = code.filter(|code| !code.is_empty()).ok_or_else(|| {
        explain_provider_error(ProviderError::Unusable("it sent the browser back without a code".into()))
    })?;
    let redemption = CodeRedemption {
        code: &code,
        code_verifier: &attempt.code_verifier,
        redirect_uri: &write_redirect_uri(&state),
        nonce: &attempt.nonce,
        now,
    };
    let claims = provider.redeem_code(&redemption).await.map_err(explain_provider_error)?;
    let identity = provider.config().resolve_identity(&claims).map_err(|error| reject_person(&error.to_string()))?;
    count_attempt(&state, RateLimitKey::Caller(hash_to_id(&format!("{} {}", provider.issuer(), identity.subject))))?;
    let (company, user) = find_user(&state, provider, &identity).await?;
    let caller = Caller::from_user(company, user, identity.capabilities.iter().copied());
    let method =
        SignInMethod::Provider { user, issuer: provider.issuer().to_owned(), capabilities: identity.capabilities };
    begin(&state, &request, caller, &method, check_next(Some(&next))).await
}

/// The user of an identity, who is created at the first time.
async fn find_user(
    state: &AppState,
    provider: &IdentityProvider,
    identity: &ProviderIdentity,
) -> Result<(CompanyId, UserId), Problem> {
    let company = find_company(state, provider, &identity.company).await?;
    let new = NewUserIdentity {
        issuer: provider.issuer(),
        subject: &identity.subject,
        name: &identity.name,
        email: identity.email.as_deref().filter(|email| parse_mailbox(email).is_ok()),
        locale: identity.locale.as_deref().and_then(i18n::find_language).map(i18n::Language::tag),
        time_zone: identity.time_zone.as_deref().filter(|zone| parse_time_zone(zone).is_ok()),
        may_link: provider.config().may_link_users(),
    };
    let find = async {
        let mut transaction = state.db.begin().await?;
        let user = user_identity::find_or_insert_identity(&mut transaction, company, &new).await?;
        if user.is_some() {
            transaction.commit().await?;
        }
        Ok::<_, db::DbError>(user)
    };
    let user = run_as_company(company, find).await?.ok_or_else(|| {
        reject_person(&format!(
            "the company {:?} has another user {:?}. Give one of them another name, or set OFFPRINT_OIDC_LINK_USERS",
            identity.company, identity.name
        ))
    })?;
    Ok((company, user))
}

/// The company of this name. One that the operator has named is created; a claim creates none.
async fn find_company(state: &AppState, provider: &IdentityProvider, name: &str) -> Result<CompanyId, Problem> {
    if let Some(company) = company::find_company(&state.system, name).await? {
        return Ok(company);
    }
    if !provider.config().is_company_fixed() {
        return Err(reject_person(&format!("there is no company {name:?}")));
    }
    let mut connection = state.system.acquire().await.map_err(db::DbError::from)?;
    Ok(company::ensure_company(&mut connection, name).await?)
}

/// The state is unknown. What exactly is wrong would tell others whether a state exists.
fn reject_attempt() -> Problem {
    let detail = "This attempt to sign in was finished before, took longer than 10 minutes, or began in another browser. Sign in \
                  again.";
    Problem::new(Code::SignInExpired, detail)
}

/// Whoever has signed in may not use the service. Why is in the log: it names settings.
fn reject_person(reason: &str) -> Problem {
    tracing::warn!("Somebody signed in at the identity provider and was refused: {reason}");
    let detail = "The identity provider knows you, but you have no rights in this service. Its administrator finds the reason in \
                  the log under this request ID.";
    Problem::new(Code::SignInNotPermitted, detail)
}

/// The `error` with which the provider sent the browser back (RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6).
fn explain_refusal(error: &str) -> Problem {
    match error {
        "temporarily_unavailable" | "server_error" => {
            explain_provider_error(ProviderError::Unreachable(format!("it answers {error}")))
        }
        "access_denied"
        | "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required" => Problem::new(
            Code::SignInRefused,
            format!("The identity provider did not sign you in ({error}). Sign in again."),
        ),
        _ => {
            let error: String = error.chars().take(100).collect();
            explain_provider_error(ProviderError::Unusable(format!("it answers {error:?}")))
        }
    }
}

/// The cause goes to the log: it is about the installation, not about the person.
fn explain_provider_error(error: ProviderError) -> Problem {
    tracing::warn!(error = %error, "Somebody could not sign in: {error}");
    match error {
        ProviderError::CodeRejected(_) => reject_attempt(),
        ProviderError::Unreachable(_) => {
            let detail = "The identity provider does not answer. Sign in again in a few seconds.";
            Problem::new(Code::IdentityProviderUnavailable, detail).with_header(header::RETRY_AFTER, "5")
        }
        ProviderError::Unusable(_) | ProviderError::Token(_) => {
            let detail =
                "The answer of the identity provider cannot be used. The log has details under this request ID.";
            Problem::new(Code::IdentityProviderFailed, detail)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderValue};

    use super::*;

    /// RFC 7636 4.1: 43 to 128 letters; 4.2: the hash is not the verifier.
    #[test]
    fn an_attempt_has_secrets_of_its_own_browser_and_state() {
        let (one, other) = (
            BrowserSecret::find_or_create(&HeaderMap::new()).unwrap(),
            BrowserSecret::find_or_create(&HeaderMap::new()).unwrap(),
        );
        let attempt = Attempt::new(&one).unwrap();
        let again = Attempt::from_state(&one, attempt.state.clone()).unwrap();
        assert_eq!((&again.nonce, &again.code_verifier), (&attempt.nonce, &attempt.code_verifier));
        assert_eq!((attempt.code_verifier.len(), attempt.code_challenge().len()), (43, 43));
        let others = [Attempt::new(&one).unwrap(), Attempt::from_state(&other, attempt.state.clone()).unwrap()];
        for other in others {
            assert_ne!(other.nonce, attempt.nonce);
            assert_ne!(other.code_verifier, attempt.code_verifier);
        }
        assert_ne!(attempt.nonce, attempt.code_verifier);
        assert!(HeaderValue::from_str(&attempt.state).is_ok());
    }
}
