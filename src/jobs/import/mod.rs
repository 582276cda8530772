//! What an import is: its request and what may stand in it, the names of what it brings, and how it ends.
//!
//! ```text
//!   ImportRequest ──check_import──> ImportPlan ──(worker/import)──> entries ──> assets ──> finish_import
//! ```

mod finish;
mod names;
mod request;

pub use finish::{finish_import, report_finished_import};
#[cfg_attr(dead_code_check, expect(unused_imports, reason = "the type of a result, which nobody names"))]
pub use names::EntryTarget;
pub use names::{find_entry_target, find_url_name};
pub use request::{ImportRequest, ImportSource, SourceUrl, build_path_filter, check_import};
