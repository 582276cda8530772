//! The system calls that a render process may make: seccomp filters, by an allow list.
//!
//! There are two filters, because one can give only one answer to what it does not allow:
//!
//! * The *allow list* answers "no such system call" (ENOSYS) to everything that it does not name. The C library and the
//!   kernel's newer system calls agree on what that means: use the older way. So `clone3`, whose flags a filter cannot
//!   see, becomes `clone`, and a newer C library finds an older kernel.
//! * The *deny list* answers "not permitted" (EPERM) to what is known and forbidden, so that errors say what happened.
//!   It forbids nothing that the first filter allows, except to install further filters.
//!
//! Where both forbid, the answer of the filter that was installed last counts. docs/decisions/0050-confined-codecs.md
//! says why it is an allow list, and how to find out what is missing in it.

use libc::c_long;
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{self, Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// The descriptor of the channel to the service: standard input.
const CHANNEL: u64 = 0;

/// Installs both filters for this thread, and for all that it starts.
///
/// # Errors
/// When the kernel has no filters, or the processor is neither x86_64 nor aarch64.
pub(super) fn install_filters() -> Result<(), Error> {
    let process = u64::from(std::process::id());
    let filters = [compile_allow_list(process)?, compile_deny_list(process)?];
    filters.iter().try_for_each(|filter| apply_filter(filter))
}

fn compile_allow_list(process: u64) -> Result<BpfProgram, BackendError> {
    let rules =
        ALLOWED.iter().map(|call| Ok((*call, vec![]))).chain(build_allowed_arguments(process)?.into_iter().map(Ok));
    compile(rules.collect::<Result<_, _>>()?, SeccompAction::Errno(libc::ENOSYS as u32), SeccompAction::Allow)
}

fn compile_deny_list(process: u64) -> Result<BpfProgram, BackendError> {
    let rules = FORBIDDEN.iter().map(|call| (*call, vec![])).chain(build_forbidden_arguments(process)?);
    compile(rules.collect(), SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))
}

fn compile(
    rules: Vec<(c_long, Vec<SeccompRule>)>,
    otherwise: SeccompAction,
    action: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules.into_iter().collect(), otherwise, action, architecture)?.try_into()
}

/// A condition on one argument of a system call.
struct Argument(u8, SeccompCmpArgLen, SeccompCmpOp, u64);

/// A system call with these arguments.
fn build_rule(arguments: Vec<Argument>) -> Result<SeccompRule, BackendError> {
    let conditions = arguments
        .into_iter()
        .map(|Argument(index, length, operator, value)| SeccompCondition::new(index, length, operator, value));
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

/// A system call for each of these values of one argument.
fn build_rules(index: u8, values: &[c_long]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| build_rule(vec![Argument(index, Dword, Eq, *value as u64)])).collect()
}

/// What every flag set of a new thread has. Without one of them it would be a process.
const THREAD_FLAGS: u64 = (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND) as u64;

/// Flags that give new namespaces; none belongs to a thread.
const NAMESPACE_FLAGS: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Memory that may be executed: none is added after the start, so that bytes of an image never become code.
const EXECUTABLE: u64 = libc::PROT_EXEC as u64;

/// Allowed with any arguments. They take no path and no process, and work on memory, threads, time and descriptors that
/// the process has.
const ALLOWED: &[c_long] = &[
    // Descriptors. A source is open for reading only and an output for writing only.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_close,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads and their scheduling.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals of its own.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time, chance, and how much memory the machine has.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    // To install the second filter, which forbids a third.
    libc::SYS_seccomp,
];

/// Allowed with certain arguments only.
fn build_allowed_arguments(process: u64) -> Result<Vec<(c_long, Vec<SeccompRule>)>, BackendError> {
    let not_executable = || build_rule(vec![Argument(2, Dword, MaskedEq(EXECUTABLE), 0)]);
    let to_itself = || build_rule(vec![Argument(0, Dword, Eq, process)]);
    Ok(vec![
        (libc::SYS_mmap, vec![not_executable()?]),
        (libc::SYS_mprotect, vec![not_executable()?]),
        (
            libc::SYS_clone,
            vec![build_rule(vec![Argument(0, Qword, MaskedEq(THREAD_FLAGS | NAMESPACE_FLAGS), THREAD_FLAGS)])?],
        ),
        // Aborting is a signal to oneself.
        (libc::SYS_kill, vec![to_itself()?]),
        (libc::SYS_tgkill, vec![to_itself()?]),
        (
            libc::SYS_fcntl,
            build_rules(1, &[libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC].map(c_long::from))?,
        ),
        (libc::SYS_prctl, build_rules(0, &[libc::PR_SET_NAME, libc::PR_SET_NO_NEW_PRIVS].map(c_long::from))?),
        // Reads limits; the third argument would set them.
        (libc::SYS_prlimit64, vec![build_rule(vec![Argument(0, Dword, Eq, 0), Argument(2, Qword, Eq, 0)])?]),
        // Requests with their descriptors.
        (libc::SYS_recvmsg, vec![build_rule(vec![Argument(0, Dword, Eq, CHANNEL)])?]),
    ])
}

/// Forbidden arguments of system calls that are allowed with others.
fn build_forbidden_arguments(process: u64) -> Result<Vec<(c_long, Vec<SeccompRule>)>, BackendError> {
    let executable = || build_rule(vec![Argument(2, Dword, MaskedEq(EXECUTABLE), EXECUTABLE)]);
    let to_others = || build_rule(vec![Argument(0, Dword, Ne, process)]);
    let without_flag = |flag: libc::c_int| build_rule(vec![Argument(0, Qword, MaskedEq(flag as u64), 0)]);
    Ok(vec![
        (libc::SYS_mmap, vec![executable()?]),
        (libc::SYS_mprotect, vec![executable()?]),
        (libc::SYS_clone, vec![without_flag(libc::CLONE_THREAD)?, without_flag(libc::CLONE_VM)?]),
        (libc::SYS_kill, vec![to_others()?]),
        (libc::SYS_tgkill, vec![to_others()?]),
        (
            libc::SYS_prlimit64,
            vec![build_rule(vec![Argument(0, Dword, Ne, 0)])?, build_rule(vec![Argument(2, Qword, Ne, 0)])?],
        ),
        (libc::SYS_recvmsg, vec![build_rule(vec![Argument(0, Dword, Ne, CHANNEL)])?]),
    ])
}

/// Forbidden with any arguments. What is missing here is forbidden all the same, with another error.
const FORBIDDEN: &[c_long] = &[
    // Further filters could lie to the C library.
    libc::SYS_seccomp,
    // Files by their path, and what belongs to a file beside its bytes.
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_truncate,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_flock,
    libc::SYS_ioctl,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sync,
    // Connections.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_pipe2,
    libc::SYS_mq_open,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_shmget,
    libc::SYS_shmat,
    // Other programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    libc::SYS_setpriority,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setattr,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Users, limits and the system.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    libc::SYS_setrlimit,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_personality,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_pkey_mprotect,
    // Older ways, which only x86_64 has.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getdents,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_renameat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_inotify_init,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
];

#[cfg(test)]
#[path = "system_calls_tests.rs"]
mod tests;
