//! Every knob once: meaning, default, environment name. `offprint --help` is the manual.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;

/// What the service can be told.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
    /// Postgres to use, as a URL. Without it the service keeps a private Postgres in the data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// File that holds the database's URL.
    #[arg(long, env = "DATABASE_URL_FILE", conflicts_with = "database_url")]
    pub database_url_file: Option<PathBuf>,

    /// Address and port to listen on. Beyond loopback keys are needed, see OFFPRINT_AUTH.
    #[arg(long, env = "OFFPRINT_BIND", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,

    /// Folder for stored files, the private Postgres and unsent mail.
    #[arg(long, env = "OFFPRINT_DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,

    /// What this process does: `all`, answer HTTP (`api`) or work on items (`worker`). Any number of each share one
    /// database and one storage.
    #[arg(long, env = "OFFPRINT_ROLE", default_value = "all")]
    pub role: Role,

    /// What to do before beginning when the database is older: `run` the missing steps, or only `check` and refuse to
    /// begin, for installations where `offprint migrate` runs them.
    #[arg(long, env = "OFFPRINT_MIGRATE", default_value = "run")]
    pub migrate: Migrate,

    /// Where stored files are kept: s3://bucket/prefix, with credentials and AWS_ENDPOINT_URL from the environment (also
    /// gs://… and az://…). Without it: files in the data folder.
    #[arg(long, env = "OFFPRINT_STORAGE_URL")]
    pub storage_url: Option<String>,

    /// How long an object store may take for one request, of 8 MiB at most.
    #[arg(long, env = "OFFPRINT_STORAGE_TIMEOUT", default_value = "30s", value_parser = humantime::parse_duration)]
    pub storage_timeout: Duration,

    /// Bytes a second at which each worker process reads stored files again, each every 30 days, to find damage. 0: never.
    #[arg(long, env = "OFFPRINT_SCRUB_PACE", default_value_t = 8 << 20)]
    pub scrub_pace: u64,

    /// Most bytes of an object store's files that are kept as copies in the data folder, for renders.
    #[arg(long, env = "OFFPRINT_MAX_COPIES", default_value_t = 10 << 30)]
    pub max_copies: u64,

    /// Address under which people reach the service, for links in mails. Without it: the address listened on.
    #[arg(long, env = "OFFPRINT_PUBLIC_URL")]
    pub public_url: Option<String>,

    /// Proxies that are believed what they say of their callers, as addresses or networks with commas between them, such
    /// as `10.0.0.0/8,::1`. Without any, the caller is whoever opened the connection.
    #[arg(long, env = "OFFPRINT_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Where those proxies say it: `x-forwarded` (X-Forwarded-For and X-Forwarded-Proto) or `forwarded` (RFC 7239).
    #[arg(long, env = "OFFPRINT_PROXY_HEADERS", default_value = "x-forwarded")]
    pub proxy_headers: ProxyHeaders,

    /// How long browsers shall come back by TLS only, told to those that came by TLS through a trusted proxy. 0s: not told.
    #[arg(long, env = "OFFPRINT_HSTS", default_value = "365d", value_parser = humantime::parse_duration)]
    pub hsts: Duration,

    /// Other sites whose pages may use the service from a browser (CORS), with commas between them, such as
    /// `https://app.example,https://dam.example:8443`.
    #[arg(long, env = "OFFPRINT_CORS_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<String>,

    /// How long the head of a request may take. The first one of a connection that takes longer is answered 408.
    #[arg(long, env = "OFFPRINT_HEAD_TIMEOUT", default_value = "10s", value_parser = humantime::parse_duration)]
    pub head_timeout: Duration,

    /// Bytes that the head of a request may have: its address and all headers.
    #[arg(long, env = "OFFPRINT_MAX_HEAD", default_value_t = 32 << 10)]
    pub max_head: usize,

    /// Bytes a second that the body of a request must come with on average; what is slower for longer than
    /// OFFPRINT_BODY_PATIENCE is cut off. 0 means no limit.
    #[arg(long, env = "OFFPRINT_BODY_PACE", default_value_t = 1 << 10)]
    pub body_pace: u64,

    /// How long a body may stand still.
    #[arg(long, env = "OFFPRINT_BODY_PATIENCE", default_value = "20s", value_parser = humantime::parse_duration)]
    pub body_patience: Duration,

    /// How many pictures are rendered at once. 0 means one for each processor.
    #[arg(long, env = "OFFPRINT_SLOTS", default_value_t = 0)]
    pub slots: usize,

    /// How long a worker may be silent before its item is given to another.
    #[arg(long, env = "OFFPRINT_LEASE", default_value = "20s", value_parser = humantime::parse_duration)]
    pub lease: Duration,

    /// Most items of one company that may run at once, over all workers. 0 means no limit.
    #[arg(long, env = "OFFPRINT_MAX_RUNNING", default_value_t = 0)]
    pub max_running: u32,

    /// Who may call: `keys` (who has one, see `offprint admin create-key`), `open` (only through loopback) or
    /// `open-on-network`.
    #[arg(long, env = "OFFPRINT_AUTH", default_value = "open")]
    pub auth: Auth,

    /// A key that may do everything in the company `default`, beside those in the database. Setting it means `keys`.
    #[arg(long, env = "OFFPRINT_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,

    /// File that holds that key.
    #[arg(long, env = "OFFPRINT_API_KEY_FILE", conflicts_with = "api_key")]
    pub api_key_file: Option<PathBuf>,

    /// Address and port at which `/metrics` and health answer without a key, for those who look after the service, such
    /// as 127.0.0.1:9090. Without it `/metrics` needs a key with `admin`, where keys are asked for.
    #[arg(long, env = "OFFPRINT_METRICS_BIND")]
    pub metrics_bind: Option<SocketAddr>,

    /// Mail server, as smtp://user:password@host:587 or smtps://…. Without it mails are written to the data folder.
    #[arg(long, env = "OFFPRINT_SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<String>,

    /// File that holds the mail server's URL.
    #[arg(long, env = "OFFPRINT_SMTP_URL_FILE", conflicts_with = "smtp_url")]
    pub smtp_url_file: Option<PathBuf>,

    /// Sender of mails.
    #[arg(long, env = "OFFPRINT_MAIL_FROM", default_value = "Offprint <offprint@localhost>")]
    pub mail_from: String,

    /// Who is told when a job names nobody.
    #[arg(long, env = "OFFPRINT_MAIL_TO")]
    pub mail_to: Option<String>,

    /// Networks to which webhooks may be sent although they are not public, as addresses or networks with commas between
    /// them, such as `10.1.0.0/16`. Whoever may order exports can then reach what answers there, by POST.
    #[arg(long, env = "OFFPRINT_WEBHOOK_NETWORKS", value_delimiter = ',', value_parser = network)]
    pub webhook_networks: Vec<IpNet>,

    /// Let webhooks travel by http too, where anybody on the way can read them.
    #[arg(long, env = "OFFPRINT_WEBHOOK_HTTP")]
    pub webhook_http: bool,

    /// Domains to which orders may have mails sent (`notifyEmails`), with commas between them; `*.example.org` means those
    /// below it. Without any: all domains.
    #[arg(long, env = "OFFPRINT_MAIL_DOMAINS", value_delimiter = ',', value_parser = domain)]
    pub mail_domains: Vec<String>,

    /// Requests that each caller may make in a minute, of each process: a key, or an address where there is no key. 0 means
    /// no limit. Without it: 6000 where keys are asked for, no limit where not.
    #[arg(long, env = "OFFPRINT_MAX_REQUESTS")]
    pub max_requests: Option<u32>,

    /// Most assets that a company may have. 0 means no limit, here and in the limits of companies below;
    /// `offprint admin set-limits` gives a company its own.
    #[arg(long, env = "OFFPRINT_MAX_ASSETS", default_value_t = 1_000_000)]
    pub max_assets: u64,

    /// Most bytes of originals that a company may store, each counted as often as it was uploaded.
    #[arg(long, env = "OFFPRINT_MAX_STORED", default_value_t = 1 << 40)]
    pub max_stored: u64,

    /// Most jobs of a company that may be unfinished.
    #[arg(long, env = "OFFPRINT_MAX_JOBS", default_value_t = 1000)]
    pub max_jobs: u32,

    /// Most schedules that a company may have.
    #[arg(long, env = "OFFPRINT_MAX_SCHEDULES", default_value_t = 100)]
    pub max_schedules: u32,

    /// How close the runs of a schedule may be; what would run more often is refused.
    #[arg(long, env = "OFFPRINT_MIN_SCHEDULE_INTERVAL", default_value = "1m", value_parser = humantime::parse_duration)]
    pub min_schedule_interval: Duration,

    /// Most image presets that a company may have.
    #[arg(long, env = "OFFPRINT_MAX_PRESETS", default_value_t = 1000)]
    pub max_presets: usize,

    /// Most mails that a company may cause in a day (UTC).
    #[arg(long, env = "OFFPRINT_MAX_MAILS", default_value_t = 1000)]
    pub max_mails: u32,

    /// Most live streams (`…/events` as `text/event-stream`) that a company may have open at each process. 0 means no limit.
    #[arg(long, env = "OFFPRINT_MAX_STREAMS", default_value_t = 1000)]
    pub max_streams: u32,

    /// Most live streams that all companies together may have open at each process. 0 means no limit.
    #[arg(long, env = "OFFPRINT_MAX_ALL_STREAMS", default_value_t = 5000)]
    pub max_all_streams: u32,

    /// How long a live stream may have nothing to say before it shows that it lives: less than what proxies wait for.
    #[arg(long, env = "OFFPRINT_HEARTBEAT", default_value = "15s", value_parser = humantime::parse_duration)]
    pub heartbeat: Duration,

    /// Largest archive that is handed out, in bytes. 0 means no limit.
    #[arg(long, env = "OFFPRINT_MAX_ARCHIVE", default_value_t = 100 << 30)]
    pub max_archive: u64,

    /// Most items that one job may have.
    #[arg(long, env = "OFFPRINT_MAX_ITEMS", default_value_t = 10_000)]
    pub max_items: usize,

    /// Largest file that may be uploaded, in bytes.
    #[arg(long, env = "OFFPRINT_MAX_UPLOAD", default_value_t = 2 << 30)]
    pub max_upload: u64,

    /// Most uploads in pieces of a company that may be unfinished. 0 means no limit.
    #[arg(long, env = "OFFPRINT_MAX_OPEN_UPLOADS", default_value_t = 1000)]
    pub max_open_uploads: u32,

    /// How long an upload in pieces is kept after its last piece.
    #[arg(long, env = "OFFPRINT_UPLOAD_KEPT", default_value = "24h", value_parser = humantime::parse_duration)]
    pub upload_kept: Duration,

    /// Most pixels a source picture may have.
    #[arg(long, env = "OFFPRINT_MAX_SOURCE_PIXELS", default_value_t = 100_000_000)]
    pub max_source_pixels: u64,

    /// Most pixels an output picture may have.
    #[arg(long, env = "OFFPRINT_MAX_OUTPUT_PIXELS", default_value_t = 100_000_000)]
    pub max_output_pixels: u64,

    /// Longest side of a source picture, in pixels.
    #[arg(long, env = "OFFPRINT_MAX_SOURCE_SIDE", default_value_t = 30_000)]
    pub max_source_side: u32,

    /// Longest side of an output picture, in pixels.
    #[arg(long, env = "OFFPRINT_MAX_OUTPUT_SIDE", default_value_t = 16_384)]
    pub max_output_side: u32,

    /// Most bytes a source picture may take once decoded, counting depth.
    #[arg(long, env = "OFFPRINT_MAX_DECODED_BYTES", default_value_t = 512 << 20)]
    pub max_decoded_bytes: u64,

    /// Most bytes of renditions that are remembered for reuse beyond the jobs that made them.
    #[arg(long, env = "OFFPRINT_MAX_CACHE", default_value_t = 20 << 30)]
    pub max_cache: u64,

    /// Most frames an animation may have; only its first is used.
    #[arg(long, env = "OFFPRINT_MAX_FRAMES", default_value_t = 500)]
    pub max_frames: u32,

    /// Most pixels that all frames of an animation may have together.
    #[arg(long, env = "OFFPRINT_MAX_FRAME_PIXELS", default_value_t = 400_000_000)]
    pub max_frame_pixels: u64,

    /// Largest colour profile that is used, in bytes; a larger one is ignored with a warning.
    #[arg(long, env = "OFFPRINT_MAX_PROFILE_BYTES", default_value_t = 4 << 20)]
    pub max_profile_bytes: u64,

    /// Processor time that one picture may take to render.
    #[arg(long, env = "OFFPRINT_MAX_RENDER_CPU", default_value = "30s", value_parser = humantime::parse_duration)]
    pub max_render_cpu: Duration,

    /// Time that one picture may take to render.
    #[arg(long, env = "OFFPRINT_MAX_RENDER_TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub max_render_time: Duration,

    /// Most bytes of memory that one render may take.
    #[arg(long, env = "OFFPRINT_MAX_RENDER_MEMORY", default_value_t = 1536 << 20)]
    pub max_render_memory: u64,

    /// Bytes of memory that all renders may take together. 0 means 60 % of what the machine or the control group has.
    #[arg(long, env = "OFFPRINT_RENDER_MEMORY", default_value_t = 0)]
    pub render_memory: u64,

    /// Folder of colour profiles that modifiers may name, besides the built-in ones; read when the service starts.
    #[arg(long, env = "OFFPRINT_ICC_DIR", default_value = "/usr/share/color/icc")]
    pub icc_dir: PathBuf,

    /// What holds where modifiers are silent: attributes of the documentation, as
    /// `IccProfileCmyk=WebCoated;JpegQuality=85,1`.
    #[arg(long, env = "OFFPRINT_ATTRIBUTES", default_value = "", hide_default_value = true)]
    pub attributes: String,

    /// Write the log as JSON, one object a line.
    #[arg(long, env = "OFFPRINT_LOG_JSON")]
    pub log_json: bool,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// It answers HTTP and works on items.
    All,
    /// It answers HTTP.
    Api,
    /// It works on items, and answers only those who ask how it is.
    Worker,
}

