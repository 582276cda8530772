//! Tokens of links that are passed on, to downloads and for signing in: company, link, signing key, and a signature.
//!
//! A token is 69 bytes in URL-safe base64:
//!
//! ```text
//!   0        1            17          33           37                            69
//!   kind     company id   link id     key number   HMAC-SHA-256 of bytes 0..37
//! ```
//!
//! Tokens are stored nowhere; they are computed from the link's row and the key. What a token says must not be trusted
//! before [`LinkToken::is_signed_by`] was asked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::db::link::LinkKeyRow;
use crate::id::CompanyId;

/// What a token is for. The signature covers it, so a token of one kind is none of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Download = 1,
    SignIn = 2,
}

const SIGNED_BYTES: usize = 1 + 16 + 16 + 4;
const TOKEN_BYTES: usize = SIGNED_BYTES + 32;

/// The contents of a token. They are not to be trusted until the signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkToken {
    kind: TokenKind,
    pub company: CompanyId,
    /// Id of the link.
    pub link: Uuid,
    /// Number of the key that signed it.
    pub key: i32,
    signature: [u8; 32],
}

impl LinkToken {
    /// Creates the token of a link.
    pub fn sign(kind: TokenKind, company: CompanyId, link: Uuid, key: &LinkKeyRow) -> Self {
        let mut token = Self { kind, company, link, key: key.key_id, signature: [0; 32] };
        if let Some(mac) = token.mac(&key.secret) {
            token.signature = mac.finalize().into_bytes().into();
        }
        token
    }

    /// Verifies that this key signed it, in constant time.
    pub fn is_signed_by(&self, key: &LinkKeyRow) -> bool {
        key.key_id == self.key && self.mac(&key.secret).is_some_and(|mac| mac.verify_slice(&self.signature).is_ok())
    }

    fn mac(&self, secret: &[u8]) -> Option<Hmac<Sha256>> {
        Hmac::<Sha256>::new_from_slice(secret).ok().map(|mac| mac.chain_update(self.signed_bytes()))
    }

    fn signed_bytes(&self) -> [u8; SIGNED_BYTES] {
        let mut bytes = [0; SIGNED_BYTES];
        bytes[0] = self.kind as u8;
        bytes[1..17].copy_from_slice(self.company.0.as_bytes());
        bytes[17..33].copy_from_slice(self.link.as_bytes());
        bytes[33..].copy_from_slice(&self.key.to_be_bytes());
        bytes
    }

    /// Parses a token of this kind that somebody sent; none when it is malformed. The signature is not checked.
    pub fn parse(kind: TokenKind, text: &str) -> Option<Self> {
        let bytes: [u8; TOKEN_BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let uuid = |at: usize| Uuid::from_slice(&bytes[at..at + 16]).ok();
        if bytes[0] != kind as u8 {
            return None;
        }
        Some(Self {
            kind,
            company: CompanyId(uuid(1)?),
            link: uuid(17)?,
            key: i32::from_be_bytes(bytes[33..SIGNED_BYTES].try_into().ok()?),
            signature: bytes[SIGNED_BYTES..].try_into().ok()?,
        })
    }
}

impl std::fmt::Display for LinkToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = [self.signed_bytes().as_slice(), &self.signature].concat();
        out.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_key(number: i32, byte: u8) -> LinkKeyRow {
        LinkKeyRow { key_id: number, secret: vec![byte; 32] }
    }

    #[test]
    fn a_token_comes_back_and_no_byte_of_it_may_change() {
        let token = LinkToken::sign(TokenKind::Download, CompanyId::new(), Uuid::now_v7(), &make_key(7, 1));
        let text = token.to_string();
        assert_eq!(LinkToken::parse(TokenKind::Download, &text), Some(token.clone()));
        assert_eq!(LinkToken::parse(TokenKind::SignIn, &text), None);
        assert!(token.is_signed_by(&make_key(7, 1)));
        assert!(!token.is_signed_by(&make_key(7, 2)) && !token.is_signed_by(&make_key(8, 1)));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            // Turns one kind into the other.
            other[at] ^= 3;
            for kind in [TokenKind::Download, TokenKind::SignIn] {
                let read = LinkToken::parse(kind, &URL_SAFE_NO_PAD.encode(&other));
                assert!(read.is_none_or(|token| !token.is_signed_by(&make_key(7, 1))), "byte {at}");
            }
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "x", "..", &"A".repeat(92), &"A".repeat(93), &"é".repeat(46)] {
            assert_eq!(LinkToken::parse(TokenKind::Download, text), None, "{text}");
        }
    }
}
