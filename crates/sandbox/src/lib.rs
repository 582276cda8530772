//! Renders images in confined processes of their own, with limits of memory and time.
//!
//! A thread that decodes cannot be stopped, and a decoder that is broken by a hostile file must not break the service.
//! docs/decisions/0013-render-processes.md has the reasons.
//!
//! The processes are this program itself, started as `offprint render-worker`. They are kept warm, render one source at
//! a time, and are replaced when they die, grow, or have rendered many images. Dropping the future of a render kills
//! its process.
//!
//! ```text
//! service                                    render process
//!   RenderPool::render                         run_render_worker
//!     wait for a slot                            confine itself (user, rlimits, Landlock, seccomp)
//!     request: recipes, limits,
//!       open files                ----->       read headers, plan
//!     wait for memory               <-----       planned: bytes needed
//!     "go" or "no"                  ----->       render into the open files, close them
//!     see that they are closed      <-----       rendered: a result for each image
//! ```
//!
//! A process serves one company for its whole life. The company is a number that means nothing here.
//!
//! This crate knows nothing of jobs, assets, SQL or HTTP: it gets files and recipes, and returns results.
//!
//! Where to begin reading: [`RenderPool::render`] in this file, then `process.rs` (one process, seen from the service),
//! `render_worker.rs` (the same, seen from inside), `protocol.rs` and `confinement.rs`. docs/decisions/0050-confined-codecs.md
//! has the reasons of the confinement.
//!
//! ```no_run
//! # async fn example(company: uuid::Uuid, recipe: offprint_modifiers::Recipe) -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::PathBuf;
//! use std::time::Duration;
//!
//! use offprint_imaging::{ProfileLibrary, RenderLimits, SourceFiles};
//! use offprint_sandbox::{MemoryBudget, ProcessLimits, RenderPool, RenderPoolConfig, RenderTarget};
//!
//! let time = Duration::from_secs(60);
//! let pool = RenderPool::open(RenderPoolConfig {
//!     program: std::env::current_exe()?,
//!     service_name: "example".into(),
//!     concurrency: 2,
//!     profile_library: ProfileLibrary::default(),
//!     limits: RenderLimits::default(),
//!     process_limits: ProcessLimits { memory_bytes: 1 << 30, cpu_time: time, wall_time: time, file_bytes: 1 << 30 },
//!     memory_budget: MemoryBudget::new(4 << 30),
//!     fault_injection: None,
//! });
//! let files = SourceFiles::from_source(PathBuf::from("in.jpg"));
//! let target = RenderTarget { recipe: serde_json::to_string(&recipe)?, output: "out.jpg".into() };
//! let results = pool.render(company, files, vec![target]).await.map_err(|error| error.into_render_error())?;
//! println!("{:?}", results[0]);
//! # Ok(())
//! # }
//! ```

#![deny(unreachable_pub)]

mod confinement;
mod descriptors;
mod escape_attempts;
mod fault_injection;
mod idle_processes;
mod landlock;
mod memory_budget;
mod output_files;
mod privileges;
mod process;
mod process_usage;
mod protocol;
mod render_worker;
mod system_calls;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use offprint_core::Code;
use offprint_imaging::{ProfileLibrary, RenderError, RenderLimits, RenderOutput, SourceFile, SourceFiles};
use offprint_modifiers::Recipe;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

pub use confinement::{Confinement, ConfinementLayer, LAYERS, LifetimeLimits};
pub use fault_injection::FaultInjection;
pub use memory_budget::{MemoryBudget, find_default_memory};
pub use render_worker::run_render_worker;

use self::confinement::MAX_OPEN_FILES;
use self::idle_processes::IdleProcesses;
use self::output_files::OutputFiles;
use self::process::{OpenFiles, PooledProcess};
use self::protocol::RenderRequest;

/// Memory of an idle process, in bytes: what it needs beside its images.
const WARM_PROCESS_BYTES: u64 = 16 << 20;

/// Limits of one render process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Processor time for each image of a request.
    pub cpu_time: Duration,
    /// Time until a reply, for planning and for rendering a whole request.
    pub wall_time: Duration,
    /// Size of a file that it writes, in bytes.
    pub file_bytes: u64,
}

impl ProcessLimits {
    /// Processor time that the kernel allows a process for its whole life. The service measures each request, and
    /// replaces a process at half of this, so only a process that escapes the measuring reaches it.
    fn lifetime_cpu(&self) -> Duration {
        (self.cpu_time * 256).max(Duration::from_secs(3600))
    }
}

