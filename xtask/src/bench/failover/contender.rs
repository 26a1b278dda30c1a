//! Who moves traffic from one uplink to another: ours, or a rival, each with lines of its own.

use std::path::Path;

use anyhow::Result;
use patronus_ipc::{
    prober::{Liveness, PathReport},
    router::{Cause, What},
};
use patronus_lab::{Namespace, Whole};
use patronus_types::{Class, Document};

use super::{
    lines::{Lines, UPLINKS, address, gateway},
    rival::{Daemon, Rival},
};

/// All paths between two sites.
const PATHS: usize = (UPLINKS * UPLINKS) as usize;

/// Two sites, and what connects them.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) lines: Lines,
    sites: Sites,
}

enum Sites {
    Ours(Box<[Whole; 2]>),
    Rival(Rival),
}

impl Contender {
    /// The real services, from this directory.
    pub(super) fn ours(programs: &Path) -> Result<Self> {
        let namespaces = [1, 2].map(|site| Namespace::new(&format!("site{site}")));
        let lines = Lines::new(namespaces.each_ref())?;
        let [near, far] = namespaces;
        let sites = [Whole::start(programs, 1, near, document(1)?), Whole::start(programs, 2, far, document(2)?)];
        let [near, far] = &sites;
        sites.iter().for_each(|site| site.wait_for_uplinks(UPLINKS.into()));
        near.create_network();
        far.join(&near.make_token(2, &[format!("{}:51822", address(1, 0))]));
        sites.iter().for_each(|site| _ = site.wait_for_paths(PATHS));
        Ok(Self { name: "patronus", lines, sites: Sites::Ours(Box::new(sites)) })
    }

    /// Tunnels of `wireguard-go`, and a daemon that moves routes.
    pub(super) fn rival(name: &'static str, daemon: Daemon) -> Result<Self> {
        let namespaces = [1, 2].map(|site| Namespace::new(&format!("site{site}")));
        let lines = Lines::new(namespaces.each_ref())?;
        Ok(Self { name, lines, sites: Sites::Rival(Rival::start(namespaces, daemon)?) })
    }

    /// Computers behind the sites.
    pub(super) fn hosts(&self) -> [&Namespace; 2] {
        match &self.sites {
            Sites::Ours(sites) => sites.each_ref().map(Whole::host),
            Sites::Rival(rival) => rival.hosts.each_ref(),
        }
    }

    /// Waits until every line carries again, as far as who decides knows.
    pub(super) fn settle(&self) -> Result<()> {
        match &self.sites {
            Sites::Ours(sites) => {
                let carries =
                    |path: &PathReport| matches!(path.liveness, Liveness::Up | Liveness::Suspect | Liveness::Holding);
                for site in sites.iter() {
                    site.wait_for_prober("all paths carry", |state| {
                        state.paths.len() == PATHS && state.paths.iter().all(carries)
                    });
                }
                Ok(())
            }
            Sites::Rival(rival) => rival.settle(),
        }
    }

    /// Forgets how the lines were, which nobody does who is not in a hurry.
    pub(super) fn forget(&mut self) {
        if let Sites::Ours(sites) = &mut self.sites {
            for site in sites.iter_mut() {
                for service in ["prober", "router"] {
                    site.kill(service);
                    site.start_again(service);
                }
            }
        }
    }

    /// How often traffic has left a line because it was taken for dead.
    pub(super) fn failovers(&self) -> Result<u64> {
        match &self.sites {
            Sites::Ours(sites) => Ok(sites.iter().map(|site| count(site, is_failover)).sum()),
            Sites::Rival(rival) => rival.moves(),
        }
    }

    /// How often it has because another was better; a rival never does.
    pub(super) fn preferences(&self) -> u64 {
        match &self.sites {
            Sites::Ours(sites) => sites.iter().map(|site| count(site, is_preference)).sum(),
            Sites::Rival(_) => 0,
        }
    }
}

/// Events of the class of the stream, as far back as the service remembers.
fn count(site: &Whole, is_wanted: impl Fn(&What) -> bool) -> u64 {
    let state = site.wait_for_router("events", |_| true);
    state.events.iter().filter(|event| is_wanted(&event.what)).count() as u64
}

const fn is_failover(what: &What) -> bool {
    matches!(what, What::FailoverTriggered { class: Class::Other, cause, .. } if !matches!(cause, Cause::SlaViolated))
}

const fn is_preference(what: &What) -> bool {
    matches!(
        what,
        What::PathChosen { class: Class::Other, .. }
            | What::FailoverTriggered { class: Class::Other, cause: Cause::SlaViolated, .. }
    )
}

fn document(site: u8) -> Result<Document> {
    let uplink = |uplink| {
        format!(
            "[[uplink]]\nname = \"line-{uplink}\"\nport = \"eth{uplink}\"\n[uplink.ipv4.static]\n\
             address = \"{}/24\"\ngateway = \"{}\"\n",
            address(site, uplink),
            gateway(site, uplink)
        )
    };
    let text = format!(
        "version = 1\n[site]\nname = \"site-{site}\"\ntimezone = \"UTC\"\n[clock]\nservers = []\n\
         [lan]\nports = [\"lan0\"]\naddress = \"10.{site}.0.1/16\"\n[policy.class.voip]\nstrategy = \"duplicate\"\n{}",
        (0..UPLINKS).map(uplink).collect::<String>()
    );
    Ok(toml::from_str(&text)?)
}
