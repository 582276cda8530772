//! What an order asks for that not every key may have: originals, modifiers of one's own, somebody else's name.

use crate::api::caller::Caller;
use crate::api::problem::{Mistake, Problem};
use crate::code::Code;
use crate::db::capability::Capability::{ExportsCreateOriginal, ExportsCustomModifier, ExportsManageAll};
use crate::db::company::{self, User};
use crate::db::vocabulary::{Fmt, OnUnconvertible};
use crate::db::{self, Connection};
use crate::export::Order;
use crate::language;

/// Whose the job will be, when the caller may have all that the order asks for. Where nothing is said of files that
/// are no pictures, they fail for those who may not have originals.
///
/// # Errors
/// 403 with every part that the key may not have; 422 when there is no such user.
pub(super) async fn allowed(
    connection: &mut Connection,
    caller: &Caller,
    order: &mut Order,
) -> Result<Option<User>, Problem> {
    let mut mistakes = Vec::new();
    if !caller.may(ExportsCreateOriginal) {
        mistakes.extend(originals(order));
    }
    if !caller.may(ExportsCustomModifier) {
        mistakes.extend(modifiers(order));
    }
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

fn originals(order: &mut Order) -> Option<Mistake> {
    let remedy = "The key needs `exports:create-original` for that.";
    if order.fmt == Fmt::Orig {
        let detail = format!("`orig` hands out uploaded files. {remedy}");
        return Some(Mistake::new("/fmt", Code::ValueForbidden, detail));
    }
    match order.on_unconvertible {
        Some(OnUnconvertible::Original) => {
            let detail = format!("`original` hands out uploaded files. {remedy}");
            Some(Mistake::new("/onUnconvertible", Code::ValueForbidden, detail))
        }
        None => {
            order.on_unconvertible = Some(OnUnconvertible::Fail);
            None
        }
        _ => None,
    }
}

fn modifiers(order: &Order) -> Vec<Mistake> {
    let renditions = order.renditions.iter().flatten().enumerate();
    let renditions = renditions.map(|(at, it)| (format!("/renditions/{at}/is_modifier"), it.is_modifier.as_deref()));
    let own = std::iter::once(("/is_modifier".to_owned(), order.is_modifier.as_deref())).chain(renditions);
    own.filter(|(_, text)| text.is_some_and(|text| !language::is_blank(text)))
        .map(|(pointer, _)| {
            let detail = "The key may use image presets only: send `macro`. Modifiers need `exports:custom-modifier`.";
            Mistake::new(pointer, Code::ValueForbidden, detail)
        })
        .collect()
}
