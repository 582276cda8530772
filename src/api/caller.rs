//! Who calls. A handler that touches a company's rows takes a [`Caller`], so it cannot forget to ask.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::api::problem::{Mistake, Problem};
use crate::code::Code;
use crate::db::api_key::ApiKey;
use crate::db::capability::Capability;
use crate::db::job::Job;
use crate::id::{CompanyId, KeyId, UserId};
use crate::language;
use crate::state::meter::Who;

/// What a caller may do: a set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u32);

impl Rights {
    /// Every one.
    pub fn all() -> Self {
        Capability::ALL.into_iter().collect()
    }

    /// Whether this one is among them.
    pub fn contain(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }
}

impl FromIterator<Capability> for Rights {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().fold(0, |bits, capability| bits | 1 << capability as u32))
    }
}

/// Who a request acts for. The guard has found it out, and that it may do this operation; see
/// [`access`](crate::api::access).
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Every row that the request reads or writes belongs to it.
    pub company: CompanyId,
    /// Whose orders these are; nobody's in open mode and with OFFPRINT_API_KEY.
    pub user: Option<UserId>,
    /// The key that was sent, where it is one of the database's.
    pub key: Option<KeyId>,
    rights: Rights,
}

impl Caller {
    /// A caller who may do everything in this company.
    pub fn trusted(company: CompanyId) -> Self {
        Self { company, user: None, key: None, rights: Rights::all() }
    }

    /// The holder of a key.
    pub fn holding(key: &ApiKey) -> Self {
        let rights = key.capabilities.iter().copied().collect();
        Self { company: key.company_id, user: Some(key.user_id), key: Some(key.key_id), rights }
    }

    /// Whose requests are counted together: the key's, or all of the company's.
    pub fn who(&self) -> Who {
        Who::Caller(self.key.map_or(self.company.0, |key| key.0))
    }

    /// Whether the caller may do this.
    pub fn may(&self, capability: Capability) -> bool {
        self.rights.contain(capability)
    }

    /// Whether the caller may write this modifier.
    ///
    /// # Errors
    /// 403 where it says something and the key may use image presets only.
    pub fn writes_modifier(&self, pointer: &str, text: Option<&str>) -> Result<(), Problem> {
        if self.may(Capability::ExportsCustomModifier) || text.is_none_or(language::is_blank) {
            return Ok(());
        }
        let detail = "The key may use image presets only. Modifiers of one's own need `exports:custom-modifier`.";
        let mistake = Mistake::new(pointer, Code::ValueForbidden, detail);
        Err(Problem::new(Code::ValueForbidden, detail).with(vec![mistake]))
    }

    /// Whether the jobs of others are shown to the caller.
    pub fn sees_all(&self) -> bool {
        self.may(Capability::ExportsReadAll) || self.may(Capability::ExportsManageAll)
    }

    /// Whether the caller may give orders to this job, which it can see.
    ///
    /// # Errors
    /// 403 when it is somebody else's.
    pub fn manages(&self, job: &Job) -> Result<(), Problem> {
        if self.may(Capability::ExportsManageAll) || self.owns(job) {
            return Ok(());
        }
        let detail = "The job is somebody else's. The key needs `exports:manage-all` to give it orders.";
        Err(Problem::new(Code::OperationForbidden, detail))
    }

    /// Whether this job was ordered by the caller, or for the caller.
    pub fn owns(&self, job: &Job) -> bool {
        self.is(job.user_id)
    }

    /// Whether the caller is this user.
    pub fn is(&self, user: Option<UserId>) -> bool {
        self.user.is_some() && self.user == user
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().copied();
        ready(caller.ok_or_else(|| Problem::internal("the operation has no row in the table of access")))
    }
}
