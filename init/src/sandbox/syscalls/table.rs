//! The table: group, call, and what its arguments must be. What a group is for stands at the group; a call that is there for one
//! particular reason has it beside.

use libc::*;

use super::{Argument, PROGRAM_FD, Use};

/// The 32 bits that the kernel looks at.
const INT: u64 = 0xffff_ffff;
/// A pointer or size.
const LONG: u64 = u64::MAX;
/// Socket types without `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const TYPE: u64 = 0xf;

/// Any arguments.
const ANY: &[Argument] = &[];

const fn is(position: u8, value: c_int) -> Argument {
    Argument(position, INT, value as u64)
}

/// A new thread of this process: no new process, no namespace.
const THREAD: &[Argument] = &[Argument(
    0,
    (CLONE_THREAD | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
        | CLONE_NEWCGROUP) as u64
        & INT,
    CLONE_THREAD as u64,
)];
/// Memory that cannot be executed: the code of a service is its program on the verified root, nothing else.
const NO_CODE: &[Argument] = &[Argument(2, PROT_EXEC as u64, 0)];

/// Sending flags at this position that do not open a connection (TCP Fast Open): only `connect` does, which Landlock looks at.
const fn no_connect(position: u8) -> Argument {
    Argument(position, MSG_FASTOPEN as u64, 0)
}

/// What every program of Rust and tokio needs: memory, threads, time, polling, Unix sockets, and an end.
pub(super) const BASE: &[Use] = &[
    (SYS_mmap, NO_CODE), (SYS_mprotect, NO_CODE), (SYS_munmap, ANY), (SYS_mremap, ANY), (SYS_madvise, ANY), (SYS_brk, ANY),
    (SYS_clone, THREAD),
    (SYS_clone3, ANY), // Answered with "no such call" by the other filter.
    (SYS_futex, ANY), (SYS_set_robust_list, ANY), (SYS_set_tid_address, ANY), (SYS_rseq, ANY), (SYS_membarrier, ANY),
    (SYS_arch_prctl, ANY), (SYS_sched_yield, ANY), (SYS_sched_getaffinity, ANY),
    (SYS_prctl, &[is(0, PR_SET_NAME)]),
    (SYS_prctl, &[is(0, PR_SET_VMA)]), // The allocator names its memory.
    (SYS_prctl, &[is(0, PR_GET_AUXV)]), // What the kernel told the program at its start.
    (SYS_prlimit64, &[Argument(2, LONG, 0)]), // Reading limits, not setting them.
    (SYS_getpid, ANY), (SYS_gettid, ANY), (SYS_getppid, ANY), (SYS_getuid, ANY), (SYS_geteuid, ANY), (SYS_getgid, ANY),
    (SYS_getegid, ANY), (SYS_getresuid, ANY), (SYS_getresgid, ANY), (SYS_uname, ANY), (SYS_sysinfo, ANY),
    (SYS_capget, ANY), // Reading one's own capabilities.
    (SYS_rt_sigaction, ANY), (SYS_rt_sigprocmask, ANY), (SYS_rt_sigreturn, ANY), (SYS_sigaltstack, ANY),
    (SYS_restart_syscall, ANY),
    (SYS_tgkill, ANY), // `abort`; Landlock keeps signals inside.
    (SYS_exit, ANY), (SYS_exit_group, ANY),
    (SYS_execveat, &[is(0, PROGRAM_FD), is(4, AT_EMPTY_PATH)]), // The program itself, once.
    (SYS_clock_gettime, ANY), (SYS_clock_getres, ANY), (SYS_clock_nanosleep, ANY), (SYS_nanosleep, ANY),
    (SYS_gettimeofday, ANY), (SYS_time, ANY), (SYS_getrandom, ANY),
    (SYS_epoll_create1, ANY), (SYS_epoll_ctl, ANY), (SYS_epoll_wait, ANY), (SYS_epoll_pwait, ANY), (SYS_epoll_pwait2, ANY),
    (SYS_poll, ANY), (SYS_ppoll, ANY), (SYS_eventfd2, ANY), (SYS_timerfd_create, ANY), (SYS_timerfd_settime, ANY),
    (SYS_pipe2, ANY), (SYS_read, ANY), (SYS_write, ANY), (SYS_readv, ANY), (SYS_writev, ANY), (SYS_close, ANY),
    (SYS_fstat, ANY), (SYS_lseek, ANY), (SYS_dup, ANY), (SYS_dup2, ANY), (SYS_dup3, ANY), (SYS_fcntl, ANY),
    (SYS_ioctl, &[is(1, FIONBIO as c_int)]), (SYS_ioctl, &[is(1, FIONREAD as c_int)]),
    (SYS_ioctl, &[is(1, TCGETS as c_int)]), // "Is this a terminal?"
    (SYS_socket, &[is(0, AF_UNIX)]), (SYS_socketpair, &[is(0, AF_UNIX)]),
    (SYS_connect, ANY), (SYS_bind, ANY), (SYS_accept4, ANY), (SYS_shutdown, ANY),
    (SYS_getsockname, ANY), (SYS_getpeername, ANY), (SYS_getsockopt, ANY), (SYS_setsockopt, ANY),
    (SYS_sendto, &[no_connect(3)]), (SYS_sendmsg, &[no_connect(2)]), (SYS_sendmmsg, &[no_connect(3)]),
    (SYS_recvfrom, ANY), (SYS_recvmsg, ANY), (SYS_recvmmsg, ANY),
];

