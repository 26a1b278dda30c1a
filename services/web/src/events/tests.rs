use proptest::prelude::*;

use super::*;

fn id(number: u8) -> SiteId {
    SiteId([number; 32])
}

/// The naive answer: what a reader knows who has only heard the events.
fn replay(mut picture: Picture, events: &[Event]) -> Picture {
    for event in events {
        match event {
            Event::SiteJoined(site) => drop(picture.sites.insert(*site, Presence::There)),
            Event::SiteLeft(site) => drop(picture.sites.insert(*site, Presence::Away)),
            Event::SiteRevoked(site) => drop(picture.sites.insert(*site, Presence::Revoked)),
            Event::PathEstablished(path) => assert!(picture.up.insert(*path)),
            Event::PathFailed(path) => assert!(picture.up.remove(path)),
            Event::TopologyChanged | Event::Routed(_) => {}
        }
    }
    picture
}

fn there(picture: &Picture) -> BTreeSet<SiteId> {
    picture.sites.iter().filter(|(_, presence)| **presence == Presence::There).map(|(id, _)| *id).collect()
}

fn picture() -> impl Strategy<Value = Picture> {
    let presence = prop_oneof![Just(Presence::There), Just(Presence::Away), Just(Presence::Revoked)];
    let sites = prop::collection::btree_map((0_u8..8).prop_map(id), presence, 0..8);
    let up = prop::collection::btree_set(((0_u8..8).prop_map(id), 0_u8..3, 0_u8..3), 0..20);
    (sites, up).prop_map(|(sites, up)| Picture { sites, up, ..Picture::default() })
}

proptest! {
    #[test]
    fn the_events_lead_from_one_picture_to_the_next(pictures in prop::collection::vec(picture(), 1..6)) {
        let mut known = Picture::default();
        let mut shown = Picture::default();
        for picture in pictures {
            let events = changes(&shown, &picture);
            known = replay(known, &events);
            prop_assert_eq!(&known.up, &picture.up);
            prop_assert_eq!(there(&known), there(&picture));
            for (site, presence) in &picture.sites {
                if *presence == Presence::Revoked {
                    prop_assert_eq!(known.sites.get(site), Some(&Presence::Revoked));
                }
            }
            prop_assert!(changes(&picture, &picture).is_empty());
            shown = picture;
        }
    }

    #[test]
    fn nobody_misses_an_event_without_being_told(steps in prop::collection::vec((0_u16..600, 1_usize..200), 1..20)) {
        let mut ring = Ring::new(7);
        let mut cursor = ring.end();
        let (mut pushed, mut read) = (0_u64, 0_u64);
        for (count, limit) in steps {
            for _ in 0..count {
                ring.push(Event::SiteJoined(id(1)), String::new(), 0);
            }
            pushed += u64::from(count);
            match ring.after(cursor, limit) {
                Some((entries, next)) => {
                    for entry in &entries {
                        read += 1;
                        prop_assert_eq!(&entry.cursor, &Cursor { epoch: 7, sequence: read }.to_string());
                    }
                    cursor = next;
                }
                None => {
                    prop_assert!(pushed - read > limits::EVENTS as u64);
                    cursor = ring.end();
                    read = pushed;
                }
            }
        }
    }

    #[test]
    fn a_cursor_survives_its_text_and_no_other_text_is_one(epoch in any::<u32>(), sequence in any::<u64>(), text in ".{0,30}") {
        let cursor = Cursor { epoch, sequence };
        prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        if let Ok(cursor) = text.parse::<Cursor>() {
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }
    }
}

#[test]
fn the_ring_holds_its_limit_and_says_when_one_more_has_gone() {
    let mut ring = Ring::new(1);
    let start = ring.end();
    for _ in 0..limits::EVENTS {
        ring.push(Event::SiteLeft(id(1)), String::new(), 0);
    }
    assert_eq!(ring.after(start, usize::MAX).map(|(entries, _)| entries.len()), Some(limits::EVENTS));
    ring.push(Event::SiteLeft(id(1)), String::new(), 0);
    assert_eq!(ring.after(start, usize::MAX), None);
    assert_eq!(ring.after(ring.begin(), usize::MAX).map(|(entries, _)| entries.len()), Some(limits::EVENTS));
}

#[test]
fn a_cursor_of_another_run_or_from_the_future_is_told_so() {
    let mut ring = Ring::new(1);
    ring.push(Event::SiteLeft(id(1)), String::new(), 0);
    assert_eq!(ring.after(Cursor { epoch: 2, sequence: 0 }, 10), None);
    assert_eq!(ring.after(Cursor { epoch: 1, sequence: 9 }, 10), None);
}

