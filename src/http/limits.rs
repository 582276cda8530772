//! Limits of a company: its own, else those of the settings, and the errors of exceeding them.
//!
//! Limits on bytes and assets are checked twice: before and during an upload ([`StorageQuota`], without a lock, so that
//! nobody sends a gigabyte in vain, and all uploads at once cannot fill the disk), and in the transaction that registers
//! the assets ([`check_company_limits`]), which is the check that counts. Cached renditions make room for an upload; that
//! is done at the first check, because it removes files.

use actix_web::http::header::{self, HeaderMap};
use offprint_core::Code;
use uuid::Uuid;

use crate::app::AppState;
use crate::app::bytes_in_flight::ByteReservation;
use crate::app::rate_limiter::{RateLimitKey, RateLimitStatus};
use crate::app::readiness::MIN_FREE_BYTES;
use crate::db::limits::{self, CompanyLimitsRow, CompanyUsageRow};
use crate::db::{self, DbConnection};
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;
use crate::id::CompanyId;
use crate::jobs::placement;
use crate::settings::Settings;

/// The limits in force for one company. 0 means no limit.
#[derive(Clone, Copy, Debug)]
pub struct EffectiveLimits {
    /// Bytes of one uploaded file.
    pub upload: u64,
    pub assets: u64,
    /// Bytes of all originals, unfinished uploads and renditions.
    pub stored: u64,
    /// Items that run at the same time.
    pub running: u32,
    /// Jobs that are not finished.
    pub jobs: u32,
    pub schedules: u32,
}

impl EffectiveLimits {
    pub async fn load(state: &AppState, company: CompanyId) -> Result<Self, Problem> {
        Ok(Self::new(&state.settings, &limits::find_company_limits(&state.db, company).await?))
    }

    fn new(settings: &Settings, own: &CompanyLimitsRow) -> Self {
        let large = |own: Option<i64>, setting: u64| own.map_or(setting, i64::unsigned_abs);
        let small = |own: Option<i32>, setting: u32| own.map_or(setting, i32::unsigned_abs);
        Self {
            upload: large(own.max_upload, settings.max_upload),
            assets: large(own.max_assets, settings.max_assets),
            stored: large(own.max_stored, settings.max_stored),
            running: small(own.max_running, settings.max_running),
            jobs: placement::get_max_jobs(settings, own),
            schedules: small(own.max_schedules, settings.max_schedules),
        }
    }

    fn check_usage(&self, usage: &CompanyUsageRow) -> Result<(), Problem> {
        let (assets, stored) = (usage.assets.unsigned_abs(), usage.stored_bytes.unsigned_abs());
        if self.assets > 0 && assets > self.assets {
            return Err(reject_too_many_assets(self.assets));
        }
        if self.stored > 0 && stored > self.stored {
            return Err(reject_too_many_bytes(self.stored));
        }
        Ok(())
    }
}

/// How much an upload may still store. It is checked before and while bytes arrive; the check that counts is
/// [`check_company_limits`].
pub struct StorageQuota {
    state: AppState,
    company: CompanyId,
    pub limits: EffectiveLimits,
    /// What the company may still store, all its uploads together.
    bytes_left: u64,
    /// What it has beyond its quota, because the quota was lowered.
    overdrawn: u64,
    received: ByteReservation,
}

impl StorageQuota {
    /// The quota of a company that will free `freed_bytes`, those of an original that is replaced.
    pub async fn load(state: &AppState, company: CompanyId, freed_bytes: u64) -> Result<Self, Problem> {
        let (limits, usage) = Self::load_limits_and_usage(state, company).await?;
        Ok(Self::from_usage(state, company, (limits, &usage), freed_bytes))
    }

    fn from_usage(
        state: &AppState,
        company: CompanyId,
        (limits, usage): (EffectiveLimits, &CompanyUsageRow),
        freed_bytes: u64,
    ) -> Self {
        let stored = usage.stored_bytes.unsigned_abs();
        let (bytes_left, overdrawn) = match limits.stored {
            0 => (u64::MAX, 0),
            max => (max.saturating_sub(stored).saturating_add(freed_bytes), stored.saturating_sub(max)),
        };
        let received = state.bytes_in_flight.reserve(company);
        Self { state: state.clone(), company, limits, bytes_left, overdrawn, received }
    }

    /// The quota for new assets.
    ///
    /// # Errors
    /// 422 when there is no room for one more asset or byte.
    pub async fn for_assets(state: &AppState, company: CompanyId) -> Result<Self, Problem> {
        let (limits, usage) = Self::load_limits_and_usage(state, company).await?;
        limits.check_usage(&CompanyUsageRow { assets: usage.assets + 1, stored_bytes: 0 })?;
        let mut quota = Self::from_usage(state, company, (limits, &usage), 0);
        if !quota.make_room(1).await? {
            return Err(reject_too_many_bytes(limits.stored));
        }
        Ok(quota)
    }

    /// Makes room for this many bytes at the expense of cached renditions. Returns whether there is room.
    async fn make_room(&mut self, bytes: u64) -> Result<bool, Problem> {
        if bytes > self.bytes_left {
            let needed = (bytes - self.bytes_left).saturating_add(self.overdrawn);
            let freed = self.state.evict_cached_renditions(self.company, needed).await?;
            let repaid = freed.min(self.overdrawn);
            self.overdrawn -= repaid;
            self.bytes_left += freed - repaid;
        }
        Ok(bytes <= self.bytes_left)
    }

