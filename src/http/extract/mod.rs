//! Extractors and helpers for requests: JSON bodies, callers, pages of lists, idempotency keys, languages, ranges.
//!
//! They turn a request into typed parameters of a handler and know nothing of the operations themselves.

pub mod accept;
pub mod body;
pub mod caller;
pub mod content_headers;
pub mod export_list;
pub mod filter_query;
pub(crate) mod form;
pub mod idempotency;
pub mod json;
pub mod locale;
pub mod page;
pub(crate) mod preconditions;
pub(crate) mod prefer;
pub mod range;
pub(crate) mod table;
