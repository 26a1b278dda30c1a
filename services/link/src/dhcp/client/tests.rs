//! The client against a model of a server, under a virtual clock.

use dhcproto::{
    Decodable, Decoder, Encodable, Encoder,
    v4::{DhcpOption, Message, MessageType, Opcode, OptionCode},
};
use proptest::prelude::*;

use super::*;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

/// What a server knows: one address, for so long.
#[derive(Clone, Debug)]
struct Server {
    address: Ipv4Addr,
    lease_s: u32,
    silent: bool,
    refuses: bool,
    seen: Vec<(MessageType, Ipv4Addr, Ipv4Addr)>,
}

impl Server {
    fn new() -> Self {
        Self { address: ADDRESS, lease_s: 600, silent: false, refuses: false, seen: Vec::new() }
    }

    /// RFC 2131 section 4.3.
    fn answer(&mut self, transmit: &Transmit) -> Option<Vec<u8>> {
        let question = Message::decode(&mut Decoder::new(&transmit.payload)).unwrap();
        let kind = question.opts().msg_type().unwrap();
        self.seen.push((kind, transmit.source, transmit.destination));
        if self.silent {
            return None;
        }
        let wanted = match question.opts().get(OptionCode::RequestedIpAddress) {
            Some(DhcpOption::RequestedIpAddress(address)) => *address,
            _ => question.ciaddr(),
        };
        let answer = match kind {
            MessageType::Discover => MessageType::Offer,
            MessageType::Request if self.refuses || wanted != self.address => MessageType::Nak,
            MessageType::Request => MessageType::Ack,
            _ => return None,
        };
        Some(self.message(question.xid(), answer))
    }

    fn message(&self, xid: u32, kind: MessageType) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(xid, none, self.address, none, none, &MAC.0);
        message.set_opcode(Opcode::BootReply);
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        options.insert(DhcpOption::ServerIdentifier(SERVER));
        options.insert(DhcpOption::SubnetMask([255, 255, 255, 0].into()));
        options.insert(DhcpOption::Router(vec![SERVER]));
        options.insert(DhcpOption::AddressLeaseTime(self.lease_s));
        let mut bytes = Vec::new();
        message.encode(&mut Encoder::new(&mut bytes)).unwrap();
        bytes
    }
}

/// A client, a server, and the time.
struct World {
    client: Client,
    server: Server,
    now_ms: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self { client: Client::new(MAC, 7), server: Server::new(), now_ms: 1_000 };
        world.client.handle_carrier(true, world.now_ms);
        world
    }

    fn bound() -> Self {
        let mut world = Self::new();
        world.run_for(10_000);
        assert_eq!(world.client.state(), State::Bound);
        world
    }

    /// Delivers what is said until nobody says anything at this moment.
    fn talk(&mut self) {
        while let Some(transmit) = self.client.poll_transmit() {
            if let Some(answer) = self.server.answer(&transmit) {
                let _ = self.client.handle_datagram(&answer, self.now_ms);
            }
        }
    }

    fn run_for(&mut self, duration_ms: u64) {
        let end = self.now_ms + duration_ms;
        self.talk();
        while let Some(deadline) = self.client.deadline().filter(|deadline| *deadline <= end) {
            // A deadline that passed while the cable was out is due at once.
            self.now_ms = deadline.max(self.now_ms);
            self.client.handle_timeout(self.now_ms);
            self.talk();
        }
        self.now_ms = end;
    }

    fn seen(&self) -> Vec<MessageType> {
        self.server.seen.iter().map(|(kind, ..)| *kind).collect()
    }
}

#[test]
fn a_new_box_gets_an_address() {
    let world = World::bound();
    assert_eq!(world.seen(), [MessageType::Discover, MessageType::Request]);
    assert_eq!(world.client.lease().unwrap().address.to_string(), "192.0.2.9/24");
    assert_eq!(world.client.lease().unwrap().routers, [SERVER]);
}

#[test]
fn a_silent_server_is_asked_with_growing_pauses() {
    let mut world = World::new();
    world.server.silent = true;
    world.run_for(300_000);
    let count = world.server.seen.len();
    assert!((6..=8).contains(&count), "{count} questions in five minutes");
    assert_eq!(world.client.state(), State::Selecting);
    world.server.silent = false;
    world.run_for(70_000);
    assert_eq!(world.client.state(), State::Bound);
}

