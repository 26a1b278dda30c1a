use proptest::prelude::*;

use super::*;

const PORT: u32 = 2;

/// The kernel's message about an RDNSS option.
fn message(lifetime_s: u32, addresses: &[Ipv6Addr]) -> Vec<u8> {
    let mut option = vec![RDNSS, (1 + 2 * addresses.len()) as u8, 0, 0];
    option.extend_from_slice(&lifetime_s.to_be_bytes());
    option.extend(addresses.iter().flat_map(Ipv6Addr::octets));
    let mut body = vec![10, 0];
    body.extend_from_slice(&(option.len() as u16).to_ne_bytes());
    body.extend_from_slice(&PORT.to_ne_bytes());
    body.extend_from_slice(&[ROUTER_ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0]);
    body.extend_from_slice(&option);
    let mut message = ((HEADER_BYTES + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend_from_slice(&USER_OPTION.to_ne_bytes());
    message.extend_from_slice(&[0; 10]);
    message.extend_from_slice(&body);
    message
}

fn resolver(number: usize) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x2001_0db8 << 96 | number as u128)
}

fn known(resolvers: &Resolvers) -> Vec<Ipv6Addr> {
    resolvers.of(PORT).collect()
}

#[test]
fn a_resolver_is_known_until_its_lifetime_is_over_unless_it_is_advertised_again() {
    let mut resolvers = Resolvers::default();
    assert!(resolvers.handle_notification(&message(60, &[resolver(1)]), 0));
    assert!(!resolvers.handle_notification(&message(60, &[resolver(1)]), 30_000), "nothing new");
    assert_eq!(resolvers.deadline(), Some(90_000));
    assert!(!resolvers.handle_timeout(89_999));
    assert_eq!(known(&resolvers), [resolver(1)]);
    assert!(resolvers.handle_timeout(90_000));
    assert_eq!((known(&resolvers), resolvers.deadline()), (Vec::new(), None));
}

#[test]
fn a_lifetime_of_zero_takes_a_resolver_back() {
    let mut resolvers = Resolvers::default();
    resolvers.handle_notification(&message(60, &[resolver(1), resolver(2)]), 0);
    assert!(resolvers.handle_notification(&message(0, &[resolver(1)]), 1));
    assert_eq!(known(&resolvers), [resolver(2)]);
}

#[test]
fn resolvers_at_the_limit_are_kept_and_one_above_displaces_nobody() {
    let mut resolvers = Resolvers::default();
    let all: Vec<Ipv6Addr> = (0..=limit::ADVERTISED_DNS).map(resolver).collect();
    resolvers.handle_notification(&message(60, &all), 0);
    assert_eq!(known(&resolvers), all[..limit::ADVERTISED_DNS]);
    assert!(!resolvers.handle_notification(&message(600, &[resolver(99)]), 1));
}

#[test]
fn an_address_that_cannot_be_asked_is_not_kept() {
    let bad = ["::", "::1", "ff02::1", "fe80::1", "::ffff:192.0.2.1"].map(|text| text.parse().unwrap());
    let mut resolvers = Resolvers::default();
    assert!(!resolvers.handle_notification(&message(60, &bad), 0));
    assert_eq!(resolvers, Resolvers::default());
}

#[test]
fn several_messages_of_one_notification_are_all_read_and_a_port_that_went_is_forgotten() {
    let mut resolvers = Resolvers::default();
    let both = [message(60, &[resolver(1)]), message(60, &[resolver(2)])].concat();
    resolvers.handle_notification(&both, 0);
    assert_eq!(known(&resolvers), [resolver(1), resolver(2)]);
    resolvers.retain(|index| index != PORT);
    assert!(known(&resolvers).is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic_and_no_limit_is_passed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut resolvers = Resolvers::default();
        resolvers.handle_notification(&bytes, 0);
        prop_assert!(resolvers.by_port.values().all(|entries| entries.len() <= limit::ADVERTISED_DNS));
    }

    #[test]
    fn a_message_that_was_altered_is_read_without_a_panic(at in 0..80_usize, byte in any::<u8>()) {
        let mut bytes = message(60, &[resolver(1), resolver(2)]);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        Resolvers::default().handle_notification(&bytes, 0);
    }
}