/// Settings of a pool.
#[derive(Clone, Debug)]
pub struct RenderPoolConfig {
    /// The program to start, which is this one.
    pub program: PathBuf,
    /// What the list of processes shows beside a render process, to tell whose it is.
    pub service_name: PathBuf,
    /// How many sources are rendered at once.
    pub concurrency: usize,
    /// The colour profiles that recipes may name.
    pub profile_library: ProfileLibrary,
    pub limits: RenderLimits,
    pub process_limits: ProcessLimits,
    /// Memory of all renders together; may be shared with other pools.
    pub memory_budget: MemoryBudget,
    /// For tests: a fault that renders trigger, in the syntax of [`FaultInjection`].
    pub fault_injection: Option<String>,
}

/// One image to render.
#[derive(Clone, Debug)]
pub struct RenderTarget {
    /// The canonical text of the recipe, JSON.
    pub recipe: String,
    /// The file to write.
    pub output: PathBuf,
}

/// Why a source could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderPoolError {
    /// The render was refused, or no process could be started.
    Rejected(RenderError),
    /// The process died or exceeded a limit.
    ProcessDied(RenderError),
}

impl RenderPoolError {
    pub fn into_render_error(self) -> RenderError {
        match self {
            Self::Rejected(failure) | Self::ProcessDied(failure) => failure,
        }
    }
}

/// A pool of render processes. Clones share it.
#[derive(Clone, Debug)]
pub struct RenderPool(Arc<RenderPoolInner>);

#[derive(Debug)]
struct RenderPoolInner {
    config: RenderPoolConfig,
    slots: Arc<Semaphore>,
    idle_processes: Mutex<IdleProcesses>,
    /// That of the first process.
    confinement: OnceLock<Confinement>,
    /// The runtime that starts all processes. Their pipes are registered with the runtime that started them, and the
    /// parent death signal fires when the thread that started them ends, so short-lived runtimes must not start any.
    runtime: Handle,
}

impl RenderPool {
    /// Opens a pool; processes are started when they are needed. Must be called inside the runtime that shall own them.
    pub fn open(config: RenderPoolConfig) -> Self {
        let config = RenderPoolConfig { concurrency: config.concurrency.max(1), ..config };
        Self(Arc::new(RenderPoolInner {
            slots: Arc::new(Semaphore::new(config.concurrency)),
            idle_processes: Mutex::new(IdleProcesses::new(config.concurrency)),
            confinement: OnceLock::new(),
            runtime: Handle::current(),
            config,
        }))
    }

    /// Which restrictions this pool's processes have. The first call starts a process to find out.
    ///
    /// # Errors
    /// `unavailable` when no process can be started.
    pub async fn confinement(&self) -> Result<Confinement, RenderError> {
        if self.0.confinement.get().is_none() {
            let start = self.run(|pool| async move {
                pool.release_process(pool.start_process().await.map_err(RenderPoolError::Rejected)?);
                Ok(())
            });
            start.await.map_err(RenderPoolError::into_render_error)?;
        }
        Ok(self.0.confinement.get().copied().unwrap_or_default())
    }

    /// Renders images of one source of a company, each into its own file, and returns a result for each, in order. Waits
    /// for a free slot and for the memory that the images will need. Dropping the future kills the render at once. After
    /// an error a file may exist; it must not be used.
    ///
    /// # Errors
    /// When no image can be rendered: the errors of [`read_image_header`](offprint_imaging::read_image_header);
    /// `render-memory` when the plans need more memory than a process may have. When the process dies:
    /// `render-crashed`, `render-timeout` or `render-memory`.
    pub async fn render(
        &self,
        company: Uuid,
        files: SourceFiles,
        targets: Vec<RenderTarget>,
    ) -> Result<Vec<Result<RenderOutput, RenderError>>, RenderPoolError> {
        let config = &self.0.config;
        let (recipes, outputs): (Vec<String>, Vec<_>) =
            targets.into_iter().map(|target| (target.recipe, target.output)).unzip();
        let file_count = 1 + files.objects.len() + outputs.len();
        // The process has some of its own.
        if file_count as u64 > MAX_OPEN_FILES - 24 {
            let detail = format!("The images are made of {file_count} files, which are too many for one render.");
            return Err(RenderPoolError::Rejected(RenderError::new(Code::RenderMemory, detail)));
        }
        let objects = files.objects.keys().cloned().collect();
        let parsed: Vec<Recipe> = recipes.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        let library = config.profile_library.clone();
        // Reads profile files, which may block.
        let fetched = self.0.runtime.spawn_blocking(move || library.fetch(&parsed)).await;
        let join_error =
            |error| RenderError::new(Code::Internal, format!("The colour profiles could not be read: {error}."));
        let profiles = fetched.map_err(join_error).and_then(|profiles| profiles).map_err(RenderPoolError::Rejected)?;
        let request = RenderRequest { recipes, objects, profiles, limits: config.limits };
        self.run(|pool| async move { pool.render_request(company, request, files, outputs).await }).await
    }

