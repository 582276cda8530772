//! The company's API keys: list, create, revoke.

mod create;
mod list;

use actix_web::web;

/// Registers the pages about keys.
pub(super) fn register_key_routes(config: &mut web::ServiceConfig) {
    config.service(list::show_keys).service(create::create_key_by_form).service(list::revoke_key_by_form);
}
