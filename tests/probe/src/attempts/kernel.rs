//! The machine itself: mounts, namespaces, modules, time, restart. Arguments are such that a call that gets through does nothing,
//! or fails with another error than a refusal.
#![forbid(unsafe_code)]

use std::io;

use rustix::thread::CapabilitySet;

use super::{Attempt, Outcome, call};
use crate::sys::Word::{Number, Text};

/// `LINUX_REBOOT_CMD_CAD_OFF`: what PID 1 has set already.
const CAD_OFF: i64 = 0;
/// `BPF_PROG_GET_FD_BY_ID` and `BPF_RAW_TRACEPOINT_OPEN` of `linux/bpf.h`.
const PROG_GET_FD_BY_ID: i64 = 13;
const RAW_TRACEPOINT_OPEN: i64 = 17;

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("mount", |_| {
        call(libc::SYS_mount, &[Text(c"none"), Text(c"/run/patronus"), Text(c"tmpfs"), Number(0)])
    }),
    Attempt::new("mount by descriptor", |_| call(libc::SYS_fsopen, &[Text(c"tmpfs"), Number(0)])),
    Attempt::new("clone a mount", |_| call(libc::SYS_open_tree, &[Number(-100), Text(c"/"), Number(1)])),
    Attempt::new("unmount", |_| call(libc::SYS_umount2, &[Text(c"/run/patronus"), Number(0)])),
    Attempt::new("change the root", |_| call(libc::SYS_pivot_root, &[Text(c"."), Text(c".")])),
    Attempt::new("chroot", |_| call(libc::SYS_chroot, &[Text(c"/")])),
    Attempt::new("unshare users", |_| call(libc::SYS_unshare, &[Number(libc::CLONE_NEWUSER.into())])),
    Attempt::new("unshare the network", |_| call(libc::SYS_unshare, &[Number(libc::CLONE_NEWNET.into())])),
    Attempt::new("join a namespace", |_| call(libc::SYS_setns, &[Number(0), Number(0)])),
    Attempt::new("load a program into the kernel (bpf)", |_| call(libc::SYS_bpf, &[Number(0), Number(0), Number(0)]))
        .unless(CapabilitySet::BPF),
    Attempt::new("take somebody's program by its number (bpf)", |_| bpf(PROG_GET_FD_BY_ID)),
    Attempt::new("trace the kernel (bpf)", |_| bpf(RAW_TRACEPOINT_OPEN)),
    Attempt::new("load a kernel", |_| call(libc::SYS_kexec_load, &[])),
    Attempt::new("load a kernel from a file", |_| call(libc::SYS_kexec_file_load, &[Number(-1), Number(-1)])),
    Attempt::new("load a module", |_| call(libc::SYS_init_module, &[Number(0), Number(0), Text(c"")])),
    Attempt::new("load a module from a file", |_| call(libc::SYS_finit_module, &[Number(0), Text(c""), Number(0)])),
    Attempt::new("restart the machine", |_| {
        call(libc::SYS_reboot, &[Number(0xfee1_dead), Number(672_274_793), Number(CAD_OFF)])
    }),
    Attempt::new("set the time of day", |_| call(libc::SYS_settimeofday, &[Number(0), Number(0)]))
        .unless(CapabilitySet::SYS_TIME),
    Attempt::new("set the clock", |_| call(libc::SYS_clock_settime, &[Number(0), Number(0)]))
        .unless(CapabilitySet::SYS_TIME),
    Attempt::new("name the host", |_| call(libc::SYS_sethostname, &[Text(c"x"), Number(1)])),
    Attempt::new("use I/O ports", |_| call(libc::SYS_iopl, &[Number(3)])),
    Attempt::new("use one I/O port", |_| call(libc::SYS_ioperm, &[Number(0x80), Number(1), Number(1)])),
    Attempt::new("use the key ring", |_| call(libc::SYS_keyctl, &[Number(0), Number(-3), Number(1)])),
    Attempt::new("measure the kernel (perf)", |_| {
        call(libc::SYS_perf_event_open, &[Number(0), Number(0), Number(-1), Number(-1)])
    }),
    Attempt::new("handle page faults", |_| call(libc::SYS_userfaultfd, &[Number(0)])),
    Attempt::new("set up io_uring", |_| call(libc::SYS_io_uring_setup, &[Number(1), Number(0)])),
    Attempt::new("watch the file system (fanotify)", |_| call(libc::SYS_fanotify_init, &[Number(0), Number(0)])),
    Attempt::new("read the kernel's messages", |_| call(libc::SYS_syslog, &[Number(10), Number(0), Number(0)])),
    Attempt::new("set quotas", |_| call(libc::SYS_quotactl, &[Number(0), Number(0), Number(0), Number(0)])),
    Attempt::new("swap", |_| call(libc::SYS_swapon, &[Text(c"/data"), Number(0)])),
    Attempt::new("account processes", |_| call(libc::SYS_acct, &[Number(0)])),
    Attempt::new("hang up a terminal", |_| call(libc::SYS_vhangup, &[])),
    Attempt::new("filter its own calls", |_| call(libc::SYS_seccomp, &[Number(0), Number(0), Number(0)])),
    Attempt::new("take another descriptor (pidfd)", |_| call(libc::SYS_pidfd_open, &[Number(1), Number(0)])),
];

fn bpf(command: i64) -> io::Result<Outcome> {
    call(libc::SYS_bpf, &[Number(command), Number(0), Number(0)])
}
