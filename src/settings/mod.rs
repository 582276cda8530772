//! The settings of the service: name, meaning and default of each, in one place. `offprint serve --help` prints them.
//!
//! This module knows nothing of the rest of the service. [`Settings`] is what `serve` takes; its flattened parts
//! ([`DatabaseSettings`], [`StorageSettings`], [`ModifierSettings`]) are also what single `admin` commands take.

mod checks;
mod choices;
mod oidc;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use choices::{AuthMode, MigrationMode, ProxyHeaders, RedirectDownloads, Role, SandboxMode};
pub use oidc::{OidcSettings, is_loopback, is_secure_address};

use checks::{parse_mail_domain, parse_network, parse_origin, parse_public_url, parse_redirect_downloads, read_secret};

/// The database, and the data folder in which the private one runs.
#[derive(clap::Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// URL of the Postgres database. Default: a private Postgres in the data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// File that contains the database URL.
    #[arg(long, env = "DATABASE_URL_FILE", conflicts_with = "database_url")]
    pub database_url_file: Option<PathBuf>,

    /// Folder for stored files, the private Postgres and unsent mail.
    #[arg(long, env = "OFFPRINT_DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
}

/// The storage of blobs. Without a URL it is in the data folder of [`DatabaseSettings`].
#[derive(clap::Args, Clone, Debug)]
pub struct StorageSettings {
    /// Storage of uploaded and rendered files: s3://bucket/prefix, gs://… or az://…, with credentials and
    /// AWS_ENDPOINT_URL from the environment. Default: files in the data folder.
    #[arg(long, env = "OFFPRINT_STORAGE_URL")]
    pub storage_url: Option<String>,

    /// Use the role of this machine where no credentials for the object store are given. Its cloud's metadata address
    /// (169.254.169.254) is then asked for them.
    #[arg(long, env = "OFFPRINT_STORAGE_INSTANCE_CREDENTIALS")]
    pub storage_instance_credentials: bool,

    /// Timeout of one request to an object store (8 MiB at most).
    #[arg(long, env = "OFFPRINT_STORAGE_TIMEOUT", default_value = "30s", value_parser = humantime::parse_duration)]
    pub storage_timeout: Duration,
}

/// What modifiers can refer to, and their defaults.
#[derive(clap::Args, Clone, Debug)]
pub struct ModifierSettings {
    /// Folder of colour profiles that modifiers may name, in addition to the built-in ones. Read at start.
    #[arg(long, env = "OFFPRINT_ICC_DIR", default_value = "/usr/share/color/icc")]
    pub icc_dir: PathBuf,

    /// Default Image Serving attributes, such as `IccProfileCmyk=WebCoated;JpegQuality=85,1`. They apply where a
    /// modifier does not say otherwise.
    #[arg(long, env = "OFFPRINT_ATTRIBUTES", default_value = "", hide_default_value = true)]
    pub attributes: String,
}