#[test]
fn at_half_time_the_server_is_asked_alone_and_the_lease_is_extended() {
    let mut world = World::bound();
    let first = world.client.lease().unwrap().expires_ms;
    world.run_for(301_000);
    assert_eq!(world.server.seen.last(), Some(&(MessageType::Request, ADDRESS, SERVER)));
    assert!(world.client.lease().unwrap().expires_ms > first);
    assert_eq!(world.client.state(), State::Bound);
}

#[test]
fn a_server_that_falls_silent_is_asked_by_all_means_until_the_lease_is_over() {
    let mut world = World::bound();
    world.server.silent = true;
    let lease = world.client.lease().unwrap().clone();
    world.run_for(lease.rebind_ms + 1_000 - world.now_ms);
    assert_eq!(world.client.state(), State::Rebinding);
    assert_eq!(world.server.seen.last(), Some(&(MessageType::Request, ADDRESS, Ipv4Addr::BROADCAST)));
    world.run_for(lease.expires_ms - 1 - world.now_ms);
    assert!(world.client.lease().is_some(), "up to its last moment");
    world.run_for(1);
    assert!(world.client.lease().is_none(), "and not after it");
}

#[test]
fn a_refusal_takes_the_address_at_once_and_a_new_one_is_sought() {
    let mut world = World::bound();
    world.server.address = [192, 0, 2, 77].into();
    world.run_for(310_000);
    assert_eq!(world.client.lease().unwrap().address.to_string(), "192.0.2.77/24");
    let expected = [MessageType::Request, MessageType::Discover, MessageType::Request];
    assert_eq!(world.seen()[2..], expected);
}

#[test]
fn a_server_that_always_refuses_is_not_flooded() {
    let mut world = World::new();
    world.server.refuses = true;
    world.run_for(600_000);
    assert!(world.server.seen.len() < 40, "{} messages in ten minutes", world.server.seen.len());
}

#[test]
fn after_a_power_cut_the_kept_address_is_asked_for_first() {
    let mut world = World { client: Client::new(MAC, 7), server: Server::new(), now_ms: 1_000 };
    world.client.keep(ADDRESS);
    assert!(world.client.lease().is_none(), "not used before it is granted");
    world.client.handle_carrier(true, world.now_ms);
    assert_eq!(world.client.state(), State::Rebooting);
    world.run_for(0);
    assert_eq!(world.seen(), [MessageType::Request]);
    assert_eq!(world.client.state(), State::Bound);
}

#[test]
fn a_kept_address_that_nobody_confirms_is_given_up() {
    let mut world = World { client: Client::new(MAC, 7), server: Server::new(), now_ms: 1_000 };
    world.server.silent = true;
    world.client.keep(ADDRESS);
    world.client.handle_carrier(true, world.now_ms);
    world.run_for(20_000);
    assert_eq!(world.seen()[..3], [MessageType::Request, MessageType::Request, MessageType::Discover]);
    assert!(world.client.lease().is_none());
}

#[test]
fn a_restart_of_the_service_sends_nothing_before_half_time() {
    let bound = World::bound();
    let mut world = World { client: Client::new(MAC, 8), server: Server::new(), now_ms: bound.now_ms };
    world.client.resume(bound.client.lease().unwrap().clone(), world.now_ms);
    world.client.handle_carrier(true, world.now_ms);
    world.run_for(200_000);
    assert_eq!(world.seen(), []);
    assert_eq!(world.client.lease(), bound.client.lease());
    world.run_for(110_000);
    assert_eq!(world.seen(), [MessageType::Request]);
}

#[test]
fn a_lease_that_ended_during_the_restart_is_not_resumed() {
    let bound = World::bound();
    let lease = bound.client.lease().unwrap().clone();
    let mut client = Client::new(MAC, 8);
    client.resume(lease.clone(), lease.expires_ms);
    assert!(client.lease().is_none());
}

#[test]
fn a_pulled_cable_keeps_the_lease_and_plugging_in_confirms_it() {
    let mut world = World::bound();
    world.client.handle_carrier(false, world.now_ms);
    world.run_for(60_000);
    assert!(world.client.lease().is_some());
    assert_eq!(world.server.seen.len(), 2, "nothing is said without carrier");
    world.client.handle_carrier(true, world.now_ms);
    assert_eq!(world.client.state(), State::Rebooting);
    world.run_for(0);
    assert_eq!(world.client.state(), State::Bound);
}

