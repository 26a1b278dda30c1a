//! The limits of the tunnel, in one place: what WireGuard says, then what this implementation chose.

use std::time::Duration;

/// Header and tag that a data message has around an inner packet (WireGuard paper, section 5.4.6).
pub const DATA_OVERHEAD_BYTES: usize = 32;
/// Smallest message with a kind: a keepalive.
pub const DATA_MIN_BYTES: usize = DATA_OVERHEAD_BYTES;
/// Inner packets are padded to a multiple of this.
pub const PADDING_BYTES: usize = 16;
/// An initiation, the longest message that is not data.
pub const HANDSHAKE_BYTES: usize = 148;
/// Sessions older than this carry nothing (Reject-After-Time).
pub const SESSION_LIFETIME: Duration = Duration::from_secs(180);

/// Largest IP packet that goes into or comes out of a TUN device as one frame.
pub const FRAME_BYTES: usize = 65_535;
/// What one `sendmsg` with UDP segmentation may carry: the largest UDP payload over IPv4.
pub const BATCH_BYTES: usize = 65_507;
/// Segments that the kernel takes in one `sendmsg` (`UDP_MAX_SEGMENTS`; 128 since Linux 6.9, older kernels take 64).
pub const BATCH_SEGMENTS: usize = 64;
/// Batches between two flushes; a packet that would need one more is dropped. A super-frame of the smallest MSS (48) needs 22.
pub const BATCHES: usize = 32;
/// Smallest segment size that a super-frame may ask for. The kernel's own TCP does not go below 48.
pub const SEGMENT_MIN_BYTES: usize = 48;

/// Decrypted bytes between two flushes towards the TUN devices.
pub const ARENA_BYTES: usize = 256 * 1024;
/// Flows that are coalesced side by side; packets of one more are passed on alone.
pub const COALESCED_FLOWS: usize = 16;
/// Packets that become one super-frame; the kernel's own receive offload stops there, too.
pub const COALESCED_PACKETS: usize = 64;

/// Peers with a path over one uplink slot, counted for each of their slots.
pub const PATHS: usize = 4096;
/// Sites in one network, this one not counted.
pub const PEERS: usize = 2048;
/// Endpoint candidates of one remote slot.
pub const CANDIDATES: usize = 8;
/// Prefixes of one site: 32 that its record grants, and its address inside tunnels.
pub const PREFIXES: usize = 33;
/// Prefixes of all sites that ever were, that this one does not let out by its uplinks.
pub const CLOSED: usize = 32 * PEERS;

/// Handshake messages a second of all strangers together before they must prove their address by a cookie.
/// A site that starts shakes hands with all others at once, and each handshake costs a quarter of a millisecond.
pub const HANDSHAKES_PER_SECOND: u64 = 1000;
/// Handshake messages a second of one address that has proved itself.
pub const SOURCE_HANDSHAKES_PER_SECOND: u32 = 20;
/// And how many of them at once: a site with all its slots behind one address, in both directions.
pub const SOURCE_BURST: u32 = 64;
/// Addresses whose budgets are remembered.
pub const SOURCES: usize = 1024;

/// The longest note that carries no datagram, padded.
pub const NOTE_BYTES: usize = 48;
/// Addresses of each family at which a slot says to be seen: behind most translators it is one.
pub const SEEN: usize = 2;
/// How long the word of a witness counts; it is asked every 25 s.
pub const SEEN_LASTS: Duration = Duration::from_secs(80);
/// Between two looks at which words still count.
pub const SEEN_LOOK: Duration = Duration::from_secs(5);

/// STUN servers that a slot asks.
pub const STUN_SERVERS: usize = 4;
/// Between an answer and the next question to a server: what keeps a translator open, too.
pub const STUN_EVERY: Duration = Duration::from_secs(25);
/// Between a question without an answer and its repetition; doubled each time up to [`STUN_EVERY`].
pub const STUN_RETRY: Duration = Duration::from_secs(1);
/// A question that was sent this often without an answer: the server is silent.
pub const STUN_UNANSWERED: u32 = 3;

/// Initiations to addresses alone before relays are asked to carry one, too.
pub const RELAY_AFTER: usize = 2;
/// Relays that are asked at once.
pub const RELAYS: usize = 4;
/// Between two tries to reach the peer of a relayed path directly. Translators keep an opening for 30 s at least.
pub const PROBE_EVERY: Duration = Duration::from_secs(10);
/// Addresses that the peer of a relayed path has named itself.
pub const HINTS: usize = 4;
/// Largest packet of a relayed path: the smallest MTU of IPv6, which with two headers and two seals fits into 1,436 bytes of underlay over
/// IPv4.
pub const RELAYED_BYTES: usize = 1280;
/// Length that every path is taken to carry (RFC 8899 section 5.1.2): with headers and seal 1,260 bytes over IPv4, 1,280 over IPv6.
pub const BASE_BYTES: usize = 1200;
/// Longest packet that is tried: what an underlay of 9,000 bytes carries.
pub const LENGTH_MAX_BYTES: usize = 8928;
/// Between two packets of a length that is tried. Answers may take longer: that to the long one comes before that to the short one behind it.
pub const LENGTH_ANSWER: Duration = TICK;
/// So often a length did not come, and a short packet beside it did: the path does not carry it. At 10 % loss that is chance once in 10^6 looks.
pub const LENGTH_IN_VAIN: u32 = 5;
/// Between two looks whether a path that carries long packets still does.
pub const LENGTH_EVERY: Duration = Duration::from_secs(2);
/// Between two tries whether a narrow path carries more (PMTU_RAISE_TIMER).
pub const LENGTH_RAISE: Duration = Duration::from_secs(600);
/// Datagrams that wait to be wrapped for a relay; a super-frame has fewer.
pub const RELAYED: usize = 128;
/// A relay passes on to paths that were heard within this time; each asks every 25 s where it is seen.
pub const HEARD_LATELY: Duration = Duration::from_secs(30);
/// Datagrams that wait in a relay for another of its slots.
pub const PASSED: usize = 256;
/// Datagrams a second that a relay carries for one site.
pub const RELAY_DATAGRAMS_PER_SECOND: u64 = 20_000;
/// And bytes a second: 200 Mbit/s.
pub const RELAY_BYTES_PER_SECOND: u64 = 25_000_000;

/// Between two looks at the timers of all sessions.
pub const TICK: Duration = Duration::from_millis(250);
/// Pauses between the first initiations that are not answered; the last one goes on.
pub const INITIATE_AFTER: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(5)];
