//! The kernel's tables of sockets, and what a stranger's packet could reach.
//!
//! *Does*: name each socket that is open to more than its one server, and know those few that are meant to be.
//! *Never does*: look at packet sockets: those are below IP, and DHCP's takes nothing but datagrams to its port.
//! *Spec*: `proc(5)`, `/proc/net/tcp`; for raw sockets the port is the number of the protocol.

use anyhow::{Context, Result};
use patronus_qemu::Agent;

use super::read;

/// All tables of sockets that IP delivers to.
const TABLES: [&str; 6] = ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"];
/// User ids of `init/services.toml`.
const LINK_UID: u32 = 10002;
const CLOCK_UID: u32 = 10003;
/// States of `include/net/tcp_states.h`. A UDP socket is established when it is connected: it hears that one address only.
const ESTABLISHED: u8 = 0x01;
const LISTEN: u8 = 0x0a;
/// `IPPROTO_RAW`: a number that no packet bears, for sockets that only send.
const SENDS_ONLY: u16 = 255;

/// A row of a table.
#[derive(Debug, PartialEq, Eq)]
pub struct Socket {
    table: &'static str,
    /// The own address as the kernel writes it: words in hexadecimal, the bytes of each reversed.
    pub address: String,
    pub port: u16,
    state: u8,
    uid: u32,
}

impl Socket {
    /// The page, on the LAN: 192.168.42.1, TCP port 443.
    pub fn is_page(&self) -> bool {
        (self.table, self.address.as_str(), self.port, self.state) == ("tcp", "012AA8C0", 443, LISTEN)
    }

    /// Whether a stranger's packet could reach it.
    fn is_open(&self) -> bool {
        let is_client = match self.table {
            "tcp" | "tcp6" => self.state != LISTEN,
            // SNTP and DNS: one question, one connected socket each.
            "udp" | "udp6" => self.uid == CLOCK_UID && self.state == ESTABLISHED,
            // DHCP: renewals are sent through IP, answers come in below it.
            _ => self.uid == LINK_UID && self.port == SENDS_ONLY,
        };
        !is_client && !self.is_loopback()
    }

    /// 127.0.0.0/8, ::1, or 127.0.0.0/8 as IPv6 writes it.
    fn is_loopback(&self) -> bool {
        let address = self.address.as_str();
        address == "00000000000000000000000001000000"
            || (address.len() == 8 && address.ends_with("7F"))
            || (address.len() == 32 && address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F"))
    }
}

/// Every socket that a stranger's packet could reach, the page's among them.
pub fn open(agent: &mut Agent) -> Result<Vec<Socket>> {
    let mut found = Vec::new();
    for table in TABLES {
        let text = read(agent, &format!("/proc/net/{table}"))?;
        for row in text.lines().skip(1) {
            found.push(parse(table, row).with_context(|| format!("/proc/net/{table}: {row}"))?);
        }
    }
    found.retain(Socket::is_open);
    Ok(found)
}

/// `number: address:port remote:port state queues timer retransmissions uid ...`
fn parse(table: &'static str, row: &str) -> Option<Socket> {
    let fields: Vec<&str> = row.split_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    Some(Socket {
        table,
        address: address.to_owned(),
        port: u16::from_str_radix(port, 16).ok()?,
        state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
        uid: fields.get(7)?.parse().ok()?,
    })
}

#[test]
fn rows_of_the_kernels_tables_are_told_apart() {
    let rows = [
        // The page; a connection to it; an SNTP question; link's raw socket; something on loopback.
        ("tcp", "012AA8C0:01BB 00000000:0000 0A", 10004, true),
        ("tcp", "012AA8C0:01BB 4D2AA8C0:C350 01", 10004, false),
        ("udp", "0F02000A:9C40 0302000A:007B 01", CLOCK_UID, false),
        ("raw", "00000000:00FF 00000000:0000 07", LINK_UID, false),
        ("udp", "0100007F:0035 00000000:0000 07", 10004, false),
        ("tcp6", "00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A", 10004, false),
        // Not connected; of somebody else; every ICMP packet; every IPv6 address.
        ("udp", "00000000:9C40 00000000:0000 07", CLOCK_UID, true),
        ("udp", "0F02000A:9C40 0302000A:007B 01", 10004, true),
        ("raw", "00000000:0001 00000000:0000 07", LINK_UID, true),
        ("udp6", "00000000000000000000000000000000:0222 00000000000000000000000000000000:0000 07", LINK_UID, true),
        ("raw6", "00000000000000000000000000000000:003A 00000000000000000000000000000000:0000 07", LINK_UID, true),
    ];
    for (number, (table, beginning, uid, is_open)) in rows.into_iter().enumerate() {
        let row = format!("{number:4}: {beginning} 00000000:00000000 00:00000000 00000000 {uid:5}        0 1234 2 0 0");
        let socket = parse(table, &row).unwrap();
        assert_eq!((socket.is_open(), socket.is_page()), (is_open, number == 0), "{table} {row}");
    }
    assert_eq!(parse("udp", "garbage"), None);
}
