//! Confinement: the rights that a render process drops before it reads a byte of a file.
//!
//! None of it needs root rights, and each layer works without the others. [`LAYERS`] says what each is for, and what to
//! do where it is missing.

use std::time::Duration;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
};
use serde::{Deserialize, Serialize};

use crate::fault_injection::FaultInjection;
use crate::{landlock, privileges, system_calls};

/// Most files that a render process may have open: those of one request, and its pipes.
pub(super) const MAX_OPEN_FILES: u64 = 1024;

/// Most threads of all render processes that have a user of their own. A single process has a few; the service counts
/// them.
const MAX_USER_THREADS: u64 = 8192;

/// Which restrictions are in force for a render process. False where the kernel or the container does not allow one;
/// rendering goes on with the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confinement {
    /// Memory is limited.
    pub address_space: bool,
    /// Processor time is limited.
    pub cpu: bool,
    /// It is killed when the service ends, however that ends.
    pub parent_death: bool,
    /// It is not root and has no capabilities.
    pub privileges: bool,
    /// It can make only the system calls that rendering needs: it opens no file and no connection, starts no program,
    /// and touches no other process.
    pub seccomp: bool,
    /// It can open no file, change none and remove none.
    pub landlock_files: bool,
    /// It can neither open TCP connections nor listen on a port.
    pub landlock_network: bool,
    /// It can neither send signals to other processes nor reach abstract Unix sockets.
    pub landlock_scopes: bool,
}

/// One restriction, as operators see it.
#[derive(Clone, Copy, Debug)]
pub struct ConfinementLayer {
    /// Its name in `/info`, metrics and readiness.
    pub name: &'static str,
    /// Whether it closes a channel that no other layer closes, or is the second lock on all files. Without it
    /// `OFFPRINT_SANDBOX=required` refuses to start.
    pub is_required: bool,
    /// What to do where it is missing; a sentence.
    pub remedy: &'static str,
    is_in_force: fn(&Confinement) -> bool,
}

/// All layers, the most important first.
pub const LAYERS: [ConfinementLayer; 8] = [
    ConfinementLayer {
        name: "seccomp",
        is_required: true,
        remedy: "seccomp filters need Linux 3.17 with CONFIG_SECCOMP_FILTER on x86_64 or aarch64, and a container \
                 runtime that allows the system calls seccomp and prctl (the default profiles of Docker, containerd \
                 and CRI-O do).",
        is_in_force: |confinement| confinement.seccomp,
    },
    ConfinementLayer {
        name: "landlockFiles",
        is_required: true,
        remedy: "Landlock needs Linux 5.13 with `landlock` in the boot parameter `lsm=`, and a container runtime whose \
                 seccomp profile allows it (Docker 23, containerd 1.6, Podman 4.2, CRI-O 1.25 or newer).",
        is_in_force: |confinement| confinement.landlock_files,
    },
    ConfinementLayer {
        name: "privileges",
        is_required: true,
        remedy: "Run the service as another user than root, or leave root the capabilities SETUID, SETGID and KILL, so \
                 that render processes can become the user 65526.",
        is_in_force: |confinement| confinement.privileges,
    },
    ConfinementLayer {
        name: "addressSpace",
        is_required: true,
        remedy: "The system refuses to limit the memory of a process (RLIMIT_AS).",
        is_in_force: |confinement| confinement.address_space,
    },
    ConfinementLayer {
        name: "cpu",
        is_required: true,
        remedy: "The system refuses to limit the processor time of a process (RLIMIT_CPU).",
        is_in_force: |confinement| confinement.cpu,
    },
    ConfinementLayer {
        name: "parentDeath",
        is_required: true,
        remedy: "The system refuses to end a process with its parent (PR_SET_PDEATHSIG).",
        is_in_force: |confinement| confinement.parent_death,
    },
    ConfinementLayer {
        name: "landlockNetwork",
        is_required: false,
        remedy: "Landlock restricts TCP from Linux 6.7 on; without it seccomp alone keeps connections away.",
        is_in_force: |confinement| confinement.landlock_network,
    },
    ConfinementLayer {
        name: "landlockScopes",
        is_required: false,
        remedy: "Landlock restricts signals and abstract Unix sockets from Linux 6.12 on; without it seccomp alone \
                 keeps them away.",
        is_in_force: |confinement| confinement.landlock_scopes,
    },
];

impl ConfinementLayer {
    /// Whether a process with this confinement has the restriction.
    pub fn is_in_force(&self, confinement: &Confinement) -> bool {
        (self.is_in_force)(confinement)
    }
}

/// Limits for the whole life of a process. They cannot be raised again.
#[derive(Clone, Copy, Debug)]
pub struct LifetimeLimits {
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Size of a file that it writes, in bytes.
    pub file_bytes: u64,
    /// Processor time.
    pub cpu_time: Duration,
}

impl Confinement {
    /// The layers that are missing.
    pub fn list_missing_layers(&self) -> impl Iterator<Item = &'static ConfinementLayer> {
        LAYERS.iter().filter(|layer| !layer.is_in_force(self))
    }

    /// Restricts this process for good. It must have one thread. The order matters: a new user resets the signal of the
    /// parent's death, and after the filter none of the other calls is possible.
    pub(super) fn confine_process(limits: &LifetimeLimits, fault: Option<FaultInjection>) -> Self {
        let user = privileges::drop_privileges();
        if user.has_changed {
            set_limit(Resource::Nproc, MAX_USER_THREADS);
        }
        let parent_death = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
        // A core dump would write somebody's image to the disk; and nobody of the same user may trace the process.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        set_limit(Resource::Core, 0);
        set_limit(Resource::Nofile, MAX_OPEN_FILES);
        set_limit(Resource::Memlock, 0);
        set_limit(Resource::Fsize, limits.file_bytes);
        let cpu = limit_cpu(limits.cpu_time);
        let address_space = set_limit(Resource::As, limits.memory_bytes);
        let is_hidden = fault.is_some_and(FaultInjection::hides_landlock);
        let access = if is_hidden { Default::default() } else { landlock::restrict_access() };
        let seccomp = system_calls::install_filters().is_ok();
        Self {
            address_space,
            cpu,
            parent_death,
            privileges: user.is_unprivileged,
            seccomp,
            landlock_files: access.files,
            landlock_network: access.network,
            landlock_scopes: access.scopes,
        }
    }
}

fn set_limit(resource: Resource, limit: u64) -> bool {
    setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).is_ok()
}

/// At the first limit the kernel sends SIGXCPU, which can be told from other deaths; at the second it kills, whatever
/// the process did about the signal.
fn limit_cpu(time: Duration) -> bool {
    const GRACE_SECONDS: u64 = 2;
    let seconds = time.as_secs();
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds + GRACE_SECONDS) }).is_ok()
}
