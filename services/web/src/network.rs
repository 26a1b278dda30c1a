//! What a person says about the network: tokens to join with, tokens to make.
//!
//! *Does*: read and judge what was typed before anybody is asked; suggest a LAN for the next site, and where it finds the network.
//! *Never does*: decide what a signer decides.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use patronus_ipc::mesh::{Role, Site, Standing};
use patronus_types::{IpNet, Ipv4Net, ports::SEED_PORT};
use patronus_wire::{JoinToken, Refused, limit, overlap};

/// Networks that are tried for a suggestion.
const TRIED: u32 = 4096;
/// Prefix length of a suggested LAN.
const LAN_PREFIX_LEN: u8 = 24;
/// Addresses of one suggested LAN.
const LAN_ADDRESSES: u32 = 256;

/// What is wrong with a token, and in which field it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenProblem {
    /// The text is no token.
    Token(String),
    /// It is one, for another LAN.
    Lan(String),
}

/// Whether a token can make a site with this LAN a member. Whether it is still good is known to the box that made it alone.
///
/// # Errors
/// What to do instead.
pub fn check_token(text: &str, lan: Option<Ipv4Net>) -> Result<(), TokenProblem> {
    let token = JoinToken::parse_text(text).map_err(|refused| TokenProblem::Token(explain(refused).to_owned()))?;
    match lan {
        Some(lan) if !token.prefixes.iter().any(|granted| granted.contains(&IpNet::V4(lan.trunc()))) => {
            Err(TokenProblem::Lan(other_lan(&token.prefixes)))
        }
        _ => Ok(()),
    }
}

fn explain(refused: Refused) -> &'static str {
    match refused {
        Refused::TokenNotOne => "Paste the token that another site has made. It begins with patronus1.",
        Refused::TokenMistyped | Refused::TokenTooLong => {
            "A part of the token is missing or mistyped. Paste it again, as a whole."
        }
        Refused::VersionUnknown => {
            "The token was made by a newer version. Bring this router to the same version first."
        }
        _ => "The token is damaged. Make a new one on the other site.",
    }
}

fn other_lan(granted: &[IpNet]) -> String {
    let lans = granted.iter().filter_map(|net| match net {
        IpNet::V4(net) => Some(net),
        IpNet::V6(_) => None,
    });
    match lans.clone().next() {
        Some(first) => {
            let all: Vec<String> = lans.map(ToString::to_string).collect();
            let router = first.hosts().next().unwrap_or_else(|| first.addr());
            format!(
                "The token is for a site whose LAN is in {}. Give the router an address in it, such as {router}/{}.",
                all.join(" or "),
                first.prefix_len().max(LAN_PREFIX_LEN)
            )
        }
        None => "The token grants this site no LAN. Make one on the other site that does.".to_owned(),
    }
}

/// The next LAN that nobody has: after `own`, in the same range of private addresses.
#[must_use]
pub fn suggest_lan(own: Ipv4Net, taken: &[IpNet]) -> Option<Ipv4Net> {
    let range = private_range(own.addr())?;
    let (first, last) = (u32::from(range.network()), u32::from(range.broadcast()));
    let count = (last - first) / LAN_ADDRESSES + 1;
    let start = (u32::from(own.addr()) - first) / LAN_ADDRESSES;
    (1..=TRIED.min(count)).find_map(|step| {
        let address = first + (start + step) % count * LAN_ADDRESSES;
        let lan = Ipv4Net::new(Ipv4Addr::from(address), LAN_PREFIX_LEN).ok()?;
        let is_free = !taken.iter().any(|other| overlap(other, &IpNet::V4(lan)));
        is_free.then_some(lan)
    })
}

/// RFC 1918.
fn private_range(address: Ipv4Addr) -> Option<Ipv4Net> {
    let ranges = [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16)];
    let mut ranges = ranges.into_iter().filter_map(|(address, length)| Ipv4Net::new(address.into(), length).ok());
    ranges.find(|range| range.contains(&address))
}

/// Words separated by commas, spaces or lines.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| letter == ',' || letter.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Prefixes as they stand in a record: without host bits, in order, each once.
///
/// # Errors
/// The first word that is no prefix.
pub fn read_prefixes(words: &[String]) -> Result<Vec<IpNet>, String> {
    let read = |word: &String| word.parse::<IpNet>().map(|net| net.trunc()).map_err(|_| word.clone());
    let mut prefixes = words.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    prefixes.sort_unstable();
    prefixes.dedup();
    Ok(prefixes)
}

/// Where a new site may find seeds, as they say themselves: public addresses first, of each uplink the best one.
#[must_use]
pub fn suggest_seeds(sites: &[Site]) -> Vec<SocketAddr> {
    let seeds = sites.iter().filter(|site| site.standing == Standing::Valid && site.roles.contains(&Role::Seed));
    let best = seeds.flat_map(|site| &site.uplinks).filter_map(|uplink| {
        let mut addresses: Vec<IpAddr> = uplink.endpoints.iter().map(SocketAddr::ip).collect();
        addresses.sort_by_key(is_private);
        addresses.first().copied()
    });
    let mut found: Vec<IpAddr> = Vec::new();
    best.for_each(|address| {
        if !found.contains(&address) {
            found.push(address);
        }
    });
    found.sort_by_key(is_private);
    found.into_iter().take(limit::SEEDS).map(|address| SocketAddr::new(address, SEED_PORT)).collect()
}

/// Whether an address means something else elsewhere (RFC 1918, RFC 6598, RFC 4193).
fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_private() || address.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
