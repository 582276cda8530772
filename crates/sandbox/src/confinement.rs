//! Confinement: the rights that a render process drops before it reads a byte of a file.
//!
//! Resource limits bound memory, processor time, open files and the size of written files; Landlock restricts files and
//! the network. None of it needs root rights, and each layer works without the others.

use std::path::Path;
use std::time::Duration;

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Most files that a render process may have open.
const MAX_OPEN_FILES: u64 = 32;

/// Which restrictions are in force for a render process. False means that the kernel does not support one; rendering
/// goes on with the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confinement {
    /// Memory is limited.
    pub address_space: bool,
    /// Processor time is limited.
    pub cpu: bool,
    /// It is killed when the service ends, however that ends.
    pub parent_death: bool,
    /// It can read its sources and write its results, and access no other file.
    pub landlock_files: bool,
    /// It can neither open TCP connections nor listen on a port.
    pub landlock_network: bool,
}

impl Confinement {
    /// Restricts this process for good. `memory` and `file` are in bytes.
    pub(super) fn confine_process(scratch: &Path, memory: u64, file: u64) -> Self {
        let parent_death = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
        // A core dump would write somebody's image to the disk.
        set_limit(Resource::Core, 0);
        set_limit(Resource::Nofile, MAX_OPEN_FILES);
        set_limit(Resource::Fsize, file);
        let cpu = grant_cpu(Duration::from_secs(3600));
        let address_space = set_limit(Resource::As, memory);
        let (landlock_files, landlock_network) = restrict_access(scratch).unwrap_or_default();
        Self { address_space, cpu, parent_death, landlock_files, landlock_network }
    }
}

fn set_limit(resource: Resource, limit: u64) -> bool {
    setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }).is_ok()
}

/// Allows this much processor time from now on; then the kernel ends the process with SIGXCPU. The kernel counts whole
/// seconds since the process began, so a request may get up to one second more.
pub(super) fn grant_cpu(more: Duration) -> bool {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs();
    let until = used + 1 + more.as_secs() + u64::from(more.subsec_nanos() > 0);
    setrlimit(Resource::Cpu, Rlimit { current: Some(until), maximum: None }).is_ok()
}

/// Forbids all files outside the scratch folder, and the network. Returns whether each of the two is in force.
fn restrict_access(scratch: &Path) -> Result<(bool, bool), RulesetError> {
    let abi = ABI::V5;
    let write = AccessFs::WriteFile | AccessFs::ReadFile | AccessFs::MakeReg | AccessFs::Truncate;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules([scratch.join("in")], AccessFs::ReadFile))?
        .add_rules(path_beneath_rules([scratch.join("out")], write))?
        .restrict_self()?;
    let files = status.ruleset != RulesetStatus::NotEnforced;
    let network = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => files && effective_abi >= ABI::V4,
        _ => false,
    };
    Ok((files, network))
}
