//! Turns of companies: who does work on the compute pool is admitted before a database connection is taken, and refused
//! when too many wait already.

use actix_web::http::header;
use offprint_core::Code;

use crate::app::AppState;
use crate::compute_pool::Admission;
use crate::fair_queue::QueueOverflow;
use crate::http::problem::Problem;
use crate::id::CompanyId;

/// `Retry-After` in seconds where too many requests wait.
const BUSY_RETRY_SECONDS: &str = "5";

/// Waits until it is the company's turn to use the compute pool, which it may while it holds what this returns.
///
/// # Errors
/// 429 when too many requests of the company wait, 503 when too many wait in all.
pub async fn admit_request(state: &AppState, company: CompanyId) -> Result<Admission, Problem> {
    state.compute.admit(company).await.map_err(|overflow| reject_busy(overflow, "requests that draft exports"))
}

/// The problem of a full line of `what`.
pub fn reject_busy(overflow: QueueOverflow, what: &str) -> Problem {
    match overflow {
        QueueOverflow::Company => {
            let detail = format!(
                "Too many {what} of the company are waiting. Nothing was done. Send fewer at once, and retry in \
                 {BUSY_RETRY_SECONDS} s."
            );
            Problem::new(Code::Busy, detail).with_header(header::RETRY_AFTER, BUSY_RETRY_SECONDS)
        }
        QueueOverflow::Total => Problem::unavailable(format!("too many {what} are waiting")),
    }
}
