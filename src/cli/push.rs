//! `offprint push`.

use super::Refusal;

/// Arguments of `offprint push`.
#[derive(clap::Args)]
pub struct Arguments {}

/// Not built yet.
pub fn run(_arguments: Arguments) -> Result<(), Refusal> {
    Ok(())
}
