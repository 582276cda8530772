//! Connections: stores of others that the operator allows companies to import from and to deliver to.
//!
//! They are in a file of the operator ([`Connections::read`]), not in the database: nobody who can call the API can add a
//! place that the service reaches, or read what it signs in with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use offprint_storage::remote::{RemoteKind, RemoteStore};
use offprint_storage::{EnvironmentVariables, InstanceCredentials};
use serde::Deserialize;

use crate::jobs::destination::ConnectionRights;

/// The longest name of a connection, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// What a connection may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionAccess {
    Read,
    Write,
    ReadWrite,
}

impl ConnectionAccess {
    pub fn can_read(self) -> bool {
        self != Self::Write
    }

    pub fn can_write(self) -> bool {
        self != Self::Read
    }
}

/// A connection, open.
#[derive(Clone, Debug)]
pub struct Connection {
    pub name: String,
    pub access: ConnectionAccess,
    pub store: RemoteStore,
    /// Names of companies; `*`: all.
    companies: Vec<String>,
}

impl Connection {
    fn is_for(&self, company: &str) -> bool {
        self.rights().is_for(company)
    }

    /// What export requests need to know of it.
    pub fn rights(&self) -> ConnectionRights<'_> {
        ConnectionRights { name: &self.name, can_write: self.access.can_write(), companies: &self.companies }
    }
}

/// The connections of an installation. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<BTreeMap<String, Connection>>);

/// One table of the file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConnectionEntry {
    url: String,
    access: ConnectionAccess,
    /// No default: who may use a bucket is said, not guessed.
    companies: Vec<String>,
    /// Use the role of this machine, for which the metadata address of its cloud is asked.
    #[serde(default)]
    instance_credentials: bool,
    /// Named as the variables of the store's own tools, such as `AWS_ACCESS_KEY_ID`.
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Variable {
    Text(String),
    FromEnvironment { env: String },
    FromFile { file: PathBuf },
}

impl Connections {
    /// Reads the file that `OFFPRINT_CONNECTIONS` names. `timeout` bounds each request to a store. Sends no request.
    ///
    /// # Errors
    /// A sentence that names the file, the connection and the remedy.
    pub fn read(file: &Path, environment: &EnvironmentVariables, timeout: Duration) -> Result<Self, String> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("The connections in {shown} (OFFPRINT_CONNECTIONS) cannot be read: {error}."))?;
        let entries: BTreeMap<String, ConnectionEntry> = toml::from_str(&text)
            .map_err(|error| format!("The connections in {shown} (OFFPRINT_CONNECTIONS) are not valid: {error}"))?;
        let open = |(name, entry): (String, ConnectionEntry)| {
            let connection = entry
                .open(&name, environment, timeout)
                .map_err(|error| format!("Connection `{name}` in {shown} (OFFPRINT_CONNECTIONS): {error}"))?;
            Ok((name, connection))
        };
        Ok(Self(Arc::new(entries.into_iter().map(open).collect::<Result<_, String>>()?)))
    }

    /// The connections that a company may use, by name.
    pub fn list(&self, company: &str) -> impl Iterator<Item = &Connection> {
        self.0.values().filter(move |connection| connection.is_for(company))
    }

    /// The connection of this name, if the company may use it.
    pub fn find(&self, company: &str, name: &str) -> Option<&Connection> {
        self.0.get(name).filter(|connection| connection.is_for(company))
    }

    /// All connections, for the operator.
    pub fn list_all(&self) -> impl Iterator<Item = &Connection> {
        self.0.values()
    }
}

impl ConnectionEntry {
    fn open(self, name: &str, environment: &EnvironmentVariables, timeout: Duration) -> Result<Connection, String> {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !is_plain {
            return Err(format!("the name may have 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` and `.`."));
        }
        if self.companies.is_empty() {
            return Err("`companies` is empty. Name the companies that may use it, or `*` for all.".to_owned());
        }
        let variables = self.variables.into_iter().map(|(name, variable)| variable.resolve(name, environment));
        let variables: EnvironmentVariables = variables.collect::<Result<_, String>>()?;
        let credentials = InstanceCredentials::from_setting(self.instance_credentials);
        let store =
            RemoteStore::connect(&self.url, &variables, credentials, timeout).map_err(|error| error.to_string())?;
        if store.kind() == RemoteKind::Web && self.access.can_write() {
            return Err("a web server can only be read. Set `access = \"read\"`.".to_owned());
        }
        Ok(Connection { name: name.to_owned(), access: self.access, store, companies: self.companies })
    }
}

