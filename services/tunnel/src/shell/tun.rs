//! A TUN device with two queues: what sites say to each other does not wait behind what they carry.
//!
//! *Does*: make it or take it over, ask the kernel for super-frames and take what it gives, read and write frames. The kernel puts each flow into
//! the queue by which its other direction was written last, so the services' own words are written by the first.
//! *Never does*: take the device away when the service ends: its routes stay, and packets wait for the next start.
//! *Spec*: the kernel's `Documentation/networking/tuntap.rst`, `linux/if_tun.h`.

use std::{
    fs::{File, OpenOptions},
    io::{self, IoSlice, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    os::unix::fs::OpenOptionsExt,
};

use patronus_tunnel::{
    Coalesce, Frame, limit,
    vnet::{HEADER_BYTES, Header},
};

use super::sys;

const IFF_TUN: i32 = 0x0001;
const IFF_MULTI_QUEUE: i32 = 0x0100;
const IFF_NO_PI: i32 = 0x1000;
const IFF_VNET_HDR: i32 = 0x4000;
const CHECKSUM: u32 = 0x01;
const TSO: u32 = 0x02 | 0x04 | 0x08;
const USO: u32 = 0x20 | 0x40;

/// A frame in the making: header, first packet, payloads of the others.
const PARTS: usize = limit::COALESCED_PACKETS + 1;

/// What the kernel does for a device, best first.
const OFFLOADS: [(u32, Coalesce); 3] =
    [(CHECKSUM | TSO | USO, Coalesce::TcpAndUdp), (CHECKSUM | TSO, Coalesce::Tcp), (0, Coalesce::Nothing)];

/// An open device.
#[derive(Debug)]
pub(crate) struct Tun {
    files: [File; 2],
    coalesce: Coalesce,
    buffer: Box<[u8]>,
}

/// One of its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// For what sites say to each other, and flows of which only one direction has been seen.
    Own,
    /// For what they carry.
    Carried,
}

impl Queue {
    /// Both, the one that is read first before the other.
    pub(crate) const ALL: [Self; 2] = [Self::Own, Self::Carried];
}

impl Tun {
    /// Opens the device, which is made if there is none of that name. What the kernel refuses is done without.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let files = [attach(name)?, attach(name)?];
        let [file, _] = &files;
        sys::set_tun_persistent(file.as_fd(), true)?;
        let coalesce = offload(file, name);
        let buffer = vec![0; limit::FRAME_BYTES + HEADER_BYTES].into_boxed_slice();
        Ok(Self { files, coalesce, buffer })
    }

    /// Which super-frames it takes.
    pub(crate) fn coalesce(&self) -> Coalesce {
        self.coalesce
    }

    /// The next frame of a queue; `None` if there is none now.
    pub(crate) fn read(&mut self, queue: Queue) -> io::Result<Option<(Header, &[u8])>> {
        let [own, carried] = &mut self.files;
        let file = if queue == Queue::Own { own } else { carried };
        let count = match file.read(&mut self.buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = self.buffer.get(..count).unwrap_or_default();
        let Some((header, frame)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        // A kind that was not asked for does not come; its frame would be no packet and is counted as such.
        Ok(Some(Header::parse(*header).map_or((Header::default(), &[][..]), |header| (header, frame))))
    }

    /// To wait for frames of a queue.
    pub(crate) fn as_fd(&self, queue: Queue) -> BorrowedFd<'_> {
        self.file(queue).as_fd()
    }

    fn file(&self, queue: Queue) -> &File {
        let [own, carried] = &self.files;
        if queue == Queue::Own { own } else { carried }
    }

    /// Writes a frame. A device that takes no more drops it, as a link does.
    pub(crate) fn write(&self, frame: &Frame<'_>) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); PARTS];
        let parts = std::iter::once(&frame.header[..]).chain(frame.parts());
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        self.file(if frame.is_own() { Queue::Own } else { Queue::Carried })
            .write_vectored(slices.get(..count).unwrap_or_default())
            .map(drop)
    }
}

fn attach(name: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    sys::attach_tun(file.as_fd(), name, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)?;
    Ok(file)
}

fn offload(file: &File, name: &str) -> Coalesce {
    for (flags, coalesce) in OFFLOADS {
        match sys::set_tun_offload(file.as_fd(), flags) {
            Ok(()) => return coalesce,
            Err(error) => tracing::warn!(device = name, flags, %error, "offload refused"),
        }
    }
    Coalesce::default()
}
