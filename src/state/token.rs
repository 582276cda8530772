//! Tokens of links: which link, by which key, and a signature that only who has the key can make.
//!
//! A token is 69 bytes in base64 for addresses: a version, company, link, number of the key, HMAC-SHA-256 of all that.
//! It tells nobody anything, and is written down nowhere: it is made anew from the link's row and the key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::db::link::LinkKey;
use crate::id::{CompanyId, LinkId};

const VERSION: u8 = 1;
const SIGNED: usize = 1 + 16 + 16 + 4;
const LENGTH: usize = SIGNED + 32;

/// What a token says. It is a claim until the signature was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose link it is.
    pub company: CompanyId,
    /// The link.
    pub link: LinkId,
    /// The key that signed it.
    pub key: i32,
    signature: [u8; 32],
}

impl Token {
    /// The token of a link.
    pub fn sign(company: CompanyId, link: LinkId, key: &LinkKey) -> Self {
        let mut token = Self { company, link, key: key.key_id, signature: [0; 32] };
        if let Some(mac) = token.mac(&key.secret) {
            token.signature = mac.finalize().into_bytes().into();
        }
        token
    }

    /// Whether this key signed it. Takes the same time whatever is wrong.
    pub fn is_signed_by(&self, key: &LinkKey) -> bool {
        key.key_id == self.key && self.mac(&key.secret).is_some_and(|mac| mac.verify_slice(&self.signature).is_ok())
    }

    fn mac(&self, secret: &[u8]) -> Option<Hmac<Sha256>> {
        Hmac::<Sha256>::new_from_slice(secret).ok().map(|mac| mac.chain_update(self.signed()))
    }

    fn signed(&self) -> [u8; SIGNED] {
        let mut bytes = [0; SIGNED];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(self.company.0.as_bytes());
        bytes[17..33].copy_from_slice(self.link.0.as_bytes());
        bytes[33..].copy_from_slice(&self.key.to_be_bytes());
        bytes
    }

    /// What somebody sent; none when it cannot be one of ours.
    pub fn read(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let uuid = |at: usize| Uuid::from_slice(&bytes[at..at + 16]).ok();
        if bytes[0] != VERSION {
            return None;
        }
        Some(Self {
            company: CompanyId(uuid(1)?),
            link: LinkId(uuid(17)?),
            key: i32::from_be_bytes(bytes[33..SIGNED].try_into().ok()?),
            signature: bytes[SIGNED..].try_into().ok()?,
        })
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = [self.signed().as_slice(), &self.signature].concat();
        out.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: i32, byte: u8) -> LinkKey {
        LinkKey { key_id: number, secret: vec![byte; 32] }
    }

    #[test]
    fn a_token_comes_back_and_no_byte_of_it_may_change() {
        let token = Token::sign(CompanyId::new(), LinkId::new(), &key(7, 1));
        let text = token.to_string();
        assert_eq!(Token::read(&text), Some(token.clone()));
        assert!(token.is_signed_by(&key(7, 1)));
        assert!(!token.is_signed_by(&key(7, 2)) && !token.is_signed_by(&key(8, 1)));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let read = Token::read(&URL_SAFE_NO_PAD.encode(other));
            assert!(read.is_none_or(|token| !token.is_signed_by(&key(7, 1))), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "x", "..", &"A".repeat(92), &"A".repeat(93), &"é".repeat(46)] {
            assert_eq!(Token::read(text), None, "{text}");
        }
    }
}
