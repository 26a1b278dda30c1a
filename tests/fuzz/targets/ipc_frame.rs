//! What a caller of a service's socket can send: the first byte chooses the protocol and how the stream is cut, the rest is the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patronus_ipc::{Protocol, clock::Clock, config::Config, frame, init::Init, link::Link, mesh::Mesh};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, stream)) = bytes.split_first() else { return };
    let cut = usize::from(first >> 2) + 1;
    match first & 3 {
        0 => read::<Config>(stream, cut),
        1 => read::<Init>(stream, cut),
        2 => read::<Mesh>(stream, cut),
        // Both have one request, of one byte.
        _ if cut.is_multiple_of(2) => read::<Link>(stream, cut),
        _ => read::<Clock>(stream, cut),
    }
});

/// Reads as `serve` does: until the stream is of no use any more. What was understood is the same after writing it again.
fn read<P: Protocol>(stream: &[u8], cut: usize) {
    let mut decoder = frame::Decoder::default();
    for piece in stream.chunks(cut) {
        decoder.handle_bytes(piece);
        loop {
            match decoder.poll_message::<P::Request>() {
                Ok(Some(request)) => check_again::<P>(&request),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn check_again<P: Protocol>(request: &P::Request) {
    let written = frame::encode(request).expect("what fitted into a frame fits again");
    let mut decoder = frame::Decoder::default();
    decoder.handle_bytes(&written);
    let read = decoder.poll_message::<P::Request>().expect("a frame of our own").expect("a whole frame");
    assert_eq!(frame::encode(&read), Ok(written));
}
