//! Who calls. A handler that touches a company's rows takes a [`Caller`], so it cannot forget to ask.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::api::problem::Problem;
use crate::id::CompanyId;
use crate::state::State;

/// The company that a request acts for.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Every row that the request reads or writes belongs to it.
    pub company: CompanyId,
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.app_data::<Data<State>>() {
            Some(state) => Ok(Self { company: state.company }),
            None => Err(Problem::internal("the application has no state")),
        })
    }
}
