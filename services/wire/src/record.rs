//! Who a site is and what it may do, by the word of a signer.

use bitflags::bitflags;
use patronus_types::{IpNet, NetworkId, SiteId, SiteName};

use crate::{
    IdentityKey, Refused, Validity,
    bytes::{Reader, Writer},
    limit,
    object::{Body, sealed::Fields},
    prefix, site_id,
};

bitflags! {
    /// What a site may be to others.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Roles: u8 {
        /// Has a LAN.
        const SITE = 1;
        /// Carries traffic between other sites.
        const HUB = 2;
        /// Listens for sites that look for the network.
        const SEED = 4;
        /// Carries tunnels of pairs that cannot reach each other.
        const RELAY = 8;
    }
}

/// Signed by a signer: who holds this identity key is this site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteRecord {
    /// Which network.
    pub network: NetworkId,
    /// Who signed.
    pub signer: IdentityKey,
    /// The site's own key; its hash is the site's id.
    pub identity: IdentityKey,
    /// Of several records of one site the highest counts.
    pub serial: u64,
    /// Since when the site has been a member, in seconds since 1970; kept when a record is renewed. The older of two sites keeps a prefix.
    pub member_since_s: u64,
    /// From when until when.
    pub validity: Validity,
    /// What it may be to others.
    pub roles: Roles,
    /// What people call it.
    pub name: SiteName,
    /// What may be behind it. Sorted, none inside another.
    pub prefixes: Vec<IpNet>,
}

impl SiteRecord {
    /// Whose record it is.
    #[must_use]
    pub fn site(&self) -> SiteId {
        site_id(&self.identity)
    }
}

impl Body for SiteRecord {
    const KIND: u8 = 2;
    const DOMAIN: &'static [u8] = b"patronus/1/site-record\0";
    const BODY_BYTES: usize = limit::RECORD_BODY_BYTES;

    fn network(&self) -> NetworkId {
        self.network
    }
}

impl Fields for SiteRecord {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.network.0);
        self.signer.write(writer);
        self.identity.write(writer);
        writer.u64(self.serial);
        writer.u64(self.member_since_s);
        self.validity.write(writer);
        writer.u8(self.roles.bits());
        write_name(&self.name, writer);
        prefix::write_all(&self.prefixes, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        Ok(Self {
            network: NetworkId(reader.array()?),
            signer: IdentityKey::read(reader)?,
            identity: IdentityKey::read(reader)?,
            serial: reader.counter(Refused::SerialOutOfRange)?,
            member_since_s: reader.time_s()?,
            validity: Validity::read(reader, limit::RECORD_VALIDITY_S)?,
            roles: read_roles(reader)?,
            name: read_name(reader)?,
            prefixes: prefix::read_all(reader)?,
        })
    }
}

pub(crate) fn read_roles(reader: &mut Reader<'_>) -> Result<Roles, Refused> {
    let roles = Roles::from_bits(reader.u8()?).ok_or(Refused::RolesUnknown)?;
    if roles.is_empty() { Err(Refused::RolesEmpty) } else { Ok(roles) }
}

pub(crate) fn write_name(name: &SiteName, writer: &mut Writer) {
    writer.count(name.as_str().len());
    writer.bytes(name.as_str().as_bytes());
}

/// A name in its one form: [`SiteName`] has no upper case and no second spelling.
pub(crate) fn read_name(reader: &mut Reader<'_>) -> Result<SiteName, Refused> {
    let length = usize::from(reader.u8()?);
    let text = std::str::from_utf8(reader.bytes(length)?).map_err(|_| Refused::NameInvalid)?;
    text.parse().map_err(|_| Refused::NameInvalid)
}
