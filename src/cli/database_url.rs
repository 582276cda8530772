//! What a `DATABASE_URL` says about TLS: how the server is verified, and with which files.

use std::path::{Path, PathBuf};

use offprint_core::Code;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::CliError;

/// What is known of the server at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerVerification {
    /// A Unix socket, or an address of this machine.
    Local,
    /// `disable`, and `allow`, which is the same here.
    Plaintext,
    /// `prefer`: encrypted where the server offers it. Whoever is between can remove the offer.
    Opportunistic,
    /// `require`: encrypted, to whoever answers.
    Unverified,
    /// `verify-ca`: the certificate is signed by a trusted CA, for whatever name.
    CaOnly,
    /// `verify-full`: the certificate is signed by a trusted CA for this host.
    Full,
}

impl ServerVerification {
    pub(super) fn from_options(options: &PgConnectOptions) -> Self {
        let is_local = options.get_socket().is_some() || is_local_host(options.get_host());
        match options.get_ssl_mode() {
            PgSslMode::VerifyFull => Self::Full,
            _ if is_local => Self::Local,
            PgSslMode::Disable | PgSslMode::Allow => Self::Plaintext,
            PgSslMode::Prefer => Self::Opportunistic,
            PgSslMode::Require => Self::Unverified,
            PgSslMode::VerifyCa => Self::CaOnly,
        }
    }
}

fn is_local_host(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']);
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Checks that the files of certificates that a URL or the environment (`PGSSLROOTCERT` …) names can be read, and that
/// a file of CAs contains one. Otherwise connections would fail with "No such file", and with nothing that says which.
///
/// # Errors
/// `invalid-value` with the setting and its file.
pub(super) fn check_certificate_files(options: &PgConnectOptions) -> Result<(), CliError> {
    if matches!(options.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow) {
        return Ok(());
    }
    for (name, path) in list_certificate_files(options) {
        check_file(name, &path).map_err(|reason| {
            let detail = format!("{name}={} in DATABASE_URL cannot be used: {reason}.", path.display());
            CliError::new(Code::InvalidValue, detail)
        })?;
    }
    Ok(())
}

/// The files of certificates and keys, by the parameters that name them.
pub(super) fn list_certificate_files(options: &PgConnectOptions) -> Vec<(&'static str, PathBuf)> {
    let url = options.to_url_lossy();
    let parameters: Vec<_> = url.query_pairs().collect();
    let find = |name: &'static str| {
        let (_, value) = parameters.iter().find(|(parameter, _)| parameter == name)?;
        // sqlx writes a file like this, and PEM text as it is.
        Some((name, PathBuf::from(value.strip_prefix("file: ")?)))
    };
    ["sslrootcert", "sslcert", "sslkey"].into_iter().filter_map(find).collect()
}

fn check_file(name: &str, path: &Path) -> Result<(), String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if name != "sslkey" {
        let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
        match certificates {
            Ok(certificates) if certificates.is_empty() => return Err("it contains no certificate in PEM".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(format!("its certificates cannot be read, {error}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_told_apart_and_local_servers_need_none() {
        let verification = |url: &str| ServerVerification::from_options(&url.parse().unwrap());
        assert_eq!(verification("postgres://a@db.example/x"), ServerVerification::Opportunistic);
        assert_eq!(verification("postgres://a@db.example/x?sslmode=require"), ServerVerification::Unverified);
        assert_eq!(verification("postgres://a@db.example/x?sslmode=verify-ca"), ServerVerification::CaOnly);
        assert_eq!(verification("postgres://a@127.0.0.1/x?sslmode=verify-full"), ServerVerification::Full);
        assert_eq!(verification("postgres://a@db.example/x?sslmode=allow"), ServerVerification::Plaintext);
        assert_eq!(verification("postgres://a@[::1]/x"), ServerVerification::Local);
        assert_eq!(verification("postgres://a@localhost/x?host=/run/postgresql"), ServerVerification::Local);
    }

    #[test]
    fn a_file_of_certificates_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let check = |mode: &str| {
            let url = format!("postgres://a@db.example/x?sslmode={mode}&sslrootcert={}", path.display());
            check_certificate_files(&url.parse().unwrap()).map_err(|error| error.detail)
        };
        let missing = check("verify-full").unwrap_err();
        assert!(missing.contains("sslrootcert=/") && missing.contains("No such file"), "{missing}");
        std::fs::write(&path, "no certificate").unwrap();
        assert!(check("verify-full").unwrap_err().contains("contains no certificate"));
        assert_eq!(check("disable"), Ok(()));
    }
}
