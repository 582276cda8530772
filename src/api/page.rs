//! Lists in pages. A cursor is opaque: the sort key of the last item, its tie-breaker, and a hash of the filters.

use std::str::FromStr;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::problem::{Mistake, Problem};
use crate::code::Code;
use crate::digest::Digest;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// Send it as `cursor` to get the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// Which page of a list that has no filters.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items on a page, 1 to 1000; 100 when absent.
    #[serde(skip_serializing_if = "not_a_filter")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(skip_serializing_if = "not_a_filter")]
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    key: Vec<String>,
    filters: String,
}

const FOREIGN: &str = "The cursor is not one of ours. Take `nextCursor` as it is, or start without.";

/// The number of items on a page.
pub fn limit(said: Option<u32>) -> Result<i64, Problem> {
    match said {
        None => Ok(100),
        Some(limit @ 1..=1000) => Ok(i64::from(limit)),
        Some(limit) => Err(Problem::parameter("limit", format!("{limit} is not from 1 to 1000."))),
    }
}

/// The place after which the page begins, as `read` finds it in the sort key; none where there is no cursor. The cursor
/// must have been given for the same filters.
pub fn after<T>(
    cursor: Option<&str>,
    filters: &impl Serialize,
    read: impl FnOnce(&[String]) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(said) = cursor else { return Ok(None) };
    let decoded = || -> Option<Cursor> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).ok()?).ok() };
    match decoded() {
        Some(cursor) if cursor.key.iter().any(|part| part.contains('\0')) => Err(invalid(FOREIGN)),
        Some(cursor) if cursor.filters == fingerprint(filters) => {
            read(&cursor.key).map(Some).ok_or_else(|| invalid(FOREIGN))
        }
        Some(_) => Err(invalid("The cursor belongs to a list with other filters. Start again without `cursor`.")),
        None => Err(invalid(FOREIGN)),
    }
}

/// The only part of a sort key.
pub fn only<T: FromStr>(key: &[String]) -> Option<T> {
    let [part] = key else { return None };
    part.parse().ok()
}

/// A problem for a cursor that cannot be used.
fn invalid(detail: &str) -> Problem {
    Problem::new(Code::InvalidCursor, detail).with(vec![Mistake::new("cursor", Code::InvalidCursor, detail)])
}

/// Which page is meant is no filter: a cursor holds for pages of any size. (A field that serde never writes would be missing
/// in the document.)
pub fn not_a_filter<T>(_: &T) -> bool {
    true
}

fn fingerprint(filters: &impl Serialize) -> String {
    let text = serde_json::to_vec(filters).unwrap_or_default();
    Digest::of(&text).to_string()[..16].to_owned()
}

impl<T: Serialize> Page<T> {
    /// A page of at most `limit` items out of `found`, of which there is one more when another page follows.
    /// `key` gives an item's sort key and tie-breaker.
    pub fn new(mut found: Vec<T>, limit: i64, filters: &impl Serialize, key: impl Fn(&T) -> Vec<String>) -> Self {
        let more = found.len() as i64 > limit;
        found.truncate(limit as usize);
        let next_cursor = found.last().filter(|_| more).map(|last| {
            let cursor = Cursor { key: key(last), filters: fingerprint(filters) };
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
        });
        Self { items: found, next_cursor }
    }

    /// The page as an answer, with a `Link` to the next one.
    pub fn answer(self, request: &HttpRequest) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        if let Some(cursor) = &self.next_cursor {
            let others =
                request.query_string().split('&').filter(|part| !part.is_empty() && !part.starts_with("cursor="));
            let query: Vec<String> = others.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
            answer.insert_header((header::LINK, format!("<{}?{}>; rel=\"next\"", request.path(), query.join("&"))));
        }
        answer.json(self)
    }
}
