//! `offprint openapi`: prints the OpenAPI document, as it is served and committed.

use super::CliError;
use crate::http::document;

pub fn run_openapi() -> Result<(), CliError> {
    print!("{}", document::get_document_json());
    Ok(())
}
