use patronus_types::MacAddr;
use proptest::prelude::*;

use super::*;

fn port(name: &str, role: Role) -> Port {
    Port {
        name: name.parse().unwrap(),
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        driver: "igc".into(),
        role,
        carrier: true,
        speed_mbps: Some(1000),
    }
}

fn ports() -> Vec<Port> {
    vec![port("eth0", Role::Wan), port("eth1", Role::Lan), port("eth2", Role::Lan)]
}

fn filled() -> Form {
    let mut form = first_values(&ports());
    form.set("password", "quilt anchor lemon voyage");
    form.set("password-again", "quilt anchor lemon voyage");
    form.set("site", "hq-chicago");
    form
}

fn error_in(field: &str, change: impl FnOnce(&mut Form)) -> String {
    let mut form = filled();
    change(&mut form);
    let errors = read(&form, &ports()).unwrap_err();
    assert_eq!(errors.keys().collect::<Vec<_>>(), [field], "{errors:?}");
    errors[field].clone()
}

#[test]
fn the_form_as_first_shown_needs_only_a_password_and_a_name() {
    let Choice { document, token } = read(&filled(), &ports()).unwrap();
    assert_eq!(token, None);
    assert_eq!(document.site.name.as_str(), "hq-chicago");
    assert_eq!(document.lan.ports.len(), 2);
    assert_eq!(document.uplinks.len(), 1);
    assert_eq!(document.uplinks[0].name.as_str(), "wan");
    assert_eq!(document.uplinks[0].ipv4, Ipv4Method::Dhcp);
}

#[test]
fn every_error_is_told_at_once() {
    let errors = read(&Form::default(), &ports()).unwrap_err();
    for field in ["password", "site", "timezone", "lan-address", "ports", "network"] {
        assert!(errors.contains_key(field), "{field}");
    }
}

#[test]
fn each_wrong_field_says_what_to_do() {
    assert!(error_in("site", |form| form.set("site", "Head Office")).contains("a-z"));
    assert!(error_in("timezone", |form| form.set("timezone", "Europe/Nowhere")).contains("Europe/Zurich"));
    assert!(error_in("password", |form| form.set("password", "password123")).contains("guess"));
    assert!(error_in("password-again", |form| form.set("password-again", "x")).contains("differ"));
    assert!(error_in("network", |form| form.set("network", "")).contains("join"));
    assert!(error_in("token", |form| form.set("network", "join")).contains("patronus1"));
    assert!(error_in("lan-address", |form| form.set("lan-address", "192.168.42.0/24")).contains("host"));
    assert!(error_in("lan-address", |form| form.set("lan-address", "8.8.8.8/24")).contains("private"));
    let no_lan = |form: &mut Form| ["eth1", "eth2"].iter().for_each(|port| form.set(&format!("role-{port}"), "unused"));
    assert!(error_in("ports", no_lan).contains("LAN"));
}

#[test]
fn a_static_uplink_needs_its_gateway_inside_its_prefix() {
    let fill = |form: &mut Form, gateway: &str| {
        form.set("ipv4-eth0", "static");
        form.set("address-eth0", "203.0.113.10/29");
        form.set("gateway-eth0", gateway);
        form.set("dns-eth0", "9.9.9.9, 1.1.1.1");
    };
    let mut form = filled();
    fill(&mut form, "203.0.113.9");
    let document = read(&form, &ports()).unwrap().document;
    assert!(matches!(&document.uplinks[0].ipv4, Ipv4Method::Static { dns, .. } if dns.len() == 2));
    assert!(error_in("gateway-eth0", |form| fill(form, "203.0.113.99")).contains("203.0.113.8/29"));
    assert!(error_in("gateway-eth0", |form| fill(form, "203.0.113.10")).contains("another"));
    let five = "9.9.9.9 ".repeat(5);
    assert!(
        error_in("dns-eth0", |form| {
            fill(form, "203.0.113.9");
            form.set("dns-eth0", five.as_str());
        })
        .contains("up to 4")
    );
}

proptest! {
    #[test]
    fn whatever_is_typed_is_a_document_or_errors(values in prop::collection::vec(".{0,40}", 8)) {
        let mut form = filled();
        let names = ["site", "timezone", "lan-address", "role-eth0", "ipv4-eth0", "address-eth0", "gateway-eth0", "network"];
        for (name, value) in names.iter().zip(values) {
            form.set(name, value);
        }
        if let Err(errors) = read(&form, &ports()) {
            prop_assert!(!errors.is_empty());
        }
    }
}
