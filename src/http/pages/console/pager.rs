//! The links to the other pages of a list with a cursor.

use actix_web::HttpRequest;

use crate::http::address::write_address;
use crate::http::pages::console::message::MESSAGE_PARAMETERS;

/// Where a list goes on. Lists are read forwards; the browser's own button leads back.
#[derive(Debug, Default)]
pub(in crate::http::pages) struct Pager {
    /// Address of the next page.
    pub(in crate::http::pages) next: Option<String>,
    /// Address of the first page, on another one.
    pub(in crate::http::pages) first: Option<String>,
}

impl Pager {
    /// The links of the page that this request shows. The other parameters of its address stay.
    pub(in crate::http::pages) fn new(request: &HttpRequest, next_cursor: Option<&str>) -> Self {
        let query = request.query_string();
        let is_cursor = |part: &&str| part.starts_with("cursor=");
        let kept = list_kept_parameters(query).filter(|part| !is_cursor(part));
        let kept: Vec<&str> = kept.collect();
        let write = |cursor: Option<String>| {
            let parts: Vec<String> = kept.iter().map(|part| (*part).to_owned()).chain(cursor).collect();
            let separator = if parts.is_empty() { "" } else { "?" };
            write_address(&format!("{}{separator}{}", request.path(), parts.join("&")))
        };
        Self {
            next: next_cursor.map(|cursor| write(Some(format!("cursor={cursor}")))),
            first: query.split('&').any(|part| is_cursor(&part)).then(|| write(None)),
        }
    }

    /// Whether there is another page.
    pub(in crate::http::pages) fn has_links(&self) -> bool {
        self.next.is_some() || self.first.is_some()
    }
}

/// The parameters of a query without those of a message, which belongs to one form.
pub(in crate::http::pages) fn list_kept_parameters(query: &str) -> impl Iterator<Item = &str> {
    let is_message = |part: &str| MESSAGE_PARAMETERS.contains(&part.split('=').next().unwrap_or_default());
    query.split('&').filter(move |part| !part.is_empty() && !is_message(part))
}
