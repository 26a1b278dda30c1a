//! One round: the document's servers are asked, one after the other, and the agreeing ones are found.
//!
//! *Does*: ask those that DHCP named only if none of the document's has the time: a site whose provider lets no others through.
//! *Never does*: let servers that DHCP named vote against the document's: whoever answers DHCP on WAN could name a majority of liars.

use std::net::{IpAddr, Ipv4Addr};

use patronus_clock::{Choice, Disagreement, Pauses, Sample, limit, select};
use patronus_ipc::{config, link};
use patronus_types::{Clock, HostName};

use super::ask::{AskError, ask};

/// Whom to ask, and by which resolvers to find them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    names: Vec<HostName>,
    addresses: Vec<Ipv4Addr>,
    resolvers: Vec<IpAddr>,
}

impl Sources {
    /// From the newest words of `config` and `link`. An unclaimed box asks the defaults; nobody is asked before `config` has spoken,
    /// those that DHCP named least of all: they have no voice beside servers that are not known yet.
    pub(crate) fn new(config: Option<&config::State>, link: Option<&link::State>) -> Self {
        let Some(config) = config else { return Self::default() };
        let names = match &config.claimed {
            Some(claimed) => claimed.document.clock.servers.clone(),
            None => Clock::default().servers,
        };
        let uplinks = link.map(|state| state.uplinks.as_slice()).unwrap_or_default();
        let up = || uplinks.iter().filter(|uplink| uplink.carrier);
        Self {
            names,
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

/// Asks, and remembers who wants to be asked less.
#[derive(Debug, Default)]
pub(crate) struct Asker(Pauses);

/// Servers and what they said.
#[derive(Default)]
struct Answers {
    asked: usize,
    samples: Vec<Sample>,
    names: Vec<String>,
}

impl Asker {
    /// Asks the document's servers, or else those that DHCP named.
    pub(crate) async fn round(&mut self, sources: &Sources, pivot_s: i64, uptime_ms: u64) -> Round {
        let named = named(sources).await;
        let mut answers = self.ask_all(&named, pivot_s, uptime_ms).await;
        if answers.samples.is_empty() {
            let mut by_dhcp = Vec::new();
            sources.addresses.iter().for_each(|address| add(&mut by_dhcp, address.to_string(), (*address).into()));
            by_dhcp.retain(|(_, address)| !named.iter().any(|(_, known)| known == address));
            answers = self.ask_all(&by_dhcp, pivot_s, uptime_ms).await;
        }
        let outcome = select(&answers.samples, answers.asked);
        let server = outcome.ok().and_then(|choice| answers.names.get(choice.index).cloned());
        Round { outcome, server }
    }

    /// Asks everybody who may be asked.
    async fn ask_all(&mut self, servers: &[(String, IpAddr)], pivot_s: i64, uptime_ms: u64) -> Answers {
        let mut answers = Answers::default();
        for (name, address) in servers {
            if answers.asked == limit::SERVERS || !self.0.allow(address, uptime_ms) {
                continue;
            }
            answers.asked = answers.asked.saturating_add(1);
            match ask(*address, pivot_s).await {
                Ok(sample) => {
                    answers.samples.push(sample);
                    answers.names.push(name.clone());
                    self.0.handle_answer(address);
                }
                Err(error) => {
                    tracing::info!(server = %name, %error, "no time from this server");
                    if let AskError::Rejected(reason) = error {
                        self.0.handle_rejected(*address, reason, uptime_ms);
                    }
                }
            }
        }
        answers
    }
}

/// The document's servers by address.
async fn named(sources: &Sources) -> Vec<(String, IpAddr)> {
    let mut servers = Vec::new();
    for name in sources.names.iter().take(limit::SERVERS) {
        if let Some(address) = patronus_resolve::resolve(name.as_str(), &sources.resolvers).await {
            add(&mut servers, name.to_string(), address);
        }
    }
    servers
}

/// One server has one voice, under whatever names.
fn add(servers: &mut Vec<(String, IpAddr)>, name: String, address: IpAddr) {
    if !servers.iter().any(|(_, known)| *known == address) {
        servers.push((name, address));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use patronus_types::Generation;

    use super::*;

    fn uplink() -> link::Uplink {
        link::Uplink {
            name: "wan".parse().unwrap(),
            port: "eth0".parse().unwrap(),
            carrier: true,
            addresses: Vec::new(),
            gateways: Vec::new(),
            dns: Vec::new(),
            ntp: vec![Ipv4Addr::new(192, 0, 2, 1)],
            lease: None,
            problem: None,
        }
    }

    #[test]
    fn whom_dhcp_named_is_not_asked_before_the_document_is_known() {
        let link = link::State { uplinks: vec![uplink()], ..Default::default() };
        assert_eq!(Sources::new(None, Some(&link)), Sources::default());
        let unclaimed = config::State { generation: Generation(0), claimed: None };
        let sources = Sources::new(Some(&unclaimed), Some(&link));
        assert_eq!((sources.names, sources.addresses), (Clock::default().servers, vec![Ipv4Addr::new(192, 0, 2, 1)]));
    }
}
