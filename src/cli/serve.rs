//! `offprint serve`.

use super::Refusal;

/// Arguments of `offprint serve`.
#[derive(clap::Args)]
pub struct Arguments {}

/// Not built yet.
pub fn run(_arguments: Arguments) -> Result<(), Refusal> {
    Ok(())
}
