//! Checks the parts of an export request that need a capability of their own: originals, custom modifiers, and exporting
//! on behalf of another user.

use offprint_core::Code;

use crate::db::capability::Capability::ExportsManageAll;
use crate::db::company::{self, UserRow};
use crate::db::{self, DbConnection};
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;
use crate::jobs::ExportRequest;
use crate::jobs::rights;

/// Checks that the caller may have everything that the request asks for, and returns the owner of the job. For a caller
/// that may not export originals, `onUnconvertible` is set to fail where the request does not say.
///
/// # Errors
/// 403 with every part that needs a missing capability; 422 when the user does not exist.
pub(in crate::http) async fn authorize_request(
    connection: &mut DbConnection,
    caller: &Caller,
    request: &mut ExportRequest,
) -> Result<Option<UserRow>, Problem> {
    let mistakes = rights::enforce_rights(request, |capability| caller.has_capability(capability));
    if !mistakes.is_empty() {
        let detail = "The API key lacks capabilities that this export request needs; `errors` lists them.";
        return Err(Problem::new(Code::ValueForbidden, detail).with_errors(mistakes));
    }
    let Some(user) = request.user_handle.filter(|user| Some(*user) != caller.user) else {
        return match caller.user {
            Some(user) => Ok(Some(company::fetch_user(connection, caller.company, user).await?)),
            None => Ok(None),
        };
    };
    if !caller.has_capability(ExportsManageAll) {
        let detail =
            "Exporting on behalf of another user needs the capability `exports:manage-all`. Leave out `userHandle`.";
        let mistake = ValidationError::new("/userHandle", Code::ImpersonationForbidden, detail);
        return Err(Problem::new(Code::ImpersonationForbidden, detail).with_errors(vec![mistake]));
    }
    match company::fetch_user(connection, caller.company, user).await {
        Ok(user) => Ok(Some(user)),
        Err(db::DbError::NotFound(_)) => {
            let detail = format!("The company has no user {user}.");
            Err(Problem::from_errors(vec![ValidationError::new("/userHandle", Code::UserNotFound, detail)]))
        }
        Err(error) => Err(error.into()),
    }
}
