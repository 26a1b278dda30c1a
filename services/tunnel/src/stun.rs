//! Where STUN servers see this slot.
//!
//! *Does*: ask each server over the slot's own socket, so that the answer is about the tunnels' own port; read the answer; ask again while no other
//! site says the same.
//! *Never does*: believe who was not asked: an answer comes from the server's address and has the number of the question, which nobody else knows.
//! *Spec*: RFC 8489 sections 5, 6.2.1, 14.2. A question is 20 bytes and of an answer one attribute is read, so this is no library: those that
//! there are bring the hashes of an authentication that nobody uses here.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use patronus_ipc::tunnel::StunAnswer;

use crate::{limit, outbox::Outbox, packet::array_at, reject::Reject, way::Way};

/// Every message has it at this place.
const MAGIC_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const COOKIE_AT: usize = 4;
const HEADER_BYTES: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0, 0x20];
const FAMILY_V4: u8 = 1;
const FAMILY_V6: u8 = 2;

/// The number of a question; RFC 8489 calls it the transaction id.
type Transaction = [u8; 12];

/// A server, and the number of the first question to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StunServer {
    /// Where it is.
    pub address: SocketAddr,
    /// Random. The numbers of later questions follow it: the server alone knows it.
    pub transaction: [u8; 12],
}

/// The servers that are asked, and when.
#[derive(Debug, Default)]
pub(crate) struct Stun(Vec<Asked>);

#[derive(Debug)]
struct Asked {
    address: SocketAddr,
    /// Of the last question.
    transaction: Transaction,
    /// When it may be asked next.
    due: Duration,
    /// How often the last question was sent without an answer.
    unanswered: u32,
    /// Its last answer, unless it has fallen silent.
    seen: Option<SocketAddr>,
}

impl Stun {
    /// From now on these, at most [`limit::STUN_SERVERS`]. One that stays is not asked sooner than it would have been.
    pub(crate) fn set(&mut self, servers: &[StunServer]) {
        self.0.retain(|asked| servers.iter().any(|server| server.address == asked.address));
        for StunServer { address, transaction } in servers.iter().take(limit::STUN_SERVERS).copied() {
            if self.0.iter().all(|asked| asked.address != address) {
                self.0.push(Asked { address, transaction, due: Duration::ZERO, unanswered: 0, seen: None });
            }
        }
    }

    /// The servers that are asked, with what they say.
    pub(crate) fn answers(&self) -> impl Iterator<Item = StunAnswer> {
        self.0.iter().map(|asked| StunAnswer { server: asked.address, seen: asked.seen })
    }

    /// Asks those that are due, but for those whose last answer is what another site says, too.
    pub(crate) fn handle_timeout(&mut self, now: Duration, is_said: impl Fn(SocketAddr) -> bool, outbox: &mut Outbox) {
        for asked in self.0.iter_mut().filter(|asked| now >= asked.due && !asked.seen.is_some_and(&is_said)) {
            asked.due = now + limit::STUN_EVERY.min(limit::STUN_RETRY * (1 << asked.unanswered.min(8)));
            asked.unanswered = asked.unanswered.saturating_add(1);
            asked.seen = asked.seen.filter(|_| asked.unanswered <= limit::STUN_UNANSWERED);
            let question = question(asked.transaction);
            outbox.push(Way::Direct(asked.address), HEADER_BYTES, |out| {
                out.get_mut(..HEADER_BYTES)?.copy_from_slice(&question);
                Some(HEADER_BYTES)
            });
        }
    }

    /// A datagram for which [`is_stun`] is true: where its sender sees this slot.
    pub(crate) fn handle(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) -> Result<SocketAddr, Reject> {
        let is_answered = |asked: &&mut Asked| {
            asked.unanswered > 0
                && asked.address == from
                && array_at(datagram, COOKIE_AT + 4) == Some(asked.transaction)
        };
        let asked = self.0.iter_mut().find(is_answered).ok_or(Reject::StunUnasked)?;
        let address = answer(datagram).ok_or(Reject::StunMalformed)?;
        (asked.due, asked.unanswered, asked.seen) = (now + limit::STUN_EVERY, 0, Some(address));
        asked.transaction = after(asked.transaction);
        Ok(address)
    }
}

