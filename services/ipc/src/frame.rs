//! Frames: a 32-bit little-endian length, then that many bytes of postcard.
//!
//! *Does*: cut a byte stream into messages and back, without I/O, so that `init` (poll) and services (tokio) share it.
//! *Never does*: hold more than one frame and one read beyond it.
//! *Spec*: `docs/ipc.md`, section "Frames".

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Largest body of a frame in bytes. The largest message is a configuration of 768 KiB, or as many rules with their counts.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

const HEADER_BYTES: usize = 4;

/// Why a stream of frames cannot go on. The connection is closed: after either, its bytes have no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The announced length is above [`MAX_FRAME_BYTES`].
    #[error("frame of {0} bytes is over the limit of {MAX_FRAME_BYTES}")]
    TooLarge(usize),
    /// The body is not the expected message, or has bytes behind it.
    #[error("frame does not hold the expected message")]
    Malformed,
}

/// Writes `message` as one frame.
///
/// # Errors
/// [`FrameError::TooLarge`] if the body exceeds [`MAX_FRAME_BYTES`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = postcard::to_extend(message, vec![0; HEADER_BYTES]).map_err(|_| FrameError::Malformed)?;
    let body_bytes = frame.len().saturating_sub(HEADER_BYTES);
    let length = u32::try_from(body_bytes).ok().filter(|_| body_bytes <= MAX_FRAME_BYTES);
    let length = length.ok_or(FrameError::TooLarge(body_bytes))?;
    if let Some(header) = frame.first_chunk_mut() {
        *header = length.to_le_bytes();
    }
    Ok(frame)
}

/// Cuts a byte stream into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes bytes as they arrive.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether bytes of a further message are here.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Gives the next whole message, or `None` while it is still under way.
    ///
    /// # Errors
    /// See [`FrameError`]; the stream is of no use afterwards.
    pub fn poll_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some((header, rest)) = self.bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*header) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLarge(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let (message, behind) = postcard::take_from_bytes(body).map_err(|_| FrameError::Malformed)?;
        if !behind.is_empty() {
            return Err(FrameError::Malformed);
        }
        self.bytes.drain(..HEADER_BYTES + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_at_the_limit_passes_and_one_above_is_refused() {
        // postcard spends three bytes on the length of a text of this size.
        let fits = "x".repeat(MAX_FRAME_BYTES - 3);
        assert_eq!(encode(&fits).map(|frame| frame.len()), Ok(MAX_FRAME_BYTES + HEADER_BYTES));
        assert_eq!(encode(&format!("{fits}x")), Err(FrameError::TooLarge(MAX_FRAME_BYTES + 1)));
        let mut decoder = Decoder::default();
        decoder.handle_bytes(&(MAX_FRAME_BYTES as u32 + 1).to_le_bytes());
        assert_eq!(decoder.poll_message::<String>(), Err(FrameError::TooLarge(MAX_FRAME_BYTES + 1)));
    }

    #[test]
    fn bytes_behind_the_message_are_refused() {
        let mut decoder = Decoder::default();
        decoder.handle_bytes(&[2, 0, 0, 0, 7, 7]);
        assert_eq!(decoder.poll_message::<u8>(), Err(FrameError::Malformed));
    }

    proptest! {
        #[test]
        fn messages_survive_any_cutting_of_the_stream(messages: Vec<(u64, String)>, cut in 1_usize..50) {
            let stream: Vec<u8> = messages.iter().flat_map(|message| encode(message).unwrap()).collect();
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.handle_bytes(piece);
                while let Some(message) = decoder.poll_message::<(u64, String)>().unwrap() {
                    seen.push(message);
                }
            }
            prop_assert_eq!(seen, messages);
        }

        #[test]
        fn noise_is_an_error_or_a_message_and_never_a_panic(noise: Vec<u8>) {
            let mut decoder = Decoder::default();
            decoder.handle_bytes(&noise);
            let _ = decoder.poll_message::<crate::config::Request>();
        }
    }
}
