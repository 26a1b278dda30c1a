//! ARP for whoever has no kernel of his own.
//!
//! *Spec*: RFC 826.

use std::net::Ipv4Addr;

/// The answer to "who has `own`?", whole frames both; `None` if the frame asks something else.
#[must_use]
pub fn answer(frame: &[u8], own: Ipv4Addr, mac: [u8; 6]) -> Option<Vec<u8>> {
    let (asker, wanted) = (frame.get(22..32)?, frame.get(38..42)?);
    // Ethertype; hardware, protocol, their lengths; a question.
    if frame.get(12..22)? != [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1] || wanted != own.octets() {
        return None;
    }
    let (to, from) = (asker.get(..6)?, &mac[..]);
    Some([to, from, &[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2], from, &own.octets(), asker].concat())
}
