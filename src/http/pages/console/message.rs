//! What became of a form, told on the page that the browser is sent to. The address has the name of a message and numbers,
//! never a text: a link cannot make the console say anything else.

use actix_web::HttpResponse;
use actix_web::web::Query;
use offprint_core::Code;
use serde::Deserialize;

use crate::http::pages::frame::{Icon, redirect_to};
use crate::http::problem::Problem;
use crate::i18n::{Language, MessageArg};

/// A message about the form that was sent before.
#[derive(Debug)]
pub(in crate::http::pages) struct FormMessage {
    pub(in crate::http::pages) icon: Icon,
    pub(in crate::http::pages) text: String,
}

/// The parameters that [`redirect_done`] and [`redirect_refused`] add to an address.
#[derive(Default, Deserialize)]
struct MessageQuery {
    done: Option<String>,
    refused: Option<String>,
    count: Option<i64>,
    failed: Option<i64>,
}

/// The names of these parameters, which no other address repeats.
pub(super) const MESSAGE_PARAMETERS: [&str; 4] = ["done", "refused", "count", "failed"];

impl FormMessage {
    /// The message that the query of an address names.
    pub(super) fn from_query(language: &Language, query: &str) -> Option<Self> {
        let query = Query::<MessageQuery>::from_query(query).ok()?.into_inner();
        let (icon, name) = match (query.done, query.refused) {
            (Some(name), _) => (Icon::Done, format!("console-done-{name}")),
            (None, Some(name)) => (Icon::Failed, format!("console-refused-{name}")),
            (None, None) => return None,
        };
        let failed = query.failed.unwrap_or(0);
        let icon = if icon == Icon::Done && failed > 0 { Icon::Warning } else { icon };
        let arguments: [(&str, MessageArg<'_>); 2] =
            [("count", query.count.unwrap_or(0).into()), ("failed", failed.into())];
        language.has_message(&name).then(|| Self { icon, text: language.format(&name, &arguments) })
    }
}

/// Sends the browser on to a page that says `console-done-NAME`. `path` may have a query.
pub(in crate::http::pages) fn redirect_done(path: &str, name: &str) -> HttpResponse {
    redirect_to(&add_parameters(path, &format!("done={name}")))
}

/// The same with how many were done, and how many could not be.
pub(in crate::http::pages) fn redirect_done_counted(
    path: &str,
    name: &str,
    count: usize,
    failed: usize,
) -> HttpResponse {
    redirect_to(&add_parameters(path, &format!("done={name}&count={count}&failed={failed}")))
}

/// Sends the browser on to a page that says `console-refused-NAME`.
pub(in crate::http::pages) fn redirect_refused(path: &str, name: &str) -> HttpResponse {
    redirect_to(&add_parameters(path, &format!("refused={name}")))
}

/// The redirect after an action. What can be refused because somebody else was faster, or because it was asked for too
/// often, is told on the page; another problem is a page of its own.
///
/// # Errors
/// The problem, unless it is one of these.
pub(in crate::http::pages) fn redirect_after<T>(
    result: Result<T, Problem>,
    path: &str,
    name: &str,
) -> Result<HttpResponse, Problem> {
    match result {
        Ok(_) => Ok(redirect_done(path, name)),
        Err(problem) if matches!(problem.code(), Code::WrongState | Code::RateLimited | Code::Busy) => {
            let mut answer = redirect_refused(path, &problem.code().to_kebab_case());
            // For the audit log.
            answer.extensions_mut().insert(problem.code());
            Ok(answer)
        }
        Err(problem) => Err(problem),
    }
}

fn add_parameters(path: &str, parameters: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{parameters}")
}
