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
//!     wait for a slot                            confine itself (rlimits, Landlock)
//!     request: recipes, limits      ----->       read headers, plan
//!     wait for memory               <-----       planned: bytes needed
//!     "go" or "no"                  ----->       render into out/
//!     move files to their places    <-----       rendered: a result for each image
//! ```
//!
//! This crate knows nothing of jobs, assets, SQL or HTTP: it gets files and recipes, and returns results.
//!
//! Where to begin reading: [`RenderPool::render`] in this file, then `process.rs` (one process, seen from the service),
//! `render_worker.rs` (the same, seen from inside), `protocol.rs` and `confinement.rs`.
//!
//! ```no_run
//! # async fn example(recipe: offprint_modifiers::Recipe) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use offprint_imaging::{ProfileLibrary, RenderLimits, SourceFiles};
//! use offprint_sandbox::{MemoryBudget, ProcessLimits, RenderPool, RenderPoolConfig, RenderTarget};
//!
//! let time = Duration::from_secs(60);
//! let pool = RenderPool::open(RenderPoolConfig {
//!     program: std::env::current_exe()?,
//!     scratch_dir: "data/render".into(),
//!     concurrency: 2,
//!     profile_library: ProfileLibrary::default(),
//!     limits: RenderLimits::default(),
//!     process_limits: ProcessLimits { memory_bytes: 1 << 30, cpu_time: time, wall_time: time, file_bytes: 1 << 30 },
//!     memory_budget: MemoryBudget::new(4 << 30),
//!     fault_injection: None,
//! })?;
//! let files = SourceFiles::from_source("in.jpg");
//! let target = RenderTarget { recipe: serde_json::to_string(&recipe)?, output: "out.jpg".into() };
//! let results = pool.render(files, vec![target]).await.map_err(|error| error.into_render_error())?;
//! println!("{:?}", results[0]);
//! # Ok(())
//! # }
//! ```

#![deny(unreachable_pub)]

mod confinement;
mod fault_injection;
mod memory_budget;
mod process;
mod protocol;
mod render_worker;
mod scratch;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use offprint_core::Code;
use offprint_imaging::{ProfileLibrary, RenderError, RenderLimits, RenderOutput, SourceFiles};
use offprint_modifiers::Recipe;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::task::AbortOnDropHandle;

pub use confinement::Confinement;
pub use fault_injection::FaultInjection;
pub use memory_budget::{MemoryBudget, find_default_memory};
pub use render_worker::run_render_worker;

use self::process::PooledProcess;
use self::protocol::RenderRequest;
use self::scratch::ScratchRoot;

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

/// Settings of a pool.
#[derive(Clone, Debug)]
pub struct RenderPoolConfig {
    /// The program to start, which is this one.
    pub program: PathBuf,
    /// Folder for the processes' files. On the file system of sources and outputs files are linked and renamed, not
    /// copied.
    pub scratch_dir: PathBuf,
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
    idle_processes: Mutex<Vec<PooledProcess>>,
    scratch: ScratchRoot,
    confinement: OnceCell<Confinement>,
    /// The runtime that starts all processes. Their pipes are registered with the runtime that started them, and the
    /// parent death signal fires when the thread that started them ends, so short-lived runtimes must not start any.
    runtime: Handle,
}

impl RenderPool {
    /// Opens a pool; processes are started when they are needed. Must be called inside the runtime that shall own them.
    ///
    /// # Errors
    /// When the scratch folder cannot be created.
    pub fn open(config: RenderPoolConfig) -> io::Result<Self> {
        Ok(Self(Arc::new(RenderPoolInner {
            slots: Arc::new(Semaphore::new(config.concurrency.max(1))),
            idle_processes: Mutex::default(),
            scratch: ScratchRoot::open(&config.scratch_dir)?,
            confinement: OnceCell::new(),
            runtime: Handle::current(),
            config,
        })))
    }

    /// Which restrictions this pool's processes have. The first call starts a process to find out.
    ///
    /// # Errors
    /// `unavailable` when no process can be started.
    pub async fn confinement(&self) -> Result<Confinement, RenderError> {
        let start_process = || {
            self.run(|pool| async move {
                let process = pool.acquire_process().await.map_err(RenderPoolError::Rejected)?;
                let confinement = process.confinement;
                pool.release_process(process);
                Ok(confinement)
            })
        };
        self.0.confinement.get_or_try_init(start_process).await.copied().map_err(RenderPoolError::into_render_error)
    }

