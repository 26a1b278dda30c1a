use patronus_store::{
    builder,
    crash::{Disk, cut_at_every_step},
};

use super::*;

fn port() -> PortName {
    "eth0".parse().unwrap()
}

fn lease(host: u8) -> Lease {
    Lease {
        address: format!("192.0.2.{host}/24").parse().unwrap(),
        routers: vec![[192, 0, 2, 1].into()],
        dns: Vec::new(),
        ntp: Vec::new(),
        mtu: None,
        server: [192, 0, 2, 1].into(),
        renew_ms: 1000,
        rebind_ms: 2000,
        expires_ms: 3000,
    }
}

fn kept(store: &Store) -> Option<Lease> {
    match store.load(&port()).unwrap() {
        Before::ThisBoot(lease) | Before::EarlierBoot(lease) => Some(lease),
        Before::Nothing => None,
    }
}

fn open_disk(disk: &Disk) -> Result<Store, StoreError> {
    Store::new(builder().create_with_backend(disk.clone())?)
}

/// Five leases: the last that was kept, and the one that was under way when the power went.
fn play(disk: &Disk) -> (Option<Lease>, Option<Lease>) {
    let mut kept = None;
    let Ok(store) = open_disk(disk) else { return (None, None) };
    for host in 10..15 {
        if store.save(&port(), &lease(host)).is_err() {
            return (kept, Some(lease(host)));
        }
        kept = Some(lease(host));
    }
    (kept, None)
}

#[test]
fn a_power_cut_at_any_write_or_sync_leaves_the_last_lease_or_the_one_under_way() {
    let steps = cut_at_every_step(play, |step, (acknowledged, under_way), disk| {
        let found = kept(&open_disk(&disk).unwrap());
        let is_known = found == *acknowledged || (under_way.is_some() && found == *under_way);
        assert!(is_known, "cut at step {step}: {found:?}");
    });
    assert!(steps > 20, "{steps}");
}

#[test]
fn a_damaged_file_is_set_aside_and_leases_can_be_kept_again() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap().content.save(&port(), &lease(9)).unwrap();
    let path = dir.path().join(NAME);
    let mut cut = fs::read(&path).unwrap();
    cut.truncate(cut.len() / 2);
    for (round, damage) in [Vec::new(), b"no database".to_vec(), vec![0; 4096], cut].into_iter().enumerate() {
        fs::write(&path, damage).unwrap();
        let opened = Store::open(dir.path()).unwrap();
        assert!(opened.set_aside.unwrap().to.ends_with(format!("{NAME}.damaged-{}", round + 1)));
        assert_eq!(kept(&opened.content), None);
        opened.content.save(&port(), &lease(9)).unwrap();
        drop(opened.content);
        assert_eq!(kept(&Store::open(dir.path()).unwrap().content), Some(lease(9)));
    }
}

#[test]
fn a_lease_of_another_boot_is_known_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap().content;
    store.save(&port(), &lease(9)).unwrap();
    assert!(matches!(store.load(&port()), Ok(Before::ThisBoot(_))));
    store.boot_id = "another".to_owned();
    assert!(matches!(store.load(&port()), Ok(Before::EarlierBoot(_))));
    assert!(matches!(store.load(&"eth1".parse().unwrap()), Ok(Before::Nothing)));
}
