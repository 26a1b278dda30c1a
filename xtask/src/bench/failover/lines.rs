//! The uplinks of two sites, all through one machine in the middle, and what can go wrong with one of them.
//!
//! ```text
//!  site 1 eth0 203.0.1.1 --- s1u0 [      ] s2u0 --- 203.0.2.1 eth0 site 2
//!  site 1 eth1 203.1.1.1 --- s1u1 [middle] s2u1 --- 203.1.2.1 eth1 site 2
//! ```
//! *Does*: cables, addresses, one fault at a time; tells which line carries the most.
//! *Never does*: route at the sites: that is what is measured.

use std::{fs, io::Write, process::Stdio, thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};
use patronus_lab::Namespace;

/// Each site's uplinks.
pub(super) const UPLINKS: u8 = 2;
/// How long is counted what a line carries.
const LOOK: Duration = Duration::from_millis(50);
/// Frames of a hundred that a bad line loses, each way.
const BROWN_OUT_PERCENT: u32 = 30;

/// What happens to a line of the first site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing comes through, and nobody is told.
    Silent,
    /// Nothing of what the first site sends; back it does.
    OneWay,
    /// The site sees its cable go.
    Unplugged,
    /// Much is lost, both ways.
    BrownOut,
}

/// The middle, and both sites' cables into it.
#[derive(Debug)]
pub(super) struct Lines {
    middle: Namespace,
}

impl Lines {
    /// Makes cables named `eth0` and so on into these, the first site and the second.
    pub(super) fn new(sites: [&Namespace; 2]) -> Result<Self> {
        let middle = Namespace::new("middle");
        middle.inside(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?;
        for (number, site) in (1..).zip(sites) {
            for uplink in 0..UPLINKS {
                let port = port(number, uplink);
                site.cable(&format!("eth{uplink}"), &middle, &port);
                middle.ip(&["addr", "add", &format!("{}/24", gateway(number, uplink)), "dev", &port]);
            }
        }
        let lines = Self { middle };
        lines.filter("add table ip faults; add chain ip faults forward { type filter hook forward priority 0; }")?;
        Ok(lines)
    }

    /// The first site's line over which the most goes out.
    pub(super) fn busiest(&self) -> Result<u8> {
        let before = self.carried()?;
        sleep(LOOK);
        let after = self.carried()?;
        let more = before.iter().zip(after).map(|(before, after)| after.saturating_sub(*before));
        let busiest = (0..).zip(more).max_by_key(|(_, packets)| *packets);
        busiest.map(|(uplink, _)| uplink).context("no line")
    }

    /// Packets of the first site so far, by uplink.
    fn carried(&self) -> Result<Vec<u64>> {
        let table = self.middle.inside(|| fs::read_to_string("/proc/thread-self/net/dev"))?;
        let packets = |uplink| -> Option<u64> {
            let line = table.lines().find_map(|line| line.trim().strip_prefix(&format!("{}:", port(1, uplink))))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        (0..UPLINKS).map(|uplink| packets(uplink).context("a line without counters")).collect()
    }

    /// It happens to this line of the first site.
    pub(super) fn break_one(&self, uplink: u8, fault: Fault) -> Result<()> {
        let port = port(1, uplink);
        let (out, back) = (format!("iifname \"{port}\""), format!("oifname \"{port}\""));
        let rule = |what: &str, how: &str| format!("add rule ip faults forward {what} {how}\n");
        match fault {
            Fault::Silent => self.filter(&(rule(&out, "drop") + &rule(&back, "drop"))),
            Fault::OneWay => self.filter(&rule(&out, "drop")),
            Fault::BrownOut => {
                let lossy = format!("numgen random mod 100 < {BROWN_OUT_PERCENT} drop");
                self.filter(&(rule(&out, &lossy) + &rule(&back, &lossy)))
            }
            Fault::Unplugged => {
                self.middle.ip(&["link", "set", &port, "down"]);
                Ok(())
            }
        }
    }

    /// All is well again.
    pub(super) fn mend(&self) -> Result<()> {
        for uplink in 0..UPLINKS {
            self.middle.ip(&["link", "set", &port(1, uplink), "up"]);
        }
        self.filter("flush chain ip faults forward")
    }

    fn filter(&self, commands: &str) -> Result<()> {
        let mut nft = self.middle.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
        nft.stdin.take().context("no way to tell it the rules")?.write_all(commands.as_bytes())?;
        ensure!(nft.wait()?.success(), "nft refuses {commands}");
        Ok(())
    }
}

/// A site's address at an uplink.
pub(super) fn address(site: u8, uplink: u8) -> String {
    format!("203.{uplink}.{site}.1")
}

/// What it sends to there.
pub(super) fn gateway(site: u8, uplink: u8) -> String {
    format!("203.{uplink}.{site}.254")
}

fn port(site: u8, uplink: u8) -> String {
    format!("s{site}u{uplink}")
}
