//! A model of the kernel that only knows sets, and the promise: applying the plan to any state gives the desired state.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What the kernel does with one change.
fn apply(network: &mut Network, change: Change) {
    match change {
        Change::RemoveRule(rule) => assert!(network.rules.remove(&rule)),
        Change::RemoveRoute(route) => assert!(network.routes.remove(&route)),
        Change::RemoveAddress(address) => assert!(network.addresses.remove(&address)),
        Change::AddBridge(mac) => {
            assert_eq!(network.bridge.replace(mac), None, "made once");
            let new = Device { up: false, in_lan: false, mtu: None, ipv6: Ipv6Mode::Other };
            network.devices.insert(lan_device(), new);
        }
        Change::SetBridgeMac(mac) => assert!(network.bridge.replace(mac).is_some()),
        Change::LeaveLan(name) => device(network, &name).in_lan = false,
        Change::SetDown(name) => device(network, &name).up = false,
        Change::SetIpv6(name, mode) => device(network, &name).ipv6 = mode,
        Change::SetMtu(name, mtu) => device(network, &name).mtu = Some(mtu),
        Change::JoinLan(name) => {
            assert!(network.bridge.is_some(), "no bridge to join");
            device(network, &name).in_lan = true;
        }
        Change::SetUp(name) => device(network, &name).up = true,
        Change::AddAddress(address) => assert!(network.addresses.insert(address)),
        Change::AddRoute(route) => assert!(network.routes.insert(route)),
        Change::AddRule(rule) => assert!(network.rules.insert(rule)),
    }
}

fn device<'a>(network: &'a mut Network, name: &PortName) -> &'a mut Device {
    network.devices.get_mut(name).expect("a device that is there")
}

const PORTS: [&str; 3] = ["eth0", "eth1", "eth2"];

fn a_name() -> impl Strategy<Value = PortName> {
    prop::sample::select(&PORTS[..]).prop_map(|name| name.parse().unwrap())
}

fn a_device(desired: bool) -> impl Strategy<Value = Device> {
    let ipv6 = prop_oneof![
        Just(Ipv6Mode::Off),
        Just(Ipv6Mode::Manual),
        (100_u32..103).prop_map(|metric| Ipv6Mode::Slaac { metric }),
        Just(if desired { Ipv6Mode::Off } else { Ipv6Mode::Other }),
    ];
    (any::<bool>(), any::<bool>(), 1400_u32..1403, ipv6).prop_map(|(up, in_lan, mtu, ipv6)| Device {
        up,
        in_lan,
        mtu: Some(mtu),
        ipv6,
    })
}

fn a_network(desired: bool) -> impl Strategy<Value = Network> {
    let bridge = prop::option::of(0_u8..3).prop_map(move |last| if desired { last.or(Some(0)) } else { last });
    let address = (a_name(), 1_u8..5)
        .prop_map(|(device, host)| Address { device, net: format!("192.0.2.{host}/24").parse().unwrap() });
    let route = (a_name(), 1000_u32..1003, any::<bool>()).prop_map(|(device, table, via)| Route {
        table,
        prefix: "0.0.0.0/0".parse().unwrap(),
        gateway: via.then(|| [192, 0, 2, 1].into()),
        onlink: false,
        device,
        metric: 100,
    });
    let rule = (1_u8..5, 1000_u32..1003).prop_map(|(host, table)| Rule {
        source: [192, 0, 2, host].into(),
        table,
        priority: table,
    });
    (
        bridge,
        prop::collection::vec(a_device(desired), 4),
        prop::collection::btree_set(address, 0..5),
        prop::collection::btree_set(route, 0..5),
        prop::collection::btree_set(rule, 0..5),
    )
        .prop_map(|(bridge, devices, addresses, routes, rules)| {
            let names = PORTS.map(|name| name.parse().unwrap());
            let mut devices: BTreeMap<PortName, Device> =
                names.into_iter().chain([lan_device()]).zip(devices).collect();
            if bridge.is_none() {
                devices.remove(&lan_device());
                devices.values_mut().for_each(|device| device.in_lan = false);
            }
            Network { bridge: bridge.map(|last| MacAddr([2, 0, 0, 0, 0, last])), devices, addresses, routes, rules }
        })
}

proptest! {
    #[test]
    fn applying_the_plan_gives_the_desired_state(desired in a_network(true), mut actual in a_network(false)) {
        for change in plan(&desired, &actual) {
            apply(&mut actual, change);
        }
        prop_assert_eq!(&actual, &desired);
        prop_assert_eq!(plan(&desired, &actual), []);
    }

    #[test]
    fn a_port_never_comes_up_in_its_old_role(desired in a_network(true), actual in a_network(false)) {
        let changes = plan(&desired, &actual);
        let position = |wanted: &Change| changes.iter().position(|change| change == wanted);
        for name in desired.devices.keys() {
            let up = position(&Change::SetUp(name.clone()));
            let left = position(&Change::LeaveLan(name.clone()));
            prop_assert!(up.is_none() || left.is_none() || left < up);
        }
    }

    #[test]
    fn the_bridge_is_up_before_a_port_joins_it(desired in a_network(true), actual in a_network(false)) {
        let changes = plan(&desired, &actual);
        let bridge_up = changes.iter().position(|change| *change == Change::SetUp(lan_device()));
        let joined = changes.iter().position(|change| matches!(change, Change::JoinLan(_)));
        prop_assert!(bridge_up.is_none() || joined.is_none() || bridge_up < joined);
    }

    #[test]
    fn rousing_leaves_each_port_up_and_touches_none_that_was(mut actual in a_network(false)) {
        let before = actual.clone();
        for change in rouse(&actual) {
            apply(&mut actual, change);
        }
        for (name, device) in &actual.devices {
            let old = before.devices[name];
            if *name == lan_device() || old.up || old.in_lan {
                prop_assert_eq!(*device, old);
            } else {
                prop_assert_eq!(*device, Device { up: true, ipv6: Ipv6Mode::Off, ..old });
            }
        }
        actual.devices.clone_from(&before.devices);
        prop_assert_eq!(actual, before);
    }
}

#[test]
fn on_link_routes_come_before_those_that_need_them() {
    let route = |gateway: Option<&str>| Route {
        table: 1000,
        prefix: if gateway.is_some() { "0.0.0.0/0" } else { "192.0.2.0/24" }.parse().unwrap(),
        gateway: gateway.map(|text| text.parse().unwrap()),
        onlink: false,
        device: "eth0".parse().unwrap(),
        metric: 100,
    };
    let desired = Network { routes: BTreeSet::from([route(None), route(Some("192.0.2.1"))]), ..Default::default() };
    let expected = [Change::AddRoute(route(None)), Change::AddRoute(route(Some("192.0.2.1")))];
    assert_eq!(plan(&desired, &Network::default()), expected);
}
