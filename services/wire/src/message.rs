//! One message between two sites.
//!
//! ```text
//! version 1 | kind 1 | body                     sealed in a datagram, or
//! length 4 | version 1 | kind 1 | body          over TCP
//! ```
//! *Does*: announcements; bundles of objects; what a site knows, as hashes; what it lacks; where it is seen; joining.
//! *Spec*: `docs/wire.md`, section "Messages".

use std::net::SocketAddr;

use crate::{
    Announcement, Body, BucketSet, Digest32, JoinAnswer, JoinRequest, Refused, Revocation, SignerCertificate,
    SiteRecord, Summary, Unverified,
    bytes::{Reader, Writer},
    endpoint::{read_socket, write_socket},
    limit,
    object::VERSION,
    seal,
};

const ANNOUNCE: u8 = 0x10;
const SUMMARY: u8 = 0x11;
const PULL: u8 = 0x12;
const BUNDLE: u8 = 0x13;
const OBSERVED: u8 = 0x14;
const JOIN_REQUEST: u8 = 0x15;
const JOIN_ANSWER: u8 = 0x16;
const DIGEST: u8 = 0x17;
/// Bytes of the length before a message over TCP.
const LENGTH_BYTES: usize = 4;

/// What one site says to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// This is how to reach me. Only this counts as having heard a site: in a bundle, others speak of it.
    Announce(Unverified<Announcement>),
    /// Whether you know what I know: the hash of my summary.
    Digest(Digest32),
    /// What I know.
    Summary(Box<Summary>),
    /// What I lack: all of these buckets, and all signers.
    Pull {
        /// Records and revocations.
        members: BucketSet,
        /// Announcements.
        announcements: BucketSet,
    },
    /// Objects.
    Bundle(Bundle),
    /// Where I see you.
    Observed(SocketAddr),
    /// A new site's wish.
    JoinRequest(JoinRequest),
    /// The answer to it.
    JoinAnswer(JoinAnswer),
}

/// Objects on their way. Nobody has checked their signatures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Signer certificates: of all that signed what follows, so that a bundle can be understood by itself.
    pub signers: Vec<Unverified<SignerCertificate>>,
    /// Revocations.
    pub revocations: Vec<Unverified<Revocation>>,
    /// Site records.
    pub records: Vec<Unverified<SiteRecord>>,
    /// Announcements.
    pub announcements: Vec<Unverified<Announcement>>,
}

impl Bundle {
    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.signers.is_empty()
            && self.revocations.is_empty()
            && self.records.is_empty()
            && self.announcements.is_empty()
    }

    /// Bytes that are left for objects in a sealed datagram.
    pub const DATAGRAM_OBJECT_BYTES: usize = limit::DATAGRAM_BYTES - seal::OVERHEAD_BYTES - 2 - 4 * 2;

    pub(crate) fn write(&self, writer: &mut Writer) -> Result<(), Refused> {
        write_objects(&self.signers, writer)?;
        write_objects(&self.revocations, writer)?;
        write_objects(&self.records, writer)?;
        write_objects(&self.announcements, writer)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        Ok(Self {
            signers: read_objects(reader)?,
            revocations: read_objects(reader)?,
            records: read_objects(reader)?,
            announcements: read_objects(reader)?,
        })
    }
}

