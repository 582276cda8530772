//! `offprint openapi`: prints the document, as it is served and committed.

use super::Refusal;
use crate::api::document;

/// Prints the document on stdout.
pub fn run() -> Result<(), Refusal> {
    print!("{}", document::text());
    Ok(())
}