impl Role {
    /// Whether it works on items.
    pub fn works(self) -> bool {
        self != Self::Api
    }
}

/// The headers in which proxies say for whom they speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeaders {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// A network in CIDR notation, or one address.
fn network(said: &str) -> Result<IpNet, String> {
    let said = said.trim();
    let alone = || said.parse::<std::net::IpAddr>().map(IpNet::from);
    said.parse()
        .or_else(|_| alone())
        .map_err(|_| format!("{said:?} is neither an address nor a network like 10.0.0.0/8"))
}

/// What a browser sends as `Origin`.
fn origin(said: &str) -> Result<String, String> {
    let url =
        url::Url::parse(said.trim()).ok().filter(|url| url.has_host() && url.path() == "/" && url.query().is_none());
    url.map(|url| url.origin().ascii_serialization()).filter(|origin| origin != "null").ok_or_else(|| {
        format!("{said:?} is no origin like https://app.example: a scheme, a name, a port if it is not the usual one")
    })
}

/// The end of mail addresses.
fn domain(said: &str) -> Result<String, String> {
    let said = said.trim().to_ascii_lowercase();
    let name = said.strip_prefix("*.").unwrap_or(&said);
    let plain = name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-'));
    if plain { Ok(said) } else { Err(format!("{said:?} is no domain like example.org or *.example.org")) }
}

