//! What happens to every request before and after its handler: the row of the operation table, tracing, time limits, CORS,
//! authentication, rate limits, the audit log, protective headers. [`build_app`](crate::http::build_app) has the order.

pub mod audit_trail;
pub mod auth;
pub mod body_timeout;
pub mod client_ip;
pub mod compression;
pub mod cors;
pub mod error_pages;
pub mod head;
pub mod rate_limit;
pub mod response_headers;
pub mod route;
pub mod trace;
