//! Keyset paging of lists.
//!
//! A cursor is opaque to clients: the sort key of the last item with its tie-breaker, and a hash of the filters, in base64.
//! The hash makes a cursor fail with another filter, where it would silently skip items.

use std::str::FromStr;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offprint_core::{Code, Digest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::address::write_address;
use crate::http::problem::Problem;
use crate::http::problem::ValidationError;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items of this page, in order.
    pub items: Vec<T>,
    /// Send it as `cursor` to get the next page; null on the last page.
    pub next_cursor: Option<String>,
}

/// Paging parameters of a list without filters.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items per page, 1 to 1000. Default: 100.
    #[serde(skip_serializing_if = "not_a_filter")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(skip_serializing_if = "not_a_filter")]
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    key: Vec<String>,
    filters: String,
}

const FOREIGN_CURSOR_DETAIL: &str =
    "Unknown cursor. Send `nextCursor` unchanged, or leave `cursor` out to start again.";

/// The number of items on a page.
pub fn parse_limit(limit: Option<u32>) -> Result<i64, Problem> {
    match limit {
        None => Ok(100),
        Some(limit @ 1..=1000) => Ok(i64::from(limit)),
        Some(limit) => {
            Err(Problem::invalid_parameter("limit", format!("`limit` must be 1 to 1000; you sent {limit}.")))
        }
    }
}

/// The position after which the page begins, as `read` finds it in the sort key; none without a cursor.
///
/// # Errors
/// 400 when the cursor cannot be read or was issued for other filters.
pub fn parse_cursor<T>(
    cursor: Option<&str>,
    filters: &impl Serialize,
    read: impl FnOnce(&[String]) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let decode = || -> Option<Cursor> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok() };
    match decode() {
        Some(cursor) if cursor.key.iter().any(|part| part.contains('\0')) => Err(reject_cursor(FOREIGN_CURSOR_DETAIL)),
        Some(cursor) if cursor.filters == hash_filters(filters) => {
            read(&cursor.key).map(Some).ok_or_else(|| reject_cursor(FOREIGN_CURSOR_DETAIL))
        }
        Some(_) => {
            Err(reject_cursor("The cursor belongs to a list with other filters. Leave `cursor` out to start again."))
        }
        None => Err(reject_cursor(FOREIGN_CURSOR_DETAIL)),
    }
}

/// Parses a sort key that has one part.
pub fn parse_single_key<T: FromStr>(key: &[String]) -> Option<T> {
    let [part] = key else { return None };
    part.parse().ok()
}

fn reject_cursor(detail: &str) -> Problem {
    Problem::new(Code::InvalidCursor, detail).with_errors(vec![ValidationError::new(
        "cursor",
        Code::InvalidCursor,
        detail,
    )])
}

/// For `skip_serializing_if` on `limit` and `cursor`: they do not select items, so they must not be part of the hash of
/// the filters. (With `skip_serializing` the fields would be missing in the OpenAPI document.)
pub fn not_a_filter<T>(_: &T) -> bool {
    true
}

fn hash_filters(filters: &impl Serialize) -> String {
    let text = serde_json::to_vec(filters).unwrap_or_default();
    Digest::compute(&text).to_string()[..16].to_owned()
}

impl<T> Page<T> {
    /// A page of at most `limit` items. `items` has one more than that when another page follows: callers query
    /// `limit + 1` rows. `key` gives an item's sort key and tie-breaker.
    pub fn new(mut items: Vec<T>, limit: i64, filters: &impl Serialize, key: impl Fn(&T) -> Vec<String>) -> Self {
        let has_more = items.len() as i64 > limit;
        items.truncate(limit as usize);
        let next_cursor = items.last().filter(|_| has_more).map(|last| {
            let cursor = Cursor { key: key(last), filters: hash_filters(filters) };
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
        });
        Self { items, next_cursor }
    }

    /// The page with what is made of each item.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next_cursor: self.next_cursor }
    }
}

impl<T: Serialize> Page<T> {
    /// The page as a response, with a `Link` to the next one.
    pub fn into_response(self, request: &HttpRequest) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        if let Some(cursor) = &self.next_cursor {
            let other_parameters =
                request.query_string().split('&').filter(|part| !part.is_empty() && !part.starts_with("cursor="));
            let query: Vec<String> = other_parameters.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
            answer.insert_header((
                header::LINK,
                format!("<{}?{}>; rel=\"next\"", write_address(request.path()), query.join("&")),
            ));
        }
        answer.json(self)
    }
}
