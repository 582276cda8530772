//! Signing in at an identity provider. What the settings mean together is checked in [`crate::oidc`].

use std::path::PathBuf;

/// An identity provider at which people sign in (OpenID Connect).
#[derive(clap::Args, Clone, Debug, Default)]
pub struct OidcSettings {
    /// Issuer of the identity provider at which people sign in (OpenID Connect), exactly as the provider writes it, such
    /// as https://id.example/realms/acme. Only https, or http on loopback for development. Setting it implies
    /// OFFPRINT_AUTH=keys.
    #[arg(long, env = "OFFPRINT_OIDC_ISSUER", value_parser = parse_issuer)]
    pub oidc_issuer: Option<String>,

    /// ID under which the service is registered at the identity provider.
    #[arg(long, env = "OFFPRINT_OIDC_CLIENT_ID")]
    pub oidc_client_id: Option<String>,

    /// Secret of the service at the identity provider. Default: none; the service is a public client.
    #[arg(long, env = "OFFPRINT_OIDC_CLIENT_SECRET", hide_env_values = true)]
    pub oidc_client_secret: Option<String>,

    /// File that contains this secret.
    #[arg(long, env = "OFFPRINT_OIDC_CLIENT_SECRET_FILE", conflicts_with = "oidc_client_secret")]
    pub oidc_client_secret_file: Option<PathBuf>,

    /// Scopes that are asked for, separated by spaces.
    #[arg(long, env = "OFFPRINT_OIDC_SCOPES", default_value = "openid profile email")]
    pub oidc_scopes: String,

    /// Company of everybody who signs in at the identity provider. Default: `default`.
    #[arg(long, env = "OFFPRINT_OIDC_COMPANY")]
    pub oidc_company: Option<String>,

    /// Claim that names the company of whoever signs in. Whose company does not exist is refused.
    #[arg(long, env = "OFFPRINT_OIDC_COMPANY_CLAIM", conflicts_with = "oidc_company")]
    pub oidc_company_claim: Option<String>,

    /// Claim that names a user who signs in for the first time. Later the user is known by the claim `sub`. An address in
    /// `email` counts only when the provider has verified it.
    #[arg(long, env = "OFFPRINT_OIDC_USER_CLAIM", default_value = "preferred_username")]
    pub oidc_user_claim: String,

    /// Let whoever signs in for the first time become the user of the same name, where there is one. Without it a name that
    /// is taken is refused. Only for providers at which nobody can choose a name.
    #[arg(long, env = "OFFPRINT_OIDC_LINK_USERS")]
    pub oidc_link_users: bool,

    /// Capabilities, or roles of IPS, of everybody who signs in at the identity provider, separated by commas, such as
    /// `assets:read,exports:create`. Default: none but those of OFFPRINT_OIDC_CAPABILITIES_MAP.
    #[arg(long, env = "OFFPRINT_OIDC_CAPABILITIES", value_delimiter = ',')]
    pub oidc_capabilities: Vec<String>,

    /// Claim, a text or a list of texts, whose values OFFPRINT_OIDC_CAPABILITIES_MAP knows. A path such as
    /// `realm_access.roles` leads into a claim.
    #[arg(long, env = "OFFPRINT_OIDC_CAPABILITIES_CLAIM", requires = "oidc_capabilities_map")]
    pub oidc_capabilities_claim: Option<String>,

    /// Which value of the claim gives which capabilities or roles of IPS, such as
    /// `exporters=exports:create,assets:read;admins=IpsCompanyAdmin`. Other values give none.
    #[arg(long, env = "OFFPRINT_OIDC_CAPABILITIES_MAP", requires = "oidc_capabilities_claim")]
    pub oidc_capabilities_map: Option<String>,
}

impl OidcSettings {
    /// The same settings with the secret read from its file, where a file is named.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be read.
    pub(super) fn with_secrets(mut self) -> Result<Self, String> {
        if let Some(path) = &self.oidc_client_secret_file {
            self.oidc_client_secret = Some(super::read_secret(path)?);
        }
        Ok(self)
    }
}

/// An address of the Web, as it is: the provider's tokens must name exactly this one.
fn parse_issuer(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_issuer = url::Url::parse(text).is_ok_and(|url| {
        is_secure_address(&url) && url.query().is_none() && url.fragment().is_none() && url.username().is_empty()
    });
    if is_issuer {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is not an address like https://id.example/realms/acme; http is for loopback only"))
}

/// Whether nobody on the network between can read or change what is sent there: https, or http to this machine.
pub fn is_secure_address(url: &url::Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Whether the address is one of this machine.
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_address_or_on_loopback() {
        for issuer in [
            "https://id.example",
            "https://id.example/",
            "https://id.example:8443/realms/a",
            "http://127.0.0.1:9000",
            "http://localhost/realms/a",
            "http://[::1]:9000",
        ] {
            assert_eq!(parse_issuer(issuer).as_deref(), Ok(issuer), "as it is, with the slash at its end");
        }
        for wrong in [
            "",
            "id.example",
            "http://id.example",
            "http://localhost.evil.example",
            "http://10.0.0.1",
            "https://",
            "https://id.example?x",
            "https://id.example#x",
            "https://ann@id.example",
            "ftp://localhost",
        ] {
            assert!(parse_issuer(wrong).is_err(), "{wrong}");
        }
    }
}
