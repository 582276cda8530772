//! The user of a render process: never root, and without capabilities.

use rustix::process::{Gid, Uid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// User and group of render processes whose service is root: a number that Debian reserves and systemd does not give
/// out, so it owns no file. All services of a machine share it; seccomp keeps their processes apart.
const RENDER_USER: u32 = 65_526;

/// What became of the process's rights.
#[derive(Clone, Copy, Debug)]
pub(super) struct DroppedPrivileges {
    /// It is not root and has no capabilities.
    pub(super) is_unprivileged: bool,
    /// It has another user than the service.
    pub(super) has_changed: bool,
}

/// Becomes another user if this one is root, and drops all capabilities. The process must have one thread: the kernel
/// keeps users for each thread.
pub(super) fn drop_privileges() -> DroppedPrivileges {
    // Without KILL the service could not end the process any more.
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    let can_change = getuid().is_root() && capabilities(None).is_ok_and(|sets| sets.effective.contains(needed));
    let has_changed = can_change && change_user().is_ok();
    let none = CapabilitySet::empty();
    let _ = clear_ambient_capability_set();
    let _ = set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none });
    let _ = set_no_new_privs(true);
    let has_none = capabilities(None).is_ok_and(|sets| (sets.effective | sets.permitted | sets.inheritable).is_empty());
    DroppedPrivileges { is_unprivileged: !getuid().is_root() && has_none, has_changed }
}

fn change_user() -> rustix::io::Result<()> {
    let (user, group) = (Uid::from_raw(RENDER_USER), Gid::from_raw(RENDER_USER));
    // Where a user namespace forbids to drop groups, having none is as good.
    set_thread_groups(&[]).or_else(|error| if getgroups()?.is_empty() { Ok(()) } else { Err(error) })?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)
}
