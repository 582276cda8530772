//! The house through its front doors.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod render;
mod render_command;
mod render_damage;
