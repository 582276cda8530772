//! Renders in processes of their own: a thread that decodes cannot be stopped, and what a picture breaks shall not be
//! the service. docs/decisions/0013-render-processes.md has the reasons.
//!
//! The processes are this program's own, started as `offprint render-worker`. They are kept warm, have one picture at a
//! time, and are replaced when they die, grow or have had enough. A render that nobody waits for any more is killed.

mod budget;
mod child;
mod confine;
mod fault;
mod process;
mod protocol;
mod scratch;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::task::AbortOnDropHandle;

pub use budget::{Budget, default_memory};
pub use child::serve;
pub use confine::Confinement;
pub use fault::Fault;

use self::process::Process;
use self::protocol::Job;
use self::scratch::Scratch;
use offprint_core::Code;
use offprint_imaging::{Failure, Files, Library, Limits, Rendered};
use offprint_modifiers::Recipe;

/// What a warm process holds beside its picture, in bytes.
const WARM: u64 = 16 << 20;

/// What a render process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Bytes of memory, as address space.
    pub memory: u64,
    /// Processor time for one picture.
    pub cpu: Duration,
    /// Time for one picture.
    pub wall: Duration,
    /// Bytes of the file it writes.
    pub file: u64,
}

/// What a pool is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program that is started: this one.
    pub program: PathBuf,
    /// Folder for the processes' files, on the same file system as sources and results.
    pub scratch: PathBuf,
    /// How many pictures are rendered at once.
    pub places: usize,
    /// The colour profiles that recipes may name.
    pub library: Library,
    /// How large pictures may be.
    pub limits: Limits,
    /// What each process may use.
    pub fence: Fence,
    /// What all renders together may use, shared with other pools.
    pub budget: Budget,
    /// A fault that a picture meets, for tests; see [`Fault`](Fault).
    pub fault: Option<String>,
}

/// A picture that is to be rendered.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The recipe's canonical text.
    pub recipe: String,
    /// The file to make.
    pub output: PathBuf,
}

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The render said no, in good order.
    Refused(Failure),
    /// The process died or broke a limit.
    Died(Failure),
}

impl Ended {
    /// What to tell.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Refused(failure) | Self::Died(failure) => failure,
        }
    }
}

/// Render processes. Clones share them.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    setup: Setup,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Process>>,
    scratch: Scratch,
    confinement: OnceCell<Confinement>,
    /// Processes and their pipes belong to the runtime, and the thread, that started them: always this one.
    runtime: Handle,
}

impl Pool {
    /// A pool without processes yet. Must be called inside the runtime that its processes shall belong to.
    ///
    /// # Errors
    /// When the scratch folder cannot be made.
    pub fn open(setup: Setup) -> io::Result<Self> {
        let scratch = Scratch::open(&setup.scratch)?;
        let (places, idle) = (Arc::new(Semaphore::new(setup.places.max(1))), Mutex::default());
        let (confinement, runtime) = (OnceCell::new(), Handle::current());
        Ok(Self(Arc::new(Inside { setup, places, idle, scratch, confinement, runtime })))
    }

    /// Which walls stand around this pool's processes. The first time it starts one to see.
    ///
    /// # Errors
    /// `unavailable` when no process can be started.
    pub async fn confinement(&self) -> Result<Confinement, Failure> {
        let look = || {
            self.run(|inside| async move {
                let process = inside.process().await.map_err(Ended::Refused)?;
                let confinement = process.confinement;
                inside.put_back(process);
                Ok(confinement)
            })
        };
        self.0.confinement.get_or_try_init(look).await.copied().map_err(Ended::into_failure)
    }

    /// Renders pictures of one source, each into its file: an answer for each, in their order. Waits for a free place and
    /// for the memory they will need. Dropping the future ends the render at once.
    ///
    /// # Errors
    /// When there is no picture at all: what [`probe`](offprint_imaging::probe) refuses; `render-memory` when the plans need more
    /// than a process may have. A process that dies: `render-crashed`, `render-timeout` or `render-memory`.
    pub async fn render(&self, files: Files, pictures: Vec<Picture>) -> Result<Vec<Result<Rendered, Failure>>, Ended> {
        let setup = &self.0.setup;
        let cpu = setup.fence.cpu.as_secs() * pictures.len().max(1) as u64;
        let (recipes, outputs): (Vec<String>, Vec<_>) =
            pictures.into_iter().map(|picture| (picture.recipe, picture.output)).unzip();
        let objects = files.objects.keys().cloned().collect();
        let parsed: Vec<Recipe> = recipes.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        let library = setup.library.clone();
        // Files are read, and nobody else shall wait for a disk.
        let fetched = self.0.runtime.spawn_blocking(move || library.fetch(&parsed)).await;
        let broken = |error| Failure::new(Code::Internal, format!("The profiles could not be read: {error}."));
        let profiles = fetched.map_err(broken).and_then(|fetched| fetched).map_err(Ended::Refused)?;
        let job = Job { recipes, objects, profiles, limits: setup.limits, cpu };
        self.run(|inside| async move { inside.render(job, files, outputs).await }).await
    }

    /// Runs work on the pool's runtime, and no longer than somebody waits for it.
    async fn run<T: Send + 'static, W: Future<Output = Result<T, Ended>> + Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Inside>) -> W,
    ) -> Result<T, Ended> {
        let work = AbortOnDropHandle::new(self.0.runtime.spawn(work(self.0.clone())));
        work.await.unwrap_or_else(|broken| {
            Err(Ended::Refused(Failure::new(Code::Internal, format!("The render's task broke: {broken}."))))
        })
    }
}

impl Inside {
    async fn render(
        &self,
        job: Job,
        files: Files,
        outputs: Vec<PathBuf>,
    ) -> Result<Vec<Result<Rendered, Failure>>, Ended> {
        // Never closed.
        let _place = self.places.acquire().await;
        let mut process = self.process().await.map_err(Ended::Refused)?;
        process.desk.lay(&files).map_err(|error| Ended::Refused(error.into()))?;
        let rendered = self.developed(&mut process, &job).await;
        let rendered = rendered.map(|rendered| {
            let places = outputs.iter().enumerate().map(|(number, output)| (process.desk.output(number), output));
            let take = |(rendered, (from, to)): (Result<Rendered, Failure>, (PathBuf, &PathBuf))| {
                rendered.and_then(|rendered| fs::rename(from, to).map(|()| rendered).map_err(Failure::from))
            };
            rendered.into_iter().zip(places).map(take).collect()
        });
        if !matches!(rendered, Err(Ended::Died(_))) {
            self.put_back(process);
        }
        rendered
    }

    async fn developed(&self, process: &mut Process, job: &Job) -> Result<Vec<Result<Rendered, Failure>>, Ended> {
        let needed = process.plan(job).await?;
        let most = self.setup.fence.memory;
        if needed > most {
            let detail = format!("Rendering needs about {needed} bytes of memory; the limit of a render is {most}.");
            process.give_up().await?;
            return Err(Ended::Refused(Failure::new(Code::RenderMemory, detail)));
        }
        let _share = self.setup.budget.take(needed + WARM).await;
        process.render().await
    }

    /// A warm process, or a new one.
    async fn process(&self) -> Result<Process, Failure> {
        while let Some(mut process) = self.take() {
            if process.is_fresh() {
                return Ok(process);
            }
        }
        Process::start(&self.setup, self.scratch.desk()?).await
    }

    fn take(&self) -> Option<Process> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps a process for the next picture, if it is good for one.
    fn put_back(&self, mut process: Process) {
        if process.is_fresh() && process.desk.clear().is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(process);
        }
    }
}