impl Message {
    /// The message as bytes. Objects of a bundle are sorted on the way.
    ///
    /// # Errors
    /// [`Refused::TooManyObjects`], [`Refused::MessageTooLarge`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, Refused> {
        let mut writer = Writer::default();
        writer.u8(VERSION);
        writer.u8(self.kind());
        match self {
            Self::Announce(announcement) => writer.bytes(announcement.as_bytes()),
            Self::Digest(digest) => writer.bytes(digest),
            Self::Summary(summary) => summary.write(&mut writer),
            Self::Pull { members, announcements } => {
                writer.u64(members.0);
                writer.u64(announcements.0);
            }
            Self::Bundle(bundle) => bundle.write(&mut writer)?,
            Self::Observed(address) => write_socket(address, &mut writer),
            Self::JoinRequest(request) => request.write(&mut writer),
            Self::JoinAnswer(answer) => answer.write(&mut writer),
        }
        let bytes = writer.into_bytes();
        if bytes.len() > limit::MESSAGE_BYTES { Err(Refused::MessageTooLarge) } else { Ok(bytes) }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Each rule of the format by its name.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() > limit::MESSAGE_BYTES {
            return Err(Refused::MessageTooLarge);
        }
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(Refused::VersionUnknown);
        }
        let message = match reader.u8()? {
            ANNOUNCE => Self::Announce(Unverified::read(&mut reader)?),
            DIGEST => Self::Digest(reader.array()?),
            SUMMARY => Self::Summary(Box::new(Summary::read(&mut reader)?)),
            PULL => Self::Pull { members: BucketSet(reader.u64()?), announcements: BucketSet(reader.u64()?) },
            BUNDLE => Self::Bundle(Bundle::read(&mut reader)?),
            OBSERVED => Self::Observed(read_socket(&mut reader)?),
            JOIN_REQUEST => Self::JoinRequest(JoinRequest::read(&mut reader)?),
            JOIN_ANSWER => Self::JoinAnswer(JoinAnswer::read(&mut reader)?),
            _ => return Err(Refused::KindUnknown),
        };
        reader.finish()?;
        Ok(message)
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Announce(_) => ANNOUNCE,
            Self::Digest(_) => DIGEST,
            Self::Summary(_) => SUMMARY,
            Self::Pull { .. } => PULL,
            Self::Bundle(_) => BUNDLE,
            Self::Observed(_) => OBSERVED,
            Self::JoinRequest(_) => JOIN_REQUEST,
            Self::JoinAnswer(_) => JOIN_ANSWER,
        }
    }
}

/// A message with its length before it, for a byte stream.
///
/// # Errors
/// As [`Message::to_bytes`].
pub fn encode_frame(message: &Message) -> Result<Vec<u8>, Refused> {
    let bytes = message.to_bytes()?;
    let length = u32::try_from(bytes.len()).map_err(|_| Refused::MessageTooLarge)?;
    Ok([length.to_be_bytes().as_slice(), &bytes].concat())
}

/// Takes the first message off a byte stream: the message and the bytes that it took, or `None` while it is still under way.
///
/// # Errors
/// Each rule of the format by its name; the stream is of no use afterwards.
pub fn take_frame(stream: &[u8]) -> Result<Option<(Message, usize)>, Refused> {
    let Some((length, rest)) = stream.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > limit::MESSAGE_BYTES {
        return Err(Refused::MessageTooLarge);
    }
    let Some(bytes) = rest.get(..length) else { return Ok(None) };
    Message::parse(bytes).map(|message| Some((message, LENGTH_BYTES + length)))
}

fn write_objects<B: Body>(objects: &[Unverified<B>], writer: &mut Writer) -> Result<(), Refused> {
    let mut sorted: Vec<&[u8]> = objects.iter().map(Unverified::as_bytes).collect();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() > limit::BUNDLE_OBJECTS {
        return Err(Refused::TooManyObjects);
    }
    writer.u16(u16::try_from(sorted.len()).map_err(|_| Refused::TooManyObjects)?);
    sorted.into_iter().for_each(|bytes| writer.bytes(bytes));
    Ok(())
}

fn read_objects<B: Body>(reader: &mut Reader<'_>) -> Result<Vec<Unverified<B>>, Refused> {
    let count = usize::from(reader.u16()?);
    if count > limit::BUNDLE_OBJECTS {
        return Err(Refused::TooManyObjects);
    }
    // Not reserved: a count is a claim until the objects are here.
    let mut objects: Vec<Unverified<B>> = Vec::new();
    for _ in 0..count {
        let object = Unverified::read(reader)?;
        if objects.last().is_some_and(|last| last.as_bytes() >= object.as_bytes()) {
            return Err(Refused::ObjectsOutOfOrder);
        }
        objects.push(object);
    }
    Ok(objects)
}
