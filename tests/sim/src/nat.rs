//! What stands between a site and the Internet, as far as membership can tell.
//!
//! *Does*: say between whom tunnels are possible, and as whom a site is seen.
//! *Spec*: RFC 4787 sections 4 and 5.

use crate::dice::Dice;

/// A translator, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nat {
    /// None: whoever knows the address reaches it.
    #[default]
    Open,
    /// One mapping for all; only those that were sent something come in. Two of these open each other at the same time.
    Cone,
    /// Another mapping for each far end: nobody can know it before.
    Symmetric,
}

impl Nat {
    /// Whether two sites can have a tunnel without a relay.
    #[must_use]
    pub const fn passes(self, other: Self) -> bool {
        matches!((self, other), (Self::Open, _) | (_, Self::Open) | (Self::Cone, Self::Cone))
    }

    /// As found in the world.
    #[must_use]
    pub fn any(dice: &mut Dice) -> Self {
        dice.one_of(&[Self::Open, Self::Cone, Self::Cone, Self::Symmetric])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symmetric_translator_needs_a_far_end_without_one() {
        assert!(Nat::Cone.passes(Nat::Cone) && Nat::Symmetric.passes(Nat::Open) && Nat::Open.passes(Nat::Symmetric));
        assert!(!Nat::Symmetric.passes(Nat::Cone) && !Nat::Cone.passes(Nat::Symmetric));
        assert!(!Nat::Symmetric.passes(Nat::Symmetric));
    }
}
