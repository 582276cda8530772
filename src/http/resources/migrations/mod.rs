//! Migrations from Scene7: from old addresses to export jobs for exactly the files that were asked for, and to a map that
//! says where each address is now. docs/LEAVE-SCENE7.md is the way of a company through it.

pub mod create;
mod findings;
mod plan;
pub mod redirects;
mod report;
pub mod show;
