//! A line between two devices of one namespace that does to frames what it is told: the host's kernel has no netem.
//!
//! *Does*: carry frames both ways, each direction as its [`Settings`] say at that moment; translate addresses if it has a translator.
//! *Never does*: look into a frame for anything but that and its length; outlive its owner.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::{self, Read},
    os::fd::AsFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::netdevice::name_to_index,
    process::setpriority_process,
};
use socket2::Socket;

use crate::{
    Namespace,
    impair::{Line, Settings},
    nat::Nat,
    sys,
};

/// The largest segment that the kernel hands over at once, with its headers and notes.
const FRAME_BYTES: usize = 70_000;
/// Frames under way in one direction; with more, the kernel's queue fills, and drops.
const QUEUE: usize = 4_096;
/// Before all other threads (`nice`): what a busy machine does to sites is theirs, what it does to lines would be nobody's.
const FIRST: i32 = -20;
/// How often a direction looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the site to its provider.
    Out,
    /// From the provider to the site.
    In,
}

/// A line, gone when dropped.
#[derive(Debug)]
pub struct Relay {
    settings: [Arc<Mutex<Settings>>; 2],
    nat: Arc<Mutex<Option<Nat>>>,
    ends: Arc<AtomicBool>,
    directions: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Between the site's end and the provider's end of a line, both in this namespace.
    #[must_use]
    pub fn new(namespace: &Namespace, site: &str, provider: &str) -> Self {
        let names = [site.to_owned(), provider.to_owned()];
        let sockets = namespace.inside(move || names.map(|name| Arc::new(open(&name).unwrap())));
        let settings: [Arc<Mutex<Settings>>; 2] = Default::default();
        let (nat, ends) = (Arc::<Mutex<Option<Nat>>>::default(), Arc::new(AtomicBool::new(false)));
        let [site, provider] = sockets;
        let ways = [(Direction::Out, Arc::clone(&site), Arc::clone(&provider)), (Direction::In, provider, site)];
        let directions = ways.into_iter().zip(&settings).map(|((direction, from, to), settings)| {
            let (settings, nat, ends) = (Arc::clone(settings), Arc::clone(&nat), Arc::clone(&ends));
            let translate = move |frame: &mut [u8]| match nat.lock().unwrap().as_mut() {
                Some(nat) => nat.handle_frame(direction, frame),
                None => Some(()),
            };
            std::thread::spawn(move || carry(&from, &to, &settings, translate, &ends))
        });
        Self { directions: directions.collect(), settings, nat, ends }
    }

    /// From now on there is this translator on the line; whatever another one knew is forgotten.
    pub fn translate(&self, nat: Nat) {
        let mut place = self.nat.lock().unwrap();
        *place = Some(match &*place {
            Some(other) => nat.in_place_of(other),
            None => nat,
        });
    }

    /// From now on a direction is so.
    pub fn set(&self, direction: Direction, settings: Settings) {
        *self.settings[direction as usize].lock().unwrap() = settings;
    }

    /// How a direction is.
    #[must_use]
    pub fn settings(&self, direction: Direction) -> Settings {
        *self.settings[direction as usize].lock().unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for direction in self.directions.drain(..) {
            let _ = direction.join();
        }
    }
}

fn open(device: &str) -> io::Result<Socket> {
    let any = std::net::UdpSocket::bind("0.0.0.0:0")?;
    sys::frames_of(name_to_index(any.as_fd(), device)?)
}

/// A frame that is under way; the soonest is the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay(Reverse<(u64, u64)>, Vec<u8>);

fn carry(
    from: &Socket,
    to: &Socket,
    settings: &Mutex<Settings>,
    translate: impl Fn(&mut [u8]) -> Option<()>,
    ends: &AtomicBool,
) {
    // A line does not wait for a processor. Without the right to that it may.
    let _ = setpriority_process(None, FIRST);
    let began = Instant::now();
    let (mut line, mut under_way, mut number) = (Line::default(), BinaryHeap::<UnderWay>::new(), 0_u64);
    let mut buffer = vec![0; FRAME_BYTES];
    let now_us = || began.elapsed().as_micros() as u64;
    let mut reader = from;
    while !ends.load(Ordering::Relaxed) {
        let due_us = under_way.peek().map(|frame| frame.0.0.0.saturating_sub(now_us()));
        wait(from, due_us.map_or(LOOK_EVERY, |due_us| LOOK_EVERY.min(Duration::from_micros(due_us))));
        while let Ok(count) = reader.read(&mut buffer) {
            number += 1;
            if translate(&mut buffer[..count]).is_none() {
                continue;
            }
            let settings = *settings.lock().unwrap();
            if settings.is_too_narrow_for(&buffer[..count]) {
                continue;
            }
            if let Some(out_us) = line.handle_frame(&settings, count, now_us(), random(number)) {
                under_way.push(UnderWay(Reverse((out_us, number)), buffer[..count].to_vec()));
            }
            if under_way.len() >= QUEUE {
                break;
            }
        }
        while let Some(frame) = under_way.peek().filter(|frame| frame.0.0.0 <= now_us()) {
            // What the device has no room for is lost.
            let _ = to.send(&frame.1);
            under_way.pop();
        }
    }
}

fn wait(socket: &Socket, longest: Duration) {
    let mut wanted = [PollFd::new(socket, PollFlags::IN)];
    let _ = poll(&mut wanted, Timespec::try_from(longest).ok().as_ref());
}

/// SplitMix64: chance that is the same in every run of a line.
const fn random(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
