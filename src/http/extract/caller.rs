//! The caller of a request: its company, user, API key and capabilities.
//!
//! A handler that touches a company's rows takes a [`Caller`], so it cannot run for somebody who was not let in: the
//! authentication middleware puts the caller into the request, and extracting it fails where that did not happen.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use offprint_core::Code;

use crate::app::rate_limiter::RateLimitKey;
use crate::db::api_key::ApiKeyRow;
use crate::db::capability::Capability;
use crate::db::job::JobRow;
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::id::{CompanyId, KeyId, SessionId, UserId};

/// What a caller may do: a set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySet(u32);

impl CapabilitySet {
    pub fn all() -> Self {
        Capability::ALL.into_iter().collect()
    }

    pub fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().fold(0, |bits, capability| bits | 1 << capability as u32))
    }
}

/// Who a request acts for. The middleware [`auth`](crate::http::middleware::auth) identified it and checked that it may
/// call this operation, by the table in [`operations`](crate::http::operations).
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The tenant: every row that the request reads or writes belongs to it.
    pub company: CompanyId,
    /// The owner of what the request creates; none in open mode and with OFFPRINT_API_KEY.
    pub user: Option<UserId>,
    /// The API key that was sent, if it is stored in the database (OFFPRINT_API_KEY is not).
    pub key: Option<KeyId>,
    /// The session of the browser that is signed in, if the request came with its cookie.
    pub session: Option<SessionId>,
    capabilities: CapabilitySet,
}

impl Caller {
    /// A caller who may do everything in this company.
    pub fn with_all_capabilities(company: CompanyId) -> Self {
        Self { company, user: None, key: None, session: None, capabilities: CapabilitySet::all() }
    }

    /// The holder of a key.
    pub fn from_key(key: &ApiKeyRow) -> Self {
        let capabilities = key.capabilities.iter().copied().collect();
        Self { company: key.company_id, user: Some(key.user_id), key: Some(key.key_id), session: None, capabilities }
    }

    /// A user who is signed in without a key, with the capabilities of all of the user's keys.
    pub fn from_user(company: CompanyId, user: UserId, capabilities: impl IntoIterator<Item = Capability>) -> Self {
        let capabilities = capabilities.into_iter().collect();
        Self { company, user: Some(user), key: None, session: None, capabilities }
    }

    pub(crate) fn with_session(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Whose requests are counted together: those of the key, else of the user, else those of the whole company.
    pub fn rate_limit_subject(&self) -> RateLimitKey {
        let user = self.user.map(|user| user.0);
        RateLimitKey::Caller(self.key.map(|key| key.0).or(user).unwrap_or(self.company.0))
    }

    pub fn has_capability(&self, capability: Capability) -> bool {
        self.capabilities.contains(capability)
    }

    /// Checks that the caller may send this modifier.
    ///
    /// # Errors
    /// 403 when it is not blank and the key may use image presets only.
    pub fn check_custom_modifier(&self, pointer: &str, text: Option<&str>) -> Result<(), Problem> {
        if self.has_capability(Capability::ExportsCustomModifier) || text.is_none_or(offprint_modifiers::is_blank) {
            return Ok(());
        }
        let detail = "The API key may use image presets only. It lacks the capability `exports:custom-modifier`, which custom \
                      modifiers need.";
        let mistake = ValidationError::new(pointer, Code::ValueForbidden, detail);
        Err(Problem::new(Code::ValueForbidden, detail).with_errors(vec![mistake]))
    }

    /// Whether the caller sees the jobs of other users.
    pub fn can_read_all(&self) -> bool {
        self.has_capability(Capability::ExportsReadAll) || self.has_capability(Capability::ExportsManageAll)
    }

    /// Checks that the caller may control (pause, stop, delete …) this job, which it can see.
    ///
    /// # Errors
    /// 403 when the job belongs to another user.
    pub fn check_can_manage(&self, job: &JobRow) -> Result<(), Problem> {
        if self.has_capability(Capability::ExportsManageAll) || self.is_owner_of(job) {
            return Ok(());
        }
        let detail = "The job belongs to another user. Controlling it needs the capability `exports:manage-all`.";
        Err(Problem::new(Code::OperationForbidden, detail))
    }

    /// Whether this job was created by the caller, or on the caller's behalf.
    pub fn is_owner_of(&self, job: &JobRow) -> bool {
        self.is_user(job.user_id)
    }

    pub fn is_user(&self, user: Option<UserId>) -> bool {
        self.user.is_some() && self.user == user
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().copied();
        ready(caller.ok_or_else(|| Problem::internal("the operation has no row in the operation table")))
    }
}
