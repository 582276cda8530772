//! `Upload-Checksum`: what the bytes of one request must have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::api::problem::Problem;

/// The algorithms that are taken, best first. SHA-1 is in tus' text the one that every service has; it is good against
/// lines that break bytes and against nobody who means harm.
pub(super) const ALGORITHMS: &str = "sha256,sha1";

/// A checksum that is being made, and what it shall be.
pub(super) struct Checksum {
    sum: Sum,
    wanted: Vec<u8>,
}

enum Sum {
    Sha256(Sha256),
    Sha1(Sha1),
}

impl Checksum {
    /// Reads `algorithm base64`.
    ///
    /// # Errors
    /// 400 for another algorithm, or what cannot be a checksum of it.
    pub(super) fn read(said: &str) -> Result<Self, Problem> {
        let wrong = |detail: String| Problem::parameter("Upload-Checksum", detail);
        let (algorithm, value) = said.split_once(' ').unwrap_or((said, ""));
        let (sum, length) = match algorithm {
            "sha256" => (Sum::Sha256(Sha256::new()), 32),
            "sha1" => (Sum::Sha1(Sha1::new()), 20),
            other => return Err(wrong(format!("{other:?} is not an algorithm of this service. Known: {ALGORITHMS}."))),
        };
        let wanted = STANDARD.decode(value.trim()).ok().filter(|bytes| bytes.len() == length);
        let wanted = wanted.ok_or_else(|| wrong(format!("{value:?} is not {length} bytes in base64.")))?;
        Ok(Self { sum, wanted })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.sum {
            Sum::Sha256(sum) => sum.update(bytes),
            Sum::Sha1(sum) => sum.update(bytes),
        }
    }

    /// Whether it is what it shall be.
    pub(super) fn fits(self) -> bool {
        match self.sum {
            Sum::Sha256(sum) => sum.finalize()[..] == self.wanted[..],
            Sum::Sha1(sum) => sum.finalize()[..] == self.wanted[..],
        }
    }
}
