//! What others say, as far as the decision needs it.

use std::collections::BTreeMap;

use patronus_ipc::{link, mesh, router::Cause};
use patronus_types::{Class, ClassRule, Document, IpNet, Policy, SiteId, Treatment, UplinkName, UplinkSlot};

/// An uplink of this box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uplink {
    pub(crate) name: UplinkName,
    pub(crate) cost: u8,
}

/// What a person has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// By the number of the class.
    pub(crate) treatments: Vec<Treatment>,
    pub(crate) rules: Vec<ClassRule>,
    pub(crate) uplinks: BTreeMap<UplinkSlot, Uplink>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::of(&Policy::default(), BTreeMap::new())
    }
}

impl Rules {
    fn of(policy: &Policy, uplinks: BTreeMap<UplinkSlot, Uplink>) -> Self {
        let treatments = Class::ALL.iter().map(|class| policy.treatment(*class)).collect();
        Self { treatments, rules: policy.all_rules(), uplinks }
    }

    pub(crate) fn read(document: &Document) -> Self {
        let uplink = |(number, uplink): (u8, &patronus_types::Uplink)| {
            Some((UplinkSlot::new(number)?, Uplink { name: uplink.name.clone(), cost: uplink.cost }))
        };
        Self::of(&document.policy, (0..).zip(&document.uplinks).filter_map(uplink).collect())
    }

    /// Place of an uplink among those that a class may use; `None`: it may not.
    pub(crate) fn place(&self, treatment: &Treatment, slot: UplinkSlot) -> Option<usize> {
        if treatment.uplinks.is_empty() {
            return Some(slot.number().into());
        }
        let name = &self.uplinks.get(&slot)?.name;
        treatment.uplinks.iter().position(|allowed| allowed == name)
    }
}

/// What is behind the other members.
pub(crate) fn sites(mesh: &mesh::State) -> BTreeMap<SiteId, Vec<IpNet>> {
    let is_other = |site: &&mesh::Site| site.standing == mesh::Standing::Valid && Some(site.id) != mesh.site;
    mesh.sites.iter().filter(is_other).map(|site| (site.id, site.prefixes.clone())).collect()
}

/// The uplinks that surely carry nothing, and why.
pub(crate) fn evidence(link: &link::State) -> BTreeMap<UplinkSlot, Cause> {
    let cause = |uplink: &link::Uplink| match (uplink.carrier, uplink.addresses.is_empty()) {
        (false, _) => Some(Cause::LinkDown),
        (true, true) => Some(Cause::AddressGone),
        (true, false) => None,
    };
    (0..).zip(&link.uplinks).filter_map(|(number, uplink)| Some((UplinkSlot::new(number)?, cause(uplink)?))).collect()
}
