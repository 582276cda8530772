//! Assets: upload files, list, show, change, download and preview them, create sets.

pub mod asset;
pub mod bulk_change;
pub mod change;
pub mod content;
pub mod multipart_upload;
pub(in crate::http) mod part_headers;
mod part_values;
pub mod preview;
mod received_parts;
mod record_lines;
pub(in crate::http) mod registration;
pub mod sets;
pub mod template;
pub(in crate::http) mod text_field;
