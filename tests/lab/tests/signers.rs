//! Two signers: each admits a site, the first one's box dies, and the network lives on by the second one's word.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{founded_by, tcp};
use patronus_ipc::mesh::{Reply, Request, Role, Standing, State};
use patronus_lab::{Net, Wiring};
use patronus_types::RootSecret;

const ROOT: RootSecret = RootSecret([0x5a; 32]);

#[track_caller]
fn accepted(reply: &Reply) {
    assert_eq!(*reply, Reply::Accepted);
}

fn standing_of(state: &State, name: &str) -> Option<Standing> {
    state.sites.iter().find(|site| site.name.as_str() == name).map(|site| site.standing)
}

#[test]
fn the_network_outlives_its_first_signer() {
    let mut net = Net::new(&common::programs(), 4, 1, Wiring::Routed);
    founded_by(&net.sites[0], &ROOT);
    let seeds: Vec<String> = [1, 2].map(|number| format!("203.0.{number}.1:51822")).to_vec();

    // Site 2 is a seed, too, and then a signer: only the right key makes it one.
    net.sites[1].join(&net.sites[0].make_token_for(2, vec![Role::Site, Role::Seed], &seeds));
    net.sites[1].wait_for_mesh("a network", |state| state.network.is_some());
    let refused = net.sites[1].ask(&Request::MakeSigner { root: RootSecret([1; 32]) });
    assert!(matches!(refused, Reply::Rejected(problem) if problem.code == "root-key-wrong"));
    accepted(&net.sites[1].ask(&Request::MakeSigner { root: ROOT }));
    accepted(&net.sites[1].ask(&Request::MakeSigner { root: ROOT }));
    let signers = net.sites[0].wait_for_mesh("both signers", |state| {
        state.network.as_ref().is_some_and(|network| network.signers.len() == 2)
    });

    // The first one admits a site that becomes a signer, too, but is no seed; with its token one joins through the seeds.
    net.sites[2].join(&net.sites[0].make_token(3, &seeds));
    net.sites[2].wait_for_mesh("a network", |state| state.network.is_some());
    accepted(&net.sites[2].ask(&Request::MakeSigner { root: ROOT }));
    net.sites[3].join(&net.sites[2].make_token(4, &seeds));
    for site in &net.sites {
        site.wait_for_paths(3);
    }

    // The first one's box is gone. The second one's word is enough for all, also to end the rights of the first.
    net.sites[0].die();
    let first = signers.network.unwrap().signers.into_iter().find(|signer| signer.is_here).unwrap().key;
    let own = net.sites[1].ask(&Request::WithdrawSigner { root: ROOT, signer: [7; 32] });
    assert!(matches!(own, Reply::Rejected(problem) if problem.code == "signer-unknown"));
    accepted(&net.sites[1].ask(&Request::WithdrawSigner { root: ROOT, signer: first }));
    // What was accepted outlives a power cut at that moment.
    net.sites[1].restart();
    net.sites[1].wait_for_mesh("its membership again", |state| state.network.is_some());
    let lost = net.sites[1].wait_for_mesh("itself", |_| true);
    let lost = lost.sites.iter().find(|site| site.name.as_str() == "site-1").unwrap().id;
    accepted(&net.sites[1].ask(&Request::Revoke { site: lost }));
    for site in &net.sites[1..] {
        let is_done = |state: &State| {
            let signers = &state.network.as_ref().unwrap().signers;
            signers.iter().any(|signer| signer.key == first && signer.is_withdrawn)
                && ["site-2", "site-3", "site-4"].iter().all(|name| standing_of(state, name) == Some(Standing::Valid))
                && standing_of(state, "site-1") == Some(Standing::Revoked)
        };
        site.wait_for_mesh("the first signer is none any more, and its sites stay", is_done);
        site.wait_for_paths(2);
    }
    tcp(&net.sites[2], &net.sites[3]);

    // And a new site joins.
    net.sites[0].reset();
    net.sites[0].join(&net.sites[1].make_token(1, &seeds[1..]));
    net.sites[2].wait_for_paths(3);
}
