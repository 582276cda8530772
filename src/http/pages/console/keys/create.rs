//! The form for a new key. The key is shown once, on the page that answers the form.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use offprint_core::Code;

use crate::app::AppState;
use crate::db::capability::Capability;
use crate::http::extract::form::PageForm;
use crate::http::middleware::audit_trail::CreatedObject;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::console::keys::list::{KeyFormState, show_key_page};
use crate::http::pages::console::section::Section;
use crate::http::problem::Problem;
use crate::http::resources::api_keys::{CreateApiKey, create_key};
use crate::jobs::schedule::resolve_local_time;

/// The fields of the form as they were sent.
#[derive(Clone, Default)]
pub(super) struct KeyFields {
    pub(super) name: String,
    pub(super) user: String,
    pub(super) email: String,
    pub(super) role: String,
    /// Last day of its life, in the reader's zone.
    pub(super) until: String,
    pub(super) capabilities: Vec<Capability>,
}

impl KeyFields {
    fn read(fields: &[(String, String)]) -> Self {
        let find = |name: &str| {
            let value = fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
            value.trim().to_owned()
        };
        let capabilities = fields.iter().filter(|(name, _)| name == "capability");
        Self {
            name: find("name"),
            user: find("user"),
            email: find("email"),
            role: find("role"),
            until: find("until"),
            capabilities: capabilities.filter_map(|(_, name)| Capability::from_name(name)).collect(),
        }
    }

    /// The request that the fields mean; `expires_at` none where the day cannot be read.
    fn to_request(&self, zone: Tz) -> CreateApiKey {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        CreateApiKey {
            name: self.name.clone(),
            user: text(&self.user),
            email: text(&self.email),
            role: text(&self.role),
            capabilities: Some(self.capabilities.clone()).filter(|list| !list.is_empty()),
            expires_at: read_end_of_day(&self.until, zone),
            ..CreateApiKey::default()
        }
    }
}

/// The end of a day.
fn read_end_of_day(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.checked_add_days(Days::new(1))?;
    resolve_local_time(zone, day.and_time(NaiveTime::MIN))
}

/// `POST /console/keys`.
#[post("/console/keys")]
pub(super) async fn create_key_by_form(
    state: Data<AppState>,
    PageForm(fields): PageForm<Vec<(String, String)>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let frame = ConsoleFrame::open(&state, &request, Section::Keys).await?;
    let fields = KeyFields::read(&fields);
    let body = fields.to_request(frame.zone);
    let mut errors = FormErrors::default();
    if !fields.until.is_empty() && body.expires_at.is_none() {
        errors.push("until", frame.text("console-mistake-day"));
    }
    if fields.name.is_empty() {
        errors.push("name", frame.text("console-mistake-key-name"));
    }
    let mut form = KeyFormState { fields, errors, created: None };
    let mut handle = None;
    if form.errors.is_empty() {
        match create_key(&state, &frame.caller, &body).await {
            Ok(created) => {
                handle = Some(created.about.key_handle);
                form = KeyFormState {
                    fields: KeyFields::default(),
                    errors: FormErrors::default(),
                    created: Some(created.key),
                };
            }
            Err(problem) if problem.code() == Code::ValidationFailed => {
                form.errors = FormErrors::from_problem(frame.language, problem, name_field);
            }
            Err(problem) => return Err(problem),
        }
    }
    let mut answer = show_key_page(&state, &request, frame, None, form).await?;
    if let Some(handle) = handle {
        answer.extensions_mut().insert(CreatedObject(format!("/api-keys/{handle}")));
    }
    Ok(answer)
}

/// The field of the form for a JSON pointer into the request.
fn name_field(pointer: &str) -> Option<String> {
    let field = match pointer.trim_start_matches('/') {
        "expiresAt" => "until",
        field @ ("name" | "user" | "email" | "role") => field,
        _ => return None,
    };
    Some(field.to_owned())
}
