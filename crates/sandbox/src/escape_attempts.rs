//! What a process that was taken over would try: each attempt must fail. A part of fault injection, for tests. The
//! filters forbid more than safe code can try; `system_calls_tests.rs` runs them on every system call.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Command;

use rustix::fs::{FlockOperation, MemfdFlags, OFlags, fcntl_setfl, flock, inotify, memfd_create};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, getpid, getrlimit, kill_process, pidfd_open,
    set_dumpable_behavior, set_parent_process_death_signal, setrlimit, test_kill_process,
};

/// Panics when the process can do something that its confinement should prevent.
pub(super) fn assert_confined(outputs: &[File]) {
    let attempts = [try_files(), try_descriptors(outputs), try_connections(), try_processes(), try_limits()];
    let escapes: Vec<&str> =
        attempts.into_iter().flatten().filter(|(_, result)| result.is_ok()).map(|(what, _)| what).collect();
    assert!(escapes.is_empty(), "it can {}", escapes.join("; it can "));
    assert!(std::env::vars().all(|(name, _)| name.starts_with("MALLOC_")), "it has the service's environment");
    // What rendering needs: threads, and to end itself.
    assert_eq!(std::thread::spawn(|| 7).join().ok(), Some(7), "it starts no thread");
    assert!(test_kill_process(getpid()).is_ok(), "it cannot send itself a signal");
}

/// An attempt and how it ended.
type Attempt = (&'static str, io::Result<()>);

fn discard<T, E: Into<io::Error>>(result: Result<T, E>) -> io::Result<()> {
    result.map(drop).map_err(Into::into)
}

fn try_files() -> Vec<Attempt> {
    let own = "/proc/self/exe";
    vec![
        ("read files", discard(File::open("/proc/self/environ"))),
        ("read folders", discard(fs::read_dir("/"))),
        ("see that files exist", discard(fs::metadata("/"))),
        ("read links", discard(fs::read_link(own))),
        ("open what it has open", discard(File::open("/proc/self/fd/0"))),
        ("write files", discard(File::create("/tmp/offprint-escape"))),
        ("make folders", fs::create_dir("/tmp/offprint-escape")),
        ("make links", fs::hard_link("/etc/hostname", "/tmp/offprint-escape")),
        ("rename", fs::rename("/tmp/offprint-escape", "/tmp/offprint-escaped")),
        ("remove files", fs::remove_file("/tmp/offprint-escape")),
        ("change permissions", fs::set_permissions("/tmp", Permissions::from_mode(0o777))),
        ("change owners", std::os::unix::fs::chown("/tmp", Some(0), Some(0))),
        ("change its folder", std::env::set_current_dir("/")),
        ("change its root", std::os::unix::fs::chroot("/")),
        ("make files in memory", discard(memfd_create("escape", MemfdFlags::CLOEXEC))),
        ("watch files", discard(inotify::init(inotify::CreateFlags::CLOEXEC))),
    ]
}

fn try_descriptors(outputs: &[File]) -> Vec<Attempt> {
    let Some(mut output) = outputs.first() else { return Vec::new() };
    vec![
        ("read its output", discard(output.read(&mut [0]))),
        ("change the permissions of an open file", output.set_permissions(Permissions::from_mode(0o666))),
        ("change the owner of an open file", std::os::unix::fs::fchown(output, Some(0), Some(0))),
        ("change the time of an open file", output.set_modified(std::time::SystemTime::UNIX_EPOCH)),
        ("lock files", discard(flock(output, FlockOperation::NonBlockingLockExclusive))),
        ("change the mode of a descriptor", discard(fcntl_setfl(output, OFlags::APPEND))),
        ("flush a disk", discard(output.flush().and_then(|()| rustix::fs::syncfs(output).map_err(Into::into)))),
    ]
}

fn try_connections() -> Vec<Attempt> {
    let stdin = io::stdin();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
    let rights = [stdin.as_fd()];
    control.push(rustix::net::SendAncillaryMessage::ScmRights(&rights));
    let sent = rustix::net::sendmsg(&stdin, &[], &mut control, rustix::net::SendFlags::empty());
    vec![
        ("connect", discard(TcpStream::connect("127.0.0.1:9"))),
        ("listen", discard(TcpListener::bind("127.0.0.1:0"))),
        ("use UDP", discard(UdpSocket::bind("127.0.0.1:0"))),
        ("use Unix sockets", discard(UnixStream::connect("/run/socket"))),
        ("make Unix sockets", discard(UnixListener::bind("/tmp/offprint-escape"))),
        ("make pairs of sockets", discard(UnixStream::pair())),
        ("make datagram sockets", discard(UnixDatagram::unbound())),
        ("hand over descriptors", discard(sent)),
        ("make pipes", discard(io::pipe())),
    ]
}

fn try_processes() -> Vec<Attempt> {
    let init = Pid::INIT;
    vec![
        ("see other processes", discard(test_kill_process(init))),
        ("send signals", discard(kill_process(init, Signal::CONT))),
        ("open other processes", discard(pidfd_open(init, PidfdFlags::empty()))),
        ("start programs", discard(Command::new("/bin/true").spawn())),
        ("survive the service", discard(set_parent_process_death_signal(None))),
        ("let others read its memory", discard(set_dumpable_behavior(DumpableBehavior::Dumpable))),
    ]
}

fn try_limits() -> Vec<Attempt> {
    let more = Rlimit { current: None, maximum: None };
    let use_any_amount = |resource| match getrlimit(resource).maximum {
        None => Ok(()),
        Some(_) => Err(io::ErrorKind::PermissionDenied.into()),
    };
    vec![
        ("raise its limit of memory", discard(setrlimit(Resource::As, more))),
        ("raise its limit of processor time", discard(setrlimit(Resource::Cpu, more))),
        ("use any amount of memory", use_any_amount(Resource::As)),
        ("use any amount of processor time", use_any_amount(Resource::Cpu)),
        ("write files of any size", use_any_amount(Resource::Fsize)),
        ("leave a core", use_any_amount(Resource::Core)),
    ]
}
