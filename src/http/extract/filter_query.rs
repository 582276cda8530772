//! Query parameters of lists that can be filtered by metadata: `?metadata=order:A-1042&metadata=shop:berlin`.
//!
//! The parameter can be repeated, which the parser of the other parameters does not know. So it is taken out first.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::db::metadata_map::MetadataMap;
use crate::http::extract::json::clip_text;
use crate::http::problem::Problem;
use crate::http::reject_query;

/// The parameter, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only shown in the document: `FilterQuery` parses it")]
pub struct MetadataFilterQuery {
    /// Only those whose `metadata` has this entry, as `key:value`. Can be repeated; all entries must match.
    #[param(required = false, max_items = 16)]
    metadata: Vec<String>,
}

/// The parameters of a list, and the metadata that is asked for.
pub struct FilterQuery<T> {
    pub filters: T,
    pub metadata: MetadataMap,
}

impl<T: DeserializeOwned> FromRequest for FilterQuery<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let is_metadata = |part: &&str| part.split('=').next() == Some("metadata");
        let (own, others): (Vec<&str>, Vec<&str>) = request.query_string().split('&').partition(is_metadata);
        let read = || {
            let filters = Query::<T>::from_query(&others.join("&")).map_err(|error| reject_query(request, &error))?;
            Ok(Self { filters: filters.into_inner(), metadata: parse_metadata_filter(&own)? })
        };
        ready(read())
    }
}

/// Parses the conditions, each as `metadata=key:value`.
fn parse_metadata_filter(parts: &[&str]) -> Result<MetadataMap, Problem> {
    let mut conditions = Vec::new();
    for part in parts {
        let encoded = part.split_once('=').map_or("", |(_, value)| value).replace('+', " ");
        let text = percent_decode_str(&encoded).decode_utf8().map_err(|_| {
            Problem::invalid_parameter("metadata", "The condition is not UTF-8. Percent-encode its UTF-8 bytes.")
        })?;
        conditions.push(text.into_owned());
    }
    parse_metadata_conditions(conditions.iter().map(String::as_str))
}

/// Parses conditions, each as `key:value`.
///
/// # Errors
/// 400 that says what is wrong with one.
pub(in crate::http) fn parse_metadata_conditions<'t>(
    conditions: impl IntoIterator<Item = &'t str>,
) -> Result<MetadataMap, Problem> {
    let mut wanted = MetadataMap::default();
    for text in conditions {
        let (key, value) = text.split_once(':').ok_or_else(|| {
            let detail = format!("{:?} is no condition. Send `key:value`, such as `order:A-1042`.", clip_text(text));
            Problem::invalid_parameter("metadata", detail)
        })?;
        if wanted.0.insert(key.to_owned(), value.to_owned()).is_some_and(|other| other != value) {
            let detail = format!("`{}` cannot have two values. Send one condition for each key.", clip_text(key));
            return Err(Problem::invalid_parameter("metadata", detail));
        }
    }
    match wanted.check("metadata").into_iter().next() {
        Some(mistake) => {
            Err(Problem::invalid_parameter("metadata", format!("{}: {}", mistake.pointer, mistake.detail)))
        }
        None => Ok(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_keys_with_values() {
        let parse = |parts: &[&str]| parse_metadata_filter(parts).map(|map| map.0.into_iter().collect::<Vec<_>>());
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(parse(&[]).unwrap(), []);
        assert_eq!(
            parse(&["metadata=b:x%3Ay+z", "metadata=a:", "metadata=a:"]).unwrap(),
            [pair("a", ""), pair("b", "x:y z")]
        );
        for wrong in [
            &["metadata"][..],
            &["metadata=order"],
            &["metadata=:x"],
            &["metadata=a:%ff"],
            &["metadata=a:1", "metadata=a:2"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
