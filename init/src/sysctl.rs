//! Settings of the kernel, one per line with its reason.
//!
//! *Does*: write them once, before any service runs.
//! *Never does*: hold what depends on the configuration: forwarding and addresses belong to `link`.
//! *Spec*: Linux `Documentation/admin-guide/sysctl/`, `Documentation/networking/ip-sysctl.rst`.

use std::{fs, io::ErrorKind, path::Path};

use crate::console::Console;

/// Name, value, reason.
#[rustfmt::skip]
const SETTINGS: &[(&str, &str, &str)] = &[
    ("kernel/kptr_restrict", "2", "addresses of the kernel help only who attacks it"),
    ("kernel/dmesg_restrict", "1", "the kernel's log is read by PID 1 and told by the API"),
    ("kernel/perf_event_paranoid", "3", "no service profiles another"),
    ("kernel/unprivileged_bpf_disabled", "1", "programs are loaded by one service, which has the capability"),
    ("net/core/bpf_jit_harden", "1", "against spraying of constants by programs of services without privileges"),
    ("kernel/yama/ptrace_scope", "3", "no process looks into another"),
    ("kernel/kexec_load_disabled", "1", "every start goes through firmware and verity"),
    ("kernel/panic_on_oops", "1", "a kernel that lost its way restarts, and the boot loader counts"),
    ("kernel/panic", "5", "seconds to read why"),
    ("kernel/sysrq", "0", "a keyboard at the box is no administrator"),
    ("kernel/core_pattern", "", "a dump of memory holds keys"),
    ("kernel/randomize_va_space", "2", "as far as it goes"),
    ("fs/suid_dumpable", "0", "a dump of memory holds keys"),
    ("fs/protected_symlinks", "1", "links in shared directories are followed by their owner only"),
    ("fs/protected_hardlinks", "1", "as for links"),
    ("fs/protected_fifos", "2", "as for links"),
    ("fs/protected_regular", "2", "as for links"),
    ("vm/overcommit_memory", "0", "each service has a limit of its own in its cgroup"),
    ("vm/percpu_pagelist_high_fraction", "64", "memory that was given back is free for all; an eighth of it would wait on the processors' own lists"),
    ("vm/panic_on_oom", "0", "the service that asked for too much ends, not the box"),
    ("net/ipv4/ip_forward", "0", "nothing is routed until `link` has put the packet filter in place"),
    ("net/ipv4/conf/all/rp_filter", "0", "the way back may be another: even where it is loose, the kernel drops what comes by a tunnel that its own route does not lead to"),
    ("net/ipv4/conf/default/rp_filter", "0", "as above; who may send from where, `tunnel`, the datapath and the packet filter check"),
    ("net/ipv4/conf/all/accept_redirects", "0", "a neighbour does not change routes"),
    ("net/ipv4/conf/default/accept_redirects", "0", "as above"),
    ("net/ipv4/conf/all/secure_redirects", "0", "as above"),
    ("net/ipv4/conf/all/send_redirects", "0", "two LAN hosts may not talk past the policy"),
    ("net/ipv4/conf/default/send_redirects", "0", "as above"),
    ("net/ipv4/conf/all/accept_source_route", "0", "the sender does not choose the path"),
    ("net/ipv4/conf/all/arp_ignore", "1", "an address is answered for on its own port only"),
    ("net/ipv4/conf/all/arp_announce", "2", "an address is used on its own port only"),
    ("net/ipv4/conf/all/log_martians", "0", "a stranger must not fill the log"),
    ("net/ipv4/icmp_echo_ignore_broadcasts", "1", "no amplification"),
    ("net/ipv4/tcp_syncookies", "1", "a flood of SYN leaves the page reachable"),
    ("net/ipv4/tcp_fastopen", "0", "a connection that is not opened by `connect` would go past Landlock"),
    ("net/ipv4/tcp_mtu_probing", "1", "what the box says to seeds passes where routers drop what is long and are silent (RFC 4821)"),
    ("net/ipv4/tcp_rfc1337", "1", "a late segment does not end TIME-WAIT"),
    ("net/ipv6/conf/all/accept_ra", "0", "uplinks take router advertisements, `link` says which"),
    ("net/ipv6/conf/default/accept_ra", "0", "as above"),
    ("net/ipv6/conf/all/accept_redirects", "0", "a neighbour does not change routes"),
    ("net/ipv6/conf/default/accept_redirects", "0", "as above"),
    ("net/ipv6/conf/all/accept_source_route", "0", "the sender does not choose the path"),
    ("net/ipv6/conf/all/forwarding", "0", "as for IPv4"),
    ("net/ipv6/conf/default/addr_gen_mode", "1", "no address by itself: `link` decides which port speaks IPv6"),
];

/// Writes all settings; one that fails is said, and the rest follow.
pub fn apply(console: &mut Console) {
    for (name, value, _reason) in SETTINGS {
        let path = Path::new("/proc/sys").join(name);
        match fs::write(path, format!("{value}\n")) {
            Ok(()) => {}
            // What the kernel was built without needs no setting.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => console.line(&format!("setting {name}: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_setting_stands_once_and_has_a_reason() {
        let names: HashSet<_> = SETTINGS.iter().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), SETTINGS.len());
        assert!(SETTINGS.iter().all(|(_, _, reason)| reason.len() > 5));
    }
}
