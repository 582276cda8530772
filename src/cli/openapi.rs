//! `offprint openapi`.

use super::Refusal;

/// Not built yet.
pub fn run() -> Result<(), Refusal> {
    Ok(())
}
