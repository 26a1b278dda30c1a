//! Who may sign site records, by the word of the root.

use patronus_types::NetworkId;

use crate::{
    IdentityKey, Refused, Validity,
    bytes::{Reader, Writer},
    limit,
    object::{Body, sealed::Fields},
};

/// Whether a signer is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It signs.
    Active,
    /// It is none any more, for ever, and all that it signed is void.
    Withdrawn,
}

/// Signed by the root: this key signs records and revocations of this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerCertificate {
    /// Which network.
    pub network: NetworkId,
    /// Who signs.
    pub signer: IdentityKey,
    /// Of several certificates of one signer the highest counts, unless one withdraws it.
    pub serial: u64,
    /// Whether it signs.
    pub standing: Standing,
    /// From when until when.
    pub validity: Validity,
}

impl Body for SignerCertificate {
    const KIND: u8 = 1;
    const DOMAIN: &'static [u8] = b"patronus/1/signer-certificate\0";
    const BODY_BYTES: usize = limit::SIGNER_BODY_BYTES;

    fn network(&self) -> NetworkId {
        self.network
    }
}

impl Fields for SignerCertificate {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.network.0);
        self.signer.write(writer);
        writer.u64(self.serial);
        writer.u8(match self.standing {
            Standing::Active => 1,
            Standing::Withdrawn => 2,
        });
        self.validity.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        Ok(Self {
            network: NetworkId(reader.array()?),
            signer: IdentityKey::read(reader)?,
            serial: reader.counter(Refused::SerialOutOfRange)?,
            standing: match reader.u8()? {
                1 => Standing::Active,
                2 => Standing::Withdrawn,
                _ => return Err(Refused::StandingUnknown),
            },
            validity: Validity::read(reader, limit::SIGNER_VALIDITY_S)?,
        })
    }
}
