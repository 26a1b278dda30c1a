//! What other services have said, as far as it matters here.

use patronus_datapath::{Desired, desired, forwards, guard, policy::Sites};
use patronus_ebpf_abi::forward::Forward;
use patronus_ipc::{
    config, link,
    mesh::{self, Standing},
};
use patronus_types::{Generation, Guard, IpNet, Ipfix, Rule};

/// What was said last; nothing is done before all that is needed was.
#[derive(Debug, Default)]
pub(crate) struct Told {
    desired: Option<Desired>,
    configured: Option<Configured>,
    sites: Option<Sites>,
}

/// What a person has decided. An unclaimed box has nothing of that.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Configured {
    pub(crate) generation: Generation,
    pub(crate) rules: Vec<Rule>,
    pub(crate) forwards: Vec<Forward>,
    pub(crate) guard: Guard,
    /// The same, for the programs.
    pub(crate) guarded: guard::Desired,
    pub(crate) ipfix: Option<Ipfix>,
}

/// All that is needed.
#[derive(Debug)]
pub(crate) struct All<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) configured: &'a Configured,
    pub(crate) sites: &'a Sites,
}

impl Told {
    /// `link`'s word; whether anything is new.
    pub(crate) fn link(&mut self, state: &link::State) -> bool {
        replace(&mut self.desired, desired(state))
    }

    /// `config`'s.
    pub(crate) fn config(&mut self, reply: &config::Reply) -> bool {
        let config::Reply::State(state) = reply else { return false };
        let document = state.claimed.as_ref().map(|claimed| &claimed.document);
        let guard = document.map(|document| document.guard.clone()).unwrap_or_default();
        let configured = Configured {
            guarded: guard::Desired::of(&guard),
            guard,
            generation: state.generation,
            rules: document.map(|document| document.rules.clone()).unwrap_or_default(),
            forwards: document.map(forwards::forwards).unwrap_or_default(),
            ipfix: document.and_then(|document| document.ipfix.clone()),
        };
        replace(&mut self.configured, configured)
    }

    /// `mesh`'s.
    pub(crate) fn mesh(&mut self, reply: &mesh::Reply) -> bool {
        let mesh::Reply::State(state) = reply else { return false };
        let others = state.sites.iter().filter(|site| site.standing == Standing::Valid && Some(site.id) != state.site);
        let v4 = |prefix: &IpNet| match prefix {
            IpNet::V4(net) => Some(*net),
            IpNet::V6(_) => None,
        };
        let known = |site: &mesh::Site| (site.id, site.name.clone(), site.prefixes.iter().filter_map(v4).collect());
        replace(&mut self.sites, others.map(known).collect())
    }

    /// A rule about a site says nothing before it is known who is one; without such a rule nobody waits for `mesh`.
    pub(crate) fn all(&self) -> Option<All<'_>> {
        const NOBODY: &Sites = &Sites::new();
        let configured = self.configured.as_ref()?;
        let needs_sites = configured.rules.iter().any(|rule| rule.site.is_some());
        let sites = self.sites.as_ref().or((!needs_sites).then_some(NOBODY))?;
        Some(All { desired: self.desired.as_ref()?, configured, sites })
    }
}

fn replace<T: PartialEq>(old: &mut Option<T>, new: T) -> bool {
    let is_new = old.as_ref() != Some(&new);
    *old = Some(new);
    is_new
}
