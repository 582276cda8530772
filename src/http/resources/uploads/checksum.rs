//! `Upload-Checksum`: the checksum of the bytes in one request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::http::problem::Problem;

/// The supported algorithms, best first. The tus protocol requires SHA-1; it detects transmission errors, but gives no
/// protection against an attacker.
pub(super) const CHECKSUM_ALGORITHMS: &str = "sha256,sha1";

/// A checksum in progress, and its expected value.
pub(super) struct Checksum {
    hash: RunningHash,
    expected: Vec<u8>,
}

enum RunningHash {
    Sha256(Sha256),
    Sha1(Sha1),
}

impl Checksum {
    /// Parses `algorithm base64`.
    ///
    /// # Errors
    /// 400 for an unknown algorithm or an invalid checksum.
    pub(super) fn parse(header: &str) -> Result<Self, Problem> {
        let reject = |detail: String| Problem::invalid_parameter("Upload-Checksum", detail);
        let (algorithm, value) = header.split_once(' ').unwrap_or((header, ""));
        let (hash, length) = match algorithm {
            "sha256" => (RunningHash::Sha256(Sha256::new()), 32),
            "sha1" => (RunningHash::Sha1(Sha1::new()), 20),
            other => {
                return Err(reject(format!("Unknown algorithm {other:?}. Supported: {CHECKSUM_ALGORITHMS}.")));
            }
        };
        let expected = STANDARD.decode(value.trim()).ok().filter(|bytes| bytes.len() == length);
        let expected = expected.ok_or_else(|| reject(format!("{value:?} is not base64 of {length} bytes.")))?;
        Ok(Self { hash, expected })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hash {
            RunningHash::Sha256(hash) => hash.update(bytes),
            RunningHash::Sha1(hash) => hash.update(bytes),
        }
    }

    /// Whether the bytes have the expected checksum.
    pub(super) fn matches(self) -> bool {
        match self.hash {
            RunningHash::Sha256(hash) => hash.finalize()[..] == self.expected[..],
            RunningHash::Sha1(hash) => hash.finalize()[..] == self.expected[..],
        }
    }
}
