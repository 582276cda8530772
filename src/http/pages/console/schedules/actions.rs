//! The buttons of a schedule.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, post};

use crate::app::AppState;
use crate::http::extract::caller::Caller;
use crate::http::extract::form::{EmptyForm, PageForm};
use crate::http::pages::console::message::redirect_after;
use crate::http::pages::console::section::Section;
use crate::http::problem::Problem;
use crate::http::resources::export_schedules::actions::{
    StartedRun, pause_managed_schedule, remove_managed_schedule, resume_managed_schedule, run_managed_schedule,
};

/// `POST /console/schedules/{scheduleHandle}/run`.
#[post("/console/schedules/{scheduleHandle}/run")]
pub(super) async fn run_schedule_by_form(
    state: Data<AppState>,
    caller: Caller,
    path: Path<String>,
    PageForm(EmptyForm {}): PageForm<EmptyForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    match run_managed_schedule(&state, &caller, (&request, &path), None).await {
        Ok(StartedRun::Created(job)) => {
            redirect_after(Ok(()), &format!("/console/jobs/{}", job.job_handle), "schedule-run")
        }
        Ok(StartedRun::Earlier(_)) => redirect_after(Ok(()), Section::Schedules.path(), "schedule-run"),
        Err(problem) => redirect_after(Err::<(), _>(problem), Section::Schedules.path(), "schedule-run"),
    }
}

/// `POST /console/schedules/{scheduleHandle}/pause`.
#[post("/console/schedules/{scheduleHandle}/pause")]
pub(super) async fn pause_schedule_by_form(
    state: Data<AppState>,
    caller: Caller,
    path: Path<String>,
    PageForm(EmptyForm {}): PageForm<EmptyForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let changed = pause_managed_schedule(&state, &caller, (&request, &path)).await;
    redirect_after(changed, Section::Schedules.path(), "schedule-pause")
}

/// `POST /console/schedules/{scheduleHandle}/resume`.
#[post("/console/schedules/{scheduleHandle}/resume")]
pub(super) async fn resume_schedule_by_form(
    state: Data<AppState>,
    caller: Caller,
    path: Path<String>,
    PageForm(EmptyForm {}): PageForm<EmptyForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let changed = resume_managed_schedule(&state, &caller, (&request, &path)).await;
    redirect_after(changed, Section::Schedules.path(), "schedule-resume")
}

/// `POST /console/schedules/{scheduleHandle}/delete`.
#[post("/console/schedules/{scheduleHandle}/delete")]
pub(super) async fn delete_schedule_by_form(
    state: Data<AppState>,
    caller: Caller,
    path: Path<String>,
    PageForm(EmptyForm {}): PageForm<EmptyForm>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let removed = remove_managed_schedule(&state, &caller, (&request, &path)).await;
    redirect_after(removed, Section::Schedules.path(), "schedule-delete")
}