    /// Renders images of one source, each into its own file, and returns a result for each, in order. Waits for a free
    /// slot and for the memory that the images will need. Dropping the future kills the render at once.
    ///
    /// # Errors
    /// When no image can be rendered: the errors of [`read_image_header`](offprint_imaging::read_image_header);
    /// `render-memory` when the plans need more memory than a process may have. When the process dies:
    /// `render-crashed`, `render-timeout` or `render-memory`.
    pub async fn render(
        &self,
        files: SourceFiles,
        targets: Vec<RenderTarget>,
    ) -> Result<Vec<Result<RenderOutput, RenderError>>, RenderPoolError> {
        let config = &self.0.config;
        let cpu = config.process_limits.cpu_time.as_secs() * targets.len().max(1) as u64;
        let (recipes, outputs): (Vec<String>, Vec<_>) =
            targets.into_iter().map(|target| (target.recipe, target.output)).unzip();
        let objects = files.objects.keys().cloned().collect();
        let parsed: Vec<Recipe> = recipes.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        let library = config.profile_library.clone();
        // Reads profile files, which may block.
        let fetched = self.0.runtime.spawn_blocking(move || library.fetch(&parsed)).await;
        let join_error =
            |error| RenderError::new(Code::Internal, format!("The colour profiles could not be read: {error}."));
        let profiles = fetched.map_err(join_error).and_then(|profiles| profiles).map_err(RenderPoolError::Rejected)?;
        let request = RenderRequest { recipes, objects, profiles, limits: config.limits, cpu };
        self.run(|pool| async move { pool.render_request(request, files, outputs).await }).await
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
        request: RenderRequest,
        files: SourceFiles,
        outputs: Vec<PathBuf>,
    ) -> Result<Vec<Result<RenderOutput, RenderError>>, RenderPoolError> {
        // An error means a closed semaphore, and this one is never closed.
        let _slot = self.slots.acquire().await;
        let mut process = self.acquire_process().await.map_err(RenderPoolError::Rejected)?;
        process.scratch_dir.place_files(&files).map_err(|error| RenderPoolError::Rejected(error.into()))?;
        let results = self.render_in_process(&mut process, &request).await;
        let results = results.map(|results| {
            let moves =
                outputs.iter().enumerate().map(|(number, output)| (process.scratch_dir.output_path(number), output));
            let move_file = |(result, (from, to)): (Result<RenderOutput, RenderError>, (PathBuf, &PathBuf))| {
                result.and_then(|output| fs::rename(from, to).map(|()| output).map_err(RenderError::from))
            };
            results.into_iter().zip(moves).map(move_file).collect()
        });
        // After its death, or a reply that makes no sense, a process is dropped, which kills it.
        if !matches!(results, Err(RenderPoolError::ProcessDied(_))) {
            self.release_process(process);
        }
        results
    }

    async fn render_in_process(
        &self,
        process: &mut PooledProcess,
        request: &RenderRequest,
    ) -> Result<Vec<Result<RenderOutput, RenderError>>, RenderPoolError> {
        let needed = process.plan(request).await?;
        let memory_limit = self.config.process_limits.memory_bytes;
        if needed > memory_limit {
            let detail = format!(
                "Rendering needs about {needed} bytes of memory; the limit of a render is {memory_limit} bytes."
            );
            process.discard_plan().await?;
            return Err(RenderPoolError::Rejected(RenderError::new(Code::RenderMemory, detail)));
        }
        let _permit = self.config.memory_budget.acquire(needed + WARM_PROCESS_BYTES).await;
        process.render().await
    }

    /// An idle process, or a new one.
    async fn acquire_process(&self) -> Result<PooledProcess, RenderError> {
        while let Some(mut process) = self.take_idle_process() {
            if process.is_reusable() {
                return Ok(process);
            }
        }
        PooledProcess::start(&self.config, self.scratch.create_dir()?).await
    }

    fn take_idle_process(&self) -> Option<PooledProcess> {
        self.idle_processes.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps a process for the next request, unless it is worn out. Otherwise it is dropped, which kills it.
    fn release_process(&self, mut process: PooledProcess) {
        if process.is_reusable() && process.scratch_dir.clear().is_ok() {
            self.idle_processes.lock().unwrap_or_else(PoisonError::into_inner).push(process);
        }
    }
}
