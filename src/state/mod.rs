//! What every room of a running service shares.

mod bell;
pub mod live;
pub mod meter;
pub mod post;
pub mod seats;
pub mod token;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

pub use bell::{Bell, Orders, Told};

use crate::db::key_ring::KeyRing;
use crate::db::link::{self, Link, NewLink};
use crate::db::{self, PgPool, blob};
use crate::digest::Digest;
use crate::export::Desk;
use crate::id::{CompanyId, WorkerId};
use crate::language::Attributes;
use crate::notify::Mailer;
use crate::notify::webhook::Courier;
use crate::render::pool::{Budget, Fence, Setup, default_memory};
use crate::render::{Library, Limits, Pool};
use crate::settings::Settings;
use crate::state::live::Live;
use crate::state::meter::Meter;
use crate::state::seats::Seats;
use crate::state::token::Token;
use crate::storage::{self, Staged, Storage};

/// The parts of a running service.
#[derive(Clone)]
pub struct State {
    /// Every knob.
    pub settings: Arc<Settings>,
    /// The database as the caller's company sees it: requests ask here, see [`db::wall`].
    pub db: PgPool,
    /// The database for what concerns no company or all of them.
    pub system: PgPool,
    /// The bytes.
    pub storage: Storage,
    /// The company of callers without a key of their own: of everybody in open mode, and of OFFPRINT_API_KEY.
    pub company: CompanyId,
    /// Keys that were seen a moment ago.
    pub keys: KeyRing,
    /// This process, as the attempt history names it.
    pub worker: WorkerId,
    /// Rings when there may be work.
    pub work: Bell,
    /// Rings when a job has changed.
    pub news: Bell,
    /// Tells those who work on a job of orders to it.
    pub orders: Orders,
    /// Tells those who watch a job when it has changed.
    pub live: Live,
    /// Seats for live streams.
    pub seats: Seats,
    /// The colour profiles of the operator's folder.
    pub profiles: Library,
    /// What holds where a modifier is silent.
    pub attributes: Arc<Attributes>,
    /// Renders pictures.
    pub renders: Renders,
    /// Sends mail.
    pub mailer: Arc<Mailer>,
    /// Sends webhooks.
    pub courier: Arc<Courier>,
    /// Renders the numbers for `/metrics`.
    pub metrics: PrometheusHandle,
    /// How often callers call.
    pub meter: Arc<Meter>,
    /// How often callers were refused, as far as the audit log tells of it.
    pub refusals: Arc<Meter>,
    /// Whether some company has a limit of its own for items that run at once. Looked at with each sweep.
    pub own_running: Arc<AtomicBool>,
    /// Cancelled when the service closes: nothing new is begun.
    pub closing: CancellationToken,
}

/// The render processes. Those of previews are apart, so that nobody who waits for one waits for a job.
#[derive(Clone, Debug)]
pub struct Renders {
    /// For the items of jobs.
    pub items: Pool,
    /// For previews.
    pub previews: Pool,
}

impl Renders {
    /// Pools without processes yet, in this runtime. The program is this one, wherever it lies; a fault is for tests.
    ///
    /// # Errors
    /// When their folder cannot be made.
    pub fn open(settings: &Settings, library: Library, program: PathBuf, fault: Option<String>) -> io::Result<Self> {
        /// How many previews are rendered at once.
        const PREVIEWS: usize = 2;
        let limits = limits(settings);
        let memory = if settings.render_memory == 0 { default_memory() } else { settings.render_memory };
        let fence = Fence {
            memory: settings.max_render_memory,
            cpu: settings.max_render_cpu,
            wall: settings.max_render_time,
            // Uncompressed with alpha, and some room for profiles and tables.
            file: limits.output_pixels * 4 + (64 << 20),
        };
        let scratch = settings.data_dir.join("render");
        let setup = Setup {
            program,
            scratch,
            places: slots(settings),
            library,
            limits,
            fence,
            budget: Budget::of(memory),
            fault,
        };
        let previews = Pool::open(Setup { places: PREVIEWS, ..setup.clone() })?;
        Ok(Self { items: Pool::open(setup)?, previews })
    }
}

