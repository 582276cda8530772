//! Forms with files. They are read part by part, so the token that says where they come from is the first part.

use actix_multipart::{Field, Multipart};
use actix_web::HttpRequest;
use actix_web::web::Payload;
use futures_util::TryStreamExt;
use offprint_core::Code;

use crate::app::AppState;
use crate::http::problem::Problem;
use crate::http::resources::assets::part_headers::{PartHeaders, open_form};
use crate::http::session::check_form_token;

/// Longer than any token.
const MAX_TOKEN_BYTES: usize = 200;

/// Opens a form whose first part `csrf` was checked; the others follow.
///
/// # Errors
/// 403 when it does not come from a page that this browser has loaded.
pub(in crate::http::pages) async fn open_file_form(
    state: &AppState,
    request: &HttpRequest,
    body: Payload,
) -> Result<Multipart, Problem> {
    let mut parts = open_form(request, body);
    let token = match parts.try_next().await {
        Ok(Some(mut part)) if PartHeaders::read(&part).is_ok_and(|headers| headers.name == "csrf") => {
            read_part(&mut part, MAX_TOKEN_BYTES).await.unwrap_or_default()
        }
        _ => Vec::new(),
    };
    check_form_token(state, request, &String::from_utf8_lossy(&token))?;
    Ok(parts)
}

/// The next part with its name and the name of its file; none when there are no more.
///
/// # Errors
/// 400 when the form cannot be read.
pub(in crate::http::pages) async fn read_next_part(
    parts: &mut Multipart,
) -> Result<Option<(PartHeaders, Field)>, Problem> {
    let Some(part) = parts.try_next().await.map_err(|error| reject_form(&error.to_string()))? else { return Ok(None) };
    let headers = PartHeaders::read(&part).map_err(|detail| reject_form(&detail))?;
    Ok(Some((headers, part)))
}

/// All bytes of a part.
///
/// # Errors
/// 413 when it is longer, 400 when it breaks off.
pub(in crate::http::pages) async fn read_part(part: &mut Field, max_bytes: usize) -> Result<Vec<u8>, Problem> {
    let Ok(bytes) = part.bytes(max_bytes).await else {
        return Err(Problem::new(
            Code::BodyTooLarge,
            format!("The file is larger than the limit of {max_bytes} bytes."),
        ));
    };
    Ok(bytes.map_err(|error| reject_form(&error.to_string()))?.to_vec())
}

fn reject_form(detail: &str) -> Problem {
    Problem::new(Code::InvalidParameter, format!("The form cannot be read: {detail}. Load its page again."))
}