/// Whether this is a message of STUN: no message of WireGuard has a 1 as its second byte.
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| *byte < 4) && array_at(datagram, COOKIE_AT) == Some(MAGIC_COOKIE)
}

/// The number of the next question.
fn after(transaction: Transaction) -> Transaction {
    let [a, b, c, d, e, f, g, h, last @ ..] = transaction;
    let [i, j, k, l] = u32::from_be_bytes(last).wrapping_add(1).to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

fn question(transaction: Transaction) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    // The length, between them, is that of the attributes: none.
    let parts: [(usize, &[u8]); 3] = [(0, &BINDING_REQUEST), (COOKIE_AT, &MAGIC_COOKIE), (COOKIE_AT + 4, &transaction)];
    for (at, part) in parts {
        bytes.iter_mut().skip(at).zip(part).for_each(|(place, byte)| *place = *byte);
    }
    bytes
}

/// The address in an answer; `None` if it is none, or an error.
fn answer(datagram: &[u8]) -> Option<SocketAddr> {
    let attribute_bytes = usize::from(u16::from_be_bytes(array_at(datagram, 2)?));
    let mut attributes = datagram.get(HEADER_BYTES..)?;
    if array_at(datagram, 0)? != BINDING_SUCCESS || attributes.len() != attribute_bytes {
        return None;
    }
    loop {
        let (kind, bytes) = (array_at(attributes, 0)?, u16::from_be_bytes(array_at(attributes, 2)?));
        let value = attributes.get(4..)?.get(..usize::from(bytes))?;
        if kind == XOR_MAPPED_ADDRESS {
            return unmask(value, array_at(datagram, COOKIE_AT)?);
        }
        // Each ends at a multiple of four.
        attributes = attributes.get(4 + usize::from(bytes).next_multiple_of(4)..)?;
    }
}

