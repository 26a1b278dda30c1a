use super::*;
use crate::port::tests::port;

fn static_uplink(name: &str, device: &str, address: &str, gateway: &str) -> Uplink {
    let ipv4 =
        Ipv4Method::Static { address: address.parse().unwrap(), gateway: gateway.parse().unwrap(), dns: Vec::new() };
    let (name, port) = (name.parse().unwrap(), device.parse().unwrap());
    Uplink { name, port, reachable_at: Vec::new(), cost: 0, metered: false, ipv4, ipv6: Ipv6Method::Off }
}

fn two_uplinks() -> (Settings, Observed) {
    let ports = vec![port("eth0", "pci/0"), port("eth1", "pci/1"), port("eth2", "pci/2"), port("eth3", "pci/3")];
    let mut settings = Settings::first_boot(&ports);
    settings.lan.ports = vec!["eth2".parse().unwrap()];
    settings.uplinks = vec![
        static_uplink("fibre", "eth0", "192.0.2.2/24", "192.0.2.1"),
        static_uplink("lte", "eth1", "198.51.100.2/32", "198.51.100.1"),
    ];
    (settings, Observed { ports, ..Default::default() })
}

#[test]
fn each_uplink_has_its_own_table_and_a_default_with_the_metric_of_its_slot() {
    let (settings, observed) = two_uplinks();
    let network = desired(&settings, &observed);
    let defaults: Vec<(u32, &str, u32, bool)> = network
        .routes
        .iter()
        .filter(|route| route.prefix.prefix_len() == 0)
        .map(|route| (route.table, route.device.as_str(), route.metric, route.onlink))
        .collect();
    let expected =
        [(254, "eth0", 100, false), (254, "eth1", 101, true), (1000, "eth0", 100, false), (1001, "eth1", 101, true)];
    assert_eq!(defaults, expected);
    let rules: Vec<(String, u32)> = network.rules.iter().map(|rule| (rule.source.to_string(), rule.table)).collect();
    assert_eq!(rules, [("192.0.2.2".to_owned(), 1000), ("198.51.100.2".to_owned(), 1001)]);
}

#[test]
fn what_has_an_uplinks_address_finds_the_lan_also_without_that_uplinks_cable() {
    let (settings, mut observed) = two_uplinks();
    observed.ports[0].carrier = false;
    let network = desired(&settings, &observed);
    let lan = network.routes.iter().filter(|route| route.device == lan_device());
    let tables: Vec<(u32, String)> = lan.map(|route| (route.table, route.prefix.to_string())).collect();
    assert_eq!(tables, [(1000, "192.168.42.0/24".to_owned()), (1001, "192.168.42.0/24".to_owned())]);
}

#[test]
fn an_uplink_without_carrier_keeps_its_address_and_loses_its_routes() {
    let (settings, mut observed) = two_uplinks();
    observed.ports[0].carrier = false;
    let network = desired(&settings, &observed);
    assert!(network.addresses.iter().any(|address| address.device.as_str() == "eth0"));
    assert!(network.routes.iter().all(|route| route.device.as_str() != "eth0"));
}

#[test]
fn a_port_without_a_role_is_up_and_silent() {
    let (settings, observed) = two_uplinks();
    let network = desired(&settings, &observed);
    let silent = Device { up: true, in_lan: false, mtu: None, ipv6: Ipv6Mode::Off };
    assert_eq!(network.devices.get(&"eth3".parse().unwrap()), Some(&silent));
    assert!(network.addresses.iter().all(|address| address.device.as_str() != "eth3"));
}

#[test]
fn the_bridge_has_the_address_of_its_first_member() {
    let (settings, observed) = two_uplinks();
    let network = desired(&settings, &observed);
    assert_eq!(network.bridge, Some(observed.ports[2].mac));
    let lan = network.devices.get(&"eth2".parse().unwrap()).unwrap();
    assert!(lan.up && lan.in_lan && lan.ipv6 == Ipv6Mode::Off);
}

#[test]
fn an_uplink_whose_port_is_not_there_changes_nothing() {
    let (settings, mut observed) = two_uplinks();
    observed.ports.remove(0);
    let network = desired(&settings, &observed);
    assert!(network.rules.iter().all(|rule| rule.table == 1001));
    assert!(network.addresses.iter().all(|address| address.device.as_str() != "eth0"));
}

#[test]
fn advertised_addresses_leave_by_the_uplink_that_advertised_them() {
    let (mut settings, mut observed) = two_uplinks();
    settings.uplinks[1].ipv6 = Ipv6Method::Slaac;
    let eth1: PortName = "eth1".parse().unwrap();
    observed.advertised.add_address(&eth1, "2001:db8::2/64".parse().unwrap());
    observed.advertised.add_router(&eth1, "fe80::1".parse().unwrap());
    let network = desired(&settings, &observed);
    assert_eq!(network.devices[&eth1].ipv6, Ipv6Mode::Slaac { metric: 101 });
    assert!(network.rules.iter().any(|rule| rule.source.is_ipv6() && rule.table == 1001));
    let routes: Vec<&Route> = network.routes.iter().filter(|route| route.prefix.addr().is_ipv6()).collect();
    assert!(routes.iter().all(|route| route.table == 1001), "the main table is the kernel's");
    assert_eq!(routes.len(), 2);
}
