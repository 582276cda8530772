//! Limits of a company on what it stores: its own, else those of the settings, and the errors of exceeding them. For everything that
//! becomes an original, whether it is uploaded or imported.
//!
//! Limits on bytes and assets are checked twice: before and while the bytes arrive ([`StorageQuota`], without a lock, so that
//! nobody sends a gigabyte in vain, and all at once cannot fill the disk), and in the transaction that registers
//! the assets ([`check_company_limits`]), which is the check that counts. Cached renditions make room for an upload; that
//! is done at the first check, because it removes files.

use std::io;

use offprint_core::Code;
use offprint_storage::StorageError;

use crate::app::bytes_in_flight::ByteReservation;
use crate::app::readiness::MIN_FREE_BYTES;
use crate::app::{AppState, StoreBlobError};
use crate::db::limits::{self, CompanyLimitsRow, CompanyUsageRow};
use crate::db::{DbConnection, DbError};
use crate::id::CompanyId;
use crate::jobs::placement;
use crate::reason::Reason;
use crate::settings::Settings;

/// Why a file does not become an original.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It exceeds a limit.
    #[error("{}", .0.detail)]
    Refused(Reason),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the staged file cannot be read: {0}")]
    Staged(#[from] io::Error),
}

impl From<StoreBlobError> for IntakeError {
    fn from(error: StoreBlobError) -> Self {
        match error {
            StoreBlobError::Storage(error) => Self::Storage(error),
            StoreBlobError::Db(error) => Self::Db(error),
        }
    }
}

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
    pub async fn load(state: &AppState, company: CompanyId) -> Result<Self, DbError> {
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

    fn check_usage(&self, usage: &CompanyUsageRow) -> Result<(), IntakeError> {
        self.check_totals(usage.assets.unsigned_abs(), usage.stored_bytes.unsigned_abs())
    }

    /// Checks that so many assets and stored bytes are within the limits.
    ///
    /// # Errors
    /// `too-many-assets` or `storage-quota` when they are not.
    pub fn check_totals(&self, assets: u64, stored: u64) -> Result<(), IntakeError> {
        if self.assets > 0 && assets > self.assets {
            return Err(refuse_assets(self.assets));
        }
        if self.stored > 0 && stored > self.stored {
            return Err(refuse_bytes(self.stored));
        }
        Ok(())
    }
}

/// The limits of a company and what it stored at one moment.
#[derive(Clone, Copy)]
pub struct StoredTotals {
    limits: EffectiveLimits,
    usage: CompanyUsageRow,
}

impl StoredTotals {
    pub async fn load(state: &AppState, company: CompanyId) -> Result<Self, DbError> {
        let limits = EffectiveLimits::load(state, company).await?;
        let mut connection = state.db.acquire().await.map_err(DbError::from)?;
        Ok(Self { limits, usage: limits::find_company_usage(&mut connection, company).await? })
    }

    /// Whether so many more assets and bytes are within the limits.
    pub fn allows(&self, assets: u64, bytes: u64) -> bool {
        let (before, stored) = (self.usage.assets.unsigned_abs(), self.usage.stored_bytes.unsigned_abs());
        self.limits.check_totals(before.saturating_add(assets), stored.saturating_add(bytes)).is_ok()
    }

