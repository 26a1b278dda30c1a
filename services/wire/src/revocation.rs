//! The end of a membership, by the word of a signer.

use patronus_types::{NetworkId, SiteId};

use crate::{
    IdentityKey, Refused,
    bytes::{Reader, Writer},
    limit,
    object::{Body, sealed::Fields},
};

/// Signed by a signer: this site is no member. It beats every record of the site, of every signer, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which network.
    pub network: NetworkId,
    /// Who signed.
    pub signer: IdentityKey,
    /// Which site: its key, not its record, so that no other form of a record escapes.
    pub site: SiteId,
    /// When it was signed, in seconds since 1970. For people.
    pub revoked_s: u64,
}

impl Body for Revocation {
    const KIND: u8 = 4;
    const DOMAIN: &'static [u8] = b"patronus/1/revocation\0";
    const BODY_BYTES: usize = limit::REVOCATION_BODY_BYTES;

    fn network(&self) -> NetworkId {
        self.network
    }
}

impl Fields for Revocation {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.network.0);
        self.signer.write(writer);
        writer.bytes(&self.site.0);
        writer.u64(self.revoked_s);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        Ok(Self {
            network: NetworkId(reader.array()?),
            signer: IdentityKey::read(reader)?,
            site: SiteId(reader.array()?),
            revoked_s: reader.time_s()?,
        })
    }
}