/// What is done about the database's tables at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Migrate {
    /// Missing steps are run.
    Run,
    /// Missing steps are a reason not to begin.
    Check,
}

/// Who may call the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Anyone who reaches it, and only loopback reaches it.
    Open,
    /// Who sends a key: see `offprint admin create-key`.
    Keys,
    /// Anyone who reaches it, also over the network.
    OpenOnNetwork,
}

impl Settings {
    /// Whether callers must send a key.
    pub fn asks_for_keys(&self) -> bool {
        self.auth == Auth::Keys || self.api_key.is_some()
    }

    /// Requests that each caller may make in a minute; 0 means no limit.
    pub fn requests_per_minute(&self) -> u32 {
        const STRANGERS: u32 = 6000;
        self.max_requests.unwrap_or(if self.asks_for_keys() { STRANGERS } else { 0 })
    }

    /// The same settings with the secrets read from their files, where files are named.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be read.
    pub fn with_secrets(mut self) -> Result<Self, String> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|error| format!("The secret in {} cannot be read: {error}.", path.display()))
        };
        if let Some(path) = &self.api_key_file {
            self.api_key = Some(read(path)?);
        }
        if let Some(path) = &self.smtp_url_file {
            self.smtp_url = Some(read(path)?);
        }
        if let Some(path) = &self.database_url_file {
            self.database_url = Some(read(path)?);
        }
        match &self.api_key {
            Some(key) if key.len() < 16 => {
                Err("OFFPRINT_API_KEY is shorter than 16 characters; `openssl rand -hex 32` makes a good one.".into())
            }
            _ => Ok(self),
        }
    }
}
