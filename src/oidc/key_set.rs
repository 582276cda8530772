//! The public keys of a provider (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::SigningAlgorithm;
use super::id_token::TokenError;

/// Keys that are looked at.
const MAX_KEYS: usize = 100;

/// The public keys of a provider that can verify signatures. Others in its document are left out: it may have keys for
/// encryption, and of kinds that are unknown here.
#[derive(Debug)]
pub(super) struct KeySet(Vec<VerificationKey>);

/// The document at `jwks_uri`.
#[derive(Deserialize)]
pub(super) struct KeySetDocument {
    keys: Vec<Value>,
}

/// A key as the document has it (RFC 7517 and 7518).
#[derive(Deserialize)]
struct KeyDocument {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Debug)]
struct VerificationKey {
    id: Option<String>,
    /// The only algorithm that the key is for.
    algorithm: Option<String>,
    material: KeyMaterial,
}

#[derive(Debug)]
enum KeyMaterial {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// With the name of its curve.
    Curve {
        name: String,
        point: Vec<u8>,
    },
}

impl KeySet {
    pub(super) fn from_document(document: KeySetDocument) -> Self {
        let keys = document.keys.into_iter().take(MAX_KEYS);
        Self(keys.filter_map(|key| VerificationKey::from_document(serde_json::from_value(key).ok()?)).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Verifies a signature by the key that the token names, or by the only one that fits where it names none.
    ///
    /// # Errors
    /// When there is no such key, or the signature is not its own.
    pub(super) fn verify(
        &self,
        (algorithm, name): (SigningAlgorithm, &str),
        key_id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let mut fitting = self.0.iter().filter(|key| {
            key.material.fits(algorithm)
                && key.algorithm.as_deref().is_none_or(|only| only == name)
                && (key_id.is_none() || key.id.as_deref() == key_id)
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) if key.material.verify(algorithm, message, signature) => Ok(()),
            (Some(_), None) => Err(TokenError::Signature),
            (None, _) => Err(TokenError::UnknownKey(key_id.map(str::to_owned))),
            (Some(_), Some(_)) => Err(TokenError::AmbiguousKey(key_id.map(str::to_owned))),
        }
    }
}

impl VerificationKey {
    /// None for a key that cannot be used to verify signatures.
    fn from_document(key: KeyDocument) -> Option<Self> {
        let is_for_signatures = key.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && key.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|usage| usage == "verify"));
        if !is_for_signatures {
            return None;
        }
        let decode = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref()?).ok();
        let material = match key.kty.as_str() {
            // ring takes numbers without zeros at their beginning.
            "RSA" => KeyMaterial::Rsa { modulus: strip_zeros(decode(&key.n)?), exponent: strip_zeros(decode(&key.e)?) },
            // An uncompressed point, after SEC 1.
            "EC" => KeyMaterial::Curve { name: key.crv?, point: [vec![4], decode(&key.x)?, decode(&key.y)?].concat() },
            "OKP" => KeyMaterial::Curve { name: key.crv?, point: decode(&key.x)? },
            _ => return None,
        };
        Some(Self { id: key.kid, algorithm: key.alg, material })
    }
}

fn strip_zeros(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}

