//! The state of a running service, which `http` and `worker` share: settings, pools, storage, renderers, notifiers and
//! limiters. [`AppState`] is cheap to clone.
//!
//! It knows neither `http` nor `worker`: they never call each other, but wake each other through the notifiers here
//! ([`Notifier`], [`JobSignals`]), which [`signal_relay`] extends to the other processes. Begin reading with
//! [`AppState`].

mod blob_transaction;
pub mod bytes_in_flight;
pub mod connections;
mod end_notice;
pub mod file_type;
pub mod link_token;
pub mod live_jobs;
pub mod live_links;
pub mod newest_jobs;
mod notifier;
pub mod original_intake;
pub mod preview_renders;
pub mod rate_limiter;
pub mod readiness;
mod rendition_store;
pub mod signal_relay;
pub mod storage_quota;
pub mod stream_limiter;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::try_join_all;
use metrics_exporter_prometheus::PrometheusHandle;
use offprint_core::{Code, Digest};
use offprint_imaging::{ProfileLibrary, RenderError, RenderLimits};
use offprint_modifiers::Attributes;
use offprint_sandbox::{
    Confinement, LAYERS, MemoryBudget, ProcessLimits, RenderPool, RenderPoolConfig, find_default_memory,
};
use offprint_storage::{DownloadSigner, StagedBlob, Storage};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

pub use blob_transaction::BlobTransaction;
pub use notifier::{JobSignalReceiver, JobSignals, Notifier};
pub use rendition_store::{KeepRenditionsError, RenderedFiles};

use crate::app::blob_transaction::{publish_all, take_each_once};
use crate::app::bytes_in_flight::BytesInFlight;
use crate::app::connections::{Connection, Connections};
use crate::app::link_token::{LinkToken, TokenKind};
use crate::app::live_jobs::LiveJobs;
use crate::app::live_links::LiveLinks;
use crate::app::newest_jobs::NewestJobs;
use crate::app::preview_renders::{MAX_CONCURRENT_PREVIEWS, PreviewRenders};
use crate::app::rate_limiter::RateLimiter;
use crate::app::readiness::ReadinessCache;
use crate::app::stream_limiter::StreamLimiter;
use crate::compute_pool::ComputePool;
use crate::db::api_key_cache::ApiKeyCache;
use crate::db::link::{self, LinkRow, NewLink};
use crate::db::{self, DbConnection, PgPool, blob};
use crate::id::{CompanyId, LinkId, SignInLinkId, WorkerId};
use crate::jobs::{ExportContext, RecipeContext};
use crate::notify::Mailer;
use crate::notify::webhook::WebhookSender;
use crate::oidc::IdentityProvider;
use crate::settings::{SandboxMode, Settings};

/// Everything that requests and background tasks share.
#[derive(Clone)]
pub struct AppState {
    pub settings: Arc<Settings>,
    /// Threads for work that takes processor time.
    pub compute: ComputePool,
    /// The database for requests: shows only rows of the caller's company, see [`db::row_level_security`].
    pub db: PgPool,
    /// The database for the service's own work: shows the rows of all companies.
    pub system: PgPool,
    /// The same for claims and settles of items, whose statements are planned once for each connection.
    pub queue: PgPool,
    pub storage: Storage,
    /// Stores of others that companies may import from and deliver to.
    pub connections: Connections,
    /// Signs addresses of the object store that downloads are redirected to; none where they are not.
    pub download_signer: Option<DownloadSigner>,
    /// The company of callers without an API key of their own: everybody in open mode, and holders of
    /// `OFFPRINT_API_KEY`.
    pub company: CompanyId,
    pub keys: ApiKeyCache,
    /// Id of this process in leases and in the attempt history.
    pub worker: WorkerId,
    /// Notified when there may be work: items or tasks.
    pub work_available: Notifier,
    /// Notified when this process may have made tasks: it can do them itself.
    pub tasks_available: Notifier,
    /// Notified when a job has changed.
    pub job_changes: Notifier,
    /// Tells the workers on a job about job actions.
    pub job_signals: JobSignals,
    /// Live updates of watched jobs.
    pub live_jobs: LiveJobs,
    /// Which links of open pages still work.
    pub live_links: LiveLinks,
    /// The newest job of each list that is open in a browser.
    pub newest_jobs: NewestJobs,
    pub stream_limiter: StreamLimiter,
    /// What requests are receiving, for the quotas of companies.
    pub bytes_in_flight: BytesInFlight,
    /// ICC profiles of the operator's folder.
    pub profiles: ProfileLibrary,
    /// Default Image Serving attributes.
    pub attributes: Arc<Attributes>,
    pub render_pools: RenderPools,
    /// The previews that are being rendered, and those that wait.
    pub preview_renders: PreviewRenders,
    /// The same of thumbnails, of which a page asks for many at once.
    pub thumbnail_renders: PreviewRenders,
    pub mailer: Arc<Mailer>,
    /// Where people may sign in; none where the settings name no provider.
    pub identity_provider: Option<Arc<IdentityProvider>>,
    pub webhook_sender: Arc<WebhookSender>,
    /// Renders the text of `/metrics`.
    pub metrics: PrometheusHandle,
    /// Limits the requests of each caller.
    pub rate_limiter: Arc<RateLimiter>,
    /// Health checks and metrics by address.
    pub probe_limiter: Arc<RateLimiter>,
    /// Limits how many refused and failed requests of each caller enter the audit log.
    pub refusal_limiter: Arc<RateLimiter>,
    /// Limits how often webhooks are sent again and jobs are retried.
    pub replay_limiter: Arc<RateLimiter>,
    /// Limits attempts to sign in, by address and by account.
    pub sign_in_limiter: Arc<RateLimiter>,
    /// Whether the database and the storage answered a moment ago.
    pub readiness: ReadinessCache,
    /// Cancelled when the service shuts down: tasks start nothing new.
    pub closing: CancellationToken,
}

