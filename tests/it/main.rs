//! The house through its front doors.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod storage;
