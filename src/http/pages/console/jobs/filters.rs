//! The filters above the list of jobs: what the form has, and the query that it means.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use crate::app::AppState;
use crate::db::company;
use crate::db::enums::{Outcome, ShownState};
use crate::db::metadata_map::MetadataMap;
use crate::http::extract::filter_query::parse_metadata_conditions;
use crate::http::pages::console::form_errors::FormErrors;
use crate::http::pages::console::frame::ConsoleFrame;
use crate::http::pages::job_status::{describe_outcome, describe_state};
use crate::http::problem::Problem;
use crate::http::resources::export_jobs::show::JobQuery;
use crate::i18n::Language;
use crate::jobs::schedule::resolve_local_time;

/// Jobs on one page.
const JOBS_PER_PAGE: u32 = 50;

/// The fields of the form as they were sent; empty ones restrict nothing.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobFilterForm {
    pub(super) state: String,
    pub(super) outcome: String,
    pub(super) name: String,
    /// Name of a user.
    pub(super) owner: String,
    /// First and last day, in the reader's zone.
    pub(super) from: String,
    pub(super) to: String,
    /// `key:value`.
    pub(super) metadata: String,
    pub(super) cursor: Option<String>,
}

/// A choice of a list.
pub(super) struct FilterOption {
    pub(super) value: &'static str,
    pub(super) text: String,
    pub(super) is_selected: bool,
}

impl JobFilterForm {
    /// Whether anything is left out.
    pub(super) fn is_restricting(&self) -> bool {
        let fields = [&self.state, &self.outcome, &self.name, &self.owner, &self.from, &self.to, &self.metadata];
        fields.into_iter().any(|field| !field.trim().is_empty())
    }

    /// The query that the fields mean. A field that cannot be used restricts nothing, and is a mistake.
    pub(super) async fn resolve(
        &self,
        state: &AppState,
        frame: &ConsoleFrame,
    ) -> Result<(JobQuery, MetadataMap, FormErrors), Problem> {
        let mut errors = FormErrors::default();
        let mut take_day = |field: &str, text: &str, days_later: u64| {
            let day = read_day(text, days_later, frame.zone);
            if day.is_none() && !text.trim().is_empty() {
                errors.push(field, frame.text("console-mistake-day"));
            }
            day
        };
        let (created_from, created_before) = (take_day("from", &self.from, 0), take_day("to", &self.to, 1));
        let owner = match self.owner.trim() {
            "" => None,
            name => company::find_user_by_name(&state.db, frame.caller.company, name).await?,
        };
        if owner.is_none() && !self.owner.trim().is_empty() {
            errors.push("owner", frame.text("console-mistake-owner"));
        }
        let condition = Some(self.metadata.trim()).filter(|text| !text.is_empty());
        let metadata = parse_metadata_conditions(condition).unwrap_or_else(|_| {
            errors.push("metadata", frame.text("console-mistake-metadata"));
            MetadataMap::default()
        });
        let query = JobQuery {
            state: ShownState::ALL.into_iter().find(|state| state.name() == self.state),
            outcome: Outcome::ALL.into_iter().find(|outcome| outcome.name() == self.outcome),
            name: Some(self.name.trim().to_owned()).filter(|name| !name.is_empty()),
            user_handle: owner,
            created_from,
            created_before,
            limit: Some(JOBS_PER_PAGE),
            cursor: self.cursor.clone(),
            ..JobQuery::default()
        };
        Ok((query, metadata, errors))
    }

    pub(super) fn list_states(&self, language: &Language) -> Vec<FilterOption> {
        // Finished jobs are chosen by their outcome.
        let option = |state: ShownState| FilterOption {
            value: state.name(),
            text: match state {
                ShownState::Finished => language.format("console-state-finished", &[]),
                state => describe_state(language, state).1,
            },
            is_selected: state.name() == self.state,
        };
        ShownState::ALL.into_iter().map(option).collect()
    }

    pub(super) fn list_outcomes(&self, language: &Language) -> Vec<FilterOption> {
        let option = |outcome: Outcome| FilterOption {
            value: outcome.name(),
            text: describe_outcome(language, outcome).1,
            is_selected: outcome.name() == self.outcome,
        };
        Outcome::ALL.into_iter().map(option).collect()
    }
}

/// The beginning of a day, or of a later one, in a zone.
fn read_day(text: &str, days_later: u64, zone: Tz) -> Option<DateTime<Utc>> {
    let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()?.checked_add_days(Days::new(days_later))?;
    resolve_local_time(zone, day.and_time(NaiveTime::MIN))
}