#[test]
fn a_membership_service_that_has_just_started_changes_nothing() {
    let site = mesh::Site {
        id: id(2),
        name: "lab".parse().unwrap(),
        standing: mesh::Standing::Valid,
        is_active: true,
        heard_uptime_ms: Some(1),
        roles: vec![],
        prefixes: vec![],
        member_since_unix_s: 0,
        valid_until_unix_s: 0,
        uplinks: vec![],
    };
    let state = mesh::State { site: Some(id(1)), sites: vec![site.clone()], ..mesh::State::default() };
    let known = Picture::default().with_sites(&state);
    assert_eq!(changes(&Picture::default(), &known), [Event::SiteJoined(id(2)), Event::TopologyChanged]);
    assert_eq!(known.clone().with_sites(&mesh::State::default()), known);
    let unheard = mesh::Site { is_active: false, heard_uptime_ms: None, ..site.clone() };
    let restarted = mesh::State { sites: vec![unheard], ..state.clone() };
    assert_eq!(known.clone().with_sites(&restarted), known);
    let silent = mesh::State { sites: vec![mesh::Site { is_active: false, ..site }], ..state };
    assert_eq!(changes(&known, &known.clone().with_sites(&silent)), [Event::SiteLeft(id(2))]);
}

#[test]
fn the_topology_is_another_with_other_members_or_paths_or_ways_and_not_with_what_lives() {
    let path = (id(2), 0, 1);
    let sites = BTreeMap::from([(id(2), Presence::There)]);
    let direct = Picture { sites, ways: BTreeMap::from([(path, None)]), ..Picture::default() };
    let up = Picture { up: BTreeSet::from([path]), ..direct.clone() };
    assert_eq!(changes(&direct, &up), [Event::PathEstablished(path)]);
    let relayed = Picture { ways: BTreeMap::from([(path, Some(id(3)))]), ..up.clone() };
    assert_eq!(changes(&up, &relayed), [Event::TopologyChanged]);
    let gone = Picture { ways: BTreeMap::new(), ..direct.clone() };
    assert_eq!(changes(&direct, &gone), [Event::TopologyChanged]);
    let silent = Picture { sites: BTreeMap::from([(id(2), Presence::Away)]), ..direct.clone() };
    assert_eq!(changes(&direct, &silent), [Event::SiteLeft(id(2))]);
    let revoked = Picture { sites: BTreeMap::from([(id(2), Presence::Revoked)]), ..direct.clone() };
    assert_eq!(changes(&direct, &revoked), [Event::SiteRevoked(id(2)), Event::TopologyChanged]);
}

#[test]
fn what_the_router_has_seen_or_done_is_told_with_all_that_it_knows() {
    use patronus_ipc::router::{Cause, What};
    use patronus_types::{Class, UplinkSlot};
    let slot = |number| UplinkSlot::new(number).unwrap();
    let from = prober::PathId { site: id(2), local: slot(0), remote: slot(1) };
    let to = prober::PathId { local: slot(1), ..from };
    let class = Class::Voip;
    let failover =
        What::FailoverTriggered { from, to: Some(to), class, cause: Cause::Probes, detect_ms: 31, switch_ms: 2 };
    let mut ring = Ring::new(1);
    for (what, name, path) in [
        (What::PathSuspect(from), "PathSuspect", true),
        (What::PathRecovered(from), "PathRecovered", true),
        (failover, "FailoverTriggered", true),
        (What::PathChosen { from, to, class }, "PathChosen", true),
        (What::SlaViolated(id(2), class), "SlaViolated", false),
        (What::SlaRestored(id(2), class), "SlaRestored", false),
        (What::PolicyApplied, "PolicyApplied", false),
    ] {
        let before = ring.end();
        ring.push(Event::Routed(what), "lab".to_owned(), 7);
        let (entries, _) = ring.after(before, 1).unwrap();
        let told = serde_json::to_value(&entries[0]).unwrap();
        assert_eq!(told["event"], name);
        assert_eq!((told["local"] == 0, told["remote"] == 1), (path, path), "{told}");
        assert_eq!(told["site"] == id(2).to_string(), name != "PolicyApplied", "{told}");
        if name == "FailoverTriggered" {
            assert_eq!((&told["class"], &told["cause"]), (&"voip".into(), &"probes".into()));
            assert_eq!((&told["detect_ms"], &told["switch_ms"]), (&31.into(), &2.into()));
            assert_eq!((&told["to_local"], &told["to_remote"]), (&1.into(), &1.into()));
        }
    }
}
