use patronus_types::Class;

use super::{picture::MOST_LINES, *};
use crate::view::routing::Slots;

fn site(number: usize, state: Reach) -> Node {
    let (site, name) = (format!("{number:064x}"), format!("site-{number:03}"));
    Node { site, name, is_own: number == 0, is_active: true, state, paths: 2, paths_up: 2 }
}

fn path(site: &Node, local: u8, liveness: Liveness) -> Edge {
    let slots = Slots { local, remote: 0 };
    Edge {
        site: site.site.clone(),
        slots,
        liveness,
        way: "direct",
        via: None,
        via_name: None,
        rtt_us: Some(12_000),
        classes: vec![Class::ALL[0]],
    }
}

fn network(others: usize) -> Topology {
    let state = |number| if number % 10 == 9 { Reach::Down } else { Reach::Up };
    let sites: Vec<Node> = (0..=others).map(|number| site(number, state(number))).collect();
    let paths = sites.iter().skip(1).map(|site| path(site, 0, Liveness::Up)).collect();
    Topology { sites, paths }
}

fn nodes(view: &Topology) -> usize {
    page(view, "site-000", "").into_string().matches("class=\"hit\"").count()
}

#[test]
fn as_many_sites_are_drawn_as_the_limit_says_and_with_one_more_the_best_are_counted() {
    assert_eq!(nodes(&network(picture::MOST_NODES)), picture::MOST_NODES);
    let view = network(picture::MOST_NODES + 1);
    assert_eq!(nodes(&view), picture::MOST_NODES - Reach::ALL.len() + 1);
    let text = page(&view, "site-000", "").into_string();
    assert!(text.contains("5 more: up") && text.contains("href=\"#state-up\"") && text.contains("id=\"state-up\""));
}

#[test]
fn the_worst_of_five_hundred_are_drawn_and_all_are_in_words() {
    let text = page(&network(500), "site-000", "").into_string();
    assert!(text.contains("site-009: 2 of 2 up") && !text.contains("site-010: "), "those that are down come first");
    assert!(text.contains("30 more: down") && text.contains("450 more: up"));
    assert_eq!(text.matches("<th scope=\"row\">").count(), 501);
    assert!(text.len() < 200 * 1024, "{}", text.len());
}

#[test]
fn each_path_is_a_line_and_of_too_many_each_state_is() {
    let lines = |count: usize| {
        let mut view = network(1);
        let of = |number: usize| if number == 0 { Liveness::Down } else { Liveness::Up };
        view.paths = (0..count).map(|number| path(&view.sites[1], number as u8, of(number))).collect();
        page(&view, "site-000", "").into_string().matches("class=\"line").count()
    };
    assert_eq!((lines(0), lines(1), lines(MOST_LINES), lines(MOST_LINES + 1)), (0, 1, MOST_LINES, 2));
}

#[test]
fn what_is_drawn_is_said() {
    let text = page(&network(1), "site-000", "").into_string();
    assert!(text.contains("0 to 0 up, 12.0 ms: voip"), "{text}");
    assert!(!text.contains("style="), "the page's policy forbids it");
    let alone = page(&network(0), "site-000", "").into_string();
    assert!(alone.contains("alone in its network") && !alone.contains("<svg"));
}

#[test]
fn a_path_that_a_relay_carries_is_marked_and_named() {
    let mut view = network(2);
    let direct = page(&view, "site-000", "").into_string();
    assert!(!direct.contains("class=\"relay") && !direct.contains("via a relay"));
    let edge = &mut view.paths[0];
    (edge.way, edge.via, edge.via_name) = ("relayed", Some("ab".repeat(32)), Some("hub-basel".to_owned()));
    let text = page(&view, "site-000", "").into_string();
    assert_eq!(text.matches("class=\"relay good\"").count(), 2, "the line and the legend");
    assert!(text.contains("0 to 0 up via hub-basel, 12.0 ms: voip") && text.contains("via a relay"), "{text}");
    view.paths[0].via_name = None;
    assert!(page(&view, "site-000", "").into_string().contains("via abababab"));
}
