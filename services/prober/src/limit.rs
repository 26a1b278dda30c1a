//! Every number that is our own choice. Times are in microseconds where they say nothing else.

/// Between two probes of a path that carries traffic. Two of them and the time to be sure are what a failure takes.
pub const HOT_US: u64 = 20_000;
/// And of every other path.
pub const STANDBY_US: u64 = 200_000;
/// What that grows to when paths are many.
pub const COLD_US: u64 = 10_000_000;
/// Probes of hot paths a second, all together; with more paths each is probed less often.
pub const HOT_PER_S: u64 = 1_000;
/// And of the other paths.
pub const STANDBY_PER_S: u64 = 500;
/// A probe goes out this much of its interval earlier at most, in percent, so that sites do not fall into step (RFC 5880 section 6.8.7).
pub const JITTER_PERCENT: u64 = 25;
/// Between two probes of a suspicion, as part of the interval, and within these bounds.
pub const BURST_PART: u64 = 10;
/// See [`BURST_PART`].
pub const BURST_LEAST_US: u64 = 2_000;
/// See [`BURST_PART`].
pub const BURST_MOST_US: u64 = 20_000;

/// Packets a second of this box, probes and answers, and at once.
pub const SENT_PER_S: u64 = 4_000;
/// See [`SENT_PER_S`].
pub const SENT_AT_ONCE: u64 = 2_000;
/// Answers a second on one path, and at once: hot probes and a suspicion's.
pub const ANSWERS_PER_S: u64 = 400;
/// See [`ANSWERS_PER_S`].
pub const ANSWERS_AT_ONCE: u64 = 200;

/// Bytes in any 24 hours that probing costs a metered uplink, both directions, headers of the tunnel with them.
pub const METERED_BYTES_PER_DAY: u64 = 20_000_000;
/// What one packet costs there: itself with IPv6 and UDP, padded, and around it WireGuard, UDP and IPv6 again.
pub const METERED_PACKET_BYTES: u64 = 128 + 32 + 48;

/// What a test of a path takes at most.
pub const TEST_US: u64 = 3_000_000;
/// Tests at once, and the pause after which there may be one more, in seconds.
pub const TESTS_AT_ONCE: u64 = 6;
/// See [`TESTS_AT_ONCE`].
pub const TEST_EVERY_S: u64 = 10;
/// Probes of a test, and between two of them.
pub const TEST_PROBES: u32 = 100;
/// See [`TEST_PROBES`].
pub const TEST_PROBE_US: u64 = 10_000;
/// The same where an uplink pays for each byte.
pub const METERED_TEST_PROBES: u32 = 20;
/// See [`METERED_TEST_PROBES`].
pub const METERED_TEST_PROBE_US: u64 = 50_000;
/// Trains of a test, and packets of one: with [`LOAD_BYTES`] a test sends less than 2 MB.
pub const TRAINS: usize = 12;
/// See [`TRAINS`].
pub const TRAIN_PACKETS: u16 = 128;
/// A train has no more packets than the path seems to carry in so long: probes and calls wait behind it.
pub const TRAIN_US: u64 = 10_000;
/// A train has so many times the packets of the one before, at most.
pub const TRAIN_GROWS: u16 = 4;
/// What a load packet is inside the tunnel: the least that any IPv6 path carries; and of that, the headers.
pub const LOAD_BYTES: u64 = 1_280;
/// See [`LOAD_BYTES`].
pub const LOAD_HEADER_BYTES: u64 = 48;
/// Packets that came within so long came together.
pub const LOAD_SPAN_US: u64 = 50;
/// No train takes so long to come.
pub const MOST_LOAD_SPAN_US: u64 = 10_000_000;
/// After what answers take, how long until it is asked again what came of a train; how often; and trains of which nothing was said.
pub const ASK_AGAIN_US: u64 = 100_000;
/// See [`ASK_AGAIN_US`].
pub const ASKS: u32 = 3;
/// See [`ASK_AGAIN_US`].
pub const SILENT_TRAINS: u32 = 2;
/// Load that is taken of one site at once, and in a second: somewhat more than its tests may send.
pub const LOAD_AT_ONCE: u64 = 12_000_000;
/// See [`LOAD_AT_ONCE`].
pub const LOAD_PER_S: u64 = 200_000;

/// Probes of one path that wait for their answer. While there are more, no further ones are sent.
pub const UNANSWERED: usize = 128;
/// An answer may take this much longer than usual, at least: a thread that has to wait for its processor.
pub const PATIENCE_US: u64 = 5_000;
/// An answer that takes so much longer than usual is reason to ask again quickly, but no more than that.
pub const DOUBT_US: u64 = 2_000;
/// How long an answer may take while it is not known how long it takes.
pub const FIRST_PATIENCE_US: u64 = 1_000_000;
/// And at most, however long answers take.
pub const MOST_PATIENCE_US: u64 = 3_000_000;
/// The slowest answer of so long a time is one that may come again.
pub const PEAK_US: u64 = 5_000_000;
/// A timer that is called so much later than it asked for was not scheduled: nothing was learned meanwhile.
pub const LATE_US: u64 = 4_000;
/// How long a path on which data still comes is given although its far prober is silent.
pub const GRACE_US: u64 = 1_000_000;

/// Unanswered probes that make a path suspect.
pub const SUSPECT_AFTER: u32 = 3;
/// A path is down when the chance that one which loses at random has lost all these is below ten to the minus this.
pub const CERTAINTY: f64 = 12.0;
/// Loss there and back that is reckoned with at least, at most, and before anything is known.
pub const LEAST_LOSS: f64 = 0.02;
/// See [`LEAST_LOSS`].
pub const MOST_LOSS: f64 = 0.5;
/// See [`LEAST_LOSS`].
pub const FIRST_LOSS: f64 = 0.1;
/// Packets over which that loss is averaged.
pub const LOSS_PACKETS: f64 = 256.0;
/// Answers in a row that make a new path live.
pub const ANSWERS_TO_BE_UP: u32 = 2;
/// How long a path that was down is watched before it counts: the first time, and at most. It doubles with each failure.
pub const HOLD_US: u64 = 5_000_000;
/// See [`HOLD_US`].
pub const MOST_HOLD_US: u64 = 600_000_000;
/// A path that was good for so long is forgiven one doubling.
pub const FORGIVEN_US: u64 = 600_000_000;

/// Length of the finest points of the history, in seconds.
pub const POINT_S: u64 = 10;
/// Round-trip times that a point's 95th percentile is taken of; of more, the latest.
pub const SAMPLES: usize = 1_024;
/// Between two snapshots in which no liveness has changed.
pub const PUBLISH_US: u64 = 500_000;

/// Between two looks at whether a path carries traffic; packets a second of others that are traffic; and how long it counts after that.
pub const TRAFFIC_LOOK_US: u64 = 900_000;
/// See [`TRAFFIC_LOOK_US`].
pub const TRAFFIC_PER_S: u64 = 10;
/// See [`TRAFFIC_LOOK_US`].
pub const TRAFFIC_LASTS_US: u64 = 30_000_000;

/// Paths that are probed; `tunnel` has more on the largest hubs, and those of the highest sites are left out.
pub const PATHS: usize = 4_096;
/// Paths whose history is kept.
pub const HISTORIES: usize = 256;
