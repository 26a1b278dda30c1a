//! The thread that probes.
//!
//! *Does*: wait for datagrams, orders and the core's deadline; hear first, judge then, send, publish.
//! *Never does*: wait for anything else: no disk, no other service, nobody who follows.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv6Addr,
    os::fd::{AsFd, OwnedFd},
    sync::mpsc::{Receiver, TryRecvError},
};

use patronus_ipc::{
    prober::{PathId, Point, Rejected, Reply, State, Tested},
    tunnel::device_name,
};
use patronus_prober::{Known, Prober, Word, limit};
use patronus_types::UplinkSlot;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{mpsc, oneshot, watch};

use super::{moment, socket::Socket};

/// Datagrams of one socket before the next has its turn.
const TURN: usize = 64;

/// What the service tells its thread.
#[derive(Debug)]
pub(crate) enum Order {
    /// The paths, and the box's own address on them.
    Paths { address: Option<Ipv6Addr>, known: Vec<Known> },
    /// Those that carry traffic.
    Roles(BTreeSet<PathId>),
    /// What `tunnel` said when it was asked at that moment.
    Word { asked_us: u64, words: Vec<Word> },
    /// Somebody wants to know how a path is.
    Test(PathId, oneshot::Sender<Outcome>),
}

/// What became of a test.
pub(crate) type Outcome = Result<Tested, Rejected>;

/// The points of one stretch.
pub(crate) type Points = Vec<(PathId, Point)>;

/// All that the thread has.
pub(crate) struct Worker {
    pub(crate) prober: Prober,
    pub(crate) orders: Receiver<Order>,
    /// Readable when there is an order.
    pub(crate) bell: OwnedFd,
    pub(crate) state: watch::Sender<Reply>,
    pub(crate) points: mpsc::Sender<Points>,
    /// Where it is said that a word of `tunnel` is wanted. One wish is enough.
    pub(crate) doubts: mpsc::Sender<()>,
    pub(crate) sockets: BTreeMap<(UplinkSlot, UplinkSlot), Socket>,
    pub(crate) address: Option<Ipv6Addr>,
    /// Who waits for the test that goes on.
    pub(crate) tester: Option<oneshot::Sender<Outcome>>,
    pub(crate) published_us: u64,
    /// When the present stretch began, in seconds since 1970.
    pub(crate) stretch_unix_s: u64,
}