/// The settings of the service.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
    #[command(flatten)]
    pub database: DatabaseSettings,

    /// Address and port to listen on. Any address but loopback requires API keys, see OFFPRINT_AUTH.
    #[arg(long, env = "OFFPRINT_BIND", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,

    /// What this process does: `all`, serve HTTP (`api`) or process items (`worker`). Any number of each share one
    /// database and one storage.
    #[arg(long, env = "OFFPRINT_ROLE", default_value = "all")]
    pub role: Role,

    /// What to do at start when the database schema is older: `run` the missing migrations, or only `check` and refuse
    /// to start, for installations where `offprint migrate` runs them.
    #[arg(long, env = "OFFPRINT_MIGRATE", default_value = "run")]
    pub migrate: MigrationMode,

    #[command(flatten)]
    pub storage: StorageSettings,

    /// Whether downloads of single files are answered with a redirect (307) to the object store, so that their bytes do not
    /// pass through the service: `off`, `store` (at the address that the service itself uses), or the URL under which
    /// clients reach an S3 store. The address is signed for five minutes. Archives, which are stored nowhere as a whole,
    /// and files in a folder or in Azure are always sent by the service.
    #[arg(long, env = "OFFPRINT_REDIRECT_DOWNLOADS", default_value = "off", value_parser = parse_redirect_downloads)]
    pub redirect_downloads: RedirectDownloads,

    /// File of connections (TOML): buckets, folders and web servers that companies may import from and deliver to. Default:
    /// none. docs/OPERATIONS.md has an example.
    #[arg(long, env = "OFFPRINT_CONNECTIONS")]
    pub connections: Option<PathBuf>,

    /// Bytes per second at which each worker process reads stored files again to find damage; every file is read once
    /// in 30 days. 0: never.
    #[arg(long, env = "OFFPRINT_SCRUB_RATE", default_value_t = 8 << 20)]
    pub scrub_rate: u64,

    /// Maximum bytes of originals that are cached in the data folder for rendering, where an object store is used.
    #[arg(long, env = "OFFPRINT_MAX_ORIGINAL_CACHE", default_value_t = 10 << 30)]
    pub max_original_cache: u64,

    /// Public address of the service, with the path below which a proxy puts it, such as https://images.example/offprint.
    /// Mails, webhooks and links to share begin with it; other addresses are below its path. Default: the address it
    /// listens on, at the root.
    #[arg(long, env = "OFFPRINT_PUBLIC_URL", value_parser = parse_public_url)]
    pub public_url: Option<String>,

    /// Trusted reverse proxies: addresses or networks, separated by commas, such as `10.0.0.0/8,::1`. Default: none; the
    /// client is the other end of the connection.
    #[arg(long, env = "OFFPRINT_TRUSTED_PROXIES", value_delimiter = ',', value_parser = parse_network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Headers in which trusted proxies name the client: `x-forwarded` (X-Forwarded-For and X-Forwarded-Proto) or
    /// `forwarded` (RFC 7239).
    #[arg(long, env = "OFFPRINT_PROXY_HEADERS", default_value = "x-forwarded")]
    pub proxy_headers: ProxyHeaders,

    /// HSTS max-age, sent on TLS requests that came through a trusted proxy. 0s: not sent.
    #[arg(long, env = "OFFPRINT_HSTS", default_value = "365d", value_parser = humantime::parse_duration)]
    pub hsts: Duration,

    /// Origins whose pages may call the API from a browser (CORS), separated by commas, such as
    /// `https://app.example,https://dam.example:8443`.
    #[arg(long, env = "OFFPRINT_CORS_ORIGINS", value_delimiter = ',', value_parser = parse_origin)]
    pub cors_origins: Vec<String>,

    /// Timeout of the headers of each request. A connection on which they take longer is answered with 408 and closed.
    #[arg(long, env = "OFFPRINT_HEADER_TIMEOUT", default_value = "10s", value_parser = humantime::parse_duration)]
    pub header_timeout: Duration,

    /// Maximum bytes of a request's address and headers together.
    #[arg(long, env = "OFFPRINT_MAX_HEADER_BYTES", default_value_t = 32 << 10)]
    pub max_header_bytes: usize,

    /// Minimum average rate of a request body, in bytes per second. A body that is slower for longer than
    /// OFFPRINT_BODY_IDLE_TIMEOUT is cut off. 0: no limit.
    #[arg(long, env = "OFFPRINT_BODY_MIN_RATE", default_value_t = 1 << 10)]
    pub body_min_rate: u64,

    /// Idle timeout of request bodies.
    #[arg(long, env = "OFFPRINT_BODY_IDLE_TIMEOUT", default_value = "20s", value_parser = humantime::parse_duration)]
    pub body_idle_timeout: Duration,

    /// Idle timeout of responses: a connection whose other end takes no byte of a response for this long is closed. Slow
    /// downloads go on. 0s: no limit.
    #[arg(long, env = "OFFPRINT_RESPONSE_IDLE_TIMEOUT", default_value = "30s", value_parser = humantime::parse_duration)]
    pub response_idle_timeout: Duration,

    /// How long a connection may be idle between two requests. Must be longer than reverse proxies keep idle connections
    /// (usually 60 s), or some of their requests fail with 502. Where keys are required, connections on which none was
    /// sent are closed after 15 s, unless they are a trusted proxy's. 0s: no limit.
    #[arg(long, env = "OFFPRINT_KEEP_ALIVE", default_value = "75s", value_parser = humantime::parse_duration)]
    pub keep_alive: Duration,

    /// Maximum number of open connections, in each process. Beyond it an idle one makes way, or the new one is refused
    /// with 503. At most half of the files that the process may open. 0: no other limit.
    #[arg(long, env = "OFFPRINT_MAX_CONNECTIONS", default_value_t = 10_000)]
    pub max_connections: usize,

    /// Maximum number of open connections from one address (IPv6: one network of 64 bits), in each process. Does not
    /// apply to OFFPRINT_TRUSTED_PROXIES. 0: no limit.
    #[arg(long, env = "OFFPRINT_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 1024)]
    pub max_connections_per_address: usize,

    /// Number of images that are rendered at once. 0: one more than there are processors.
    #[arg(long, env = "OFFPRINT_SLOTS", default_value_t = 0)]
    pub slots: usize,

    /// Time without a heartbeat after which the item of a worker is given to another worker.
    #[arg(long, env = "OFFPRINT_LEASE", default_value = "20s", value_parser = humantime::parse_duration)]
    pub lease: Duration,

    /// Maximum number of items of one company that run at once, over all workers. 0: no limit.
    #[arg(long, env = "OFFPRINT_MAX_RUNNING", default_value_t = 0)]
    pub max_running: u32,

    /// Who may call the API: `keys` (only with an API key, see `offprint admin create-key`), `open` (anyone, on loopback
    /// only) or `open-on-network` (anyone).
    #[arg(long, env = "OFFPRINT_AUTH", default_value = "open")]
    pub auth: AuthMode,

    /// An API key with all capabilities in the company `default`, besides those in the database. Setting it implies
    /// OFFPRINT_AUTH=keys.
    #[arg(long, env = "OFFPRINT_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,

    /// File that contains this API key.
    #[arg(long, env = "OFFPRINT_API_KEY_FILE", conflicts_with = "api_key")]
    pub api_key_file: Option<PathBuf>,

    #[command(flatten)]
    pub oidc: OidcSettings,

    /// Address and port that serve `/metrics` and health without an API key, for operators, such as 127.0.0.1:9090.
    /// Without it `/metrics` requires a key with the capability `admin`, where keys are required.
    #[arg(long, env = "OFFPRINT_METRICS_BIND")]
    pub metrics_bind: Option<SocketAddr>,

    /// Mail server, as smtp://user:password@host:587 or smtps://…. Default: mails are written to the data folder.
    #[arg(long, env = "OFFPRINT_SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<String>,

    /// File that contains the mail server's URL.
    #[arg(long, env = "OFFPRINT_SMTP_URL_FILE", conflicts_with = "smtp_url")]
    pub smtp_url_file: Option<PathBuf>,

    /// Sender of mails.
    #[arg(long, env = "OFFPRINT_MAIL_FROM", default_value = "Offprint <offprint@localhost>")]
    pub mail_from: String,

    /// Default recipient of notifications.
    #[arg(long, env = "OFFPRINT_MAIL_TO")]
    pub mail_to: Option<String>,

    /// Networks that webhooks may be sent to although they are not public: addresses or networks, separated by commas, such
    /// as `10.1.0.0/16`. Anyone who may create export jobs can then send POST requests to them.
    #[arg(long, env = "OFFPRINT_WEBHOOK_NETWORKS", value_delimiter = ',', value_parser = parse_network)]
    pub webhook_networks: Vec<IpNet>,

    /// Networks that URLs may be imported from although they are not public, such as `10.1.0.0/16`. Anyone who may upload can
    /// then read what answers there.
    #[arg(long, env = "OFFPRINT_IMPORT_NETWORKS", value_delimiter = ',', value_parser = parse_network)]
    pub import_networks: Vec<IpNet>,

    /// Allow imports over unencrypted http.
    #[arg(long, env = "OFFPRINT_IMPORT_HTTP")]
    pub import_http: bool,

    /// Allow webhooks over unencrypted http.
    #[arg(long, env = "OFFPRINT_WEBHOOK_HTTP")]
    pub webhook_http: bool,

    /// Domains that export requests may have mails sent to (`notifyEmails`), separated by commas; `*.example.org` means
    /// its subdomains, `*` all domains. Default: none; mails go to users of the company and to OFFPRINT_MAIL_TO only.
    #[arg(long, env = "OFFPRINT_MAIL_DOMAINS", value_delimiter = ',', value_parser = parse_mail_domain)]
    pub mail_domains: Vec<String>,

    /// Maximum requests per minute of one caller (an API key, or an address where there is no key), in each process. 0: no
    /// limit. Default: 6000 where keys are required, otherwise no limit.
    #[arg(long, env = "OFFPRINT_MAX_REQUESTS")]
    pub max_requests: Option<u32>,

    /// Maximum number of assets of a company. 0: no limit, also in the limits of companies below. `offprint admin
    /// set-limits` gives a company limits of its own.
    #[arg(long, env = "OFFPRINT_MAX_ASSETS", default_value_t = 1_000_000)]
    pub max_assets: u64,

    /// Maximum bytes of a company: originals, each counted as often as it was uploaded, replaced and deleted ones that jobs
    /// still use, what unfinished uploads have announced, renditions that jobs or the render cache keep, and thumbnails.
    #[arg(long, env = "OFFPRINT_MAX_STORED", default_value_t = 1 << 40)]
    pub max_stored: u64,

    /// Maximum number of unfinished jobs of a company.
    #[arg(long, env = "OFFPRINT_MAX_JOBS", default_value_t = 1000)]
    pub max_jobs: u32,

    /// Maximum number of schedules of a company.
    #[arg(long, env = "OFFPRINT_MAX_SCHEDULES", default_value_t = 100)]
    pub max_schedules: u32,

    /// Minimum time between two runs of a schedule. A schedule that would run more often is refused.
    #[arg(long, env = "OFFPRINT_MIN_SCHEDULE_INTERVAL", default_value = "1m", value_parser = humantime::parse_duration)]
    pub min_schedule_interval: Duration,

    /// Maximum number of image presets of a company.
    #[arg(long, env = "OFFPRINT_MAX_PRESETS", default_value_t = 1000)]
    pub max_presets: usize,

    /// Maximum number of mails of a company per day (UTC).
    #[arg(long, env = "OFFPRINT_MAX_MAILS", default_value_t = 1000)]
    pub max_mails: u32,

    /// Maximum number of open live streams (`…/events` as `text/event-stream`) of a company, in each process. 0: no limit.
    #[arg(long, env = "OFFPRINT_MAX_STREAMS", default_value_t = 1000)]
    pub max_streams: u32,

    /// Maximum number of open live streams of all companies together, in each process. 0: no limit.
    #[arg(long, env = "OFFPRINT_MAX_ALL_STREAMS", default_value_t = 5000)]
    pub max_all_streams: u32,

    /// Heartbeat interval of live streams that have nothing else to send. Must be shorter than the idle timeout of proxies.
    #[arg(long, env = "OFFPRINT_STREAM_HEARTBEAT", default_value = "15s", value_parser = humantime::parse_duration)]
    pub stream_heartbeat: Duration,

    /// Maximum bytes of an archive. 0: no limit.
    #[arg(long, env = "OFFPRINT_MAX_ARCHIVE", default_value_t = 100 << 30)]
    pub max_archive: u64,

    /// Maximum number of items of a job.
    #[arg(long, env = "OFFPRINT_MAX_ITEMS", default_value_t = 10_000)]
    pub max_items: usize,

    /// Maximum number of renditions of a job, 1 to 100.
    #[arg(long, env = "OFFPRINT_MAX_RENDITIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub max_renditions: u32,

    /// Maximum bytes of an uploaded file.
    #[arg(long, env = "OFFPRINT_MAX_UPLOAD", default_value_t = 2 << 30)]
    pub max_upload: u64,

    /// Maximum number of unfinished resumable uploads of a company. 0: no limit.
    #[arg(long, env = "OFFPRINT_MAX_OPEN_UPLOADS", default_value_t = 1000)]
    pub max_open_uploads: u32,

    /// How long an unfinished resumable upload is kept after its last part.
    #[arg(long, env = "OFFPRINT_UPLOAD_TTL", default_value = "24h", value_parser = humantime::parse_duration)]
    pub upload_ttl: Duration,

    /// Maximum pixels of a source image.
    #[arg(long, env = "OFFPRINT_MAX_SOURCE_PIXELS", default_value_t = 100_000_000)]
    pub max_source_pixels: u64,

    /// Maximum pixels of an output image.
    #[arg(long, env = "OFFPRINT_MAX_OUTPUT_PIXELS", default_value_t = 100_000_000)]
    pub max_output_pixels: u64,

    /// Maximum width and height of a source image, in pixels.
    #[arg(long, env = "OFFPRINT_MAX_SOURCE_SIDE", default_value_t = 30_000)]
    pub max_source_side: u32,

    /// Maximum width and height of an output image, in pixels.
    #[arg(long, env = "OFFPRINT_MAX_OUTPUT_SIDE", default_value_t = 16_384)]
    pub max_output_side: u32,

    /// Maximum bytes of a source image once it is decoded, at its bit depth.
    #[arg(long, env = "OFFPRINT_MAX_DECODED_BYTES", default_value_t = 512 << 20)]
    pub max_decoded_bytes: u64,

    /// Maximum bytes of renditions that are kept for reuse after the jobs that made them, and of thumbnails.
    #[arg(long, env = "OFFPRINT_MAX_CACHE", default_value_t = 20 << 30)]
    pub max_cache: u64,

    /// Largest colour profile that is used, in bytes; a larger one is ignored with a warning. At most 8 MiB.
    #[arg(long, env = "OFFPRINT_MAX_PROFILE_BYTES", default_value_t = 4 << 20)]
    pub max_profile_bytes: u64,

    /// Maximum processor time to render one image.
    #[arg(long, env = "OFFPRINT_MAX_RENDER_CPU", default_value = "30s", value_parser = humantime::parse_duration)]
    pub max_render_cpu: Duration,

    /// Maximum time to render one image.
    #[arg(long, env = "OFFPRINT_MAX_RENDER_TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub max_render_time: Duration,

    /// Maximum bytes of memory to render one image.
    #[arg(long, env = "OFFPRINT_MAX_RENDER_MEMORY", default_value_t = 1536 << 20)]
    pub max_render_memory: u64,

    /// Maximum bytes of memory for all renders together. 0: 60 % of the memory of the machine or the control group.
    #[arg(long, env = "OFFPRINT_RENDER_MEMORY", default_value_t = 0)]
    pub render_memory: u64,

    /// What to do when the kernel or the container runtime cannot confine render processes completely: refuse to start
    /// (`required`), or warn (`preferred`). docs/OPERATIONS.md says what each part needs.
    #[arg(long, env = "OFFPRINT_SANDBOX", value_enum, default_value_t = SandboxMode::Preferred)]
    pub sandbox: SandboxMode,

    #[command(flatten)]
    pub modifiers: ModifierSettings,

    /// Write the log as JSON, one object per line.
    #[arg(long, env = "OFFPRINT_LOG_JSON")]
    pub log_json: bool,
}