/// Files and directories, and what a database needs to be sure that they are on the disk.
pub(super) const FILES: &[Use] = &[
    (SYS_open, ANY), (SYS_openat, ANY), (SYS_pread64, ANY), (SYS_pwrite64, ANY), (SYS_preadv, ANY), (SYS_pwritev, ANY),
    (SYS_stat, ANY), (SYS_lstat, ANY), (SYS_newfstatat, ANY), (SYS_statx, ANY), (SYS_access, ANY), (SYS_faccessat, ANY),
    (SYS_faccessat2, ANY), (SYS_readlink, ANY), (SYS_readlinkat, ANY), (SYS_getdents64, ANY), (SYS_getcwd, ANY),
    (SYS_statfs, ANY), (SYS_fstatfs, ANY), (SYS_fadvise64, ANY), (SYS_umask, ANY),
    (SYS_mkdir, ANY), (SYS_mkdirat, ANY), (SYS_rmdir, ANY), (SYS_unlink, ANY), (SYS_unlinkat, ANY),
    (SYS_rename, ANY), (SYS_renameat, ANY), (SYS_renameat2, ANY), (SYS_chmod, ANY), (SYS_fchmod, ANY), (SYS_fchmodat, ANY),
    (SYS_truncate, ANY), (SYS_ftruncate, ANY), (SYS_fallocate, ANY), (SYS_flock, ANY),
    (SYS_fsync, ANY), (SYS_fdatasync, ANY), (SYS_sync_file_range, ANY),
];

/// TCP.
pub(super) const TCP: &[Use] = &[
    (SYS_socket, &[is(0, AF_INET), Argument(1, TYPE, SOCK_STREAM as u64)]),
    (SYS_socket, &[is(0, AF_INET6), Argument(1, TYPE, SOCK_STREAM as u64)]),
];

/// For services with TCP ports of their own. The sockets for other services' calls are listening when they are handed over.
pub(super) const LISTEN: &[Use] = &[(SYS_listen, ANY)];

/// UDP.
pub(super) const UDP: &[Use] = &[
    (SYS_socket, &[is(0, AF_INET), Argument(1, TYPE, SOCK_DGRAM as u64)]),
    (SYS_socket, &[is(0, AF_INET6), Argument(1, TYPE, SOCK_DGRAM as u64)]),
    (SYS_ioctl, &[is(1, SIOCGIFINDEX as c_int)]), // Multicast goes out by a device's number.
];

/// Devices, addresses, routes and the packet filter.
pub(super) const NETLINK: &[Use] = &[
    (SYS_socket, &[is(0, AF_NETLINK)]),
    (SYS_ioctl, &[is(1, SIOCGIFINDEX as c_int)]), (SYS_ioctl, &[is(1, SIOCGIFFLAGS as c_int)]),
    (SYS_ioctl, &[is(1, SIOCGIFHWADDR as c_int)]), (SYS_ioctl, &[is(1, SIOCETHTOOL as c_int)]),
];

