//! What a neighbour on the WAN cable who has seen the client's question can send: the first byte chooses where the client stands, the
//! rest is the datagram, to which the number of the transaction and the client's own address are added.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patronus_link::dhcp::{Client, Rejected, State};
use patronus_types::{Ipv4Net, MacAddr};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);
const OFFER: &[u8] = include_bytes!("../corpus/dhcp_reply/offer");
const ACK: &[u8] = include_bytes!("../corpus/dhcp_reply/ack");

fuzz_target!(|bytes: &[u8]| {
    let Some((first, datagram)) = bytes.split_first() else { return };
    let mut world = World::new();
    world.bring_to(first % 7);
    let (state, lease) = (world.client.state(), world.client.lease().cloned());
    let outcome = world.deliver(datagram);
    let client = &world.client;
    if outcome.is_err_and(|reason| reason != Rejected::ConflictsWithLan) {
        assert_eq!((client.state(), client.lease()), (state, lease.as_ref()), "what is not used changes nothing");
    }
    if let Some(lease) = client.lease() {
        let (net, lan) = (lease.address.trunc(), world.lan);
        assert!(!net.contains(&lan) && !lan.contains(&net), "a lease never hides the LAN");
        assert!(lease.expires_ms > world.now_ms);
    }
    assert!(client.deadline().is_some(), "with a cable there is always a next step");
});

struct World {
    client: Client,
    lan: Ipv4Net,
    now_ms: u64,
    /// Transaction number of the last question.
    xid: [u8; 4],
}

impl World {
    /// A client in INIT: plugged in, and nothing asked yet.
    fn new() -> Self {
        let lan: Ipv4Net = "192.168.42.0/24".parse().expect("a prefix");
        let mut client = Client::new(MAC, 7);
        client.handle_lan(&[lan], 0);
        client.handle_carrier(true, 0);
        Self { client, lan, now_ms: 0, xid: [0; 4] }
    }

    /// Walks through RFC 2131 figure 5.
    fn bring_to(&mut self, place: u8) {
        let states = [
            State::Init,
            State::Selecting,
            State::Requesting,
            State::Bound,
            State::Renewing,
            State::Rebinding,
            State::Rebooting,
        ];
        let Some(wanted) = states.get(usize::from(place)) else { return };
        while self.client.state() != *wanted {
            match self.client.state() {
                State::Selecting => self.deliver(OFFER).expect("a good offer"),
                State::Requesting => self.deliver(ACK).expect("a good acknowledgement"),
                State::Bound if *wanted == State::Rebooting => self.replug(),
                _ => self.wait(),
            }
        }
    }

    fn wait(&mut self) {
        self.now_ms = self.client.deadline().expect("a next step");
        self.client.handle_timeout(self.now_ms);
        self.read_question();
    }

    fn replug(&mut self) {
        self.client.handle_carrier(false, self.now_ms);
        self.client.handle_carrier(true, self.now_ms);
        self.read_question();
    }

    /// Delivers a datagram as an answer to the last question.
    fn deliver(&mut self, datagram: &[u8]) -> Result<(), Rejected> {
        let mut datagram = datagram.to_vec();
        for (at, own) in [(4, self.xid.as_slice()), (28, MAC.0.as_slice())] {
            if let Some(place) = datagram.get_mut(at..at + own.len()) {
                place.copy_from_slice(own);
            }
        }
        let outcome = self.client.handle_datagram(&datagram, self.now_ms);
        self.read_question();
        outcome
    }

    fn read_question(&mut self) {
        if let Some(transmit) = self.client.poll_transmit() {
            self.xid.copy_from_slice(&transmit.payload[4..8]);
        }
    }
}
