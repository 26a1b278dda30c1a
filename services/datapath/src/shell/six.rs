//! The maps of IPv6, from this side.

use std::net::Ipv6Addr;

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData},
};
use patronus_datapath::{ipfix, limit};
use patronus_ebpf_abi::six::{Flow6, FlowKey6, Lan6};
use patronus_types::Ipv6Net;

use super::{
    Fatal,
    export::Export,
    sys::{self, Flow6Bytes, Raw},
    tables::{each, named},
};

pub(crate) struct Six {
    flows: HashMap<MapData, Raw<FlowKey6>, Flow6Bytes>,
    lan: Array<MapData, Raw<Lan6>>,
}

impl Six {
    /// Those of a loaded object.
    pub(crate) fn of(object: &mut Ebpf) -> Result<Self, Fatal> {
        let mut take = |name| object.take_map(name).ok_or(Fatal::Missing(name));
        Ok(Self { flows: named("FLOWS6", take("FLOWS6")?)?, lan: named("LAN6", take("LAN6")?)? })
    }

    /// The LAN's prefix, or none.
    pub(crate) fn set_lan(&mut self, net: Option<Ipv6Net>) -> Result<(), Fatal> {
        let lan = net.map_or_else(Lan6::default, |net| {
            let ([high, low], [mask_high, mask_low]) = (halves(net.network()), halves(net.netmask()));
            Lan6 { high, low, mask_high, mask_low }
        });
        self.lan.set(0, Raw(lan), 0).map_err(|error| Fatal::Table("LAN6", error))
    }

    /// Shows all flows that are not over.
    pub(crate) fn each_flow(&self, now_s: u32, mut see: impl FnMut(FlowKey6, Flow6)) -> Result<(), Fatal> {
        each("FLOWS6", &self.flows, |Raw(key), bytes| {
            let flow = sys::flow6(bytes);
            if flow.ends_s.get() > now_s {
                see(key, flow);
            }
        })
    }

    /// Takes out flows that are over; how many are left. `export` sees them all.
    pub(crate) fn sweep(&mut self, now_s: u32, export: &mut Export) -> Result<u32, Fatal> {
        let (mut left, mut over) = (0_u32, Vec::new());
        each("FLOWS6", &self.flows, |key, bytes| {
            let (flow, mut end) = (sys::flow6(bytes), None);
            if flow.ends_s.get() > now_s {
                left = left.saturating_add(1);
            } else if over.len() < limit::OVER_AT_ONCE {
                end = Some(ipfix::Reason::of_end(flow.ends_s.get()));
                over.push(key);
            }
            export.six(key.0, &flow, end);
        })?;
        for key in over {
            let _ = self.flows.remove(&key);
        }
        Ok(left)
    }
}

fn halves(address: Ipv6Addr) -> [u64; 2] {
    let bits = address.to_bits();
    [(bits >> 64) as u64, bits as u64]
}