/// The render processes. Previews have a pool of their own, so that they never wait for jobs.
#[derive(Clone, Debug)]
pub struct RenderPools {
    pub items: RenderPool,
    pub previews: RenderPool,
}

impl RenderPools {
    /// Opens the pools; processes are started when they are needed. `program` is the path of this binary, which is
    /// started as `offprint render-worker`. `fault` is for tests.
    pub fn open(settings: &Settings, library: ProfileLibrary, program: PathBuf, fault: Option<String>) -> Self {
        let limits = build_render_limits(settings);
        let memory = if settings.render_memory == 0 { find_default_memory() } else { settings.render_memory };
        let process_limits = ProcessLimits {
            memory_bytes: settings.max_render_memory,
            cpu_time: settings.max_render_cpu,
            wall_time: settings.max_render_time,
            // The largest output uncompressed with alpha, and 64 MiB for profiles and tables.
            file_bytes: limits.output_pixels * 4 + (64 << 20),
        };
        let config = RenderPoolConfig {
            program,
            service_name: settings.database.data_dir.clone(),
            concurrency: get_render_slots(settings),
            profile_library: library,
            limits,
            process_limits,
            memory_budget: MemoryBudget::new(memory),
            fault_injection: fault,
        };
        let previews = RenderPool::open(RenderPoolConfig { concurrency: MAX_CONCURRENT_PREVIEWS, ..config.clone() });
        Self { items: RenderPool::open(config), previews }
    }
}

/// Why the render processes do not do.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    #[error(transparent)]
    NotStarted(#[from] RenderError),
    /// With `OFFPRINT_SANDBOX=required`. A sentence with what is missing and the remedies.
    #[error("{0}")]
    Incomplete(String),
}

impl RenderPools {
    /// Starts a process in each pool to find out how it is confined, and reports that: as a gauge for each layer, and what
    /// is missing as warnings. Later processes of a pool that are confined otherwise are not used.
    ///
    /// # Errors
    /// When no process can be started, or the pools differ; when a layer that matters is missing and `mode` requires it.
    pub async fn check_confinement(&self, mode: SandboxMode) -> Result<Confinement, ConfinementError> {
        let confinement = self.items.confinement().await?;
        if self.previews.confinement().await? != confinement {
            let detail = "Two render processes are confined differently; start the service again.";
            return Err(RenderError::new(Code::Unavailable, detail).into());
        }
        for layer in &LAYERS {
            let gauge = metrics::gauge!("offprint_sandbox_layer", "layer" => layer.name);
            gauge.set(if layer.is_in_force(&confinement) { 1.0 } else { 0.0 });
        }
        for layer in confinement.list_missing_layers() {
            warn!(layer = layer.name, "Render processes are not confined by {}. {}", layer.name, layer.remedy);
        }
        let missing = confinement.list_missing_layers().filter(|layer| layer.is_required);
        let (names, remedies): (Vec<&str>, Vec<&str>) = missing.map(|layer| (layer.name, layer.remedy)).unzip();
        if mode == SandboxMode::Required && !names.is_empty() {
            return Err(ConfinementError::Incomplete(format!(
                "Render processes cannot be confined completely, and OFFPRINT_SANDBOX is `required`: {} is missing. {} \
                 To start all the same, set OFFPRINT_SANDBOX=preferred: an image that takes over a decoder may then do \
                 more than render.",
                names.join(", "),
                remedies.join(" ")
            )));
        }
        Ok(confinement)
    }
}

/// How many images are rendered at once: as set, or one more than there are processors, because a render process waits a tenth
/// of its time for its next image.
pub fn get_render_slots(settings: &Settings) -> usize {
    match settings.slots {
        0 => std::thread::available_parallelism().map_or(2, usize::from) + 1,
        slots => slots,
    }
}

/// Limits on the size of source and output images.
fn build_render_limits(settings: &Settings) -> RenderLimits {
    RenderLimits {
        source_pixels: settings.max_source_pixels,
        source_side: settings.max_source_side,
        decoded_bytes: settings.max_decoded_bytes,
        profile_bytes: settings.max_profile_bytes,
        output_pixels: settings.max_output_pixels,
        output_side: settings.max_output_side,
    }
}

