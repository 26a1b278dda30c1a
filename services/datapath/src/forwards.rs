//! From the port forwards of the document to what the programs look up.
//!
//! *Does*: turn names of uplinks into slots; say whether a flow that came by a forward may go on.
//! *Never does*: check them: `config` has.

use patronus_ebpf_abi::{
    Endpoint, Flow, FlowKey, MESH_SLOT,
    forward::{EVERY_SLOT, FORWARDED_WORDS, FORWARDS, Forward, Prefix, SOURCES, bit_of},
    state,
};
use patronus_types::{Document, Ipv4Net};

/// The list of the document.
#[must_use]
pub fn forwards(document: &Document) -> Vec<Forward> {
    document.forwards.iter().take(FORWARDS as usize).map(|forward| one(forward, document)).collect()
}

fn one(forward: &patronus_types::Forward, document: &Document) -> Forward {
    let mut sources = [Prefix::default(); SOURCES];
    for (place, net) in sources.iter_mut().zip(&forward.sources) {
        *place = prefix(net);
    }
    Forward {
        inside: Endpoint::new((*forward.inside.ip()).into(), forward.inside.port()),
        protocol: forward.protocol.number().into(),
        slots: match &forward.uplink {
            None => EVERY_SLOT,
            Some(name) => (0..)
                .zip(&document.uplinks)
                .filter(|(_, up)| up.name == *name)
                .fold(0, |all, (slot, _)| all | 1 << slot),
        },
        first: forward.outside.first(),
        last: forward.outside.last(),
        sources_used: forward.sources.len().min(SOURCES) as u32,
        sources,
    }
}

fn prefix(net: &Ipv4Net) -> Prefix {
    Prefix { network: net.network().into(), mask: net.netmask().into() }
}

/// The bits of all ports that any of them has.
#[must_use]
pub fn ports(forwards: &[Forward]) -> Vec<u64> {
    let mut words = vec![0; FORWARDED_WORDS as usize];
    for forward in forwards {
        for port in forward.first..=forward.last {
            let (word, bit) = bit_of(forward.protocol, port);
            if let Some(word) = words.get_mut(word as usize) {
                *word |= bit;
            }
        }
    }
    words
}

/// Whether the flow may go on: it came by no forward, or by one that is still there for him who began it.
#[must_use]
pub fn may_go_on(key: &FlowKey, flow: &Flow, forwards: &[Forward]) -> bool {
    let port = flow.outside.port;
    let led_here = |forward: &&Forward| {
        forward.protocol == key.protocol
            && (forward.first..=forward.last).contains(&port)
            && 1_u32.checked_shl(flow.slot).is_some_and(|slot| forward.slots & slot != 0)
            && forward.inside.address == key.inside.address
            && forward.inside.port.wrapping_add(port.wrapping_sub(forward.first)) == key.inside.port
    };
    let may_use = |forward: &Forward| {
        let used = forward.sources.iter().take(forward.sources_used as usize);
        forward.sources_used == 0 || used.into_iter().any(|from| key.remote.address & from.mask == from.network)
    };
    flow.state.get() & state::FORWARDED == 0
        || flow.slot == MESH_SLOT
        || forwards.iter().find(led_here).is_some_and(may_use)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn document(forwards: &str) -> Document {
        let text = format!(
            r#"{{"version":1,"site":{{"name":"lab","timezone":"UTC"}},"lan":{{"ports":["eth1"],"address":"192.168.42.1/24"}},
            "uplink":[{{"name":"fibre","port":"eth0"}},{{"name":"dsl","port":"eth2"}}],"forward":[{forwards}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    const WEB: &str = r#"{"name":"web","protocol":"tcp","outside":"8000-8010","inside":"192.168.42.9:80","uplink":"dsl",
        "sources":["198.51.100.0/24"]}"#;

    #[test]
    fn a_forward_has_the_slot_of_its_uplink_and_a_bit_for_each_port() {
        let listed = forwards(&document(WEB));
        assert_eq!((listed[0].slots, listed[0].first, listed[0].last, listed[0].protocol), (2, 8000, 8010, 6));
        assert_eq!(listed[0].sources[0], Prefix { network: 0xc633_6400, mask: 0xffff_ff00 });
        assert_eq!(ports(&listed).iter().map(|word| word.count_ones()).sum::<u32>(), 11);
        assert_eq!(ports(&listed)[125], 0x7ff, "8000 is 125 times 64");
        assert_eq!(forwards(&document(&WEB.replace(r#""uplink":"dsl","#, "")))[0].slots, 0xffff);
    }

    #[test]
    fn a_flow_goes_on_while_its_forward_leads_there_for_him() {
        let key = |remote, port| FlowKey {
            inside: Endpoint::new(0xc0a8_2a09, port),
            remote: Endpoint::new(remote, 5),
            protocol: 6,
        };
        let flow = |slot, port, bits| Flow {
            outside: Endpoint::new(1, port),
            slot,
            state: Cell::new(bits),
            ..Flow::default()
        };
        let (listed, friend, stranger) = (forwards(&document(WEB)), 0xc633_6407, 0xcb00_7107);
        assert!(may_go_on(&key(friend, 82), &flow(1, 8002, state::FORWARDED), &listed));
        for (key, flow) in [
            (key(stranger, 82), flow(1, 8002, state::FORWARDED)),
            (key(friend, 82), flow(0, 8002, state::FORWARDED)),
            (key(friend, 83), flow(1, 8002, state::FORWARDED)),
            (key(friend, 82), flow(1, 8011, state::FORWARDED)),
        ] {
            assert!(!may_go_on(&key, &flow, &listed), "{key:?} {flow:?}");
            flow.state.set(0);
            assert!(may_go_on(&key, &flow, &listed), "not by a forward: {key:?}");
        }
    }
}