impl Settings {
    /// Whether callers must send a key.
    pub fn is_key_required(&self) -> bool {
        self.auth == AuthMode::Keys || self.api_key.is_some() || self.oidc.oidc_issuer.is_some()
    }

    /// Maximum requests per minute of one caller; 0 means no limit.
    pub fn requests_per_minute(&self) -> u32 {
        const DEFAULT_REQUEST_RATE: u32 = 6000;
        self.max_requests.unwrap_or(if self.is_key_required() { DEFAULT_REQUEST_RATE } else { 0 })
    }

    /// The same settings with the secrets read from their files, where files are named.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be read, or the secret that cannot be used.
    pub fn with_secrets(mut self) -> Result<Self, String> {
        if let Some(path) = &self.api_key_file {
            self.api_key = Some(read_secret(path)?);
        }
        if let Some(path) = &self.smtp_url_file {
            self.smtp_url = Some(read_secret(path)?);
        }
        self.database = self.database.with_secrets()?;
        self.oidc = self.oidc.with_secrets()?;
        match &self.api_key {
            Some(key) if key.len() < 16 => {
                Err("OFFPRINT_API_KEY must have at least 16 characters. `openssl rand -hex 32` \
                 generates a good one."
                    .into())
            }
            _ => Ok(self),
        }
    }
}

impl DatabaseSettings {
    /// The same settings with the URL read from its file, where a file is named.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be read.
    pub fn with_secrets(mut self) -> Result<Self, String> {
        if let Some(path) = &self.database_url_file {
            self.database_url = Some(read_secret(path)?);
        }
        Ok(self)
    }
}
