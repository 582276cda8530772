//! What an export is: order -> draft job, names, refusals, outcome, mail rule, state machine. No SQL, no HTTP.

pub mod callback;
pub mod catalog;
pub mod check;
pub mod desk;
pub mod draft;
pub mod explain;
pub mod modifier;
pub mod names;
pub mod objects;
pub mod order;
pub mod orders;
pub mod outcome;
pub mod place;
pub mod rendition;
pub mod rights;
pub mod schedule;
pub mod selection;
mod sharing;

pub use callback::Callbacks;
pub use desk::{Desk, header};
pub use draft::{Draft, DraftFile, DraftItem, Refusal, draft};
pub use order::{AssetFilter, Order};
pub use orders::JobOrder;
