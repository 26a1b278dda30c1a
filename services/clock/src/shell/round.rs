//! One round: all servers are asked, one after the other's name is resolved, and the agreeing ones are found.
//!
//! *Does*: collect samples; remember servers that want not to be asked.
//! *Never does*: ask more than [`limit::SERVERS`].

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use patronus_clock::{Choice, Disagreement, Rejected, Sample, limit, select};
use patronus_ipc::{config, link};
use patronus_types::{Clock, HostName};

use super::{
    ask::{AskError, ask},
    dns,
};

/// Whom to ask, and by which resolvers to find them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    names: Vec<HostName>,
    addresses: Vec<Ipv4Addr>,
    resolvers: Vec<IpAddr>,
}

impl Sources {
    /// From the newest words of `config` and `link`. An unclaimed box asks the defaults; nobody is asked before `config` has spoken.
    pub(crate) fn new(config: Option<&config::State>, link: Option<&link::State>) -> Self {
        let names = |state: &config::State| match &state.claimed {
            Some(claimed) => claimed.document.clock.servers.clone(),
            None => Clock::default().servers,
        };
        let uplinks = link.map(|state| state.uplinks.as_slice()).unwrap_or_default();
        let up = || uplinks.iter().filter(|uplink| uplink.carrier);
        Self {
            names: config.map(names).unwrap_or_default(),
            addresses: up().flat_map(|uplink| &uplink.ntp).copied().collect(),
            resolvers: up().flat_map(|uplink| &uplink.dns).copied().collect(),
        }
    }
}

/// The result of a round, and who said it.
pub(crate) struct Round {
    pub(crate) outcome: Result<Choice, Disagreement>,
    pub(crate) server: Option<String>,
}

/// Until when which server is not asked.
#[derive(Debug, Default)]
pub(crate) struct Bans(BTreeMap<IpAddr, u64>);

impl Bans {
    /// Asks everybody who may be asked.
    pub(crate) async fn round(&mut self, sources: &Sources, pivot_s: i64, uptime_ms: u64) -> Round {
        self.0.retain(|_, until_ms| uptime_ms < *until_ms);
        let mut servers: Vec<(String, IpAddr)> = Vec::new();
        for address in &sources.addresses {
            add(&mut servers, address.to_string(), (*address).into());
        }
        for name in sources.names.iter().take(limit::SERVERS) {
            if let Some(address) = dns::resolve(name.as_str(), &sources.resolvers).await {
                add(&mut servers, name.to_string(), address);
            }
        }
        servers.retain(|(_, address)| !self.0.contains_key(address));
        servers.truncate(limit::SERVERS);
        self.ask_all(&servers, pivot_s, uptime_ms).await
    }

    async fn ask_all(&mut self, servers: &[(String, IpAddr)], pivot_s: i64, uptime_ms: u64) -> Round {
        let mut samples: Vec<Sample> = Vec::new();
        let mut names: Vec<&String> = Vec::new();
        for (name, address) in servers {
            match ask(*address, pivot_s).await {
                Ok(sample) => {
                    samples.push(sample);
                    names.push(name);
                }
                Err(error) => {
                    tracing::info!(server = %name, %error, "no time from this server");
                    if let AskError::Rejected(Rejected::KissDeny | Rejected::KissRate) = error {
                        self.0.insert(*address, uptime_ms.saturating_add(limit::BANNED_MS));
                    }
                }
            }
        }
        let outcome = select(&samples, servers.len());
        let server = outcome.ok().and_then(|choice| names.get(choice.index)).map(ToString::to_string);
        Round { outcome, server }
    }
}

/// One server has one voice, under whatever names.
fn add(servers: &mut Vec<(String, IpAddr)>, name: String, address: IpAddr) {
    if !servers.iter().any(|(_, known)| *known == address) {
        servers.push((name, address));
    }
}
