//! The client's machine.
//!
//! ```text
//!  carrier up, lease kept                     carrier up, no lease
//!        |                                           |
//!  INIT-REBOOT -> REBOOTING --NAK, silence-> INIT -> SELECTING --OFFER--> REQUESTING
//!                     |                       ^                            |   |
//!                    ACK                      +------------NAK, silence----+  ACK
//!                     +-------------------> BOUND <---------------------------+
//!                                    T1 |     ^ ACK    NAK, lease over: INIT
//!                                    RENEWING --T2--> REBINDING
//! ```
//! *Does*: figure 5 of RFC 2131; `handle_*` in, [`Client::deadline`], [`Client::poll_transmit`] and [`Client::lease`] out.
//! *Never does*: send while there is no carrier; answer anybody; keep an address after its lease.

use std::{collections::BTreeMap, net::Ipv4Addr};

use patronus_types::{Ipv4Net, MacAddr};

use super::{
    Kind, Lease, Rejected, Reply, Terms, parse_reply,
    request::Exchange,
    retry::{Random, pause_ms},
};

/// Requests for one offer before the search starts anew (RFC 2131 section 3.1 (5) leaves the number open).
const REQUEST_ATTEMPTS: u32 = 4;
/// Questions for a kept address before a new one is sought: about 12 s, because a moved box should not wait long.
const REBOOT_ATTEMPTS: u32 = 2;
/// RFC 2131 section 3.1 (5): after DHCPDECLINE the client waits at least ten seconds.
const DECLINE_PAUSE_MS: u64 = 10_000;
/// RFC 2131 section 4.4.1 wants 1 to 10 s before the first message, for offices after a power cut; sites are few, a second will do.
const START_SPREAD_MS: u64 = 1_000;
/// RFC 2131 section 4.4.5: at least so long between questions while renewing. Short leases get a quarter of what is left.
const RENEW_PAUSE_MIN_MS: u64 = 60_000;

/// Where the client stands, by the names of RFC 2131 figure 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Will search.
    Init,
    /// Has asked who is there.
    Selecting,
    /// Has asked for what was offered.
    Requesting,
    /// Has asked for the address of before.
    Rebooting,
    /// Has an address.
    Bound,
    /// Has an address and asks its server to extend.
    Renewing,
    /// Has an address and asks any server to extend.
    Rebinding,
}

impl State {
    /// The name in RFC 2131 figure 5.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Selecting => "SELECTING",
            Self::Requesting => "REQUESTING",
            Self::Rebooting => "REBOOTING",
            Self::Bound => "BOUND",
            Self::Renewing => "RENEWING",
            Self::Rebinding => "REBINDING",
        }
    }
}

/// A message to be sent from port 68 to port 67.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Own address: 0.0.0.0 unless renewing.
    pub source: Ipv4Addr,
    /// A server, or 255.255.255.255.
    pub destination: Ipv4Addr,
    /// Payload of the datagram.
    pub payload: Vec<u8>,
}

/// The client of one uplink.
#[derive(Debug)]
pub struct Client {
    mac: MacAddr,
    lan: Vec<Ipv4Net>,
    random: Random,
    carrier: bool,
    /// The lease is from before a restart of the service: the cable did not move, only we did.
    resumed: bool,
    state: State,
    lease: Option<Lease>,
    /// The address of an earlier boot: it is asked for, but not used before it is granted.
    kept: Option<Ipv4Addr>,
    offer: Option<(Ipv4Addr, Ipv4Addr)>,
    xid: u32,
    began_ms: u64,
    requested_ms: u64,
    attempt: u32,
    deadline_ms: Option<u64>,
    outbox: Option<Transmit>,
    naks: u32,
    problem: Option<Rejected>,
    rejected: BTreeMap<Rejected, u64>,
}

impl Client {
    /// A client without carrier, and with nothing from before.
    #[must_use]
    pub fn new(mac: MacAddr, seed: u64) -> Self {
        Self {
            mac,
            lan: Vec::new(),
            random: Random(seed),
            carrier: false,
            resumed: false,
            state: State::Init,
            lease: None,
            kept: None,
            offer: None,
            xid: 0,
            began_ms: 0,
            requested_ms: 0,
            attempt: 0,
            deadline_ms: None,
            outbox: None,
            naks: 0,
            problem: None,
            rejected: BTreeMap::new(),
        }
    }

