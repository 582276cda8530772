//! The algorithms that may sign an ID token. All are asymmetric: with `HS256` whoever reads the public key could sign, with
//! `none` anybody. Whether an algorithm is allowed never depends on the token alone: the key must fit it as well.

use ring::signature::{self, RsaParameters, VerificationAlgorithm};

/// An algorithm of RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigningAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

use SigningAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};

impl SigningAlgorithm {
    /// The algorithm of a header's `alg`; none for every other one.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Rs256,
            "RS384" => Rs384,
            "RS512" => Rs512,
            "PS256" => Ps256,
            "PS384" => Ps384,
            "PS512" => Ps512,
            "ES256" => Es256,
            "ES384" => Es384,
            "EdDSA" => EdDsa,
            _ => return None,
        })
    }

    /// How keys of RSA verify it; none for another kind of keys. Keys of fewer than 2048 bits are refused.
    pub(super) fn rsa_parameters(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Es256 | Es384 | EdDsa => return None,
        })
    }

    /// The curve that its keys name, and how they verify it; none for RSA.
    pub(super) fn curve(self) -> Option<(&'static str, &'static dyn VerificationAlgorithm)> {
        Some(match self {
            Es256 => ("P-256", &signature::ECDSA_P256_SHA256_FIXED),
            Es384 => ("P-384", &signature::ECDSA_P384_SHA384_FIXED),
            EdDsa => ("Ed25519", &signature::ED25519),
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => return None,
        })
    }
}
