//! Where a site can be reached now, by its own word.

use patronus_types::{NetworkId, SiteId, UplinkSlot};

use crate::{
    Endpoint, Refused, TunnelKey,
    bytes::{Reader, Writer},
    digest::{Digest32, sha256},
    limit,
    object::{Body, sealed::Fields},
};

/// What a site can do, as bits. Those that nobody knows yet are kept, because others may know them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// Carries tunnels of pairs that cannot reach each other. Needs the role.
    pub const RELAY: Self = Self(1);
    /// Listens for sites that look for the network. Needs the role.
    pub const SEED: Self = Self(2);
    /// Carries traffic between other sites. Needs the role.
    pub const HUB: Self = Self(4);
    /// Its box has a signer: wishes to join may be handed on to it. Who says so without being one learns nothing: they are sealed.
    pub const SIGNER: Self = Self(8);

    /// Whether all of these are among them.
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// One uplink, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UplinkOffer {
    /// Which uplink of the site.
    pub slot: UplinkSlot,
    /// The key of its tunnels.
    pub key: TunnelKey,
    /// Where to try, best first.
    pub endpoints: Vec<Endpoint>,
}

/// Signed by the site: this is how to reach me.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Which network.
    pub network: NetworkId,
    /// Who says so. The key to check it with is in the roster.
    pub site: SiteId,
    /// How often the site has started since its identity was made.
    pub boot_epoch: u64,
    /// How many announcements it made since then.
    pub sequence: u64,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What it knows of the members.
    pub roster_digest: Digest32,
    /// Its uplinks, by slot.
    pub uplinks: Vec<UplinkOffer>,
}

impl Announcement {
    /// What of it is new: of two announcements with the same sequence in the same epoch only one can be the site's.
    #[must_use]
    pub const fn freshness(&self) -> (u64, u64) {
        (self.boot_epoch, self.sequence)
    }

    /// Of what others need to reach the site: without sequence and roster digest, which change by themselves.
    #[must_use]
    pub fn content_digest(&self) -> Digest32 {
        let mut writer = Writer::default();
        self.write_content(&mut writer);
        sha256(&[&self.site.0, &self.boot_epoch.to_be_bytes(), &writer.into_bytes()])
    }

    fn write_content(&self, writer: &mut Writer) {
        writer.u32(self.capabilities.0);
        writer.count(self.uplinks.len());
        for uplink in &self.uplinks {
            writer.u8(uplink.slot.number());
            writer.bytes(uplink.key.as_bytes());
            writer.count(uplink.endpoints.len());
            uplink.endpoints.iter().for_each(|endpoint| endpoint.write(writer));
        }
    }
}

impl Body for Announcement {
    const KIND: u8 = 3;
    const DOMAIN: &'static [u8] = b"patronus/1/announcement\0";
    const BODY_BYTES: usize = limit::ANNOUNCEMENT_BODY_BYTES;

    fn network(&self) -> NetworkId {
        self.network
    }
}

impl Fields for Announcement {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.network.0);
        writer.bytes(&self.site.0);
        writer.u64(self.boot_epoch);
        writer.u64(self.sequence);
        writer.bytes(&self.roster_digest);
        self.write_content(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        Ok(Self {
            network: NetworkId(reader.array()?),
            site: SiteId(reader.array()?),
            boot_epoch: reader.counter(Refused::EpochOutOfRange)?,
            sequence: reader.counter(Refused::SequenceOutOfRange)?,
            roster_digest: reader.array()?,
            capabilities: Capabilities(reader.u32()?),
            uplinks: read_uplinks(reader)?,
        })
    }
}

fn read_uplinks(reader: &mut Reader<'_>) -> Result<Vec<UplinkOffer>, Refused> {
    let count = reader.count(limit::UPLINKS, Refused::TooManyUplinks)?;
    let mut uplinks: Vec<UplinkOffer> = Vec::with_capacity(count);
    let mut room = limit::ENDPOINTS;
    for _ in 0..count {
        let slot = UplinkSlot::new(reader.u8()?).ok_or(Refused::SlotOutOfRange)?;
        if uplinks.last().is_some_and(|last| last.slot >= slot) {
            return Err(Refused::SlotsOutOfOrder);
        }
        let key = TunnelKey::from_bytes(reader.array()?)?;
        if uplinks.iter().any(|earlier| earlier.key == key) {
            return Err(Refused::TunnelKeyTwice);
        }
        let endpoints = read_endpoints(reader, room)?;
        room = room.saturating_sub(endpoints.len());
        uplinks.push(UplinkOffer { slot, key, endpoints });
    }
    Ok(uplinks)
}

fn read_endpoints(reader: &mut Reader<'_>, room: usize) -> Result<Vec<Endpoint>, Refused> {
    let count = reader.count(limit::ENDPOINTS_PER_UPLINK.min(room), Refused::TooManyEndpoints)?;
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(count);
    for _ in 0..count {
        let endpoint = Endpoint::read(reader)?;
        if endpoints.iter().any(|earlier| earlier.address == endpoint.address) {
            return Err(Refused::EndpointTwice);
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}
