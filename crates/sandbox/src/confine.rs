//! What a render process takes away from itself, first thing, before it has seen a byte of anybody's file.

use std::path::Path;
use std::time::Duration;

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Most files that a render has open at once.
const FILES: u64 = 32;

/// Which walls stand around a render process. What the kernel does not have is false, and rendering goes on: the other
/// walls still stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confinement {
    /// Memory is bounded.
    pub address_space: bool,
    /// Processor time is bounded.
    pub cpu: bool,
    /// It dies with the service, however that dies.
    pub parent_death: bool,
    /// It reads its one source and writes its one result, and reaches no other file.
    pub landlock_files: bool,
    /// It opens no TCP connection and listens on no port.
    pub landlock_network: bool,
}

impl Confinement {
    /// Builds the walls around this process.
    pub(super) fn build(scratch: &Path, memory: u64, file: u64) -> Self {
        let parent_death = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
        // A core would be the whole picture on the disk.
        limit(Resource::Core, 0);
        limit(Resource::Nofile, FILES);
        limit(Resource::Fsize, file);
        let cpu = grant_cpu(Duration::from_secs(3600));
        let address_space = limit(Resource::As, memory);
        let (landlock_files, landlock_network) = shut(scratch).unwrap_or_default();
        Self { address_space, cpu, parent_death, landlock_files, landlock_network }
    }
}

fn limit(resource: Resource, most: u64) -> bool {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).is_ok()
}

/// Lets the process use this much processor time from now on; then the kernel ends it with SIGXCPU. The kernel counts
/// whole seconds since the process began, so a picture may have up to one second more.
pub(super) fn grant_cpu(more: Duration) -> bool {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs();
    let until = used + 1 + more.as_secs() + u64::from(more.subsec_nanos() > 0);
    setrlimit(Resource::Cpu, Rlimit { current: Some(until), maximum: None }).is_ok()
}

/// Shuts all files but the scratch folder's, and the network. Whether each is shut.
fn shut(scratch: &Path) -> Result<(bool, bool), RulesetError> {
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
