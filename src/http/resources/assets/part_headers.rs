//! The headers of a part of a form (RFC 7578): its name and the name of its file, in whatever encoding clients send them.

use actix_multipart::{Field, Multipart};
use actix_web::HttpRequest;
use actix_web::http::header::{
    self, Charset, ContentDisposition, DispositionParam, HeaderMap, HeaderName, HeaderValue,
};
use actix_web::web::Payload;
use encoding_rs::WINDOWS_1252;

const CONTENT_TRANSFER_ENCODING: HeaderName = HeaderName::from_static("content-transfer-encoding");

/// Maximum length of the name of a part and of a file name, in bytes.
const MAX_PART_NAME_BYTES: usize = 4096;
/// Maximum length of all headers of a part together, in bytes.
const MAX_PART_HEADER_BYTES: usize = 16 << 10;

/// The parts of a form. actix reads the names of `multipart/form-data` only where they are UTF-8 and refuses the whole body
/// otherwise; with another subtype it leaves them to [`PartHeaders`].
pub(in crate::http) fn open_form(request: &HttpRequest, body: Payload) -> Multipart {
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parameters = media.split_once(';').map_or("", |(_, parameters)| parameters);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("multipart/mixed;{parameters}")) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    Multipart::new(&headers, body)
}

/// What the headers of a part say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct PartHeaders {
    /// Name of the field.
    pub(in crate::http) name: String,
    /// Name of the file; empty when there is none.
    pub(in crate::http) file_name: String,
}

impl PartHeaders {
    /// Reads the headers of the part with this number, counted from 1.
    ///
    /// # Errors
    /// A sentence that says which limit they exceed, or what cannot be understood.
    pub(super) fn read_limited(part: &Field, number: usize) -> Result<Self, String> {
        let header_bytes: usize =
            part.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if header_bytes > MAX_PART_HEADER_BYTES {
            return Err(format!(
                "Part {number} has {header_bytes} bytes of headers; the limit is {MAX_PART_HEADER_BYTES}. Send smaller headers."
            ));
        }
        let part_headers =
            Self::read(part).map_err(|finding| format!("Part {number} {finding}. Nothing was stored."))?;
        if part_headers.name.len().max(part_headers.file_name.len()) > MAX_PART_NAME_BYTES {
            return Err(format!(
                "The name of part {number} has more than {MAX_PART_NAME_BYTES} bytes. Send a shorter one."
            ));
        }
        Ok(part_headers)
    }

    /// # Errors
    /// A sentence that says what cannot be understood.
    pub(in crate::http) fn read(part: &Field) -> Result<Self, String> {
        let encoding = part.headers().get(CONTENT_TRANSFER_ENCODING).map(HeaderValue::as_bytes).unwrap_or_default();
        let is_plain = [&b""[..], b"binary", b"8bit", b"7bit"].iter().any(|name| encoding.eq_ignore_ascii_case(name));
        if !is_plain || part.headers().contains_key(header::CONTENT_ENCODING) {
            return Err("is encoded, and would be stored as it is. Send it without `Content-Transfer-Encoding` and \
                        `Content-Encoding`"
                .into());
        }
        let Some(value) = part.headers().get(header::CONTENT_DISPOSITION) else {
            return Err("has no `Content-Disposition: form-data; name=\"…\"`".into());
        };
        Self::parse(value.as_bytes())
    }

    fn parse(value: &[u8]) -> Result<Self, String> {
        let unreadable = || "has a `Content-Disposition` that cannot be read. Send `form-data; name=\"…\"`".to_owned();
        let text = HeaderValue::from_bytes(decode_text(value).as_bytes()).map_err(|_| unreadable())?;
        let disposition = ContentDisposition::from_raw(&text).map_err(|_| unreadable())?;
        if !disposition.is_form_data() {
            return Err(unreadable());
        }
        let name = disposition.get_name().ok_or_else(unreadable)?.to_owned();
        let extended = disposition.parameters.iter().find_map(|parameter| match parameter {
            DispositionParam::FilenameExt(name) => Some((&name.charset, &name.value)),
            _ => None,
        });
        let file_name = match extended {
            Some((charset, bytes)) => decode_extended(charset, bytes)?,
            // Browsers encode quotation marks and line breaks as the HTML standard says.
            None => disposition
                .get_filename()
                .unwrap_or_default()
                .replace("%22", "\"")
                .replace("%0D", "\r")
                .replace("%0A", "\n"),
        };
        Ok(Self { name, file_name })
    }
}

/// UTF-8 where it is that, else Windows-1252, of which Latin-1 is a part: what old programs send.
fn decode_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// `filename*` (RFC 8187), in UTF-8 or Latin-1.
fn decode_extended(charset: &Charset, bytes: &[u8]) -> Result<String, String> {
    let charset = charset.to_string();
    match charset.to_ascii_uppercase().as_str() {
        "UTF-8" => {
            String::from_utf8(bytes.to_vec()).map_err(|_| "has a `filename*` that is not valid UTF-8".to_owned())
        }
        "ISO-8859-1" => Ok(WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()),
        _ => Err(format!("has a `filename*` in {charset}. Send it in UTF-8, as `filename*=UTF-8''…`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_the_encodings_that_clients_use() {
        for (value, file_name) in [
            (&b"form-data; name=\"file\"; filename=\"caf\xe9.jpg\""[..], "café.jpg"),
            (b"form-data; name=\"file\"; filename=\"caf\xc3\xa9.jpg\"", "café.jpg"),
            (b"form-data; name=\"file\"; filename=\"10\x80.jpg\"", "10€.jpg"),
            (b"form-data; name=file; filename=plain.jpg", "plain.jpg"),
            (b"form-data; name=\"file\"; filename=\"a.jpg\"; filename*=UTF-8''caf%C3%A9.jpg", "café.jpg"),
            (b"form-data; name=\"file\"; filename*=ISO-8859-1'en'caf%E9.jpg", "café.jpg"),
            (b"form-data; name=\"file\"; filename=\"a%22b.jpg\"", "a\"b.jpg"),
            (b"form-data; name=\"file\"", ""),
        ] {
            let expected = PartHeaders { name: "file".into(), file_name: file_name.into() };
            assert_eq!(PartHeaders::parse(value), Ok(expected), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (value, part) in [
            (&b"form-data; filename=\"a\""[..], "Content-Disposition"),
            (b"attachment; name=\"file\"", "Content-Disposition"),
            (b"form-data; name=\"file", "Content-Disposition"),
            (b"form-data; name=\"file\"; filename*=UTF-8''caf%E9.jpg", "UTF-8"),
            (b"form-data; name=\"file\"; filename*=Shift_JIS''%83", "UTF-8"),
        ] {
            let error = PartHeaders::parse(value).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
