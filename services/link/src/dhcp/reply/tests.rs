use dhcproto::{Encodable, Encoder, v4::Opcode};
use proptest::prelude::*;

use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

fn offer() -> Message {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(42, none, Ipv4Addr::new(192, 0, 2, 9), none, none, &MAC);
    message.set_opcode(Opcode::BootReply);
    let options = [
        DhcpOption::MessageType(MessageType::Offer),
        DhcpOption::ServerIdentifier([192, 0, 2, 1].into()),
        DhcpOption::SubnetMask([255, 255, 255, 0].into()),
        DhcpOption::AddressLeaseTime(3600),
        DhcpOption::Router(vec![[192, 0, 2, 1].into()]),
    ];
    for option in options {
        message.opts_mut().insert(option);
    }
    message
}

fn bytes(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut Encoder::new(&mut bytes)).unwrap();
    bytes
}

/// The offer with one option replaced.
fn with(option: DhcpOption) -> Vec<u8> {
    let mut message = offer();
    message.opts_mut().insert(option);
    bytes(&message)
}

/// The offer without one option.
fn without(code: OptionCode) -> Vec<u8> {
    let mut message = offer();
    message.opts_mut().remove(code);
    bytes(&message)
}

/// The offer with one byte replaced.
fn patched(at: usize, value: u8) -> Vec<u8> {
    let mut bytes = bytes(&offer());
    bytes[at] = value;
    bytes
}

fn terms_of(bytes: &[u8]) -> Terms {
    match parse_reply(bytes).unwrap().kind {
        Kind::Offer(terms) => terms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_offer_is_understood() {
    let reply = parse_reply(&bytes(&offer())).unwrap();
    assert_eq!((reply.xid, reply.chaddr, reply.server), (42, MacAddr(MAC), [192, 0, 2, 1].into()));
    let terms = terms_of(&bytes(&offer()));
    assert_eq!(terms.address.to_string(), "192.0.2.9/24");
    assert_eq!((terms.lease_s, terms.renew_s, terms.rebind_s), (3600, 1800, 3150));
}

#[test]
fn each_defect_is_rejected_under_its_own_name() {
    let mut long = bytes(&offer());
    long.resize(limit::DHCP_MESSAGE_BYTES, 0);
    assert!(parse_reply(&long).is_ok(), "at the limit");
    long.push(0);
    let cases = [
        (long, Rejected::Oversized),
        (bytes(&offer())[..239].to_vec(), Rejected::Truncated),
        (patched(0, 1), Rejected::NotAReply),
        (patched(1, 6), Rejected::NotEthernet),
        (patched(2, 16), Rejected::NotEthernet),
        (patched(2, 255), Rejected::NotEthernet),
        (patched(239, 0), Rejected::NoMagicCookie),
        (with(DhcpOption::MessageType(MessageType::Discover)), Rejected::UnexpectedType),
        (without(OptionCode::MessageType), Rejected::UnexpectedType),
        (without(OptionCode::ServerIdentifier), Rejected::BadServerIdentifier),
        (with(DhcpOption::ServerIdentifier(Ipv4Addr::BROADCAST)), Rejected::BadServerIdentifier),
        (patched(16, 224), Rejected::BadAddress),
        (patched(19, 255), Rejected::BadAddress),
        (patched(19, 0), Rejected::BadAddress),
        (without(OptionCode::SubnetMask), Rejected::BadNetmask),
        (with(DhcpOption::SubnetMask([255, 0, 255, 0].into())), Rejected::BadNetmask),
        (with(DhcpOption::SubnetMask([254, 0, 0, 0].into())), Rejected::BadNetmask),
        (without(OptionCode::AddressLeaseTime), Rejected::BadLeaseTime),
        (with(DhcpOption::AddressLeaseTime(limit::LEASE_MIN_S - 1)), Rejected::BadLeaseTime),
        (with(DhcpOption::Router(vec![[198, 51, 100, 1].into()])), Rejected::BadRouter),
        (with(DhcpOption::Router(vec![[192, 0, 2, 9].into()])), Rejected::BadRouter),
    ];
    for (bytes, reason) in cases {
        assert_eq!(parse_reply(&bytes), Err(reason));
    }
}

#[test]
fn a_router_outside_the_prefix_is_taken_only_with_a_host_prefix() {
    let mut message = offer();
    message.opts_mut().insert(DhcpOption::SubnetMask(Ipv4Addr::BROADCAST));
    message.opts_mut().insert(DhcpOption::Router(vec![[198, 51, 100, 1].into()]));
    assert_eq!(terms_of(&bytes(&message)).routers, [Ipv4Addr::new(198, 51, 100, 1)]);
}

#[test]
fn times_are_bounded_and_wrong_ones_replaced_by_the_defaults() {
    assert_eq!(terms_of(&with(DhcpOption::AddressLeaseTime(u32::MAX))).lease_s, limit::LEASE_MAX_S);
    assert_eq!(terms_of(&with(DhcpOption::AddressLeaseTime(limit::LEASE_MIN_S))).lease_s, limit::LEASE_MIN_S);
    let mut message = offer();
    message.opts_mut().insert(DhcpOption::Renewal(100));
    message.opts_mut().insert(DhcpOption::Rebinding(200));
    let terms = terms_of(&bytes(&message));
    assert_eq!((terms.renew_s, terms.rebind_s), (100, 200));
    message.opts_mut().insert(DhcpOption::Rebinding(3600));
    let terms = terms_of(&bytes(&message));
    assert_eq!((terms.renew_s, terms.rebind_s), (1800, 3150));
}

#[test]
fn lists_are_cut_at_their_limits_and_sizes_outside_the_range_are_ignored() {
    let hosts: Vec<Ipv4Addr> = (10..40).map(|last| [192, 0, 2, last].into()).collect();
    assert_eq!(terms_of(&with(DhcpOption::DomainNameServer(hosts.clone()))).dns.len(), limit::LEASE_DNS);
    assert_eq!(terms_of(&with(DhcpOption::NtpServers(hosts.clone()))).ntp.len(), limit::LEASE_NTP);
    assert_eq!(terms_of(&with(DhcpOption::Router(hosts))).routers.len(), limit::LEASE_ROUTERS);
    for (mtu, taken) in [(575, None), (576, Some(576)), (9216, Some(9216)), (9217, None)] {
        assert_eq!(terms_of(&with(DhcpOption::InterfaceMtu(mtu))).mtu, taken);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse_reply(&bytes);
    }

    #[test]
    fn no_damage_to_a_good_message_panics_or_makes_an_unusable_address(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = bytes(&offer());
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(Reply { kind: Kind::Offer(terms) | Kind::Ack(terms), .. }) = parse_reply(&bytes) {
            prop_assert!(is_host(terms.address.addr()));
            prop_assert!(terms.renew_s < terms.rebind_s && terms.rebind_s < terms.lease_s);
            prop_assert!((limit::LEASE_MIN_S..=limit::LEASE_MAX_S).contains(&terms.lease_s));
        }
    }
}
