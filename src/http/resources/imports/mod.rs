//! Imports: files of buckets, folders and web servers of others that become assets. Begin reading at [`create`].

pub mod actions;
pub mod create;
pub mod import;
pub mod show;

use actix_web::web::Path;

use crate::http::problem::Problem;
use crate::id::ImportId;

/// The path parameter of operations on one import.
type ImportPath = Path<String>;

/// Parses the import handle in the path; 404 when it is not a handle.
fn parse_import_handle(path: &str) -> Result<ImportId, Problem> {
    path.parse().map_err(|_| Problem::not_found("import"))
}
