//! The numbers of the decision, in one place. Times are in milliseconds.

/// A path that is better must be so for this long before a class moves to it.
pub const DWELL_MS: u64 = 2_000;
/// A path is not good enough for a class once it was not for this long without a break.
pub const VIOLATED_AFTER_MS: u64 = 3_000;
/// And is again once it was well below the limit for this long.
pub const MET_AFTER_MS: u64 = 20_000;
/// Well below the limit, in parts of it.
pub const WELL_BELOW: f64 = 0.9;
/// What `prober` does not know since it was started anew, it knew before: that counts for so long.
pub const GRACE_MS: u64 = 5_000;
/// A path that was left because it was not good enough is not taken back for this long, the first time.
pub const HOLD_MS: u64 = 60_000;
/// The hold doubles each time, up to this.
pub const MOST_HOLD_MS: u64 = 600_000;
/// So long without being left, and it is half as long again.
pub const HOLD_DECAYS_MS: u64 = 600_000;

/// Better by this part of what there is.
pub const GAIN: f64 = 0.1;
/// And by this part of what the SLA allows: less is felt by nobody.
pub const LEAST_GAIN: f64 = 0.01;
/// And by so many times what both paths vary by themselves.
pub const NOISE_TIMES: f64 = 6.0;

/// What a measure exceeds the mean by counts up to this, and what it exceeds the limit of the SLA by up to the next.
pub const MOST_SURPRISE: f64 = 0.2;
/// See [`MOST_SURPRISE`].
pub const MOST_WORST: f64 = 2.0;
/// Time constants of the means, in milliseconds: of what is seen at once, of what is compared, and of the noise.
pub const FAST_MS: f64 = 3_000.0;
/// See [`FAST_MS`].
pub const SLOW_MS: f64 = 60_000.0;
/// See [`FAST_MS`].
pub const NOISE_MS: f64 = 600_000.0;
/// The noise of the slow mean in parts of that of the fast one: the square root of the ratio of their times.
pub const SLOW_NOISE: f64 = 0.224;

/// For so long a path that shares an uplink with one that has died is not preferred to any other: until then it is known whether it lives.
pub const DOUBT_MS: u64 = 1_000;
/// What is tried out is looked at so often, so far apart: all that only has to last before it counts has lasted then.
pub const DRY_RUN_LOOKS: u64 = 8;
/// See [`DRY_RUN_LOOKS`].
pub const DRY_RUN_EVERY_MS: u64 = DWELL_MS / 2 + LOOK_MS;

/// Between two events that a path is suspect.
pub const SUSPECT_EVERY_MS: u64 = 60_000;
/// Paths that are kept; those of more sites are not known to exist.
pub const PATHS: usize = 32_768;
/// Between two looks while something waits for its time.
pub const LOOK_MS: u64 = 250;
