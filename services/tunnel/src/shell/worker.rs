//! The thread of one uplink slot: its sockets, its devices, its shard.
//!
//! *Does*: wait, carry packets both ways in turns, flush.
//! *Never does*: wait for anything but packets, its own deadline and a new order; call another service.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    sync::mpsc::{Receiver, SyncSender, TryRecvError},
    time::{Duration, Instant},
};

use patronus_tunnel::{Passed, Shard, StunServer, Wanted, limit, noise::Boring};
use patronus_types::{SiteId, UplinkSlot};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    report::{FromSlot, Report},
    tun::{Queue, Tun},
    udp::Udp,
};

/// Frames or batches from one source before the next source has its turn.
const TURN: usize = 8;

/// What the service tells its threads.
#[derive(Debug)]
pub(crate) enum Order {
    /// What is to be brought about.
    Follow(Wish),
    /// Report now.
    Report,
    /// How long packets to each peer may be by whatever path.
    Narrowest(BTreeMap<SiteId, u16>),
}

/// What a thread is to bring about.
#[derive(Debug)]
pub(crate) struct Wish {
    /// The paths.
    pub(crate) wanted: Vec<Wanted>,
    /// The slots at the far ends; devices of others are closed.
    pub(crate) remotes: Vec<UplinkSlot>,
    /// Devices that are new.
    pub(crate) new: Vec<(UplinkSlot, Tun)>,
    /// Whether this site passes datagrams on.
    pub(crate) is_relay: bool,
    /// How many slots it has, and the next one.
    pub(crate) slots: usize,
    pub(crate) next: Next,
    /// Who else is asked where the slot is seen.
    pub(crate) stun: Vec<StunServer>,
    /// MTU of its link, 0 if that is not known.
    pub(crate) underlay: u32,
}

/// Where datagrams go that this slot cannot pass on.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) passed: SyncSender<Passed>,
    pub(crate) bell: Arc<OwnedFd>,
}

impl Next {
    /// What finds no room is lost, as on any link.
    fn pass(&self, passed: Passed) {
        if self.passed.try_send(passed).is_ok() {
            ring(&self.bell);
        }
    }
}