impl KeyMaterial {
    /// Whether the key is of the kind that the algorithm needs.
    fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        match self {
            Self::Rsa { .. } => algorithm.rsa_parameters().is_some(),
            Self::Curve { name, .. } => algorithm.curve().is_some_and(|(curve, _)| curve == name),
        }
    }

    fn verify(&self, algorithm: SigningAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { modulus, exponent } => algorithm.rsa_parameters().is_some_and(|parameters| {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature).is_ok()
            }),
            Self::Curve { name, point } => {
                algorithm.curve().filter(|(curve, _)| curve == name).is_some_and(|(_, verification)| {
                    UnparsedPublicKey::new(verification, point).verify(message, signature).is_ok()
                })
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What OpenSSL signed below.
    const MESSAGE: &[u8] = b"header.payload";
    const RSA_MODULUS: &str = "sVBici0PTdwVs3S9WYV3nixdbkRfafaHXDH0nmx-ON7o6Qhfi7RndvXYOXWl9gUtgZGEe3mZ2ciXweU3QCQoHG1cbmgJeCSFjvm6faHiGUtI0CJN0MK0ZlZXLu8vs986cvn7HpjMtF9o9ZMRBLWdPLZAOPVIkRRtLC_GIGpWAhzerBJhyWpzW0Pf_ldm2g_Jqc_VkKNSYqFoJzdrcDI28fuCWNULHcA3TW8Q0NaV0WfPaKkYrm0Odri6TX2NR2zjmBJAuBqQP2DPlDLG8RRke8CfKWtGetCcgXxwlsvyKih_f9mVN8nxMiRnCZaNMR7DIoodevQw30S9ypbMk9RjAQ";
    const RS256: &str = "b3TIs_a4-tyTmCP4QvJK2qfKGWjkksRRKAm7g9-9UPD8Lfr0XONqxwh14Bu-uChhD2vDD0HcTb8kKe2IO8G6EkkgoQu3-z4Y_IK5KR6kpdkQMuR2cXUVEkgv2DCa1OZUggnNy66KGruBLAa_opKThGkFENGAQhJNRTWcYXjEvlHCfCle72QWyQxaoJ_wu9cec6LT3H1B6T4I31xIobLX06F-aowWh9_23qNr8I6ZiVpD15qRKAPEUYG48Znf9KqrADF6hp4EdynILL4x-CSHRzamqpYpvi9gXugBjPaHisheLls63jFlx9HydbgVHvrqbbzqEjudO4mFMMgnCRus9w";
    const RS512: &str = "oFPyAUTPpyFiDCDODSW0cNgvQPt4_fwSwPNTv6JL4dvRCsrQaPHhwhR6UxpZd8hOCxPP920aVn8ABNlH5lilt7LmHGFtXzvcsjQvQ8bQW7SByXsh3CyvFNX0wEQ5F6SCZ37Go1_aQKK9HD_S3Vyu8puFOiFwavu57Bt_7MQww3y_h9W6Vlw_1qv_iPovNunkBUTmLxJ2IR2vYkhFcP7GMhG32Yy5exaJoe-BDuobYLO1HCW6G83Sm_PPOKc5DysDm7Cp67QZnlk17hsSaVyALqX58-nwmrjQngEw6XkNDGrtkEyFVjqlsJz90ZMpR332mPP3vFT6vEjMg-45nMVe7Q";
    const PS256: &str = "FtDt63E7gqBaaqTcnMyiDj3XUaXHhJDwv8WeQWI8XdHLWZ53CXn3I-r9vfN80LoIh33pzTW0Ev_9bFERyiQY_l8TtdtPK0Q2GIbfYb2cS06GNY-q6r-PF_ppxteqOn2TKieOa-wiLy-X0dsz4kzuBKeBXGE2pd3B8G-4VnNaHVybSoBUz8pmU9V8mpZb1JAIj3F8tR78Or4H8hDgN-YPxVHhaGN6CCTvtKJawNaBcS3iwmFMaolHuRdinTmISTsG4PikxlU7PNJyM9gpJ316pC4AVDPId_R-wXJNjYSEaMKd_Y3i36KfgPHv9uFIQ8t5-B5pGI8D6dMz06Du8ZMb-Q";
    const P384_POINT: [&str; 2] = [
        "gh5hY_6HSfsJNAxNNhgpR40r3eURJYfq5XoG9FDkcQxXQd4lyPXsY8AbrA88kQw0",
        "1FMccOtZpaihIsuAfxGYaOBXYAxVBCo-WVCYiezRD8ojDDx49IIgDBthZ87kl2pr",
    ];
    const ES384: &str = "pl_x3fqnhhsrAXAwqRmObijJAl-SNxI1KCSCBuJkz809mhVbRN4QuOug49iONYvhffGqRA83r6diaurA7wFh0cXFVWMprhB9DQrxEQ4m-Ncd7LQ0aHnU7CjqrEVtvElj";
    const ED25519_POINT: &str = "TpjIbGwOwbsnZUEHmwKsfhFfoNtJHohAii38tG4nLcQ";
    const EDDSA: &str = "IWbyXpbOn0z3ls05ESgz3qycaRlO9zMWNI9iSfq3sRVSeilqUOor_Rb4XtCZ0nUKUCznvEIQC3Pon_nYVvCkAg";
    const SMALL_MODULUS: &str = "yZxwOyMji_Ov10312mfsTAs-C653Vf1aPSTQl3W7Mz227D29CyNwWhzXc2t5ahNSFLUokhFy8_PtxdJlEFXUjgz3DM_PINM3I9HVRXEcSg8W2hd4si0ei5jPXBKtKsNbKOBTK4RQMVOv0qKY98xfUc2QbvVVeTzDisgalED6Yu8";
    const SMALL_RS256: &str = "IRgKWhQ5rqQP-ZtSNcldqo3pMt6vs_Q4rKFZZkI_Z7vrEZRIMyxS3Kze-YVyDhNHrRtcDd91Bvg9BO_qBg-9x8T-68gucLZ03f3rYT6n7Geckp874L48XUA_wZNQKk8G4VvwCyUJ0mKlyq9wH78oWaKW7nbPmVs3OqMlB735IIM";

    fn read_keys(keys: Value) -> KeySet {
        KeySet::from_document(serde_json::from_value(json!({ "keys": keys })).unwrap())
    }

    fn verify(keys: &KeySet, name: &str, key_id: Option<&str>, signature: &str) -> Result<(), TokenError> {
        let algorithm = SigningAlgorithm::from_name(name).unwrap();
        keys.verify((algorithm, name), key_id, MESSAGE, &URL_SAFE_NO_PAD.decode(signature).unwrap())
    }

    #[test]
    fn signatures_of_another_program_are_verified() {
        let keys = read_keys(json!([
            {"kty": "RSA", "kid": "r", "use": "sig", "n": RSA_MODULUS, "e": "AQAB"},
            {"kty": "EC", "kid": "c", "crv": "P-384", "x": P384_POINT[0], "y": P384_POINT[1]},
            {"kty": "OKP", "kid": "d", "crv": "Ed25519", "x": ED25519_POINT, "key_ops": ["verify"]}
        ]));
        let signatures = [
            ("RS256", "r", RS256),
            ("RS512", "r", RS512),
            ("PS256", "r", PS256),
            ("ES384", "c", ES384),
            ("EdDSA", "d", EDDSA),
        ];
        for (name, key, signature) in signatures {
            assert_eq!(verify(&keys, name, Some(key), signature), Ok(()), "{name}");
            assert_eq!(verify(&keys, name, None, signature), Ok(()), "{name}: the only key that fits");
            let mut other = URL_SAFE_NO_PAD.decode(signature).unwrap();
            for at in [0, other.len() / 2, other.len() - 1] {
                other[at] ^= 1;
                assert_eq!(verify(&keys, name, Some(key), &URL_SAFE_NO_PAD.encode(&other)), Err(TokenError::Signature));
                other[at] ^= 1;
            }
            for others in signatures.iter().filter(|others| others.0 != name) {
                assert!(verify(&keys, name, Some(key), others.2).is_err(), "{name} and {}", others.0);
            }
        }
        // A key is of one kind, whatever a token says.
        assert_eq!(verify(&keys, "ES384", Some("r"), RS256), Err(TokenError::UnknownKey(Some("r".into()))));
        assert_eq!(verify(&keys, "RS256", Some("x"), RS256), Err(TokenError::UnknownKey(Some("x".into()))));
    }

    #[test]
    fn only_keys_for_signatures_of_the_algorithm_count() {
        let rsa = |more: Value| {
            let mut key = json!({"kty": "RSA", "n": RSA_MODULUS, "e": "AQAB"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key
        };
        for unfit in [
            rsa(json!({"use": "enc"})),
            rsa(json!({"key_ops": ["sign"]})),
            rsa(json!({"alg": "RS512"})),
            rsa(json!({"n": "?"})),
            rsa(json!({"n": null})),
            json!({"kty": "oct", "k": RSA_MODULUS}),
            json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
            json!("key"),
            json!({}),
        ] {
            assert_eq!(verify(&read_keys(json!([unfit])), "RS256", None, RS256), Err(TokenError::UnknownKey(None)));
        }
        let zero = URL_SAFE_NO_PAD.encode([vec![0], URL_SAFE_NO_PAD.decode(RSA_MODULUS).unwrap()].concat());
        for fit in [rsa(json!({"alg": "RS256"})), rsa(json!({"use": "sig"})), rsa(json!({ "n": zero }))] {
            assert_eq!(verify(&read_keys(json!([fit])), "RS256", None, RS256), Ok(()));
        }
        let two = read_keys(json!([rsa(json!({})), rsa(json!({"kid": "b"}))]));
        assert_eq!(verify(&two, "RS256", None, RS256), Err(TokenError::AmbiguousKey(None)));
        let small = read_keys(json!([{"kty": "RSA", "n": SMALL_MODULUS, "e": "AQAB"}]));
        assert_eq!(verify(&small, "RS256", None, SMALL_RS256), Err(TokenError::Signature), "1024 bits are too few");
    }
}
