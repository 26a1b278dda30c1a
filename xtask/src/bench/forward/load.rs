//! Loads: small datagrams as fast as one socket sends them, and one stream.

use std::{
    fs,
    net::UdpSocket,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use patronus_lab::{Namespace, eventually};
use rustix::param::clock_ticks_per_second;
use serde_json::Value;

/// Where datagrams go; at the far end somebody holds it and reads nothing, at the router nobody.
pub(super) const PORT: u16 = 4000;
/// Without headers; the shortest frame.
const DATAGRAM: [u8; 18] = [0; 18];
/// Datagrams between two looks at the clock.
const BATCH: u32 = 256;

/// What was seen of a load.
#[derive(Debug)]
pub(super) struct Seen {
    /// Packets, or gigabits.
    pub(super) per_second: f64,
    /// Time of all processors for a packet, or for a kilobyte: sender, router and receiver.
    pub(super) cpu_ns: f64,
}

/// Datagrams from `from` to an address; counted is what comes in by `eth0` of `counted`.
pub(super) fn datagrams(from: &Namespace, to: &'static str, counted: &Namespace, seconds: u32) -> Result<Seen> {
    let (packets, cpu) = (received(counted)?, cpu_s()?);
    let began = Instant::now();
    from.inside(move || -> Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect((to, PORT))?;
        let end = began + Duration::from_secs(seconds.into());
        while Instant::now() < end {
            for _ in 0..BATCH {
                // What does not fit into a queue is lost, as it would be on a wire.
                let _ = socket.send(&DATAGRAM);
            }
        }
        Ok(())
    })?;
    let took_s = began.elapsed().as_secs_f64();
    let (packets, cpu_s) = (received(counted)? - packets, cpu_s()? - cpu);
    Ok(Seen { per_second: packets / took_s, cpu_ns: cpu_s * 1e9 / packets })
}

/// One stream of TCP with cubic, whatever the machine's default.
pub(super) fn stream(from: &Namespace, to: &Namespace, address: &str, seconds: u32) -> Result<Seen> {
    let mut server = to.command("iperf3").args(["-s", "-1", "-B", address]).stdout(Stdio::null()).spawn()?;
    eventually("iperf3 listens", || listens(to), String::new);
    let cpu = cpu_s()?;
    let mut client = from.command("iperf3");
    let said = client.args(["-c", address, "-C", "cubic", "-J", "-t", &seconds.to_string()]).output()?.stdout;
    let cpu_s = cpu_s()? - cpu;
    server.wait()?;
    let said: Value = serde_json::from_slice(&said)?;
    let number = |name: &str| said.pointer(&format!("/end/sum_received/{name}")).and_then(Value::as_f64);
    let field = |name: &str| number(name).with_context(|| format!("iperf3 tells no {name}: {said}"));
    Ok(Seen { per_second: field("bits_per_second")? / 1e9, cpu_ns: cpu_s * 1e12 / field("bytes")? })
}

/// `iperf3`'s port, in the table of listening sockets of its namespace.
fn listens(namespace: &Namespace) -> bool {
    let table = namespace.inside(|| fs::read_to_string("/proc/thread-self/net/tcp"));
    table.is_ok_and(|table| table.contains(":1451 "))
}

/// Packets that have come in.
fn received(namespace: &Namespace) -> Result<f64> {
    let said: Value = serde_json::from_str(&namespace.ip(&["-s", "-j", "link", "show", "dev", "eth0"]))?;
    said.pointer("/0/stats64/rx/packets").and_then(Value::as_f64).context("a device without counters")
}

/// Time that all processors have worked (proc_stat(5): user, nice, system; interrupts).
fn cpu_s() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("no processors")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _wait, irq, softirq, ..] = ticks.as_slice() else {
        anyhow::bail!("processor times of another shape: {line}")
    };
    Ok((user + nice + system + irq + softirq) / clock_ticks_per_second() as f64)
}