/// Undoes what keeps translators from changing an address that they find in a packet: `mask` is the cookie and the question's number.
fn unmask(value: &[u8], mask: [u8; 16]) -> Option<SocketAddr> {
    let mask = u128::from_be_bytes(mask);
    let port = u16::from_be_bytes(array_at(value, 2)?) ^ (mask >> 112) as u16;
    let address: IpAddr = match (*value.get(1)?, value.len()) {
        (FAMILY_V4, 8) => Ipv4Addr::from(u32::from_be_bytes(array_at(value, 4)?) ^ (mask >> 96) as u32).into(),
        (FAMILY_V6, 20) => Ipv6Addr::from(u128::from_be_bytes(array_at(value, 4)?) ^ mask).into(),
        _ => return None,
    };
    (port != 0 && !address.is_unspecified() && !address.is_multicast()).then(|| SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: Duration = Duration::from_secs(1);
    /// RFC 5769 section 2.2: the transaction of the samples, and the masked address of each answer.
    const TRANSACTION: Transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
    const SAMPLE_V4: [u8; 12] = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
    /// Section 2.3.
    const SAMPLE_V6: [u8; 24] = [
        0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
        0xbe, 0xd2, 0xb9, 0xd9,
    ];

    fn server() -> StunServer {
        StunServer { address: "198.51.100.7:3478".parse().unwrap(), transaction: TRANSACTION }
    }

    fn message(kind: [u8; 2], attributes: &[u8]) -> Vec<u8> {
        let length = (attributes.len() as u16).to_be_bytes();
        [&kind[..], &length, &MAGIC_COOKIE, &TRANSACTION, attributes].concat()
    }

    /// A server that has just been asked.
    fn asked() -> Stun {
        let mut stun = Stun::default();
        stun.set(&[server()]);
        assert!(ask(&mut stun, S, false).is_some());
        stun
    }

    /// What it is asked, if other sites say the same as it, or do not.
    fn ask(stun: &mut Stun, now: Duration, is_said: bool) -> Option<Vec<u8>> {
        let mut outbox = Outbox::default();
        stun.handle_timeout(now, |_| is_said, &mut outbox);
        let sent = outbox.poll_transmit().map(|sent| {
            assert_eq!(sent.to, server().address);
            sent.bytes.to_vec()
        });
        assert!(outbox.poll_transmit().is_none());
        sent
    }

    #[test]
    fn the_samples_of_the_rfc_are_read() {
        // Another attribute before it, whose length is no multiple of four.
        let software = [0x80, 0x22, 0, 3, b't', b'e', b's', b' '];
        for (sample, address) in
            [(&SAMPLE_V4[..], "192.0.2.1:32853"), (&SAMPLE_V6[..], "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
        {
            let answer = message(BINDING_SUCCESS, &[&software, sample].concat());
            assert!(is_stun(&answer));
            assert_eq!(asked().handle(S, server().address, &answer), Ok(address.parse().unwrap()));
        }
    }

    #[test]
    fn a_question_is_what_servers_understand_and_the_next_has_the_next_number() {
        let mut stun = asked();
        let question = message(BINDING_REQUEST, &[]);
        assert_eq!(
            ask(&mut stun, S + limit::STUN_RETRY, false),
            Some(question.clone()),
            "the same until it is answered"
        );
        stun.handle(S, server().address, &message(BINDING_SUCCESS, &SAMPLE_V4)).unwrap();
        let next = ask(&mut stun, S + limit::STUN_EVERY, false).unwrap();
        assert_eq!(next[..19], question[..19]);
        assert_eq!(next[19], question[19] + 1);
        assert_eq!(after([0xff; 12]), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    }

    #[test]
    fn a_question_is_repeated_ever_more_slowly_and_who_is_silent_says_nothing_any_more() {
        let mut stun = asked();
        stun.handle(S, server().address, &message(BINDING_SUCCESS, &SAMPLE_V4)).unwrap();
        stun.set(&[StunServer { transaction: [1; 12], ..server() }]);
        let seen = |stun: &Stun| stun.answers().next().unwrap().seen;
        assert!(seen(&stun).is_some());
        let asked_at: Vec<u64> = (1..120).filter(|now| ask(&mut stun, S * *now as u32, false).is_some()).collect();
        assert_eq!(asked_at, [26, 27, 29, 33, 41, 57, 82, 107]);
        assert!(seen(&stun).is_none());
    }

    #[test]
    fn nobody_is_asked_what_another_site_says_already() {
        let mut stun = asked();
        assert!(ask(&mut stun, S * 9, true).is_some(), "nothing is known yet");
        stun.handle(S * 9, server().address, &message(BINDING_SUCCESS, &SAMPLE_V4)).unwrap();
        assert!(ask(&mut stun, S * 900, true).is_none());
        assert!(ask(&mut stun, S * 900, false).is_some());
    }

    #[test]
    fn who_was_not_asked_is_not_believed() {
        let good = message(BINDING_SUCCESS, &SAMPLE_V4);
        let mut other = good.clone();
        other[19] ^= 1;
        let stranger = "198.51.100.8:3478".parse().unwrap();
        assert_eq!(asked().handle(S, stranger, &good), Err(Reject::StunUnasked));
        assert_eq!(asked().handle(S, server().address, &other), Err(Reject::StunUnasked));
        let mut stun = asked();
        assert!(stun.handle(S, server().address, &good).is_ok());
        assert_eq!(stun.handle(S, server().address, &good), Err(Reject::StunUnasked), "twice");
    }

    #[test]
    fn errors_and_addresses_that_nobody_has_are_no_answers() {
        let nowhere = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0x21, 0x12, 0xa4, 0x42];
        for bad in [message([1, 0x11], &SAMPLE_V4), message(BINDING_SUCCESS, &[]), message(BINDING_SUCCESS, &nowhere)] {
            assert_eq!(asked().handle(S, server().address, &bad), Err(Reject::StunMalformed));
        }
    }

    #[test]
    fn as_many_servers_are_asked_as_the_limit_says() {
        let servers: Vec<StunServer> = (0..=limit::STUN_SERVERS as u16)
            .map(|port| StunServer { address: SocketAddr::from(([192, 0, 2, 1], 1 + port)), transaction: [0; 12] })
            .collect();
        let mut stun = Stun::default();
        stun.set(&servers);
        assert_eq!(stun.answers().count(), limit::STUN_SERVERS);
        stun.set(&servers[1..2]);
        assert_eq!(stun.answers().collect::<Vec<_>>(), [StunAnswer { server: servers[1].address, seen: None }]);
    }

    proptest! {
        #[test]
        fn any_attributes_are_survived(attributes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = asked().handle(S, server().address, &message(BINDING_SUCCESS, &attributes));
        }
    }
}
