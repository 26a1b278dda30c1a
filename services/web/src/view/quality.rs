//! How good paths are, as page, API and Prometheus show it.
//!
//! *Does*: put names to ids and ages to moments.
//! *Never does*: ask anybody.
//! *Spec*: Prometheus text format 0.0.4.

use std::fmt::Write;

use patronus_ipc::prober::{Liveness, Measured, PathReport};
use serde::Serialize;

use super::sdwan::{Path, Paths};

/// How good a path is. What has not been measured is `null`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quality {
    /// Whether it carries packets, both ways.
    pub liveness: Liveness,
    /// For how long that has been so.
    pub for_ms: u64,
    /// What the last seconds have shown.
    #[serde(flatten)]
    pub measured: Measured,
    /// Whether the uplink here pays for each byte.
    pub is_metered: bool,
}

impl Quality {
    /// As `prober` told it, at `uptime_ms` of `CLOCK_BOOTTIME`.
    #[must_use]
    pub(crate) fn of(report: &PathReport, uptime_ms: u64) -> Self {
        Self {
            liveness: report.liveness,
            for_ms: uptime_ms.saturating_sub(report.since_ms),
            measured: report.measured,
            is_metered: report.is_metered,
        }
    }

    /// Whether packets go.
    pub(crate) const fn is_alive(&self) -> bool {
        !matches!(self.liveness, Liveness::Down | Liveness::Holding)
    }
}

/// What a sample is made of; `None` is no sample.
type Sample = fn(&Path) -> Option<f64>;

/// Name, kind, what it is, further labels, and the value.
const SAMPLES: [(&str, &str, &str, &str, Sample); 9] = [
    ("patronus_path_up", "gauge", "Whether packets go over the path.", "", |path| Some(f64::from(path.is_up()))),
    ("patronus_path_rtt_seconds", "gauge", "Mean round-trip time of the last seconds.", "", |path| {
        seconds(path.quality?.measured.rtt_us)
    }),
    ("patronus_path_rtt_p95_seconds", "gauge", "95th percentile of the round-trip time.", "", |path| {
        seconds(path.quality?.measured.rtt_p95_us)
    }),
    ("patronus_path_jitter_seconds", "gauge", "Interarrival jitter of what comes from there.", "", |path| {
        seconds(path.quality?.measured.jitter_us)
    }),
    ("patronus_path_loss_ratio", "gauge", "Probes that were lost.", ",direction=\"out\"", |path| {
        ratio(path.quality?.measured.loss_out_ppm)
    }),
    ("patronus_path_loss_ratio", "gauge", "", ",direction=\"in\"", |path| ratio(path.quality?.measured.loss_in_ppm)),
    ("patronus_path_bytes_total", "counter", "Bytes of inner packets.", ",direction=\"out\"", |path| {
        Some(path.sent.bytes as f64)
    }),
    ("patronus_path_bytes_total", "counter", "", ",direction=\"in\"", |path| Some(path.received.bytes as f64)),
    ("patronus_path_lost_packets_total", "counter", "Packets from there that have not come.", "", |path| {
        Some(path.lost as f64)
    }),
];

/// Everything that `/metrics` answers.
#[must_use]
pub(crate) fn prometheus(paths: &Paths) -> String {
    let mut text = String::new();
    for (name, kind, help, labels, value) in SAMPLES {
        if !help.is_empty() {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        for path in &paths.paths {
            if let Some(value) = value(path) {
                // Names and ids have no character that would need escaping.
                let (site, peer, local, remote) = (&path.peer_name, &path.peer, path.local, path.remote);
                let _ = writeln!(
                    text,
                    "{name}{{site=\"{site}\",peer=\"{peer}\",local=\"{local}\",remote=\"{remote}\"{labels}}} {value}"
                );
            }
        }
    }
    text
}

fn seconds(us: Option<u32>) -> Option<f64> {
    Some(f64::from(us?) / 1e6)
}

fn ratio(ppm: Option<u32>) -> Option<f64> {
    Some(f64::from(ppm?) / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_stands_beside_the_rest() {
        let measured = Measured { rtt_us: Some(20_500), loss_in_ppm: Some(0), ..Measured::default() };
        let quality = Quality { liveness: Liveness::Up, for_ms: 7, measured, is_metered: false };
        assert_eq!(
            serde_json::to_string(&quality).unwrap(),
            "{\"liveness\":\"up\",\"for_ms\":7,\"rtt_us\":20500,\"rtt_p95_us\":null,\"jitter_us\":null,\
             \"loss_out_ppm\":null,\"loss_in_ppm\":0,\"is_metered\":false}"
        );
    }
}