impl Variable {
    fn resolve(self, name: String, environment: &EnvironmentVariables) -> Result<(String, String), String> {
        let value = match self {
            Self::Text(_) if is_secret(&name) => {
                return Err(format!(
                    "`{name}` is a secret and does not belong into this file. Write `{{ env = \"NAME\" }}` or \
                     `{{ file = \"PATH\" }}`."
                ));
            }
            Self::Text(text) => text,
            Self::FromEnvironment { env } => match environment.iter().find(|(known, _)| *known == env) {
                Some((_, value)) => value.clone(),
                None => return Err(format!("the environment variable `{env}` for `{name}` is not set.")),
            },
            Self::FromFile { file } => std::fs::read_to_string(&file)
                .map_err(|error| format!("the file {} for `{name}` cannot be read: {error}.", file.display()))?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
        };
        Ok((name, value))
    }
}

/// Whether a variable is what a store signs in with.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["SECRET", "TOKEN", "PASSWORD", "SAS", "ACCOUNT_KEY", "ACCESS_KEY", "SERVICE_ACCOUNT_KEY"]
        .iter()
        .any(|part| name.contains(part))
        && !name.ends_with("ACCESS_KEY_ID")
        && !name.ends_with("_FILE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Connections, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let environment: EnvironmentVariables =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Connections::read(file.path(), &environment, Duration::from_secs(1))
    }

    #[test]
    fn companies_find_their_connections_only() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[shop]\nurl = \"s3://bucket/pictures\"\naccess = \"read\"\ncompanies = [\"acme\"]\n\
             [shop.variables]\nAWS_ACCESS_KEY_ID = \"id\"\nAWS_SECRET_ACCESS_KEY = {{ env = \"SECRET\" }}\n\
             AWS_REGION = \"eu-west-1\"\n\
             [out]\nurl = \"file://{}\"\naccess = \"read-write\"\ncompanies = [\"*\"]\n\
             [web]\nurl = \"https://images.example/base\"\naccess = \"read\"\ncompanies = [\"acme\", \"other\"]\n",
            folder.path().display()
        );
        let connections = read(&text, &[("SECRET", "s")]).unwrap();
        let names = |company| connections.list(company).map(|found| found.name.as_str()).collect::<Vec<_>>();
        assert_eq!(
            (names("acme"), names("other"), names("x")),
            (vec!["out", "shop", "web"], vec!["out", "web"], vec!["out"])
        );
        assert!(connections.find("other", "shop").is_none() && connections.find("acme", "shop").is_some());
        assert!(!format!("{connections:?}").contains("\"s\""), "secrets are not shown");
    }

    #[test]
    fn mistakes_of_the_file_name_their_place_and_remedy() {
        let head = "access = \"read\"\ncompanies = [\"*\"]\n";
        for (text, words) in [
            ("[a]\nurl = \"s3://b\"\ncompanies = [\"*\"]\n".to_owned(), "access"),
            (format!("[a]\nurl = \"s3://b\"\n{head}"), "AWS_ACCESS_KEY_ID"),
            (format!("[a]\nurl = \"s3://b\"\n{head}[a.variables]\nAWS_SECRET_ACCESS_KEY = \"x\"\n"), "does not belong"),
            (format!("[a]\nurl = \"s3://b\"\n{head}[a.variables]\nAWS_REGION = {{ env = \"NO\" }}\n"), "`NO`"),
            (format!("[a]\nurl = \"ftp://b\"\n{head}"), "not a usable storage address"),
            (format!("[a]\nurl = \"file:///nowhere/at/all\"\n{head}"), "nowhere"),
            (format!("[\"a b\"]\nurl = \"https://a.example\"\n{head}"), "letters, digits"),
            ("[a]\nurl = \"https://a.example\"\naccess = \"write\"\ncompanies = [\"*\"]\n".to_owned(), "only be read"),
            (
                "[a]\nurl = \"https://a.example\"\naccess = \"read\"\ncompanies = []\n".to_owned(),
                "`companies` is empty",
            ),
            ("[a]\nurl = \"https://a.example\"\ncolour = 1\n".to_owned(), "colour"),
        ] {
            let error = read(&text, &[]).unwrap_err();
            assert!(error.contains(words) && error.contains("OFFPRINT_CONNECTIONS"), "{text}: {error}");
        }
    }
}
