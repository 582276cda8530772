//! What an address asks for: the name of an asset, and a modifier.

use percent_encoding::percent_decode_str;

/// An address of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldAddress {
    /// Name of the asset with its root ID, decoded.
    pub name: String,
    /// The modifier, without what changes no image. Empty where the address has none.
    pub query: String,
    /// Whether the address was escaped as HTML once too often (`&amp;`).
    pub is_html_escaped: bool,
}

/// Why an address asks for no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedAddress {
    /// `req=` of something else: properties, a mask, contexts.
    OtherRequest,
    /// `/is/content`: a file, not an image that is rendered.
    Content,
    /// There is no name behind `/is/image/`.
    NoName,
}

impl RejectedAddress {
    /// What to do about such addresses.
    pub fn explain(self) -> &'static str {
        match self {
            Self::OtherRequest => {
                "`req=` asks for data about an image, which is no file. Nothing is made of these addresses; look at the pages \
                 that use them."
            }
            Self::Content => {
                "`/is/content` delivers files as they were uploaded. Export these assets with `fmt: orig`, or serve them from \
                 where you keep them."
            }
            Self::NoName => "There is no name of an asset behind `/is/image/`.",
        }
    }
}

impl OldAddress {
    /// Parses path and query.
    ///
    /// # Errors
    /// The address asks for no image.
    pub fn parse(address: &str) -> Result<Self, RejectedAddress> {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let Some((_, name)) = path.split_once("is/image/") else { return Err(RejectedAddress::Content) };
        let name = percent_decode_str(name).decode_utf8_lossy().trim_matches('/').to_owned();
        let is_html_escaped = query.contains("&amp;");
        let query = query.replace("&amp;", "&");
        let mut tokens = Vec::new();
        for token in query.split(['&', '?']).filter(|token| !token.is_empty()) {
            let token = token.replace("%24", "$");
            let (command, value) = token.split_once('=').unwrap_or((&token, ""));
            match command.to_ascii_lowercase().as_str() {
                "req" if is_image_request(value) => {}
                "req" => return Err(RejectedAddress::OtherRequest),
                _ if offprint_modifiers::is_harmless_parameter(command) => {}
                _ => tokens.push(token),
            }
        }
        if name.is_empty() {
            return Err(RejectedAddress::NoName);
        }
        Ok(Self { name, query: tokens.join("&"), is_html_escaped })
    }
}

/// `req=img`, which is the default.
fn is_image_request(value: &str) -> bool {
    value.split(',').next().is_some_and(|kind| kind.is_empty() || kind.eq_ignore_ascii_case("img"))
}
