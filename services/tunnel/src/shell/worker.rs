//! The thread of one uplink slot: its sockets, its devices, its shard.
//!
//! *Does*: wait, carry packets both ways in turns, flush.
//! *Never does*: wait for anything but packets, its own deadline and a new order; call another service.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};

use patronus_tunnel::{Shard, Wanted, noise::Boring};
use patronus_types::UplinkSlot;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    report::{FromSlot, Report},
    tun::Tun,
    udp::Udp,
};

/// Frames or batches from one source before the next source has its turn.
const TURN: usize = 8;

/// What the service tells its threads.
#[derive(Debug)]
pub(crate) struct Order {
    /// The paths.
    pub(crate) wanted: Vec<Wanted>,
    /// The slots at the far ends; devices of others are closed.
    pub(crate) remotes: Vec<UplinkSlot>,
    /// Devices that are new.
    pub(crate) new: Vec<(UplinkSlot, Tun)>,
}

/// All that the thread has.
pub(crate) struct Worker {
    pub(crate) slot: UplinkSlot,
    pub(crate) shard: Shard<Boring>,
    pub(crate) sockets: Vec<Udp>,
    pub(crate) devices: BTreeMap<UplinkSlot, Tun>,
    pub(crate) orders: Receiver<Order>,
    /// Readable when there is an order.
    pub(crate) bell: OwnedFd,
    pub(crate) reports: tokio::sync::mpsc::UnboundedSender<FromSlot>,
    pub(crate) started: Instant,
}

impl Worker {
    /// Runs until nobody gives orders any more.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut reported = None;
        loop {
            self.wait()?;
            if !self.follow_orders() {
                return Ok(());
            }
            self.receive()?;
            self.read()?;
            let now = self.now();
            self.shard.handle_timeout(now);
            self.flush();
            if reported.is_none_or(|at| now >= at + super::report::EVERY) {
                reported = Some(now);
                // If nobody listens any more, the next look at the orders says so.
                let _ = self.reports.send(FromSlot::Report(Report::of(self.slot, &self.shard, now)));
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wait(&self) -> io::Result<()> {
        let timeout = self.shard.deadline().saturating_sub(self.now());
        let timeout = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
        let sources = self.sockets.iter().map(Udp::as_fd).chain(self.devices.values().map(Tun::as_fd));
        let mut fds: Vec<PollFd<'_>> = std::iter::once(self.bell.as_fd())
            .chain(sources)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// `false` when the service is gone.
    fn follow_orders(&mut self) -> bool {
        let _ = rustix::io::read(&self.bell, &mut [0; 64]);
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.follow(order),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn follow(&mut self, order: Order) {
        self.flush();
        self.devices.retain(|remote, _| order.remotes.contains(remote));
        self.devices.extend(order.new);
        self.shard.set_coalesce(self.devices.values().map(Tun::coalesce).min().unwrap_or_default());
        self.shard.apply(self.now(), &order.wanted);
        self.flush();
    }

    fn receive(&mut self) -> io::Result<()> {
        let now = self.now();
        for index in 0..self.sockets.len() {
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

    fn read(&mut self) -> io::Result<()> {
        let now = self.now();
        for (remote, tun) in &mut self.devices {
            for _ in 0..TURN {
                let Some((header, frame)) = tun.read()? else { break };
                self.shard.handle_frame(now, *remote, &header, frame);
                if self.shard.is_crowded() {
                    send(&mut self.shard, &mut self.sockets);
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
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
