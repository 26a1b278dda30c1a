//! A TUN device.
//!
//! *Does*: make it or take it over, ask the kernel for super-frames and take what it gives, read and write frames.
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
    file: File,
    /// Whether frames have a header.
    headers: bool,
    coalesce: Coalesce,
    buffer: Box<[u8]>,
}

impl Tun {
    /// Opens the device, which is made if there is none of that name. What the kernel refuses is done without.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let open = || OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun");
        let mut file = open()?;
        let headers = match sys::attach_tun(file.as_fd(), name, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(device = name, %error, "no headers on this device: single packets only");
                file = open()?;
                sys::attach_tun(file.as_fd(), name, IFF_TUN | IFF_NO_PI)?;
                false
            }
        };
        sys::set_tun_persistent(file.as_fd(), true)?;
        let coalesce = if headers { offload(&file, name) } else { Coalesce::default() };
        let buffer = vec![0; limit::FRAME_BYTES + HEADER_BYTES].into_boxed_slice();
        Ok(Self { file, headers, coalesce, buffer })
    }

    /// Which super-frames it takes.
    pub(crate) fn coalesce(&self) -> Coalesce {
        self.coalesce
    }

    /// The next frame; `None` if there is none now.
    pub(crate) fn read(&mut self) -> io::Result<Option<(Header, &[u8])>> {
        let count = match self.file.read(&mut self.buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = self.buffer.get(..count).unwrap_or_default();
        if !self.headers {
            return Ok(Some((Header::default(), bytes)));
        }
        let Some((header, frame)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        // A kind that was not asked for does not come; its frame would be no packet and is counted as such.
        Ok(Some(Header::parse(*header).map_or((Header::default(), &[][..]), |header| (header, frame))))
    }

    /// Writes a frame. A device that takes no more drops it, as a link does.
    pub(crate) fn write(&self, frame: &Frame<'_>) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); PARTS];
        let header: &[u8] = if self.headers { &frame.header } else { &[] };
        let parts = std::iter::once(header).chain(frame.parts());
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        (&self.file).write_vectored(slices.get(..count).unwrap_or_default()).map(drop)
    }
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

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
