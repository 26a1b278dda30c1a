//! How good a path is for a class.
//!
//! *Does*: relate each measure to what the SLA allows, weigh and add them up.
//! *Never does*: mix units: every term is a part of its own limit.
//! *Spec*: `docs/router.md`, section "How good".

use patronus_ipc::{prober::Measured, router::Term};
use patronus_types::{Preset, Sla};

/// The weights of latency, jitter, loss and cost. Each row adds up to 1.
const fn weights(preset: Preset) -> [f64; 4] {
    match preset {
        Preset::LatencySensitive => [0.5, 0.25, 0.25, 0.0],
        Preset::ThroughputFocused => [0.15, 0.05, 0.7, 0.1],
        Preset::CostOptimised => [0.2, 0.1, 0.3, 0.4],
        Preset::Balanced => [0.35, 0.15, 0.35, 0.15],
    }
}

/// A path at one moment, as a class sees it. Parts of what is allowed: 1 is just good enough.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Measure {
    /// The worst of latency, jitter and loss.
    pub(crate) worst: f64,
    /// All of them, weighed; lower is better.
    pub(crate) sum: f64,
}

/// The terms of the sum, for people: latency, jitter, loss.
pub(crate) fn terms(measured: &Measured, sla: &Sla, preset: Preset) -> [Term; 3] {
    let [latency, jitter, loss, _] = weights(preset);
    let parts = parts(measured, sla);
    let term = |(measured, part): (Option<u32>, f64), weight: f64| Term {
        measured,
        milli: milli(part),
        weight_milli: milli(weight),
    };
    let [a, b, c] = values(measured);
    let [x, y, z] = parts;
    [term((a, x), latency), term((b, y), jitter), term((c, z), loss)]
}

/// `cost` is 0 to 100.
pub(crate) fn measure(measured: &Measured, sla: &Sla, preset: Preset, cost: u8) -> Measure {
    let parts = parts(measured, sla);
    let [latency, jitter, loss] = parts;
    let [by_latency, by_jitter, by_loss, by_cost] = weights(preset);
    // Ten times the loss is not ten times as bad: a class that bears 1 % is broken by 10 and by 100.
    let felt_loss = (1.0 + 9.0 * loss).log10();
    Measure {
        worst: parts.into_iter().fold(0.0, f64::max),
        sum: by_latency * latency + by_jitter * jitter + by_loss * felt_loss + by_cost * f64::from(cost) / 100.0,
    }
}

/// For people: 100 is perfect, 50 just good enough.
pub(crate) fn score(sum: f64) -> u8 {
    // In range by the clamp.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let score = (100.0 - 50.0 * sum).round().clamp(1.0, 100.0) as u8;
    score
}

pub(crate) fn milli(part: f64) -> u32 {
    // Saturates.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let milli = (part * 1000.0).round() as u32;
    milli
}

/// What we send matters for the choice: the far end chooses for what it sends.
fn values(measured: &Measured) -> [Option<u32>; 3] {
    [measured.rtt_us, measured.jitter_us, measured.loss_out_ppm.or(measured.loss_in_ppm)]
}

fn parts(measured: &Measured, sla: &Sla) -> [f64; 3] {
    let [rtt_us, jitter_us, loss_ppm] = values(measured);
    let part = |value: Option<u32>, limit: u32| f64::from(value.unwrap_or(0)) / (f64::from(limit.max(1)) * 1000.0);
    [part(rtt_us, sla.latency_ms), part(jitter_us, sla.jitter_ms), part(loss_ppm, sla.loss_permille)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLA: Sla = Sla { latency_ms: 200, jitter_ms: 30, loss_permille: 10 };

    fn measured(rtt_us: u32, jitter_us: u32, loss_ppm: u32) -> Measured {
        Measured {
            rtt_us: Some(rtt_us),
            jitter_us: Some(jitter_us),
            loss_out_ppm: Some(loss_ppm),
            ..Measured::default()
        }
    }

    #[test]
    fn a_path_at_all_its_limits_is_just_good_enough_by_every_preset() {
        let at_limits = measured(200_000, 30_000, 10_000);
        for preset in [Preset::LatencySensitive, Preset::ThroughputFocused, Preset::CostOptimised, Preset::Balanced] {
            let measure = measure(&at_limits, &SLA, preset, 100);
            assert!((measure.worst - 1.0).abs() < 1e-9 && (measure.sum - 1.0).abs() < 1e-9, "{measure:?}");
            assert_eq!(score(measure.sum), 50);
            assert!((weights(preset).iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn more_of_anything_is_worse() {
        let sum = |measured| measure(&measured, &SLA, Preset::Balanced, 0).sum;
        let good = sum(measured(20_000, 1_000, 0));
        assert!(good < sum(measured(40_000, 1_000, 0)));
        assert!(good < sum(measured(20_000, 2_000, 0)));
        assert!(good < sum(measured(20_000, 1_000, 1_000)));
        assert_eq!((score(0.0), score(5.0)), (100, 1));
    }
}