/// Why bytes could not be stored as a blob.
#[derive(Debug, thiserror::Error)]
pub enum StoreBlobError {
    #[error(transparent)]
    Storage(#[from] offprint_storage::StorageError),
    #[error(transparent)]
    Db(#[from] db::DbError),
}

/// Stores staged bytes as blobs that are held until their worker has written the row that refers to them: all in one
/// transaction, each blob once.
///
/// ```text
///   prepare           syncs the bytes, or sends them to the object store; takes long, so it comes before the lock
///   upsert_blobs      writes and locks the blobs' rows
///   publish           gives the bytes their final names, and syncs the folders
///   commit            releases the locks
/// ```
///
/// The bytes get their final name only under the lock of the row, because retention removes unused bytes under the same
/// lock: it cannot remove what is being stored. A crash before the commit leaves a file without a row, which is removed
/// later as a stray file. The other order could leave a row without bytes.
pub async fn store_blobs(pool: &PgPool, storage: &Storage, staged: Vec<StagedBlob>) -> Result<(), StoreBlobError> {
    let (mut staged, rows) = take_each_once(staged);
    try_join_all(staged.iter_mut().map(|blob| storage.prepare(blob))).await?;
    let mut transaction = db::with_query_timeout(async { Ok(pool.begin().await?) }).await?;
    db::with_query_timeout(blob::upsert_blobs(&mut transaction, &rows)).await?;
    publish_all(storage, staged).await?;
    Ok(db::with_query_timeout(async { Ok(transaction.commit().await?) }).await?)
}

impl AppState {
    /// Marks a blob as damaged, and logs it.
    pub async fn report_damaged_blob(&self, sha256: &Digest) {
        metrics::counter!("offprint_damaged_blobs_found_total").increment(1);
        error!("Blob {sha256} is damaged: its bytes do not match its digest. Upload the file again to repair it");
        if let Err(error) = blob::set_blob_damaged(&self.system, sha256, true).await {
            warn!(error = %error, "Could not mark blob {sha256} as damaged: {error}");
        }
    }

    /// Stores staged bytes as blobs, see [`store_blobs`].
    pub async fn store_blobs(&self, staged: Vec<StagedBlob>) -> Result<(), StoreBlobError> {
        metrics::counter!("offprint_stored_bytes_total").increment(staged.iter().map(|blob| blob.size).sum());
        store_blobs(&self.system, &self.storage, staged).await
    }

    /// Creates a download link. Returns its row and its URL, which is stored nowhere.
    pub async fn create_link(
        &self,
        pool: &PgPool,
        company: CompanyId,
        new: &NewLink<'_>,
    ) -> Result<(LinkRow, String), db::DbError> {
        let mut transaction = pool.begin().await?;
        let link = link::insert_link(&mut transaction, company, new).await?;
        let url = self.build_link_url(&mut transaction, company, link.link_id).await?;
        transaction.commit().await?;
        Ok((link, url))
    }

    /// The URL of a link. It is stored nowhere: whoever reads the database cannot open links.
    pub async fn build_link_url(
        &self,
        connection: &mut DbConnection,
        company: CompanyId,
        link: LinkId,
    ) -> Result<String, db::DbError> {
        let key = link::ensure_signing_key(connection, company).await?;
        let token = LinkToken::sign(TokenKind::Download, company, link.0, &key);
        Ok(format!("{}/downloads/{token}", self.public_url()))
    }

    /// The URL of a link in a mail by which a user signs in. It is stored nowhere.
    pub async fn write_sign_in_url(&self, company: CompanyId, link: SignInLinkId) -> Result<String, db::DbError> {
        let mut connection = self.system.acquire().await?;
        let key = link::ensure_signing_key(&mut connection, company).await?;
        let token = LinkToken::sign(TokenKind::SignIn, company, link.0, &key);
        Ok(format!("{}/sign-in/mail/{token}", self.public_url()))
    }

    /// Limits on the size of source and output images.
    pub fn render_limits(&self) -> RenderLimits {
        build_render_limits(&self.settings)
    }

    /// What modifiers are resolved with and images planned with.
    pub fn recipe_context(&self) -> RecipeContext {
        RecipeContext::new(self.attributes.clone(), self.render_limits(), self.profiles.clone())
    }

    /// What the validation of export requests needs of the state.
    pub fn export_context(&self) -> ExportContext<'_> {
        ExportContext {
            recipes: self.recipe_context(),
            compute: &self.compute,
            max_renditions: self.settings.max_renditions,
            min_schedule_interval: self.settings.min_schedule_interval,
            callback_policy: &self.webhook_sender.policy,
            mail_domains: &self.settings.mail_domains,
            mail_to: self.settings.mail_to.as_deref(),
            connections: self.connections.list_all().map(Connection::rights).collect(),
        }
    }

    /// How many images are rendered at once.
    pub fn render_slots(&self) -> usize {
        get_render_slots(&self.settings)
    }

    /// The URL under which people reach the service, without a slash at the end.
    pub fn public_url(&self) -> String {
        let url = self.settings.public_url.clone().unwrap_or_else(|| format!("http://{}", self.settings.bind));
        url.trim_end_matches('/').to_owned()
    }
}
