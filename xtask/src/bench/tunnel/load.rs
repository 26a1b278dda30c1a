//! Loads: bulk by `iperf3`, round trips by datagrams of our own.

use std::{
    net::UdpSocket,
    process::Stdio,
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use patronus_lab::{Namespace, eventually};
use serde_json::Value;

use super::pair::{FAR, NEAR, Pair};

const GIGA: f64 = 1e9;
/// Where the far end sends datagrams back.
const ECHO_PORT: u16 = 7;
/// Datagrams of one measurement of round trips, and the pause between them.
const PINGS: u32 = 300;
const PING_EVERY: Duration = Duration::from_millis(10);
/// Later than this an answer is none.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// What `iperf3` does.
#[derive(Debug)]
pub(super) struct Load(Vec<String>);

/// What it saw.
#[derive(Debug)]
pub(super) struct Seen {
    /// Received, without headers.
    pub(super) gigabits_per_second: f64,
    /// Both ends of the tunnel and both of `iperf3`.
    pub(super) cpu_ms_per_gigabit: f64,
}

impl Load {
    /// Streams of TCP with cubic, whatever the machine's default.
    pub(super) fn tcp(streams: u32) -> Self {
        Self(["-C", "cubic", "-P"].into_iter().map(str::to_owned).chain([streams.to_string()]).collect())
    }

    /// Datagrams of one length, as fast as they can be sent.
    pub(super) fn udp(bytes: u32) -> Self {
        Self(["-u", "-b", "0", "-l"].into_iter().map(str::to_owned).chain([bytes.to_string()]).collect())
    }

    /// Runs it from the near to the far end.
    pub(super) fn run(&self, pair: &Pair, seconds: u32) -> Result<Seen> {
        let mut server = pair.far().command("iperf3");
        let mut server = server.args(["-s", "-1", "-B", FAR]).stdout(Stdio::null()).spawn()?;
        wait_for_listener(pair.far());
        let before = pair.cpu_s()?;
        let mut client = pair.near().command("iperf3");
        client.args(["-c", FAR, "-B", NEAR, "-J", "-t", &seconds.to_string()]).args(&self.0);
        let said = client.output()?.stdout;
        let tunnel_s = pair.cpu_s()? - before;
        server.wait()?;
        seen(&serde_json::from_slice(&said)?, tunnel_s)
    }
}

/// `iperf3`'s port, in the table of listening sockets of its namespace.
fn wait_for_listener(namespace: &Namespace) {
    let listens = || {
        let table = namespace.inside(|| std::fs::read_to_string("/proc/thread-self/net/tcp"));
        table.is_ok_and(|table| table.contains(":1451 "))
    };
    eventually("iperf3 listens", listens, String::new);
}

fn seen(said: &Value, tunnel_s: f64) -> Result<Seen> {
    let number = |path: &str| said.pointer(path).and_then(Value::as_f64);
    let sum =
        if number("/end/sum_received/bits_per_second").is_some_and(|rate| rate > 0.0) { "sum_received" } else { "sum" };
    let field =
        |name: &str| number(&format!("/end/{sum}/{name}")).with_context(|| format!("iperf3 tells no {name}: {said}"));
    // With UDP some versions tell what was sent, and how much of it was lost.
    let lost = if sum == "sum" { number("/end/sum/lost_percent").unwrap_or(0.0) / 100.0 } else { 0.0 };
    let (rate, seconds) = (field("bits_per_second")? * (1.0 - lost), field("seconds")?);
    let gigabits = rate * seconds / GIGA;
    let percent = |end: &str| number(&format!("/end/cpu_utilization_percent/{end}")).unwrap_or(0.0);
    let load_s = (percent("host_total") + percent("remote_total")) / 100.0 * seconds;
    Ok(Seen { gigabits_per_second: rate / GIGA, cpu_ms_per_gigabit: (tunnel_s + load_s) * 1000.0 / gigabits })
}

/// Datagrams there and back, one after the other, beside whatever else goes on.
#[derive(Debug)]
pub(super) struct RoundTrips(JoinHandle<Result<Vec<f64>>>);

impl RoundTrips {
    /// Starts them.
    pub(super) fn start(pair: &Pair) -> Self {
        pair.far().run(|| -> Result<()> {
            let echo = UdpSocket::bind((FAR, ECHO_PORT))?;
            echo.set_read_timeout(Some(PING_LIMIT * 5))?;
            let mut buffer = [0; 64];
            while let Ok((count, from)) = echo.recv_from(&mut buffer) {
                echo.send_to(buffer.get(..count).unwrap_or_default(), from)?;
            }
            Ok(())
        });
        Self(pair.near().run(ping))
    }

    /// The median, in microseconds.
    pub(super) fn finish(self) -> Result<f64> {
        let mut times = self.0.join().map_err(|_| anyhow::anyhow!("round trips ended early"))??;
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().context("no answer at all")
    }
}

fn ping() -> Result<Vec<f64>> {
    let socket = UdpSocket::bind((NEAR, 0))?;
    socket.connect((FAR, ECHO_PORT))?;
    socket.set_read_timeout(Some(PING_LIMIT))?;
    let mut times = Vec::new();
    for number in 0..PINGS {
        let sent = Instant::now();
        // Refused as long as the far end is not there yet.
        let _ = socket.send(&number.to_le_bytes());
        let mut answer = [0; 4];
        while let Ok(4) = socket.recv(&mut answer) {
            if answer == number.to_le_bytes() {
                times.push(sent.elapsed().as_secs_f64() * 1e6);
                break;
            }
        }
        sleep(PING_EVERY.saturating_sub(sent.elapsed()));
    }
    Ok(times)
}
