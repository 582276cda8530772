//! What a company may have: its own limits, or those of the settings. Who is beyond one is told which, and what to do.

use crate::api::problem::Problem;
use crate::code::Code;
use crate::db::limits::{self, OwnLimits, Used};
use crate::db::{self, Connection};
use crate::export::place;
use crate::id::CompanyId;
use crate::settings::Settings;
use crate::state::State;

/// The limits that hold for one company. 0 means no limit.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Bytes of one uploaded file.
    pub upload: u64,
    /// Assets.
    pub assets: u64,
    /// Bytes of originals.
    pub stored: u64,
    /// Items that run at once.
    pub running: u32,
    /// Jobs that are not finished.
    pub jobs: u32,
    /// Schedules.
    pub schedules: u32,
}

impl Allowed {
    /// What holds for this company.
    pub async fn of(state: &State, company: CompanyId) -> Result<Self, Problem> {
        Ok(Self::new(&state.settings, &limits::own(&state.db, company).await?))
    }

    fn new(settings: &Settings, own: &OwnLimits) -> Self {
        let large = |own: Option<i64>, setting: u64| own.map_or(setting, i64::unsigned_abs);
        let small = |own: Option<i32>, setting: u32| own.map_or(setting, i32::unsigned_abs);
        Self {
            upload: large(own.max_upload, settings.max_upload),
            assets: large(own.max_assets, settings.max_assets),
            stored: large(own.max_stored, settings.max_stored),
            running: small(own.max_running, settings.max_running),
            jobs: place::most_jobs(settings, own),
            schedules: small(own.max_schedules, settings.max_schedules),
        }
    }

    fn check(&self, used: &Used) -> Result<(), Problem> {
        let (assets, stored) = (used.assets.unsigned_abs(), used.stored_bytes.unsigned_abs());
        if self.assets > 0 && assets > self.assets {
            return Err(too_many_assets(self.assets));
        }
        if self.stored > 0 && stored > self.stored {
            return Err(too_many_bytes(self.stored));
        }
        Ok(())
    }
}

/// What an upload may still bring. It is looked at before and while bytes come, so that nobody sends a gigabyte for
/// nothing; what counts is [`check`].
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The limits.
    pub allowed: Allowed,
    /// Bytes that are left.
    pub left: u64,
}

impl Room {
    /// What is left for a company, `more` bytes beside.
    pub async fn of(state: &State, company: CompanyId, more: u64) -> Result<Self, Problem> {
        let (allowed, used) = Self::both(state, company).await?;
        Ok(Self::beside(allowed, &used, more))
    }

    fn beside(allowed: Allowed, used: &Used, more: u64) -> Self {
        let left = match allowed.stored {
            0 => u64::MAX,
            most => most.saturating_sub(used.stored_bytes.unsigned_abs()).saturating_add(more),
        };
        Self { allowed, left }
    }

    /// What is left for new assets.
    ///
    /// # Errors
    /// 422 when nothing is.
    pub async fn for_assets(state: &State, company: CompanyId) -> Result<Self, Problem> {
        let (allowed, used) = Self::both(state, company).await?;
        allowed.check(&Used { assets: used.assets + 1, stored_bytes: used.stored_bytes + 1 })?;
        Ok(Self::beside(allowed, &used, 0))
    }

    async fn both(state: &State, company: CompanyId) -> Result<(Allowed, Used), Problem> {
        let allowed = Allowed::of(state, company).await?;
        let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
        Ok((allowed, limits::used(&mut connection, company).await?))
    }

    /// Whether a file may have so many bytes.
    ///
    /// # Errors
    /// 413 beyond the limit for a file, 422 beyond the company's.
    pub fn check(&self, size: u64) -> Result<(), Problem> {
        let limit = self.allowed.upload;
        if limit > 0 && size > limit {
            let detail = format!("A file may have at most {limit} bytes; this one has more. Nothing was kept.");
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        if size > self.left { Err(too_many_bytes(self.allowed.stored)) } else { Ok(()) }
    }
}

/// Whether the company may have what a transaction has given it.
pub async fn check(connection: &mut Connection, company: CompanyId, allowed: &Allowed) -> Result<(), Problem> {
    allowed.check(&limits::used(connection, company).await?)
}

fn too_many_assets(most: u64) -> Problem {
    let detail = format!(
        "The company may have {most} assets, and it would have more. Nothing was kept. Delete assets that nobody needs."
    );
    Problem::new(Code::TooManyAssets, detail)
}

fn too_many_bytes(most: u64) -> Problem {
    let detail = format!(
        "The company's originals may have {most} bytes together, and they would have more. Nothing was kept. Delete assets \
         that nobody needs, and the jobs that took them: until then their bytes count."
    );
    Problem::new(Code::StorageQuota, detail)
}
