//! Why a packet was not carried. Each has a counter of its own, under one name in page, API and documents.

/// Why a packet was not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Reason {
    /// From the LAN: a part of a datagram whose first part has not come by.
    Fragment,
    /// From the LAN: an IP header with options.
    Options,
    /// From the LAN: neither TCP nor UDP nor a ping.
    Protocol,
    /// From the LAN: TCP that does not begin with a SYN, in no flow that is known.
    NoSuchConnection,
    /// From the LAN: an ICMP error or an answer to a ping, in no flow that is known.
    NoSuchFlow,
    /// From the LAN: a source that is not of the LAN.
    ForeignSource,
    /// From the LAN: no port is left for it outside.
    PortsUsedUp,
    /// From the LAN: the table takes no more flows.
    TableFull,
    /// A rule says so.
    Rule,
    /// From outside: by another port he talks to the same port of the same computer already.
    EndsTaken,
    /// From WAN: for a port that somebody has, from somebody he does not talk to. The packet filter drops it.
    Unsolicited,
    /// From the LAN: no path to its site that its class may take is alive.
    NoAllowedPath,
    /// From another site: it came by another path already.
    Twin,
    /// From WAN: from an address that no machine there can have.
    Martian,
    /// From WAN: from an address that nobody has on the Internet.
    Bogon,
    /// From WAN: from somebody on a list.
    Blocked,
    /// From WAN: a connection more than its source may open in a second, or all sources together.
    SynRate,
    /// From WAN: a handshake more than that.
    HandshakeRate,
}

impl Reason {
    /// All, by number.
    pub const ALL: [Self; 18] = [
        Self::Fragment,
        Self::Options,
        Self::Protocol,
        Self::NoSuchConnection,
        Self::NoSuchFlow,
        Self::ForeignSource,
        Self::PortsUsedUp,
        Self::TableFull,
        Self::Rule,
        Self::EndsTaken,
        Self::Unsolicited,
        Self::NoAllowedPath,
        Self::Twin,
        Self::Martian,
        Self::Bogon,
        Self::Blocked,
        Self::SynRate,
        Self::HandshakeRate,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fragment => "fragment",
            Self::Options => "ip-options",
            Self::Protocol => "protocol",
            Self::NoSuchConnection => "no-such-connection",
            Self::NoSuchFlow => "no-such-flow",
            Self::ForeignSource => "foreign-source",
            Self::PortsUsedUp => "ports-used-up",
            Self::TableFull => "table-full",
            Self::Rule => "rule",
            Self::EndsTaken => "ends-taken",
            Self::Unsolicited => "unsolicited",
            Self::NoAllowedPath => "no-allowed-path",
            Self::Twin => "twin",
            Self::Martian => "martian",
            Self::Bogon => "bogon",
            Self::Blocked => "blocked",
            Self::SynRate => "syn-rate",
            Self::HandshakeRate => "handshake-rate",
        }
    }
}