    async fn load_limits_and_usage(
        state: &AppState,
        company: CompanyId,
    ) -> Result<(EffectiveLimits, CompanyUsageRow), Problem> {
        let effective = EffectiveLimits::load(state, company).await?;
        let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
        Ok((effective, limits::find_company_usage(&mut connection, company).await?))
    }

    /// Checks that a file of this size fits.
    ///
    /// # Errors
    /// 413 beyond the limit for one file, 422 beyond the company's storage quota.
    pub async fn check_file_size(&mut self, size: u64) -> Result<(), Problem> {
        let limit = self.limits.upload;
        if limit > 0 && size > limit {
            let detail = format!("The file is larger than the limit of {limit} bytes. Nothing was stored.");
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        match self.make_room(size).await? {
            true => Ok(()),
            false => Err(reject_too_many_bytes(self.limits.stored)),
        }
    }

    /// Counts bytes that have arrived, beside those of all uploads of the company at this moment.
    ///
    /// # Errors
    /// 422 when they do not fit.
    pub async fn receive_bytes(&mut self, bytes: u64) -> Result<(), Problem> {
        if self.received.grow(bytes, self.bytes_left) {
            return Ok(());
        }
        self.make_room(self.received.total().saturating_add(bytes)).await?;
        match self.received.grow(bytes, self.bytes_left) {
            true => Ok(()),
            false => Err(reject_too_many_bytes(self.limits.stored)),
        }
    }

    /// Ends counting what was received: the transaction that registers it counts from here on.
    pub fn hand_over(mut self) -> EffectiveLimits {
        self.received.release();
        self.limits
    }
}

/// How many bytes of one upload may arrive between two looks at the disk.
pub(crate) const FREE_SPACE_CHECK_BYTES: u64 = 16 << 20;

/// The length that a request announces for its body; 0 when it does not.
pub(crate) fn read_announced_bytes(headers: &HeaderMap) -> u64 {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Checks that the disk has room for an upload of `announced` bytes, or at all where that is not known. The last
/// [`MIN_FREE_BYTES`] stay free: for the database, for items that are running, and for whoever has to clean up.
///
/// # Errors
/// 507 when it has not.
pub(crate) async fn check_free_space(state: &AppState, announced: u64) -> Result<(), Problem> {
    let free = state.storage.free_bytes().await?;
    if free >= MIN_FREE_BYTES.saturating_add(announced) {
        return Ok(());
    }
    let detail = format!(
        "The storage has {} MiB left, of which {} are kept free. Nothing was stored. Free some space, then retry.",
        free >> 20,
        MIN_FREE_BYTES >> 20
    );
    Err(Problem::new(Code::StorageFull, detail))
}

/// Checks the company's usage inside the transaction that raised it.
pub async fn check_company_limits(
    connection: &mut DbConnection,
    company: CompanyId,
    effective: &EffectiveLimits,
) -> Result<(), Problem> {
    effective.check_usage(&limits::find_company_usage(connection, company).await?)
}

fn reject_too_many_assets(max: u64) -> Problem {
    let detail = format!(
        "The company would exceed its limit of {max} assets. Nothing was stored. Delete assets that are no longer needed."
    );
    Problem::new(Code::TooManyAssets, detail)
}

fn reject_too_many_bytes(max: u64) -> Problem {
    let detail = format!(
        "The company's originals, unfinished uploads and exported files would exceed the storage quota of {max} bytes. \
         Nothing was stored. Delete assets and jobs that are no longer needed: a job keeps its rendered files until they \
         expire, and the originals that it used, also those that were deleted or replaced since."
    );
    Problem::new(Code::StorageQuota, detail)
}

/// How often a minute one webhook may be sent again, or one job retried.
const MAX_REPEATS_OF_ONE: u32 = 10;
/// The same for all webhooks and jobs of a company.
const MAX_REPEATS_OF_COMPANY: u32 = 30;

/// Counts that a webhook is sent again or a job is retried: what the service then sends to others must not be as much as a
/// caller can ask for.
///
/// # Errors
/// 429 when it was asked for too often.
pub fn count_repeat(state: &AppState, caller: &Caller, subject: Uuid) -> Result<(), Problem> {
    ask_repeat_limits(caller, subject, |key, limit| state.replay_limiter.take(key, limit))
}

/// Checks the same without counting: for what may be refused for another reason and then repeats nothing.
///
/// # Errors
/// As [`count_repeat`].
pub fn check_repeats(state: &AppState, caller: &Caller, subject: Uuid) -> Result<(), Problem> {
    ask_repeat_limits(caller, subject, |key, limit| state.replay_limiter.peek(key, limit))
}

fn ask_repeat_limits(
    caller: &Caller,
    subject: Uuid,
    ask: impl Fn(RateLimitKey, u32) -> RateLimitStatus,
) -> Result<(), Problem> {
    let limits = [(subject, MAX_REPEATS_OF_ONE), (caller.company.0, MAX_REPEATS_OF_COMPANY)];
    let statuses = limits.into_iter().map(|(subject, limit)| ask(RateLimitKey::Caller(subject), limit));
    let Some(reached) = statuses.into_iter().find(|status| status.wait.is_some()) else { return Ok(()) };
    let seconds = reached.wait.unwrap_or_default().as_secs_f64().ceil().max(1.0) as u64;
    let detail = format!(
        "This was repeated more than {} times a minute. Nothing was done. Retry in {seconds} s.",
        reached.limit
    );
    Err(Problem::new(Code::RateLimited, detail).with_header(header::RETRY_AFTER, &seconds.to_string()))
}
