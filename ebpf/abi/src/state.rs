//! What the packets of a flow have said so far, as bits.

/// The other side has answered: the remote one, or if it began the flow, the computer on the LAN.
pub const REPLIED: u32 = 1;
/// The inside has said its last.
pub const FIN_OUT: u32 = 2;
/// The outside has.
pub const FIN_IN: u32 = 4;
/// One of them broke off.
pub const RESET: u32 = 8;
/// Somebody outside began it: by a port forward, or from another site.
pub const FORWARDED: u32 = 16;
/// Both ends are on the LAN, and each sees the other as from outside.
pub const HAIRPIN: u32 = 32;
/// What a flow keeps for as long as it lasts.
pub const LASTING: u32 = FORWARDED | HAIRPIN;
