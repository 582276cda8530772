//! Runs the filters on every system call, with a small interpreter of their programs. So forbidden calls are tried that
//! no safe code can make.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use seccompiler::sock_filter;

use super::*;

const PROCESS: u64 = 4321;

/// The kernel's number of this machine's architecture.
const ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") { 0xC000_003E } else { 0xC000_00B7 };

const ALLOW: u32 = 0x7FFF_0000;
const ERRNO: u32 = 0x0005_0000;

/// Runs a program of classic BPF as the kernel does, with the instructions that seccompiler uses.
fn run_program(program: &[sock_filter], architecture: u32, call: c_long, arguments: [u64; 6]) -> u32 {
    let mut data = (call as u32).to_le_bytes().to_vec();
    data.extend(architecture.to_le_bytes());
    data.extend([0; 8]);
    data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
    let (mut accumulator, mut at) = (0_u32, 0);
    loop {
        let instruction = &program[at];
        let value = instruction.k;
        at += 1;
        let mut jump = |condition: bool| at += usize::from(if condition { instruction.jt } else { instruction.jf });
        match instruction.code {
            0x20 => accumulator = u32::from_le_bytes(*data[value as usize..].first_chunk().unwrap()),
            0x05 => at += value as usize,
            0x15 => jump(accumulator == value),
            0x25 => jump(accumulator > value),
            0x35 => jump(accumulator >= value),
            0x54 => accumulator &= value,
            0x06 => return value,
            code => panic!("instruction {code:#x}"),
        }
    }
}

/// The answer to a system call: `None` when it is allowed, else the error number.
fn find_error(call: c_long, arguments: [u64; 6]) -> Option<i32> {
    let answers = [compile_allow_list(PROCESS), compile_deny_list(PROCESS)]
        .map(|filter| run_program(&filter.unwrap(), ARCHITECTURE, call, arguments));
    // The smallest action wins, and of equal ones that of the newest filter.
    let [first, second] = answers.map(|answer| answer & 0xFFFF_0000);
    let answer = if second <= first { answers[1] } else { answers[0] };
    match answer & 0xFFFF_0000 {
        ALLOW => None,
        ERRNO => Some((answer & 0xFFFF) as i32),
        action => panic!("action {action:#x} for the call {call}"),
    }
}

#[test]
fn only_the_listed_calls_are_possible_whatever_their_arguments() {
    let with_arguments: BTreeSet<c_long> =
        build_allowed_arguments(PROCESS).unwrap().into_iter().map(|(call, _)| call).collect();
    for call in 0..1024 {
        let is_listed = ALLOWED.contains(&call) && call != libc::SYS_seccomp;
        for arguments in [[0; 6], [u64::MAX; 6], [1, 2, 3, 4, 5, 6]] {
            let error = find_error(call, arguments);
            assert!(error.is_some() || is_listed || with_arguments.contains(&call), "{call} {arguments:?}");
            assert!(!is_listed || error.is_none(), "{call} {arguments:?}: {error:?}");
        }
    }
}

#[test]
fn forbidden_calls_say_that_they_are_not_permitted_and_unknown_ones_that_they_do_not_exist() {
    for call in FORBIDDEN {
        assert_eq!(find_error(*call, [0; 6]), Some(libc::EPERM), "{call}");
    }
    assert_eq!(find_error(libc::SYS_clone3, [0; 6]), Some(libc::ENOSYS));
    assert_eq!(find_error(999, [0; 6]), Some(libc::ENOSYS));
    // Calls of the x32 ABI have the same architecture and a bit of their own.
    assert_eq!(find_error(libc::SYS_read | 0x4000_0000, [0; 6]), Some(libc::ENOSYS));
}

#[test]
fn arguments_decide_about_processes_memory_and_limits() {
    let (denied, ok) = (Some(libc::EPERM), None);
    let thread = 0x003D_0F00;
    assert_eq!(find_error(libc::SYS_clone, [thread, 0, 0, 0, 0, 0]), ok);
    assert_eq!(find_error(libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]), denied, "fork");
    assert_eq!(find_error(libc::SYS_clone, [0x4111, 0, 0, 0, 0, 0]), denied, "vfork");
    let namespace = thread | libc::CLONE_NEWNET as u64;
    assert!(find_error(libc::SYS_clone, [namespace, 0, 0, 0, 0, 0]).is_some());
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        assert_eq!(find_error(call, [PROCESS, 6, 6, 0, 0, 0]), ok);
        for other in [1, 0, PROCESS + 1, u64::MAX, u64::from(u32::MAX), (-(PROCESS as i64)) as u64] {
            assert_eq!(find_error(call, [other, 0, 0, 0, 0, 0]), denied, "{call} {other}");
        }
    }
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        assert_eq!(find_error(call, [0, 4096, 3, 0x22, 0, 0]), ok);
        assert_eq!(find_error(call, [0, 4096, 5, 0x22, 0, 0]), denied);
    }
    assert_eq!(find_error(libc::SYS_prlimit64, [0, 7, 0, 1, 0, 0]), ok);
    assert_eq!(find_error(libc::SYS_prlimit64, [0, 7, 0x1000, 0, 0, 0]), denied);
    assert_eq!(find_error(libc::SYS_prlimit64, [0, 7, 1 << 32, 0, 0, 0]), denied);
    assert_eq!(find_error(libc::SYS_prlimit64, [1, 7, 0, 0, 0, 0]), denied);
    assert_eq!(find_error(libc::SYS_recvmsg, [0, 0, 0, 0, 0, 0]), ok);
    assert_eq!(find_error(libc::SYS_recvmsg, [3, 0, 0, 0, 0, 0]), denied);
    assert_eq!(find_error(libc::SYS_fcntl, [3, libc::F_DUPFD_CLOEXEC as u64, 0, 0, 0, 0]), ok);
    for command in [libc::F_SETFL, libc::F_SETLK, libc::F_OFD_SETLK, libc::F_SETLEASE, libc::F_SETOWN] {
        assert!(find_error(libc::SYS_fcntl, [3, command as u64, 0, 0, 0, 0]).is_some(), "{command}");
    }
    assert_eq!(find_error(libc::SYS_prctl, [libc::PR_SET_NAME as u64, 0, 0, 0, 0, 0]), ok);
    for option in [libc::PR_SET_DUMPABLE, libc::PR_SET_PDEATHSIG, libc::PR_SET_PTRACER, libc::PR_SET_MM] {
        assert!(find_error(libc::SYS_prctl, [option as u64, 0, 0, 0, 0, 0]).is_some(), "{option}");
    }
}

#[test]
fn another_architecture_ends_the_process() {
    const KILL_PROCESS: u32 = 0x8000_0000;
    let i386 = 0x4000_0003;
    let filter = compile_allow_list(PROCESS).unwrap();
    assert_eq!(run_program(&filter, i386, libc::SYS_read, [0; 6]), KILL_PROCESS);
}