/// How many pictures are rendered at once.
pub fn slots(settings: &Settings) -> usize {
    match settings.slots {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        slots => slots,
    }
}

/// How large pictures may be.
fn limits(settings: &Settings) -> Limits {
    Limits {
        source_pixels: settings.max_source_pixels,
        source_side: settings.max_source_side,
        decoded_bytes: settings.max_decoded_bytes,
        frames: settings.max_frames,
        frame_pixels: settings.max_frame_pixels,
        profile_bytes: settings.max_profile_bytes,
        output_pixels: settings.max_output_pixels,
        output_side: settings.max_output_side,
    }
}

/// Why bytes could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The storage did not take them.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The database did not take their row.
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// Makes staged bytes a blob. They get their final name only while the blob's row is locked, so that a sweep cannot
/// remove what was just put: row, name, safe, commit. What takes long was sent before.
pub async fn keep(pool: &PgPool, storage: &Storage, mut staged: Staged) -> Result<Digest, KeepError> {
    storage.prepare(&mut staged).await?;
    let digest = staged.digest;
    let row = blob::Blob { sha256: digest, size: staged.size as i64, crc32: i64::from(staged.crc32), damaged: false };
    let mut transaction = db::patiently(async { Ok(pool.begin().await?) }).await?;
    db::patiently(blob::hold(&mut transaction, &row)).await?;
    storage.publish(staged).await?;
    db::patiently(async { Ok(transaction.commit().await?) }).await?;
    Ok(digest)
}

impl State {
    /// Writes down that a blob is not what was stored, and tells the log.
    pub async fn found_damaged(&self, sha256: &Digest) {
        metrics::counter!("offprint_damaged_blobs_found_total").increment(1);
        error!("Blob {sha256} is damaged: its bytes are not those that were stored. Upload the file again to heal it");
        if let Err(error) = blob::mark(&self.system, sha256, true).await {
            warn!(error = %error, "Damage of blob {sha256} could not be written down: {error}");
        }
    }

    /// Makes staged bytes a blob, see [`keep`].
    pub async fn keep(&self, staged: Staged) -> Result<Digest, KeepError> {
        metrics::counter!("offprint_stored_bytes_total").increment(staged.size);
        keep(&self.system, &self.storage, staged).await
    }

    /// Makes a link, and the address at which it works. The address is kept nowhere.
    pub async fn link(
        &self,
        pool: &PgPool,
        company: CompanyId,
        new: &NewLink<'_>,
    ) -> Result<(Link, String), db::Error> {
        let mut transaction = pool.begin().await?;
        let key = link::signing_key(&mut transaction, company).await?;
        let link = link::create(&mut transaction, company, new).await?;
        transaction.commit().await?;
        let token = Token::sign(company, link.link_id, &key);
        Ok((link, format!("{}/downloads/{token}", self.public_url())))
    }

    /// How large pictures may be.
    pub fn limits(&self) -> Limits {
        limits(&self.settings)
    }

    /// What orders are drafted with.
    pub fn desk(&self) -> Desk<'_> {
        Desk {
            attributes: &self.attributes,
            limits: self.limits(),
            profiles: &self.profiles,
            shortest_interval: self.settings.min_schedule_interval,
            callbacks: &self.courier.callbacks,
            mail_domains: &self.settings.mail_domains,
        }
    }

    /// How many pictures are rendered at once.
    pub fn slots(&self) -> usize {
        slots(&self.settings)
    }

    /// The address under which people reach the service, without a slash at the end.
    pub fn public_url(&self) -> String {
        let said = self.settings.public_url.clone().unwrap_or_else(|| format!("http://{}", self.settings.bind));
        said.trim_end_matches('/').to_owned()
    }
}