impl Worker {
    /// Runs until nobody gives orders any more.
    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            self.receive(&ready);
            if !self.follow_orders() {
                return Ok(());
            }
            self.prober.handle_timeout(moment::now_us());
            self.send();
            if self.prober.is_suspicious(moment::now_us()) {
                let _ = self.doubts.try_send(());
            }
            self.tell_tester();
            self.publish();
            self.turn();
        }
    }

    /// The devices on which something has come.
    fn wait(&self) -> io::Result<Vec<(UplinkSlot, UplinkSlot)>> {
        let publish_us = self.published_us + limit::PUBLISH_US;
        let until_us = self.prober.deadline().map_or(publish_us, |deadline| deadline.min(publish_us));
        let timeout_us = until_us.saturating_sub(moment::now_us()).cast_signed();
        let timeout = Timespec { tv_sec: timeout_us / 1_000_000, tv_nsec: timeout_us % 1_000_000 * 1_000 };
        let mut fds: Vec<PollFd<'_>> = std::iter::once(self.bell.as_fd())
            .chain(self.sockets.values().map(Socket::as_fd))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, Some(&timeout)) {
            // An error is read from the socket like a datagram.
            Ok(_) => {
                let ready = self.sockets.keys().zip(fds.iter().skip(1)).filter(|(_, fd)| !fd.revents().is_empty());
                Ok(ready.map(|(slots, _)| *slots).collect())
            }
            Err(rustix::io::Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&mut self, ready: &[(UplinkSlot, UplinkSlot)]) {
        for slots in ready {
            let Some(socket) = self.sockets.get_mut(slots) else { continue };
            for _ in 0..TURN {
                match socket.receive() {
                    Ok(Some(received)) => {
                        let now_us = moment::now_us();
                        let received_us = now_us.saturating_sub(received.waited_us);
                        self.prober.handle_datagram(*slots, received.source, received.bytes, received_us, now_us);
                    }
                    Ok(None) => break,
                    Err(error) if is_gone(&error) => {
                        self.sockets.remove(slots);
                        break;
                    }
                    // What an earlier datagram met on its way.
                    Err(error) => tracing::debug!(%error, "inside tunnels"),
                }
            }
        }
    }

    /// `false` when the service is gone.
    fn follow_orders(&mut self) -> bool {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        loop {
            match self.orders.try_recv() {
                Ok(Order::Paths { address, known }) => self.follow_paths(address, &known),
                Ok(Order::Roles(hot)) => self.prober.handle_roles(hot, moment::now_us()),
                Ok(Order::Word { asked_us, words }) => self.prober.handle_word(&words, asked_us, moment::now_us()),
                Ok(Order::Test(path, tester)) => self.begin_test(path, tester),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn begin_test(&mut self, path: PathId, tester: oneshot::Sender<Outcome>) {
        // The test before may have ended just now.
        self.tell_tester();
        match self.prober.begin_test(path, moment::now_us()) {
            Ok(()) => self.tester = Some(tester),
            // Nobody hears it who has gone.
            Err(rejected) => _ = tester.send(Err(rejected)),
        }
    }

    fn tell_tester(&mut self) {
        if let Some(outcome) = self.prober.poll_tested()
            && let Some(tester) = self.tester.take()
        {
            let _ = tester.send(outcome);
        }
    }

    /// A socket for each device; one that could not be opened is tried again the next time, which is a second later.
    fn follow_paths(&mut self, address: Option<Ipv6Addr>, known: &[Known]) {
        if self.address != address {
            self.sockets.clear();
            self.address = address;
        }
        let wanted: BTreeSet<_> = known.iter().map(|known| (known.id.local, known.id.remote)).collect();
        self.sockets.retain(|slots, _| wanted.contains(slots));
        for (local, remote) in wanted {
            if let Some(address) = address
                && !self.sockets.contains_key(&(local, remote))
            {
                match Socket::open(&device_name(local, remote), address) {
                    Ok(socket) => _ = self.sockets.insert((local, remote), socket),
                    Err(error) => tracing::debug!(%local, %remote, %error, "cannot listen inside the tunnel yet"),
                }
            }
        }
        self.prober.handle_paths(known, moment::now_us());
    }

    fn send(&mut self) {
        while let Some(transmit) = self.prober.poll_transmit() {
            let slots = (transmit.path.local, transmit.path.remote);
            let sent = self.sockets.get(&slots).map(|socket| socket.send(transmit.to, &transmit.bytes));
            match sent {
                Some(Err(error)) if is_gone(&error) => _ = self.sockets.remove(&slots),
                Some(Err(error)) => tracing::debug!(%error, "not sent"),
                Some(Ok(())) | None => {}
            }
        }
    }

    fn publish(&mut self) {
        let now_us = moment::now_us();
        if !self.prober.poll_news() && now_us < self.published_us + limit::PUBLISH_US {
            return;
        }
        self.published_us = now_us;
        let (paths, rejected) = (self.prober.reports(), self.prober.rejects().by_name());
        self.state.send_if_modified(|reply| {
            let Reply::State(old) = reply else { return false };
            let new = State { generation: old.generation, paths, rejected };
            let is_new = new != **old;
            if is_new {
                **old = State { generation: old.generation.next(), ..new };
            }
            is_new
        });
    }

    /// A stretch ends with the time of day, so that points of all boxes and of all runs lie side by side.
    fn turn(&mut self) {
        let unix_s = moment::unix_s() / limit::POINT_S * limit::POINT_S;
        if unix_s == self.stretch_unix_s {
            return;
        }
        let points = self.prober.poll_points(self.stretch_unix_s, moment::now_us());
        self.stretch_unix_s = unix_s;
        // While the disk is too slow for them they are lost, and nothing waits.
        let _ = self.points.try_send(points);
    }
}

/// The device is gone, or is another now.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(nix::errno::Errno::from_raw),
        Some(nix::errno::Errno::ENODEV | nix::errno::Errno::ENXIO)
    )
}
