//! Postgres: the only room that speaks SQL; a row type beside its queries.

pub mod cluster;