    /// Runs work on the pool's runtime and aborts it when the caller's future is dropped.
    async fn run<T: Send + 'static, W: Future<Output = Result<T, RenderPoolError>> + Send + 'static>(
        &self,
        work: impl FnOnce(Arc<RenderPoolInner>) -> W,
    ) -> Result<T, RenderPoolError> {
        let work = AbortOnDropHandle::new(self.0.runtime.spawn(work(self.0.clone())));
        work.await.unwrap_or_else(|join_error| {
            Err(RenderPoolError::Rejected(RenderError::new(
                Code::Internal,
                format!("The render task failed: {join_error}."),
            )))
        })
    }
}

impl RenderPoolInner {
    async fn render_request(
        &self,
        company: Uuid,
        request: RenderRequest,
        files: SourceFiles,
        outputs: Vec<PathBuf>,
    ) -> Result<Vec<Result<RenderOutput, RenderError>>, RenderPoolError> {
        // An error means a closed semaphore, and this one is never closed.
        let _slot = self.slots.acquire().await;
        let reject = |error: io::Error| RenderPoolError::Rejected(error.into());
        let sources = open_sources(&files).map_err(reject)?;
        let mut process = self.acquire_process(company).await.map_err(RenderPoolError::Rejected)?;
        let mut outputs = match OutputFiles::create(&outputs, &process.output_watch) {
            Ok(outputs) => outputs,
            Err(error) => {
                self.release_process(process);
                return Err(reject(error));
            }
        };
        let results = self.render_in_process(&mut process, &request, &sources, &mut outputs).await;
        if matches!(results, Err(RenderPoolError::ProcessDied(_))) {
            // It is dead, or said something that makes no sense; dropping it kills it.
            return results;
        }
        if outputs.are_released(&process.output_watch) {
            self.release_process(process);
        } else {
            // Whatever it keeps open it could change later. Nothing of it is left when this has been awaited.
            tracing::warn!("A render process kept an output open and was ended");
            process.end().await.map_err(reject)?;
        }
        results
    }

    async fn render_in_process(
        &self,
        process: &mut PooledProcess,
        request: &RenderRequest,
        sources: &OpenFiles,
        outputs: &mut OutputFiles,
    ) -> Result<Vec<Result<RenderOutput, RenderError>>, RenderPoolError> {
        let needed = process.plan(request, sources, outputs).await?;
        let memory_limit = self.config.process_limits.memory_bytes;
        if needed > memory_limit {
            let detail = format!(
                "Rendering needs about {needed} bytes of memory; the limit of a render is {memory_limit} bytes."
            );
            process.discard_plan().await?;
            return Err(RenderPoolError::Rejected(RenderError::new(Code::RenderMemory, detail)));
        }
        let _permit = self.config.memory_budget.acquire(needed + WARM_PROCESS_BYTES).await;
        process.render(request.recipes.len()).await
    }

    /// An idle process of the company, or one that has rendered nothing yet, or a new one.
    async fn acquire_process(&self, company: Uuid) -> Result<PooledProcess, RenderError> {
        while let Some(mut process) = self.take_idle_process(company) {
            if process.is_reusable() {
                process.assign_company(company);
                return Ok(process);
            }
        }
        let mut process = self.start_process().await?;
        process.assign_company(company);
        Ok(process)
    }

    fn take_idle_process(&self, company: Uuid) -> Option<PooledProcess> {
        self.lock_idle_processes().take(company)
    }

    async fn start_process(&self) -> Result<PooledProcess, RenderError> {
        let working = self.config.concurrency.saturating_sub(self.slots.available_permits());
        self.lock_idle_processes().make_room(working);
        let process = PooledProcess::start(&self.config).await?;
        // What was checked at the start of the service must hold for all processes.
        if process.confinement != *self.confinement.get_or_init(|| process.confinement) {
            let detail = "A render process is confined otherwise than the first one; restart the service.";
            return Err(RenderError::new(Code::Unavailable, detail));
        }
        Ok(process)
    }

    fn lock_idle_processes(&self) -> MutexGuard<'_, IdleProcesses> {
        self.idle_processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a process for the next request, unless it is worn out. Otherwise it is dropped, which kills it.
    fn release_process(&self, mut process: PooledProcess) {
        if process.is_reusable() {
            self.lock_idle_processes().put(process);
        }
    }
}

/// Opens the files that a request reads: the source first, then the other assets in the order of their pins.
fn open_sources(files: &SourceFiles) -> io::Result<OpenFiles> {
    std::iter::once(&files.source).chain(files.objects.values()).map(SourceFile::open).collect()
}
