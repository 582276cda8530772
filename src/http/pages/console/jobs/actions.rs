//! The buttons of a job.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, post};
use serde::Deserialize;

use crate::app::AppState;
use crate::http::extract::caller::Caller;
use crate::http::extract::form::{EmptyForm, PageForm};
use crate::http::pages::console::message::redirect_after;
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::actions::{RetryJob, perform_action, remove_job};
use crate::jobs::JobAction;

/// The fields of a retry; the other actions have none.
#[derive(Deserialize)]
pub(super) struct ActionForm {
    /// A box that was ticked: items get the content that their assets have now.
    refresh: Option<String>,
}

/// `POST /console/jobs/{jobHandle}/{action}`.
#[post("/console/jobs/{jobHandle}/{action}")]
pub(super) async fn change_job(
    state: Data<AppState>,
    caller: Caller,
    path: Path<(String, String)>,
    PageForm(form): PageForm<ActionForm>,
) -> Result<HttpResponse, Problem> {
    let (job, action) = path.into_inner();
    let action = JobAction::ALL.into_iter().find(|known| known.name() == action);
    let action = action.ok_or_else(|| Problem::not_found("action of a job"))?;
    let options = RetryJob { refresh: Some(form.refresh.is_some()) };
    let changed = perform_action(&state, &caller, &job, action, options).await;
    redirect_after(changed, &format!("/console/jobs/{job}"), &format!("job-{}", action.name()))
}

/// `POST /console/jobs/{jobHandle}/delete`.
#[post("/console/jobs/{jobHandle}/delete")]
pub(super) async fn delete_job(
    state: Data<AppState>,
    caller: Caller,
    path: Path<String>,
    PageForm(EmptyForm {}): PageForm<EmptyForm>,
) -> Result<HttpResponse, Problem> {
    redirect_after(remove_job(&state, &caller, &path).await, "/console/jobs", "job-delete")
}
