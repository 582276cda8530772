//! Settings whose value is one of a few words.

use clap::ValueEnum;

/// Where downloads of single files are redirected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectDownloads {
    /// Nowhere: the service sends the bytes.
    Off,
    /// The object store, at the address that the service uses.
    Store,
    /// The object store, at the address that clients use.
    Endpoint(String),
}

impl RedirectDownloads {
    /// The address that clients use, where it is another one.
    pub fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Endpoint(url) => Some(url),
            Self::Off | Self::Store => None,
        }
    }
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Serves HTTP and processes items.
    All,
    /// Serves HTTP.
    Api,
    /// Processes items; serves only health and metrics.
    Worker,
}

impl Role {
    /// Whether it processes items.
    pub fn is_worker(self) -> bool {
        self != Self::Api
    }
}

/// What is done at start when the confinement of render processes is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SandboxMode {
    /// Refuse to start.
    Required,
    /// Warn, and say so in `/health/ready` and in the metrics.
    Preferred,
}

/// The headers in which trusted proxies name the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeaders {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// What is done at start when the database schema is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MigrationMode {
    /// Run the missing migrations.
    Run,
    /// Refuse to start.
    Check,
}

/// Who may call the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Anyone, on loopback only.
    Open,
    /// Only with an API key: see `offprint admin create-key`.
    Keys,
    /// Anyone, also over the network.
    OpenOnNetwork,
}
