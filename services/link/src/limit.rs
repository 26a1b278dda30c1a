//! Every number of this crate that is our own choice; numbers of specifications stand beside the code that implements them.

/// Ethernet ports that are looked at; more are left alone, down. No small PC has as many.
pub const PORTS: usize = 64;
/// Routers kept of one lease: the first is used, the second is shown.
pub const LEASE_ROUTERS: usize = 2;
/// Resolvers kept of one lease.
pub const LEASE_DNS: usize = 4;
/// Time servers kept of one lease.
pub const LEASE_NTP: usize = 4;
/// Shortest lease that is taken: shorter ones would keep the uplink busy with asking.
pub const LEASE_MIN_S: u32 = 4;
/// Longer leases are renewed as if they were this long, infinite ones too: a provider that renumbers is noticed.
pub const LEASE_MAX_S: u32 = 7 * 24 * 3600;
/// Narrowest prefix of a lease that is believed; nobody owns more than a class A network.
pub const LEASE_PREFIX_MIN: u8 = 8;
/// Link sizes that a lease may set; IPv4 works from 576 on (RFC 791), jumbo frames end here.
pub const LEASE_MTU: std::ops::RangeInclusive<u16> = 576..=9216;
/// Largest DHCP reply that is read: one Ethernet frame.
pub const DHCP_MESSAGE_BYTES: usize = 1500;
/// DHCP replies of all uplinks that wait to be looked at; more are dropped, as the network might have done.
pub const DHCP_QUEUE: usize = 32;
/// Routers learned from advertisements that are kept of one port: anybody on the WAN cable can claim to be one more.
pub const ADVERTISED_ROUTERS: usize = 8;
/// Addresses made from advertised prefixes that are kept of one port.
pub const ADVERTISED_ADDRESSES: usize = 8;
/// Resolvers learned from advertisements that are kept of one port.
pub const ADVERTISED_DNS: usize = 4;
/// Addresses that the kernel takes on one device, its own link-local one among them (`max_addresses`).
pub const KERNEL_ADDRESSES: u32 = ADVERTISED_ADDRESSES as u32 + 1;
/// Addresses of one device that are published; this service sets two at most, the kernel adds one of its own and the advertised ones.
pub const ADDRESSES: usize = 16;
/// How often one event may lead to "read, plan, apply" before the rest waits for the next event: kernel side effects settle in two.
pub const RECONCILE_ROUNDS: usize = 4;
/// Shortest pause between two looks at the kernel: whatever comes from the network, there are ten a second at most.
pub const LOOK_INTERVAL_MS: u64 = 100;
/// DHCP messages that are not used are logged at most this often for each reason; all are counted.
pub const REJECT_LOG_INTERVAL_MS: u64 = 60_000;
/// Longest pause between two looks at the kernel, in case a notification was lost.
pub const RECHECK_MS: u64 = 30_000;
