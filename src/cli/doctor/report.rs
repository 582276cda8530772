//! The findings, and how they are printed.

use serde::Serialize;

use crate::cli::{CliError, print_json};

/// How one part of the installation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
enum FindingStatus {
    Ok,
    /// It works, but not as well or as safely as it could.
    Warning,
    /// It does not work.
    Failed,
}

impl FindingStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Serialize)]
struct Finding {
    /// Name of the check.
    check: &'static str,
    status: FindingStatus,
    /// What was found.
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// All findings, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct DoctorReport(Vec<Finding>);

impl DoctorReport {
    pub(super) fn pass(&mut self, check: &'static str, detail: impl Into<String>) {
        self.0.push(Finding { check, status: FindingStatus::Ok, detail: detail.into(), remedy: None });
    }

    pub(super) fn warn(&mut self, check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) {
        self.add_problem(check, FindingStatus::Warning, detail.into(), remedy.into());
    }

    pub(super) fn fail(&mut self, check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) {
        self.add_problem(check, FindingStatus::Failed, detail.into(), remedy.into());
    }

    fn add_problem(&mut self, check: &'static str, status: FindingStatus, detail: String, remedy: String) {
        let detail = detail.trim_end_matches('.').to_owned();
        self.0.push(Finding { check, status, detail, remedy: Some(remedy) });
    }

    pub(super) fn has_failed(&self) -> bool {
        self.find_worst() == FindingStatus::Failed
    }

    /// How many findings are not ok.
    pub(super) fn count_problems(&self) -> usize {
        self.0.iter().filter(|finding| finding.status != FindingStatus::Ok).count()
    }

    fn find_worst(&self) -> FindingStatus {
        self.0.iter().map(|finding| finding.status).max().unwrap_or(FindingStatus::Ok)
    }

    /// Prints one line for each finding, and a second one for its remedy; or one object.
    pub(super) fn print(&self, json: bool) -> Result<(), CliError> {
        if json {
            return print_json(&serde_json::json!({"status": self.find_worst(), "checks": self.0}));
        }
        let width = self.0.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
        for Finding { check, status, detail, remedy } in &self.0 {
            println!("{:<8} {check:<width$}  {detail}", status.name());
            if let Some(remedy) = remedy {
                println!("{:<8} {:<width$}  -> {remedy}", "", "");
            }
        }
        Ok(())
    }
}