#[test]
fn a_lease_ends_on_time_even_without_carrier() {
    let mut world = World::bound();
    world.client.handle_carrier(false, world.now_ms);
    world.run_for(600_000);
    assert!(world.client.lease().is_none());
    assert_eq!(world.client.deadline(), None);
}

#[test]
fn an_offer_inside_the_lan_is_refused_and_said() {
    for lan in ["192.0.2.1/25", "192.0.0.1/16", "192.0.2.1/32"] {
        let mut world = World::new();
        world.client.handle_lan(&[lan.parse().unwrap()], world.now_ms);
        world.run_for(30_000);
        assert!(world.client.lease().is_none());
        assert_eq!(world.client.problem(), Some(Rejected::ConflictsWithLan));
        assert!(world.seen().iter().all(|kind| *kind == MessageType::Discover));
    }
}

#[test]
fn a_lan_that_moves_onto_the_uplink_makes_the_client_decline() {
    let mut world = World::bound();
    world.client.handle_lan(&["192.0.2.1/24".parse().unwrap()], world.now_ms);
    assert!(world.client.lease().is_none());
    world.run_for(9_000);
    assert_eq!(world.server.seen.last().map(|(kind, ..)| *kind), Some(MessageType::Decline));
}

#[test]
fn answers_to_other_questions_change_nothing_and_are_counted() {
    let mut world = World::new();
    world.server.silent = true;
    world.run_for(2_000);
    let offer = world.server.message(world.client.xid.wrapping_add(1), MessageType::Offer);
    assert_eq!(world.client.handle_datagram(&offer, world.now_ms), Err(Rejected::WrongTransaction));
    let ack = world.server.message(world.client.xid, MessageType::Ack);
    assert_eq!(world.client.handle_datagram(&ack, world.now_ms), Err(Rejected::OutOfState));
    let mut other = world.server.message(world.client.xid, MessageType::Offer);
    other[33] = 9;
    assert_eq!(world.client.handle_datagram(&other, world.now_ms), Err(Rejected::WrongClient));
    assert_eq!(world.client.state(), State::Selecting);
    assert_eq!(world.client.rejected().values().sum::<u64>(), 3);
}

#[derive(Clone, Debug)]
enum Event {
    Wait(u64),
    Carrier(bool),
    Silent(bool),
    Refuses(bool),
    Address(u8),
    Noise(Vec<u8>),
    Forged(u8),
}

fn an_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_u64..400_000).prop_map(Event::Wait),
        1 => any::<bool>().prop_map(Event::Carrier),
        1 => any::<bool>().prop_map(Event::Silent),
        1 => any::<bool>().prop_map(Event::Refuses),
        1 => (2_u8..250).prop_map(Event::Address),
        1 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Event::Noise),
        1 => (0_u8..9).prop_map(Event::Forged),
    ]
}

proptest! {
    /// Whatever happens: a lease is never used after its end, and a client with carrier always has a next step.
    #[test]
    fn no_history_makes_the_client_stop_or_outlive_its_lease(events in prop::collection::vec(an_event(), 0..40)) {
        let mut world = World::new();
        for event in events {
            match event {
                Event::Wait(duration_ms) => world.run_for(duration_ms),
                Event::Carrier(carrier) => world.client.handle_carrier(carrier, world.now_ms),
                Event::Silent(silent) => world.server.silent = silent,
                Event::Refuses(refuses) => world.server.refuses = refuses,
                Event::Address(last) => world.server.address = [192, 0, 2, last].into(),
                Event::Noise(bytes) => prop_assert!(world.client.handle_datagram(&bytes, world.now_ms).is_err()),
                Event::Forged(kind) => {
                    let forged = world.server.message(world.client.xid ^ 1, kind.into());
                    prop_assert!(world.client.handle_datagram(&forged, world.now_ms).is_err());
                }
            }
            world.talk();
            let client = &world.client;
            prop_assert!(client.lease().is_none_or(|lease| world.now_ms < lease.expires_ms || client.deadline().is_some()));
            prop_assert!(!client.carrier || client.deadline().is_some(), "{:?} waits for ever", client.state());
        }
        // Liveness: a quiet network and a willing server always lead to an address.
        world.client.handle_carrier(true, world.now_ms);
        (world.server.silent, world.server.refuses) = (false, false);
        world.run_for(200_000);
        prop_assert!(world.client.lease().is_some_and(|lease| lease.address.addr() == world.server.address)
            || world.client.state() == State::Bound);
    }
}
