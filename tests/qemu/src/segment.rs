//! One Ethernet segment between guests and this process: a hub.
//!
//! *Does*: hand each frame to everybody but its sender, guests by QEMU's `stream` back end, tests by a [`Tap`].
//! *Never does*: echo a frame to its sender, as QEMU's multicast sockets do, which upsets duplicate address detection; wait for
//! a slow listener: its frames are dropped.
//! *Spec*: QEMU's stream framing: each frame behind its length, 32 bits, big-endian.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// The longest frame that is handed on: QEMU's own limit with all offloads.
const FRAME_BYTES: usize = 64 * 1024 + 256;
/// Frames that wait for one listener.
const QUEUE_FRAMES: usize = 4096;

/// The segment. Ends with its value.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    hub: Hub,
    _directory: TempDir,
}

/// A plug on the segment that the test itself holds.
#[derive(Debug)]
pub struct Tap {
    number: usize,
    hub: Hub,
    frames: Receiver<Arc<[u8]>>,
}

/// The sending half of a [`Tap`], for others to send with.
#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    number: usize,
    hub: Hub,
}

#[derive(Clone, Debug, Default)]
struct Hub(Arc<Mutex<Plugs>>);

#[derive(Debug, Default)]
struct Plugs {
    next: usize,
    queues: BTreeMap<usize, SyncSender<Arc<[u8]>>>,
    /// Frames that found a full queue.
    lost: BTreeMap<usize, u64>,
}

impl Segment {
    /// A segment without anybody on it.
    ///
    /// # Errors
    /// If its socket cannot be made.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("patronus-").tempdir()?;
        let path = directory.path().join("segment");
        let listener = UnixListener::bind(&path).context("cannot make the segment's socket")?;
        let hub = Hub::default();
        let accepting = hub.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                accepting.clone().serve(stream);
            }
        });
        Ok(Self { path, hub, _directory: directory })
    }

    /// Where guests plug in, see [`crate::Wan::Segment`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A plug for the test itself.
    #[must_use]
    pub fn tap(&self) -> Tap {
        let (number, frames) = self.hub.plug();
        Tap { number, hub: self.hub.clone(), frames }
    }
}

impl Tap {
    /// Sends one frame, from destination address to payload, without checksum.
    pub fn send(&self, frame: &[u8]) {
        self.hub.spread(self.number, frame);
    }

    /// Frames that came while nobody took any.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.hub.0.lock().unwrap_or_else(PoisonError::into_inner).lost.get(&self.number).copied().unwrap_or_default()
    }

    /// Another way to send as this plug.
    pub(crate) fn outlet(&self) -> Outlet {
        Outlet { number: self.number, hub: self.hub.clone() }
    }

    /// The next frame from anybody else, if one comes in time.
    #[must_use]
    pub fn receive(&self, limit: Duration) -> Option<Arc<[u8]>> {
        self.frames.recv_timeout(limit).ok()
    }
}

impl Outlet {
    pub(crate) fn send(&self, frame: &[u8]) {
        self.hub.spread(self.number, frame);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.hub.unplug(self.number);
    }
}

impl Hub {
    fn plug(&self) -> (usize, Receiver<Arc<[u8]>>) {
        let (sender, receiver) = sync_channel(QUEUE_FRAMES);
        let mut plugs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = plugs.next;
        plugs.next += 1;
        plugs.queues.insert(number, sender);
        (number, receiver)
    }

    fn unplug(&self, number: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).queues.remove(&number);
    }

    fn spread(&self, from: usize, frame: &[u8]) {
        let frame: Arc<[u8]> = frame.into();
        let mut plugs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Plugs { queues, lost, .. } = &mut *plugs;
        for (number, queue) in queues.iter().filter(|(number, _)| **number != from) {
            // A full queue loses the frame, as on a real wire.
            if queue.try_send(frame.clone()).is_err() {
                *lost.entry(*number).or_default() += 1;
            }
        }
    }

    /// Runs one guest's plug in two threads until the guest ends.
    fn serve(self, stream: UnixStream) {
        let Ok(mut writer) = stream.try_clone() else { return };
        let (number, frames) = self.plug();
        std::thread::spawn(move || {
            while let Ok(frame) = frames.recv() {
                let Ok(length) = u32::try_from(frame.len()) else { continue };
                if writer.write_all(&length.to_be_bytes()).and_then(|()| writer.write_all(&frame)).is_err() {
                    return;
                }
            }
        });
        std::thread::spawn(move || {
            let mut reader = stream;
            while let Some(frame) = read_frame(&mut reader) {
                self.spread(number, &frame);
            }
            self.unplug(number);
        });
    }
}

/// The next frame of a stream; `None` at its end, or when it is not what QEMU sends.
fn read_frame(reader: &mut impl Read) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    reader.read_exact(&mut length).ok()?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok().filter(|length| *length <= FRAME_BYTES)?;
    let mut frame = vec![0; length];
    reader.read_exact(&mut frame).ok()?;
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reaches_everybody_but_its_sender() {
        let segment = Segment::new().unwrap();
        let (one, two, three) = (segment.tap(), segment.tap(), segment.tap());
        one.send(b"frame");
        assert_eq!(two.receive(Duration::from_secs(5)).as_deref(), Some(b"frame".as_slice()));
        assert_eq!(three.receive(Duration::from_secs(5)).as_deref(), Some(b"frame".as_slice()));
        assert!(one.receive(Duration::ZERO).is_none());
    }

    #[test]
    fn a_frame_at_the_limit_passes_and_one_above_ends_the_stream() {
        let framed = |length: usize| [&u32::try_from(length).unwrap().to_be_bytes()[..], &vec![7; length]].concat();
        assert_eq!(read_frame(&mut framed(FRAME_BYTES).as_slice()).map(|frame| frame.len()), Some(FRAME_BYTES));
        assert!(read_frame(&mut framed(FRAME_BYTES + 1).as_slice()).is_none());
    }
}