    /// A lease of this boot: it still holds, so a restart of the service changes nothing.
    pub fn resume(&mut self, lease: Lease, now_ms: u64) {
        if now_ms < lease.expires_ms && !self.hides_lan(lease.address) {
            self.lease = Some(lease);
            self.resumed = true;
            self.state = State::Bound;
            self.deadline_ms = self.bound_deadline();
        }
    }

    /// The address of an earlier boot, to be asked for first (RFC 2131 section 3.2).
    pub fn keep(&mut self, address: Ipv4Addr) {
        self.kept = Some(address);
    }

    /// Where the client stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What is granted now; the address must be on the uplink exactly while this is there.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Why there is no lease although a server answered: the last refusal since the last success.
    #[must_use]
    pub fn problem(&self) -> Option<Rejected> {
        self.problem
    }

    /// How many messages were not used, by reason.
    #[must_use]
    pub fn rejected(&self) -> &BTreeMap<Rejected, u64> {
        &self.rejected
    }

    /// When [`Client::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.deadline_ms
    }

    /// The message to be sent now, once.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.take()
    }

    /// The prefixes of the LAN, which no lease may overlap.
    pub fn handle_lan(&mut self, lan: &[Ipv4Net], now_ms: u64) {
        self.lan = lan.to_vec();
        if let Some(lease) = self.lease.clone().filter(|lease| self.hides_lan(lease.address)) {
            self.decline(lease.address.addr(), lease.server, now_ms);
        }
    }

    /// The cable was plugged in or out. A lease outlives a pulled cable; afterwards it is confirmed (RFC 2131 section 3.7).
    pub fn handle_carrier(&mut self, carrier: bool, now_ms: u64) {
        if carrier == self.carrier {
            return;
        }
        self.carrier = carrier;
        self.outbox = None;
        let resumed = std::mem::take(&mut self.resumed);
        match (carrier, &self.lease) {
            (false, lease) => self.deadline_ms = lease.as_ref().map(|lease| lease.expires_ms),
            (true, Some(_)) if resumed => self.deadline_ms = self.bound_deadline(),
            (true, Some(lease)) => self.reboot(lease.address.addr(), now_ms),
            (true, None) => match self.kept {
                Some(address) => self.reboot(address, now_ms),
                None => self.start_over(self.state_pause(), now_ms),
            },
        }
    }

    /// A datagram came in. What is not an answer to the last question changes nothing.
    ///
    /// # Errors
    /// Why it was not used; it is counted already.
    pub fn handle_datagram(&mut self, payload: &[u8], now_ms: u64) -> Result<(), Rejected> {
        let outcome = parse_reply(payload).and_then(|reply| self.handle_reply(reply, now_ms));
        if let Err(reason) = outcome {
            let count = self.rejected.entry(reason).or_default();
            *count = count.saturating_add(1);
            if reason == Rejected::ConflictsWithLan {
                self.problem = Some(reason);
            }
        }
        outcome
    }

    /// The deadline has passed.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        if self.deadline_ms.is_none_or(|deadline| now_ms < deadline) {
            return;
        }
        self.deadline_ms = None;
        if self.lease.as_ref().is_some_and(|lease| lease.expires_ms <= now_ms) {
            // RFC 2131 section 4.4.5: the lease is over, the address must go at once.
            self.kept = self.lease.take().map(|lease| lease.address.addr());
            return self.start_over(0, now_ms);
        }
        if self.carrier {
            self.ask(now_ms);
        } else {
            self.deadline_ms = self.lease.as_ref().map(|lease| lease.expires_ms);
        }
    }

    fn handle_reply(&mut self, reply: Reply, now_ms: u64) -> Result<(), Rejected> {
        if reply.xid != self.xid {
            return Err(Rejected::WrongTransaction);
        }
        if reply.chaddr != self.mac {
            return Err(Rejected::WrongClient);
        }
        if !self.carrier {
            return Err(Rejected::OutOfState);
        }
        match (self.state, reply.kind) {
            (State::Selecting, Kind::Offer(terms)) => self.handle_offer(&terms, reply.server, now_ms),
            (State::Requesting, Kind::Ack(terms)) => self.handle_ack(&terms, reply.server, now_ms),
            (State::Requesting, Kind::Nak) => self.handle_nak(reply.server, now_ms),
            (State::Rebooting | State::Renewing | State::Rebinding, Kind::Ack(terms)) => {
                self.handle_ack(&terms, reply.server, now_ms)
            }
            (State::Rebooting | State::Renewing | State::Rebinding, Kind::Nak) => self.handle_nak(reply.server, now_ms),
            _ => Err(Rejected::OutOfState),
        }
    }

    /// The first usable offer is taken (RFC 2131 section 4.4.1 leaves the choice open).
    fn handle_offer(&mut self, terms: &Terms, server: Ipv4Addr, now_ms: u64) -> Result<(), Rejected> {
        if self.hides_lan(terms.address) {
            return Err(Rejected::ConflictsWithLan);
        }
        self.offer = Some((terms.address.addr(), server));
        self.state = State::Requesting;
        self.attempt = 0;
        self.ask(now_ms);
        Ok(())
    }

    fn handle_ack(&mut self, terms: &Terms, server: Ipv4Addr, now_ms: u64) -> Result<(), Rejected> {
        self.check_server(server)?;
        if self.wanted() != Some(terms.address.addr()) {
            return Err(Rejected::WrongAddress);
        }
        if self.hides_lan(terms.address) {
            self.decline(terms.address.addr(), server, now_ms);
            return Err(Rejected::ConflictsWithLan);
        }
        self.lease = Some(Lease::from_terms(terms, server, self.requested_ms));
        self.state = State::Bound;
        (self.problem, self.naks, self.offer) = (None, 0, None);
        self.deadline_ms = self.bound_deadline();
        Ok(())
    }

    /// RFC 2131 section 3.1 (5): start over. A server that refuses again and again is asked less and less often.
    fn handle_nak(&mut self, server: Ipv4Addr, now_ms: u64) -> Result<(), Rejected> {
        self.check_server(server)?;
        (self.lease, self.kept) = (None, None);
        self.naks = self.naks.saturating_add(1);
        self.start_over(self.state_pause(), now_ms);
        Ok(())
    }

    /// Whoever was asked by name must answer himself. Others may speak when anybody was asked.
    fn check_server(&self, server: Ipv4Addr) -> Result<(), Rejected> {
        let asked = match self.state {
            State::Requesting => self.offer.map(|(_, server)| server),
            State::Renewing => self.lease.as_ref().map(|lease| lease.server),
            _ => None,
        };
        if asked.is_some_and(|asked| asked != server) { Err(Rejected::WrongServer) } else { Ok(()) }
    }

    /// The address that was asked for.
    fn wanted(&self) -> Option<Ipv4Addr> {
        match self.state {
            State::Requesting => self.offer.map(|(address, _)| address),
            _ => self.lease.as_ref().map(|lease| lease.address.addr()).or(self.kept),
        }
    }

    fn hides_lan(&self, net: Ipv4Net) -> bool {
        self.lan.iter().any(|lan| lan.contains(&net.trunc()) || net.contains(lan))
    }

    /// RFC 2131 section 4.4.4.
    fn decline(&mut self, address: Ipv4Addr, server: Ipv4Addr, now_ms: u64) {
        let payload = self.exchange(now_ms).decline(address, server);
        (self.lease, self.kept) = (None, None);
        self.problem = Some(Rejected::ConflictsWithLan);
        self.start_over(DECLINE_PAUSE_MS, now_ms);
        self.broadcast(payload);
    }

    fn state_pause(&self) -> u64 {
        // No pause for the first refusal, then 4, 8, 16 ... 64 s.
        let longer = self.naks.min(6);
        if longer <= 1 { 0 } else { 1_000_u64.checked_shl(longer).unwrap_or(64_000).min(64_000) }
    }

    fn start_over(&mut self, pause_ms: u64, now_ms: u64) {
        self.state = State::Init;
        self.offer = None;
        self.outbox = None;
        let spread = self.random.below(START_SPREAD_MS);
        self.deadline_ms = self.carrier.then(|| now_ms.saturating_add(pause_ms).saturating_add(spread));
    }

    fn reboot(&mut self, address: Ipv4Addr, now_ms: u64) {
        self.kept = Some(address);
        self.state = State::Rebooting;
        self.begin(now_ms);
        self.ask(now_ms);
    }

    /// A new exchange with a new transaction number (RFC 2131 section 4.4.1).
    fn begin(&mut self, now_ms: u64) {
        self.xid = self.random.next() as u32;
        self.began_ms = now_ms;
        self.attempt = 0;
    }

    /// Says what the state has to say, and sets the next deadline.
    fn ask(&mut self, now_ms: u64) {
        match self.state {
            State::Init => {
                self.state = State::Selecting;
                self.begin(now_ms);
                self.ask_selecting(now_ms);
            }
            State::Selecting => self.ask_selecting(now_ms),
            State::Requesting => self.ask_requesting(now_ms),
            State::Rebooting => self.ask_rebooting(now_ms),
            State::Bound | State::Renewing | State::Rebinding => self.ask_extension(now_ms),
        }
    }

    fn ask_selecting(&mut self, now_ms: u64) {
        let payload = self.exchange(now_ms).discover(self.kept);
        self.broadcast(payload);
        self.set_retry(now_ms);
    }

    fn ask_requesting(&mut self, now_ms: u64) {
        let Some((address, server)) = self.offer.filter(|_| self.attempt < REQUEST_ATTEMPTS) else {
            return self.start_over(0, now_ms);
        };
        self.requested_ms = now_ms;
        let payload = self.exchange(now_ms).request_offered(address, server);
        self.broadcast(payload);
        self.set_retry(now_ms);
    }

    /// RFC 2131 section 3.2 (2): without any answer a lease that still runs may be used on.
    fn ask_rebooting(&mut self, now_ms: u64) {
        let Some(address) = self.kept.filter(|_| self.attempt < REBOOT_ATTEMPTS) else {
            if self.lease.is_some() {
                self.state = State::Bound;
                self.deadline_ms = self.bound_deadline();
                return;
            }
            return self.start_over(0, now_ms);
        };
        self.requested_ms = now_ms;
        let payload = self.exchange(now_ms).request_kept(address);
        self.broadcast(payload);
        self.set_retry(now_ms);
    }

    /// RFC 2131 section 4.4.5: at T1 by unicast to the server, from T2 by broadcast.
    fn ask_extension(&mut self, now_ms: u64) {
        let Some(lease) = self.lease.clone() else { return self.start_over(0, now_ms) };
        let rebinding = now_ms >= lease.rebind_ms;
        let state = if rebinding { State::Rebinding } else { State::Renewing };
        if self.state != state {
            self.state = state;
            self.begin(now_ms);
        }
        self.requested_ms = now_ms;
        let source = lease.address.addr();
        let destination = if rebinding { Ipv4Addr::BROADCAST } else { lease.server };
        let payload = self.exchange(now_ms).request_again(source);
        self.outbox = Some(Transmit { source, destination, payload });
        let until = if rebinding { lease.expires_ms } else { lease.rebind_ms };
        let left = until.saturating_sub(now_ms);
        let pause = (left / 2).max(RENEW_PAUSE_MIN_MS.min(left / 4)).max(1_000);
        self.deadline_ms = Some(now_ms.saturating_add(pause).min(until));
    }

    fn set_retry(&mut self, now_ms: u64) {
        let retry = now_ms.saturating_add(pause_ms(self.attempt, &mut self.random));
        self.attempt = self.attempt.saturating_add(1);
        let expires = self.lease.as_ref().map_or(u64::MAX, |lease| lease.expires_ms);
        self.deadline_ms = Some(retry.min(expires));
    }

    fn bound_deadline(&self) -> Option<u64> {
        self.lease.as_ref().map(|lease| lease.renew_ms)
    }

    fn exchange(&self, now_ms: u64) -> Exchange {
        let secs = now_ms.saturating_sub(self.began_ms) / 1000;
        Exchange { xid: self.xid, mac: self.mac, secs: u16::try_from(secs).unwrap_or(u16::MAX) }
    }

    fn broadcast(&mut self, payload: Vec<u8>) {
        self.outbox = Some(Transmit { source: Ipv4Addr::UNSPECIFIED, destination: Ipv4Addr::BROADCAST, payload });
    }
}

#[cfg(test)]
mod tests;
