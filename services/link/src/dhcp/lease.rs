//! What a server granted, with its deadlines on the monotonic clock.

use std::net::Ipv4Addr;

use patronus_types::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Terms;

/// A granted lease. Times are milliseconds of `CLOCK_BOOTTIME`, so they mean something only within one boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Own address and the prefix it lies in.
    pub address: Ipv4Net,
    /// Who granted it.
    pub server: Ipv4Addr,
    /// The provider's routers, best first.
    pub routers: Vec<Ipv4Addr>,
    /// Resolvers.
    pub dns: Vec<Ipv4Addr>,
    /// Time servers.
    pub ntp: Vec<Ipv4Addr>,
    /// Largest packet on this link, if the server says.
    pub mtu: Option<u16>,
    /// T1: from here on the server is asked to extend.
    pub renew_ms: u64,
    /// T2: from here on any server is asked.
    pub rebind_ms: u64,
    /// From here on the address must not be used.
    pub expires_ms: u64,
}

impl Lease {
    /// The lease that `terms` grant. RFC 2131 section 4.4.1: it counts from when the request was sent, not from when the answer came.
    #[must_use]
    pub fn from_terms(terms: &Terms, server: Ipv4Addr, requested_ms: u64) -> Self {
        let at = |seconds: u32| requested_ms.saturating_add(u64::from(seconds).saturating_mul(1000));
        Self {
            address: terms.address,
            server,
            routers: terms.routers.clone(),
            dns: terms.dns.clone(),
            ntp: terms.ntp.clone(),
            mtu: terms.mtu,
            renew_ms: at(terms.renew_s),
            rebind_ms: at(terms.rebind_s),
            expires_ms: at(terms.lease_s),
        }
    }
}
