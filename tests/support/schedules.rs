//! Export schedules: requests for them, and how to make them due.

use serde_json::{Value, json};

use crate::support::test_app::TestApp;

/// Once a year, so that a test never sees a second run by itself.
pub const YEARLY_CRON: &str = "0 0 12 1 1 ?";

pub fn get_schedule_handle(schedule: &Value) -> String {
    schedule["scheduleHandle"].as_str().unwrap().to_owned()
}

/// Makes every active schedule due.
pub async fn make_schedules_due(app: &TestApp) {
    let sql = "update export_schedule set next_run_at = now() where state = 'active'";
    sqlx::query(sql).execute(&app.state.system).await.unwrap();
}

pub fn build_schedule_request(cron: &str) -> Value {
    json!({"assetFilter": {"folder": "in"}, "fmt": "orig", "execSchedule": cron})
}
