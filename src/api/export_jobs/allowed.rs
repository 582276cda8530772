//! What an order asks for that not every key may have: originals, modifiers of one's own, somebody else's name.

use crate::api::caller::Caller;
use crate::api::problem::{Mistake, Problem};
use crate::code::Code;
use crate::db::capability::Capability::ExportsManageAll;
use crate::db::company::{self, User};
use crate::db::{self, Connection};
use crate::export::{Order, rights};

/// Whose the job will be, when the caller may have all that the order asks for. Where nothing is said of files that
/// are no pictures, they fail for those who may not have originals.
///
/// # Errors
/// 403 with every part that the key may not have; 422 when there is no such user.
pub(in crate::api) async fn allowed(
    connection: &mut Connection,
    caller: &Caller,
    order: &mut Order,
) -> Result<Option<User>, Problem> {
    let mistakes = rights::exceeded(order, |capability| caller.may(capability));
    if !mistakes.is_empty() {
        let detail = "The key may order exports, but not all that this order asks for; `errors` lists what.";
        return Err(Problem::new(Code::ValueForbidden, detail).with(mistakes));
    }
    let Some(user) = order.user_handle.filter(|user| Some(*user) != caller.user) else {
        return match caller.user {
            Some(user) => Ok(Some(company::find_user(connection, caller.company, user).await?)),
            None => Ok(None),
        };
    };
    if !caller.may(ExportsManageAll) {
        let detail = "Ordering for somebody else needs `exports:manage-all`. Leave `userHandle` out.";
        let mistake = Mistake::new("/userHandle", Code::ImpersonationForbidden, detail);
        return Err(Problem::new(Code::ImpersonationForbidden, detail).with(vec![mistake]));
    }
    match company::find_user(connection, caller.company, user).await {
        Ok(user) => Ok(Some(user)),
        Err(db::Error::Missing(_)) => {
            let detail = format!("None of the company's users has the handle {user}.");
            Err(Problem::refused(vec![Mistake::new("/userHandle", Code::UserNotFound, detail)]))
        }
        Err(error) => Err(error.into()),
    }
}
