//! The house through its front doors.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod assets;
mod downloads_of_assets;
mod house;
mod image_presets;
mod storage;
mod system;