/// Devices, addresses and routes alone: who may change the network may not for that reason open the packet filter.
pub(super) const ROUTE: &[Use] = &[(SYS_socket, &[is(0, AF_NETLINK), is(2, NETLINK_ROUTE)])];

/// Packets without an address of one's own: DHCP, router solicitations.
pub(super) const PACKET: &[Use] = &[
    (SYS_socket, &[is(0, AF_PACKET)]),
    (SYS_socket, &[is(0, AF_INET), Argument(1, TYPE, SOCK_RAW as u64)]),
    (SYS_socket, &[is(0, AF_INET6), Argument(1, TYPE, SOCK_RAW as u64)]),
];

/// The time of day.
pub(super) const CLOCK_SET: &[Use] =
    &[(SYS_clock_settime, ANY), (SYS_clock_adjtime, ANY), (SYS_adjtimex, ANY), (SYS_settimeofday, ANY)];

/// TUN devices: made, told what they may hand over at once, kept over a restart; and the size of the packets below them.
pub(super) const TUN: &[Use] = &[
    (SYS_ioctl, &[is(1, TUNSETIFF as c_int)]), (SYS_ioctl, &[is(1, TUNSETOFFLOAD as c_int)]),
    (SYS_ioctl, &[is(1, TUNSETPERSIST as c_int)]), (SYS_ioctl, &[is(1, SIOCGIFMTU as c_int)]),
];

/// Programs, tables and where they hang, made, pinned and replaced by their owner. Not: what other programs and tables there are, and programs
/// that trace.
pub(super) const BPF: &[Use] = &[
    (SYS_bpf, &[is(0, BPF_MAP_CREATE)]), (SYS_bpf, &[is(0, BPF_MAP_LOOKUP_ELEM)]), (SYS_bpf, &[is(0, BPF_MAP_UPDATE_ELEM)]),
    (SYS_bpf, &[is(0, BPF_MAP_DELETE_ELEM)]), (SYS_bpf, &[is(0, BPF_MAP_GET_NEXT_KEY)]), (SYS_bpf, &[is(0, BPF_PROG_LOAD)]),
    (SYS_bpf, &[is(0, BPF_OBJ_PIN)]), (SYS_bpf, &[is(0, BPF_OBJ_GET)]), (SYS_bpf, &[is(0, BPF_OBJ_GET_INFO_BY_FD)]),
    (SYS_bpf, &[is(0, BPF_MAP_FREEZE)]), (SYS_bpf, &[is(0, BPF_MAP_LOOKUP_BATCH)]), (SYS_bpf, &[is(0, BPF_LINK_CREATE)]),
    (SYS_bpf, &[is(0, BPF_LINK_UPDATE)]), (SYS_ioctl, &[is(1, SIOCGIFINDEX as c_int)]),
];

/// `enum bpf_cmd` of `linux/bpf.h`; the C library's header does not have it.
const BPF_MAP_CREATE: c_int = 0;
const BPF_MAP_LOOKUP_ELEM: c_int = 1;
const BPF_MAP_UPDATE_ELEM: c_int = 2;
const BPF_MAP_DELETE_ELEM: c_int = 3;
const BPF_MAP_GET_NEXT_KEY: c_int = 4;
const BPF_PROG_LOAD: c_int = 5;
const BPF_OBJ_PIN: c_int = 6;
const BPF_OBJ_GET: c_int = 7;
const BPF_OBJ_GET_INFO_BY_FD: c_int = 15;
const BPF_MAP_FREEZE: c_int = 22;
const BPF_MAP_LOOKUP_BATCH: c_int = 24;
const BPF_LINK_CREATE: c_int = 28;
const BPF_LINK_UPDATE: c_int = 29;
/// `linux/prctl.h`; too new for the C library's header.
const PR_GET_AUXV: c_int = 0x4155_5856;
/// `ethtool`'s request; the C library's header has it elsewhere.
const SIOCETHTOOL: c_ulong = 0x8946;
