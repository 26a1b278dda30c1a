//! What a stranger on the WAN gets: nothing, from no port.

mod sockets;
mod stranger;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use patronus_qemu::{Agent, Image, PROVIDED, Place, Segment, Wan, lan_mac, wan_mac};
use serde_json::json;

use crate::story::{BOOT, Router};
use stranger::{Protocol, Stranger, Target};

/// Ports that are knocked at before it is asked whether the knocks have arrived.
const BATCH: usize = 256;
/// How often a batch is sent before the wire counts as broken.
const SENDINGS: u32 = 20;
/// How long a batch may be under way.
const ARRIVAL: Duration = Duration::from_secs(2);
/// A kernel that means to answer has answered by then.
const SILENCE: Duration = Duration::from_secs(3);
const LAN_ADDRESS: [u8; 4] = [192, 168, 42, 1];

#[test]
fn a_stranger_on_the_wan_gets_no_byte_from_any_of_65535_tcp_and_udp_ports() -> Result<()> {
    let (wan, lan) = (Segment::new()?, Segment::new()?);
    let router = router_between("port-scan", &wan, &lan)?;
    let mut agent = router.guest.agent(BOOT)?;

    // The scan itself is shown to work: on the LAN the page's port answers.
    let insider = Stranger::on(&lan, [192, 168, 42, 77], Target::v4(lan_mac(0), LAN_ADDRESS));
    insider.knock(Protocol::Tcp, 443);
    ensure!(insider.answers(SILENCE) > 0, "even the LAN gets no answer: this scan shows nothing");

    let stranger = Stranger::on(&wan, [10, 0, 2, 77], Target::v4(wan_mac(0), PROVIDED));
    assert_eq!(scan(&stranger, &mut agent)?, 0, "a stranger got answers");
    Ok(())
}

#[test]
fn a_stranger_on_the_wan_gets_no_byte_by_ipv6_either() -> Result<()> {
    let (wan, lan) = (Segment::new()?, Segment::new()?);
    let router = router_between("port-scan-v6", &wan, &lan)?;
    let mut agent = router.guest.agent(BOOT)?;
    let stranger = Stranger::on(&wan, [10, 0, 2, 77], link_local(&mut agent)?);
    assert_eq!(scan(&stranger, &mut agent)?, 0, "a stranger got answers");
    Ok(())
}

#[test]
fn no_socket_listens_but_the_page_on_the_lan() -> Result<()> {
    let router = Router::with_agent("sockets")?;
    router.page()?;
    let mut agent = router.guest.agent(BOOT)?;
    // With a lease, so that all that ever opens is open.
    wait_for_lease(&mut agent)?;
    let open = sockets::open(&mut agent)?;
    assert!(open.iter().all(sockets::Socket::is_page), "open to strangers: {open:#?}");
    assert_eq!(open.len(), 1, "the page listens once");
    Ok(())
}

/// Knocks at all ports, TCP and UDP, and counts the answers.
fn scan(stranger: &Stranger, agent: &mut Agent) -> Result<u32> {
    let ports: Vec<u16> = (1..=u16::MAX).collect();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for batch in ports.chunks(BATCH) {
            knock_until_arrived(stranger, agent, protocol, batch)?;
        }
    }
    Ok(stranger.answers(SILENCE))
}

/// A busy computer loses frames on their way into an emulated machine: the machine's own counter tells whether all have arrived.
fn knock_until_arrived(stranger: &Stranger, agent: &mut Agent, protocol: Protocol, batch: &[u16]) -> Result<()> {
    for _ in 0..SENDINGS {
        let before = frames_received(agent)?;
        batch.iter().for_each(|port| stranger.knock_at_pace(protocol, *port));
        let deadline = Instant::now() + ARRIVAL;
        while Instant::now() < deadline {
            if frames_received(agent)? - before >= u64::try_from(batch.len())? {
                return Ok(());
            }
        }
    }
    bail!("{} knocks were sent {SENDINGS} times and never arrived together", batch.len())
}

/// A router with a stranger's wire at its WAN port, and ours at its LAN port.
fn router_between(name: &str, wan: &Segment, lan: &Segment) -> Result<Router> {
    let scratch = Place::from_env().scratch(name)?;
    let image = Image::variant("agent")?;
    let machine = image.direct_machine_with(name, &scratch, Wan::ProviderOnSegment(wan.path().to_owned()))?;
    let router = Router::switch_on(scratch, machine.lan_segment(lan.path()).agent())?;
    router.page()?;
    wait_for_lease(&mut router.guest.agent(BOOT)?)?;
    Ok(router)
}

/// Until the WAN port has its address.
fn wait_for_lease(agent: &mut Agent) -> Result<()> {
    let deadline = Instant::now() + BOOT;
    let [a, b, c, d] = PROVIDED;
    while !read(agent, "/proc/net/fib_trie")?.contains(&format!("{a}.{b}.{c}.{d}\n")) {
        ensure!(Instant::now() < deadline, "no lease on the WAN port");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The WAN port's link-local address, or the one that it would give itself.
fn link_local(agent: &mut Agent) -> Result<Target> {
    let table = read(agent, "/proc/net/if_inet6")?;
    let row = table.lines().find(|line| line.starts_with("fe80") && line.ends_with(" eth0"));
    match row.and_then(|row| row.get(..32)) {
        Some(digits) => Ok(Target::v6(wan_mac(0), hex::decode(digits)?.try_into().ok().context("no address")?)),
        None => Ok(Target::link_local(wan_mac(0))),
    }
}

fn frames_received(agent: &mut Agent) -> Result<u64> {
    read(agent, "/sys/class/net/eth0/statistics/rx_packets")?.trim().parse().context("no counter")
}

/// A file of the guest as text.
pub fn read(agent: &mut Agent, path: &str) -> Result<String> {
    let bytes: String = agent.ask("read", &json!({ "path": path }))?;
    Ok(String::from_utf8_lossy(&hex::decode(bytes)?).into_owned())
}
