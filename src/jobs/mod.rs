//! What an export job is: from the export request to a draft, names in the archive, outcomes, mail rule, job actions,
//! schedules. No HTTP, no SQL of its own (it calls the queries of `db`), no pixels.
//!
//! Begin reading at [`draft::prepare_draft`]:
//!
//! ```text
//! ExportRequest --validation--> all mistakes at once
//!       | selection            assets, by handle or filter
//!       | draft_builder        on the compute pool, within a budget:
//!       |   rendition_resolver   modifier + macro -> recipe, once for all assets with the same own modifiers
//!       |   file_names           by name template or by the original, then each once
//!       v
//!     Draft --placement--> the rows of a job, within the limits of the company
//! ```

pub mod actions;
pub mod archive_paths;
pub mod callback;
pub mod catalog;
pub mod catalog_files;
pub mod changes;
pub mod context;
mod decode_sharing;
mod default_name;
pub mod destination;
pub mod draft;
mod draft_builder;
mod error_list;
pub mod explain;
mod file_names;
pub mod group_split;
pub mod import;
pub mod listed_text;
pub mod modifier_resolution;
pub mod name_template;
pub mod old_addresses;
pub mod outcome;
pub mod per_asset;
pub mod placement;
pub mod preset_import;
pub mod recipients;
pub mod references;
pub mod remarks;
pub mod rendition;
pub mod rendition_resolver;
pub mod request;
pub mod rights;
pub mod schedule;
pub mod selection;
pub mod validation;

pub use actions::JobAction;
pub use callback::CallbackPolicy;
pub use context::{
    ExportContext, RecipeContext, build_macros, explain_unconvertible, read_asset_header, read_asset_modifiers,
    read_asset_settings, require_asset_header,
};
pub use draft::{Draft, DraftError, DraftFile, DraftItem, prepare_draft};
pub use request::ExportRequest;
