//! Signing in at an identity provider: the authorization code flow of OpenID Connect with PKCE, after OpenID Connect Core
//! 1.0, Discovery 1.0, RFC 7636, RFC 9207 and RFC 9700.
//!
//! ```text
//!   IdentityProvider::write_authorization_url   where the browser goes: state, nonce, hash of the code verifier
//!   … the provider sends the browser back with a code …
//!   IdentityProvider::redeem_code               code and verifier -> ID token, whose checks are in `id_token`
//!   OidcConfig::resolve_identity                its claims -> company, user and capabilities
//! ```
//!
//! It knows neither the server nor the database: `http` keeps the state of an attempt, and decides whose session begins.
//! Begin reading at [`IdentityProvider`]. Why this is no crate of others: `docs/decisions/0073-identity-provider.md`.

mod algorithm;
mod config;
mod expiring_cache;
mod id_token;
mod identity;
mod key_set;
mod provider;
mod provider_client;

pub use config::{OidcConfig, check_oidc_settings};
#[cfg_attr(dead_code_check, expect(unused_imports, reason = "the type of a result, which nobody names"))]
pub use identity::IdentityError;
pub use identity::ProviderIdentity;
pub use provider::{AuthorizationRequest, CodeRedemption, IdentityProvider, ProviderError};
