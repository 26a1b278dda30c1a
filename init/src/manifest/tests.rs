use super::*;

const SHIPPED: &str = include_str!("../../services.toml");

fn refused(change: impl Fn(&str) -> String) -> String {
    change(SHIPPED).parse::<Manifest>().unwrap_err().to_string()
}

#[test]
fn the_shipped_manifest_is_valid() {
    let manifest: Manifest = SHIPPED.parse().unwrap();
    let names: Vec<&str> = manifest.services().iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["config", "link", "clock", "web", "tunnel", "datapath", "mesh", "prober", "router"]);
}

#[test]
fn no_shipped_service_is_unconfined() {
    let manifest: Manifest = SHIPPED.parse().unwrap();
    for service in manifest.services() {
        assert!(!service.unconfined, "{}", service.name);
        assert!(service.namespaces.contains(&Namespace::Mount), "{}", service.name);
        assert!(service.namespaces.contains(&Namespace::Pid), "{}", service.name);
    }
}

#[test]
fn only_the_callers_that_stand_there_may_call() {
    let manifest: Manifest = SHIPPED.parse().unwrap();
    let config = &manifest.services()[0];
    let access = manifest.access(config);
    assert!(access.allows(10004, "claim"));
    assert!(access.allows(10002, "watch"));
    assert!(!access.allows(10002, "claim"));
    assert!(!access.knows(0));
    assert!(manifest.init_access().allows(10004, "reboot"));
    assert!(!manifest.init_access().knows(10001));
}

#[test]
fn ports_to_connect_to_are_listed_or_any() {
    let manifest: Manifest = SHIPPED.parse().unwrap();
    let any: Vec<&str> = manifest
        .services()
        .iter()
        .filter(|service| service.tcp_connect == Ports::All(Any::Any))
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(any, ["mesh"]);
    let message = refused(|shipped| shipped.replacen("tcp_connect = \"any\"", "tcp_connect = \"all\"", 1));
    assert!(message.contains("did not match"), "{message}");
}

#[test]
fn unknown_fields_are_refused() {
    for text in ["setuid = true", "[service.limits]", "[settings]"] {
        // Behind the fields of the last service, before its callers.
        let message = refused(|shipped| {
            let (before, callers) = shipped.rsplit_once("[service.callers]").unwrap();
            format!("{before}\n{text}\n[service.callers]{callers}")
        });
        assert!(message.contains("unknown field"), "{message}");
    }
}

#[test]
fn unknown_words_are_refused() {
    let cases = [("\"NET_RAW\"", "\"RAW\""), ("\"packet\"", "\"everything\""), ("\"uts\"", "\"user\"")];
    for (known, unknown) in cases {
        let message = refused(|shipped| shipped.replacen(known, unknown, 1));
        assert!(message.contains("unknown"), "{message}");
    }
}

#[test]
fn a_refusal_names_the_entry_and_the_field() {
    let cases = [
        ("uid = 10002", "uid = 10001", "service \"link\": uid 10001 belongs to \"config\" already"),
        (
            "uid = 10002",
            "uid = 0",
            "service \"link\": uid must be 0 for an unconfined service, and must not be 0 for any other",
        ),
        ("uid = 10002", "uid = 9999", "service \"link\": uid must be at least 10000"),
        ("name = \"link\"", "name = \"config\"", "service \"config\": name is used twice"),
        ("name = \"link\"", "name = \"init\"", "service \"init\": name is taken by the system itself"),
        (
            "name = \"link\"",
            "name = \"a/b\"",
            "service \"a/b\": name must have 1 to 15 of the letters a-z, digits and \"-\"",
        ),
        (
            "needs = [\"link\", \"web\"]",
            "needs = [\"dns\"]",
            "service \"clock\": needs names \"dns\", which is no service",
        ),
        ("/bin/web", "bin/web", "service \"web\": exec \"bin/web\" must be an absolute path without \"..\""),
        (
            "/sys/class/net",
            "/data/config",
            "service \"link\": read \"/data/config\" would open the state of other services",
        ),
        (
            "/sys/class/net\", \"/sys/devices\", \"/sys/bus\"]\n# Forwarding, router advertisements and the like, per device.\nwrite = [",
            "/sys/class/net\"]\nwrite = [\"/dev/net/tun\", ",
            "service \"tunnel\": write \"/dev/net/tun\" belongs to another service already",
        ),
        ("cpu_weight = 200", "cpu_weight = 10001", "service \"link\": cpu_weight is 10001, must be 1 to 10000"),
        ("files_max = 1024", "files_max = 4001", "service \"web\": files_max is 4001, must be 16 to 4000"),
        ("[init.callers]\nweb", "[init.callers]\ndns", "init: callers name \"dns\", which is no service"),
    ];
    for (good, bad, message) in cases {
        assert!(SHIPPED.contains(good), "{good}");
        assert_eq!(refused(|shipped| shipped.replacen(good, bad, 1)), message);
    }
}

#[test]
fn services_that_wait_for_each_other_are_refused() {
    let message =
        refused(|shipped| shipped.replacen("side by side.\nneeds = []", "side by side.\nneeds = [\"clock\"]", 1));
    assert_eq!(message, "services need each other in a circle: link, clock, tunnel, datapath, mesh, prober, router");
}

#[test]
fn a_manifest_at_the_limit_passes_and_one_above_is_refused() {
    let entry = SHIPPED.split("[[service]]").nth(1).unwrap().split("[service.callers]").next().unwrap();
    let with = |count: usize| {
        let mut text = "[init.callers]\n".to_owned();
        for index in 0..count {
            let uid = 10_001 + index;
            let own = entry.replace("\"config\"", &format!("\"s{index}\"")).replace("10001", &uid.to_string());
            text.push_str(&format!("[[service]]{own}"));
        }
        text.parse::<Manifest>().map(|_| ())
    };
    assert_eq!(with(MAX_SERVICES), Ok(()));
    assert_eq!(with(MAX_SERVICES + 1), Err(ManifestError::TooManyServices(MAX_SERVICES + 1)));
}
