//! Which system calls a service may make: THE table, and the filter made from it.
//!
//! *Does*: allow what the service's groups list, with the arguments that they list; everything else fails with `EPERM`.
//! *Never does*: kill a service for a call: a refused call is an error that the service sees and logs.
//! *Spec*: `docs/adr/0002-manifest.md`, section "System calls"; Linux `Documentation/userspace-api/seccomp_filter.rst`.
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, io};

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::PROGRAM_FD;
use crate::manifest::{Service, SyscallGroup};

#[rustfmt::skip] // A table: several calls on a line.
mod table;

/// The compiled filters of one service.
#[derive(Clone, Debug)]
pub struct Filters(Vec<BpfProgram>);

/// One allowed use of a system call. The same number may be listed several times, for several uses.
type Use = (i64, &'static [Argument]);

/// What an argument must be: its position, the bits that are looked at, and their value.
#[derive(Clone, Copy, Debug)]
struct Argument(u8, u64, u64);

impl Filters {
    /// Compiles the filters of a service.
    ///
    /// # Errors
    /// If the table is too long for the kernel; a test shows that it is not.
    pub fn of(service: &Service) -> Result<Self, BackendError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for (number, arguments) in uses_of(service) {
            let uses = rules.entry(*number).or_default();
            if !arguments.is_empty() {
                uses.push(rule(arguments)?);
            }
        }
        let allowed = compile(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)?;
        // Flags of `clone3` lie in memory, where a filter cannot look: "no such call" makes the C library use `clone`, whose
        // flags are an argument. Of two filters that differ, the kernel takes the stricter answer.
        let absent = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        let absent = compile(absent, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))?;
        Ok(Self(vec![absent, allowed]))
    }

    /// Turns the filters on for this process and its future program. The last step before exec.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn enforce(&self) -> io::Result<()> {
        // The second filter does not allow what turns filters on, hence it comes last.
        self.0.iter().try_for_each(|program| seccompiler::apply_filter(program).map_err(|_| io::Error::last_os_error()))
    }
}

/// All that a service may use. Landlock looks at `bind`, but not at `listen`, which takes a port by itself.
fn uses_of(service: &Service) -> impl Iterator<Item = &'static Use> {
    let listen = if service.tcp_bind.is_empty() { &[] } else { table::LISTEN };
    service.syscalls.iter().flat_map(|group| uses(*group)).chain(listen)
}

fn uses(group: SyscallGroup) -> &'static [Use] {
    match group {
        SyscallGroup::Base => table::BASE,
        SyscallGroup::Files => table::FILES,
        SyscallGroup::Tcp => table::TCP,
        SyscallGroup::Udp => table::UDP,
        SyscallGroup::Netlink => table::NETLINK,
        SyscallGroup::Route => table::ROUTE,
        SyscallGroup::Packet => table::PACKET,
        SyscallGroup::ClockSet => table::CLOCK_SET,
        SyscallGroup::Tun => table::TUN,
        SyscallGroup::Bpf => table::BPF,
    }
}

fn rule(arguments: &[Argument]) -> Result<SeccompRule, BackendError> {
    let condition = |Argument(position, mask, value): &Argument| {
        // The kernel reads flags, families and descriptors as 32 bits; pointers and sizes as 64.
        let length = if *mask > u64::from(u32::MAX) { SeccompCmpArgLen::Qword } else { SeccompCmpArgLen::Dword };
        SeccompCondition::new(*position, length, SeccompCmpOp::MaskedEq(*mask), *value)
    };
    SeccompRule::new(arguments.iter().map(condition).collect::<Result<_, _>>()?)
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, listed, TargetArch::x86_64)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    const ALL: [SyscallGroup; 10] = [
        SyscallGroup::Base,
        SyscallGroup::Files,
        SyscallGroup::Tcp,
        SyscallGroup::Udp,
        SyscallGroup::Netlink,
        SyscallGroup::Route,
        SyscallGroup::Packet,
        SyscallGroup::ClockSet,
        SyscallGroup::Tun,
        SyscallGroup::Bpf,
    ];

    #[test]
    fn filters_of_all_shipped_services_fit_the_kernel() {
        let manifest: Manifest = include_str!("../../services.toml").parse().unwrap();
        for service in manifest.services() {
            assert!(Filters::of(service).is_ok(), "{}", service.name);
        }
    }

    #[test]
    fn no_group_lists_a_call_that_takes_over_a_machine() {
        let never = [
            libc::SYS_execve,
            libc::SYS_fork,
            libc::SYS_vfork,
            libc::SYS_ptrace,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_reboot,
            libc::SYS_kexec_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_setuid,
            libc::SYS_setresuid,
            libc::SYS_keyctl,
            libc::SYS_perf_event_open,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
            libc::SYS_open_by_handle_at,
            libc::SYS_mknod,
            libc::SYS_mknodat,
            libc::SYS_process_vm_readv,
            libc::SYS_kill,
            libc::SYS_seccomp,
            libc::SYS_symlink,
            libc::SYS_link,
            libc::SYS_personality,
            libc::SYS_memfd_create,
        ];
        for group in ALL {
            for (number, _) in uses(group) {
                assert!(!never.contains(number), "{group:?} lists {number}");
            }
        }
    }

    #[test]
    fn the_kinds_of_sockets_that_each_shipped_service_opens_and_who_listens_and_who_makes_devices_and_programs() {
        let manifest: Manifest = include_str!("../../services.toml").parse().unwrap();
        let who = |allowed: &dyn Fn(&Use) -> bool| -> Vec<&str> {
            let services = manifest.services().iter().filter(|service| uses_of(service).any(allowed));
            services.map(|service| service.name.as_str()).collect()
        };
        let opens = |kind: i32| {
            move |(number, arguments): &Use| {
                *number == libc::SYS_socket
                    && arguments.iter().any(|family| family.0 == 0 && family.2 == libc::AF_INET as u64)
                    && arguments.iter().any(|of_kind| of_kind.0 == 1 && of_kind.2 == kind as u64)
            }
        };
        assert_eq!(who(&opens(libc::SOCK_STREAM)), ["web", "mesh"]);
        assert_eq!(who(&opens(libc::SOCK_DGRAM)), ["clock", "tunnel", "datapath", "mesh", "prober"]);
        assert_eq!(who(&opens(libc::SOCK_RAW)), ["link"]);
        assert_eq!(who(&|(number, _)| *number == libc::SYS_listen), ["web", "mesh"]);
        let asks = |request: u64| {
            move |(number, arguments): &Use| {
                *number == libc::SYS_ioctl && arguments.iter().any(|asked| asked.0 == 1 && asked.2 == request)
            }
        };
        assert_eq!(who(&asks(libc::TUNSETIFF)), ["tunnel"]);
        assert_eq!(who(&|(number, _)| *number == libc::SYS_bpf), ["datapath"]);
    }

    #[test]
    fn only_the_descriptor_of_the_program_can_be_executed_and_no_service_can_have_it_again() {
        let execs: Vec<&Use> =
            ALL.iter().flat_map(|group| uses(*group)).filter(|(n, _)| *n == libc::SYS_execveat).collect();
        assert_eq!(execs.len(), 1);
        assert!(execs[0].1.iter().any(|argument| argument.0 == 0 && argument.2 == PROGRAM_FD as u64));
        assert!(crate::manifest::MAX_FILES <= PROGRAM_FD as u64);
    }
}
