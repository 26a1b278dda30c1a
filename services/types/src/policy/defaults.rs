//! What stands where a person has written nothing: a box without a policy carries calls well.
//!
//! *Spec*: ITU-T G.114 and G.1010 (what delay people bear); RFC 4594 (what DSCP means); IANA's list of ports.

use super::{ClassRule, Dscp, Failback, Preset, Sla};
use crate::{Class, PortRange, RuleProtocol};

/// What is good enough for a class. Round trips are twice what G.114 says of one way, less what a codec takes.
pub(super) const fn sla(class: Class) -> Sla {
    let (latency_ms, jitter_ms, loss_permille) = match class {
        Class::Voip => (200, 30, 10),
        Class::VideoConference => (250, 50, 10),
        Class::Database => (150, 100, 10),
        Class::Web => (400, 200, 30),
        Class::FileTransfer | Class::Email => (1000, 500, 30),
        Class::Backup => (2000, 1000, 50),
        Class::Other => (500, 200, 30),
    };
    Sla { latency_ms, jitter_ms, loss_permille }
}

pub(super) const fn preset(class: Class) -> Preset {
    match class {
        Class::Voip | Class::VideoConference | Class::Database => Preset::LatencySensitive,
        Class::FileTransfer => Preset::ThroughputFocused,
        Class::Backup => Preset::CostOptimised,
        Class::Web | Class::Email | Class::Other => Preset::Balanced,
    }
}

/// A call is not moved for a little less delay.
pub(super) const fn failback(class: Class) -> Failback {
    match class {
        Class::Voip | Class::VideoConference => Failback::Stay,
        _ => Failback::Force,
    }
}

/// What a packet says of itself comes before what its port says.
pub(super) fn rules() -> impl Iterator<Item = ClassRule> {
    let dscp = MARKS.iter().map(|(class, marks)| ClassRule {
        dscp: marks.iter().filter_map(|mark| Dscp::try_from(*mark).ok()).collect(),
        ..ClassRule::new(*class)
    });
    let ports = PORTS.iter().map(|(class, protocol, ports)| ClassRule {
        protocol: Some(*protocol),
        ports: ports.iter().filter_map(|(first, last)| PortRange::new(*first, *last).ok()).collect(),
        ..ClassRule::new(*class)
    });
    dscp.chain(ports)
}

/// Expedited forwarding and what is admitted to it; AF4x; CS1 and LE.
const MARKS: [(Class, &[u8]); 3] =
    [(Class::Voip, &[46, 44]), (Class::VideoConference, &[34, 36, 38]), (Class::Backup, &[8, 1])];

use RuleProtocol::{Tcp, Udp};

/// From the first port to the last.
type Ranges = &'static [(u16, u16)];

#[rustfmt::skip]
const PORTS: [(Class, RuleProtocol, Ranges); 11] = [
    // RTP, SIP, IAX.
    (Class::Voip, Udp, &[(4569, 4569), (5004, 5005), (5060, 5061)]),
    (Class::Voip, Tcp, &[(5060, 5061)]),
    // TURN and what the great providers use behind it.
    (Class::VideoConference, Udp, &[(3478, 3481), (8801, 8810), (9000, 9000), (19302, 19309)]),
    (Class::FileTransfer, Tcp, &[(20, 22), (139, 139), (445, 445), (873, 873), (989, 990), (2049, 2049)]),
    (Class::FileTransfer, Udp, &[(69, 69)]),
    (Class::Backup, Tcp, &[(6160, 6163), (9101, 9103), (10080, 10080), (13720, 13724)]),
    (Class::Web, Tcp, &[(80, 80), (443, 443), (8080, 8080), (8443, 8443)]),
    (Class::Web, Udp, &[(443, 443)]),
    (Class::Email, Tcp, &[(25, 25), (110, 110), (143, 143), (465, 465), (587, 587), (993, 993), (995, 995)]),
    (Class::Database, Tcp, &[(1433, 1433), (1521, 1521), (3306, 3306), (5432, 5432), (6379, 6379), (9042, 9042)]),
    (Class::Database, Tcp, &[(27017, 27019)]),
];