    /// The quota for one of the assets that it allows.
    pub fn build_quota(&self, state: &AppState, company: CompanyId) -> StorageQuota {
        StorageQuota::new(state, company, self, 0)
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
    pub async fn load(state: &AppState, company: CompanyId, freed_bytes: u64) -> Result<Self, IntakeError> {
        Ok(Self::new(state, company, &StoredTotals::load(state, company).await?, freed_bytes))
    }

    fn new(state: &AppState, company: CompanyId, totals: &StoredTotals, freed_bytes: u64) -> Self {
        let (limits, stored) = (totals.limits, totals.usage.stored_bytes.unsigned_abs());
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
    /// `too-many-assets` or `storage-quota` when there is no room for one more asset or byte.
    pub async fn for_assets(state: &AppState, company: CompanyId) -> Result<Self, IntakeError> {
        let totals = StoredTotals::load(state, company).await?;
        totals.limits.check_usage(&CompanyUsageRow { assets: totals.usage.assets + 1, stored_bytes: 0 })?;
        let mut quota = Self::new(state, company, &totals, 0);
        if !quota.make_room(1).await? {
            return Err(refuse_bytes(totals.limits.stored));
        }
        Ok(quota)
    }

    /// Makes room for this many bytes at the expense of cached renditions. Returns whether there is room.
    async fn make_room(&mut self, bytes: u64) -> Result<bool, IntakeError> {
        if bytes > self.bytes_left {
            let needed = (bytes - self.bytes_left).saturating_add(self.overdrawn);
            let freed = self.state.evict_cached_renditions(self.company, needed).await?;
            let repaid = freed.min(self.overdrawn);
            self.overdrawn -= repaid;
            self.bytes_left += freed - repaid;
        }
        Ok(bytes <= self.bytes_left)
    }

    /// Checks that a file of this size fits.
    ///
    /// # Errors
    /// `body-too-large` beyond the limit for one file, `storage-quota` beyond the company's.
    pub async fn check_file_size(&mut self, size: u64) -> Result<(), IntakeError> {
        let limit = self.limits.upload;
        if limit > 0 && size > limit {
            let detail = format!("The file is larger than the limit of {limit} bytes. Nothing was stored.");
            return Err(IntakeError::Refused(Reason::new(Code::BodyTooLarge, detail)));
        }
        match self.make_room(size).await? {
            true => Ok(()),
            false => Err(refuse_bytes(self.limits.stored)),
        }
    }

    /// Counts bytes that have arrived, beside those of all uploads of the company at this moment.
    ///
    /// # Errors
    /// `storage-quota` when they do not fit.
    pub async fn receive_bytes(&mut self, bytes: u64) -> Result<(), IntakeError> {
        if self.received.grow(bytes, self.bytes_left) {
            return Ok(());
        }
        self.make_room(self.received.total().saturating_add(bytes)).await?;
        match self.received.grow(bytes, self.bytes_left) {
            true => Ok(()),
            false => Err(refuse_bytes(self.limits.stored)),
        }
    }

    /// Ends counting what was received: the transaction that registers it counts from here on.
    pub fn hand_over(mut self) -> EffectiveLimits {
        self.received.release();
        self.limits
    }
}

/// How many bytes of one upload may arrive between two looks at the disk.
pub const FREE_SPACE_CHECK_BYTES: u64 = 16 << 20;

/// Checks that the disk has room for an upload of `announced` bytes, or at all where that is not known. The last
/// [`MIN_FREE_BYTES`] stay free: for the database, for items that are running, and for whoever has to clean up.
///
/// # Errors
/// `storage-full` when it has not.
pub async fn check_free_space(state: &AppState, announced: u64) -> Result<(), IntakeError> {
    let free = state.storage.free_bytes().await?;
    if free >= MIN_FREE_BYTES.saturating_add(announced) {
        return Ok(());
    }
    let detail = format!(
        "The storage has {} MiB left, of which {} are kept free. Nothing was stored. Free some space, then retry.",
        free >> 20,
        MIN_FREE_BYTES >> 20
    );
    Err(IntakeError::Refused(Reason::new(Code::StorageFull, detail)))
}

/// Checks the company's usage inside the transaction that raised it.
pub async fn check_company_limits(
    connection: &mut DbConnection,
    company: CompanyId,
    effective: &EffectiveLimits,
) -> Result<(), IntakeError> {
    effective.check_usage(&limits::find_company_usage(connection, company).await?)
}

fn refuse_assets(max: u64) -> IntakeError {
    let detail = format!(
        "The company would exceed its limit of {max} assets. Nothing was stored. Delete assets that are no longer needed."
    );
    IntakeError::Refused(Reason::new(Code::TooManyAssets, detail))
}

fn refuse_bytes(max: u64) -> IntakeError {
    let detail = format!(
        "The company's originals, unfinished uploads and exported files would exceed the storage quota of {max} bytes. \
         Nothing was stored. Delete assets and jobs that are no longer needed: a job keeps its rendered files until they \
         expire, and the originals that it used, also those that were deleted or replaced since."
    );
    IntakeError::Refused(Reason::new(Code::StorageQuota, detail))
}
