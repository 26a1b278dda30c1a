//! All rules of the box, in their order: its own, a person's, its own again.
//!
//! *Does*: take a document's rules and the sites that they name, put before them what no rule may cut off, behind them what happens by default.
//! *Never does*: leave out a rule that nothing can meet now, such as one about a site that is no member: it is shown with the reason.
//! *Spec*: `docs/datapath.md`, section "Rules".

use patronus_ebpf_abi::policy::Zone;
use patronus_types::{self as document, IpNet, Ipv4Net, RuleZone, SiteId, SiteName};

use super::Rule;

/// A rule with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name; hits are counted under it.
    pub name: String,
    /// Whether the box has it by itself.
    pub is_built_in: bool,
    /// What it asks, in words, besides the zones.
    pub asks: String,
    /// What is compiled; `None` for what holds without being searched for.
    pub rule: Option<Rule>,
    /// Why nothing can meet it now.
    pub problem: Option<&'static str>,
}

/// The rules in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book(pub Vec<Entry>);

/// A site and what is behind it.
pub type Sites = Vec<(SiteId, SiteName, Vec<Ipv4Net>)>;

impl Book {
    /// What is compiled.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        self.0.iter().filter_map(|entry| entry.rule.clone()).collect()
    }

    /// The entry of a compiled rule.
    #[must_use]
    pub fn entry(&self, rule: u32) -> Option<&Entry> {
        self.0.iter().filter(|entry| entry.rule.is_some()).nth(usize::try_from(rule).ok()?)
    }
}

/// The rules of this document, with these sites.
#[must_use]
pub fn book(rules: &[document::Rule], sites: &Sites) -> Book {
    let before = [
        held("established", "what belongs to a flow that may pass, in both directions"),
        held("loopback", "what the router says to itself"),
        ours(
            "own-page",
            "tcp to port 443",
            Rule { protocol: Some(6), ports: vec![443..=443], ..open(Zone::Lan, Zone::Own) },
        ),
    ];
    let after = [
        ours("icmp", "icmp", Rule { protocol: Some(1), ..open(Zone::Lan, Zone::Own) }),
        ours(
            "dns-dhcp-udp",
            "udp to ports 53, 67",
            Rule { protocol: Some(17), ports: vec![53..=53, 67..=67], ..open(Zone::Lan, Zone::Own) },
        ),
        ours(
            "dns-tcp",
            "tcp to port 53",
            Rule { protocol: Some(6), ports: vec![53..=53], ..open(Zone::Lan, Zone::Own) },
        ),
        ours("lan-to-wan", "anything", open(Zone::Lan, Zone::Wan)),
        ours("lan-to-mesh", "anything", open(Zone::Lan, Zone::Mesh)),
        ours("mesh-to-lan", "anything", open(Zone::Mesh, Zone::Lan)),
        ours("port-forwards", "what a port forward leads to", open(Zone::Wan, Zone::Lan)),
        ours("lan-to-self", "anything else that a service of the router answers", open(Zone::Lan, Zone::Own)),
        ours("all-else", "anything", Rule::NOTHING),
    ];
    Book(before.into_iter().chain(rules.iter().map(|rule| theirs(rule, sites))).chain(after).collect())
}

fn open(from: Zone, to: Zone) -> Rule {
    Rule { allows: true, ..Rule::between(from, to) }
}

fn held(name: &str, asks: &str) -> Entry {
    Entry { name: name.to_owned(), is_built_in: true, asks: asks.to_owned(), rule: None, problem: None }
}

fn ours(name: &str, asks: &str, rule: Rule) -> Entry {
    Entry { rule: Some(rule), ..held(name, asks) }
}

fn theirs(written: &document::Rule, sites: &Sites) -> Entry {
    let site = written.site.as_deref().map(|named| prefixes_of(named, sites));
    let is_from_site = written.from == Some(RuleZone::Mesh);
    let end = |prefixes: &[IpNet], is_site: bool| match &site {
        Some(found) if is_site => Some(found.clone().unwrap_or_default()),
        _ => of_v4(prefixes),
    };
    let rule = Rule {
        from: written.from.map(zone),
        to: written.to.map(zone),
        sources: end(&written.source, is_from_site),
        destinations: end(&written.destination, !is_from_site),
        protocol: written.protocol.map(document::RuleProtocol::number),
        ports: written.ports.iter().map(|ports| ports.first()..=ports.last()).collect(),
        dscp: written.dscp,
        allows: written.action == document::Action::Allow,
        logs: written.log,
    };
    let is_v6 = [&rule.sources, &rule.destinations].into_iter().any(|end| end.as_ref().is_some_and(Vec::is_empty));
    let problem = match site {
        Some(None) => Some("no site of this name or id is a member"),
        _ if is_v6 => Some("names IPv6 prefixes only: IPv6 is not carried yet"),
        _ => None,
    };
    Entry { name: written.name.to_string(), is_built_in: false, asks: words(written), rule: Some(rule), problem }
}

/// `None` if there is no such site.
fn prefixes_of(named: &str, sites: &Sites) -> Option<Vec<Ipv4Net>> {
    let found = sites.iter().find(|(id, name, _)| name.as_str() == named || named.parse() == Ok(*id));
    found.map(|(.., prefixes)| prefixes.clone())
}

/// `None` for anybody.
fn of_v4(prefixes: &[IpNet]) -> Option<Vec<Ipv4Net>> {
    let v4 = |prefix: &IpNet| match prefix {
        IpNet::V4(net) => Some(*net),
        IpNet::V6(_) => None,
    };
    (!prefixes.is_empty()).then(|| prefixes.iter().filter_map(v4).collect())
}

const fn zone(zone: RuleZone) -> Zone {
    match zone {
        RuleZone::Wan => Zone::Wan,
        RuleZone::Lan => Zone::Lan,
        RuleZone::Mesh => Zone::Mesh,
        RuleZone::Own => Zone::Own,
    }
}

/// Entries of a list that are spelt out.
const SPELT_OUT: usize = 4;

fn words(rule: &document::Rule) -> String {
    let list = |what: &str, items: Vec<String>| {
        let more = items.len().saturating_sub(SPELT_OUT);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown: Vec<String> = items.into_iter().take(SPELT_OUT).collect();
        (!shown.is_empty()).then(|| format!("{what}{}{more}", shown.join(", ")))
    };
    let texts = |items: &[IpNet]| items.iter().map(ToString::to_string).collect();
    let parts = [
        rule.protocol.map(|protocol| protocol.name().to_owned()),
        list("to ports ", rule.ports.iter().map(ToString::to_string).collect()),
        list("by ", texts(&rule.source)),
        list("to ", texts(&rule.destination)),
        rule.site.as_ref().map(|site| format!("site {site}")),
        rule.dscp.map(|code| format!("DSCP {code}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "anything".to_owned() } else { parts.join(", ") }
}