/// Has a thread look at what there is for it.
pub(crate) fn ring(bell: &OwnedFd) {
    // It only fails when it has been rung 2^64 times without being heard.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// All that the thread has.
pub(crate) struct Worker {
    pub(crate) slot: UplinkSlot,
    pub(crate) shard: Shard<Boring>,
    pub(crate) sockets: Vec<Udp>,
    pub(crate) devices: BTreeMap<UplinkSlot, Tun>,
    pub(crate) orders: Receiver<Order>,
    /// What another slot could not pass on.
    pub(crate) passed: Receiver<Passed>,
    pub(crate) next: Option<Next>,
    /// Readable when there is an order, or something to be passed on.
    pub(crate) bell: Arc<OwnedFd>,
    pub(crate) reports: tokio::sync::mpsc::Sender<FromSlot>,
    pub(crate) started: Instant,
    /// When each device was found empty last.
    pub(crate) emptied: BTreeMap<UplinkSlot, Duration>,
    /// Somebody waits for a report.
    pub(crate) is_asked: bool,
}

impl Worker {
    /// Runs until nobody gives orders any more.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut reported = None;
        loop {
            let ready = self.wait()?;
            self.receive(ready >> 1)?;
            self.read(ready >> (1 + self.sockets.len()))?;
            if ready & 1 != 0 && !self.follow_orders() {
                return Ok(());
            }
            self.take_passed();
            let now = self.now();
            self.shard.handle_timeout(now);
            self.flush();
            let is_answer = std::mem::take(&mut self.is_asked);
            if is_answer || reported.is_none_or(|at| now >= at + super::report::EVERY) {
                reported = Some(now);
                let report = Report::of(self.slot, &mut self.shard, &self.emptied, now);
                // One that has no room is missed: the next says the same and more.
                let _ = self.reports.try_send(FromSlot::Report(Box::new(Report { is_answer, ..report })));
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Which sources have something: the bell, then the sockets, then the devices' queues, as bits.
    fn wait(&self) -> io::Result<u64> {
        let timeout = self.shard.deadline().saturating_sub(self.now());
        let timeout = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
        let queues = Queue::ALL.into_iter().flat_map(|queue| self.devices.values().map(move |tun| tun.as_fd(queue)));
        let sources = self.sockets.iter().map(Udp::as_fd).chain(queues);
        let mut fds: Vec<PollFd<'_>> = std::iter::once(self.bell.as_fd())
            .chain(sources)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, Some(&timeout)) {
            // An error is read from the source like a packet.
            Ok(_) => Ok(fds.iter().rev().fold(0, |bits, fd| bits << 1 | u64::from(!fd.revents().is_empty()))),
            Err(rustix::io::Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// `false` when the service is gone.
    fn follow_orders(&mut self) -> bool {
        let _ = rustix::io::read(&self.bell, &mut [0; 64]);
        loop {
            match self.orders.try_recv() {
                Ok(Order::Follow(wish)) => self.follow(wish),
                Ok(Order::Report) => self.is_asked = true,
                Ok(Order::Narrowest(narrowest)) => self.shard.set_narrowest(narrowest),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn follow(&mut self, wish: Wish) {
        self.flush();
        self.devices.retain(|remote, _| wish.remotes.contains(remote));
        self.emptied.retain(|remote, _| wish.remotes.contains(remote));
        self.devices.extend(wish.new);
        self.shard.set_coalesce(self.devices.values().map(Tun::coalesce).min().unwrap_or_default());
        self.shard.set_relay(wish.is_relay, wish.slots);
        self.next = Some(wish.next);
        self.shard.set_stun(&wish.stun);
        self.shard.set_underlay(wish.underlay);
        self.shard.apply(self.now(), &wish.wanted);
        self.flush();
    }

    fn take_passed(&mut self) {
        let now = self.now();
        for passed in self.passed.try_iter().take(limit::PASSED) {
            self.shard.handle_passed(now, passed);
            if self.shard.is_crowded() {
                send(&mut self.shard, &mut self.sockets);
            }
        }
    }

    fn receive(&mut self, ready: u64) -> io::Result<()> {
        let now = self.now();
        for index in (0..self.sockets.len()).filter(|index| ready >> index & 1 != 0) {
            for _ in 0..TURN {
                let Some(socket) = self.sockets.get_mut(index) else { break };
                match socket.receive() {
                    Ok(None) => break,
                    Ok(Some(received)) => {
                        self.shard.handle_datagrams(now, received.from, received.bytes, received.segment_bytes);
                    }
                    // What routers said about an earlier datagram; it concerns no other.
                    Err(error) if is_about_the_path(&error) => {}
                    Err(error) => return Err(error),
                }
                if self.shard.is_crowded() {
                    self.flush();
                }
            }
        }
        Ok(())
    }

    /// Of all devices first what sites say to each other.
    fn read(&mut self, ready: u64) -> io::Result<()> {
        let [own, carried] = Queue::ALL;
        self.read_queue(own, ready)?;
        self.read_queue(carried, ready >> self.devices.len())
    }

    fn read_queue(&mut self, queue: Queue, ready: u64) -> io::Result<()> {
        let now = self.now();
        let mut failed = None;
        for (_, (remote, tun)) in (0..).zip(&mut self.devices).filter(|(index, _)| ready >> index & 1 != 0) {
            for _ in 0..TURN {
                match tun.read(queue) {
                    Ok(Some((header, frame))) => self.shard.handle_frame(now, *remote, &header, frame),
                    Ok(None) => {
                        self.emptied.insert(*remote, now);
                        break;
                    }
                    Err(error) => {
                        failed = Some((*remote, error));
                        break;
                    }
                }
                if self.shard.is_crowded() {
                    send(&mut self.shard, &mut self.sockets);
                }
            }
        }
        // A device that is not wanted any more may be gone before its order was read; it is no loss then.
        match failed {
            Some((remote, error)) if self.follow_orders() && self.devices.contains_key(&remote) => Err(error),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) {
        while let Some(passed) = self.shard.poll_passed() {
            if let Some(next) = &self.next {
                next.pass(passed);
            }
        }
        send(&mut self.shard, &mut self.sockets);
        while let Some(frame) = self.shard.poll_frame() {
            if let Some(Err(error)) = self.devices.get(&frame.remote).map(|tun| tun.write(&frame)) {
                tracing::debug!(%error, "frame dropped by the device");
            }
        }
    }
}

/// Sends all that waits. What cannot be sent is lost, as on any link.
fn send(shard: &mut Shard<Boring>, sockets: &mut [Udp]) {
    while let Some(batch) = shard.poll_transmit() {
        // The socket for IPv4 comes first; a machine without IPv6 has no other.
        let socket = sockets.get_mut(usize::from(matches!(batch.to, SocketAddr::V6(_))));
        if let Some(Err(error)) = socket.map(|socket| socket.send(&batch)) {
            tracing::debug!(to = %batch.to, %error, "batch not sent");
        }
    }
}

fn is_about_the_path(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::Interrupted
            | Kind::InvalidData
    )
}
