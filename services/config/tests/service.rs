//! The real program over its real socket: the test plays `init`'s part.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::{Arc, Barrier};

use patronus_ipc::config::{Reply, Request, State};
use patronus_types::Generation;
use support::{Appliance, apply, claim, document, own_claim};

#[tokio::test]
async fn first_boot_trial_and_roll_back_over_ipc() {
    let appliance = Appliance::start().await;
    assert_eq!(appliance.state().await, State::default());
    assert_eq!(appliance.call(&claim(0)).await, Reply::Committed { generation: Generation(1) });
    assert_eq!(appliance.rejection(&claim(0)).await, "already-claimed");
    assert_eq!(appliance.call(&apply(1, Some(1))).await, Reply::Committed { generation: Generation(2) });
    assert_eq!(appliance.state().await.claimed.unwrap().document, document(1));
    // Nobody confirms: followers see the old document again, as a new generation, without asking.
    let mut follower = appliance.follow();
    let rolled_back =
        |reply: &Option<Reply>| matches!(reply, Some(Reply::State(state)) if state.generation == Generation(3));
    let Some(Reply::State(state)) = follower.wait_for(rolled_back).await.unwrap().clone() else { panic!("no state") };
    let claimed = state.claimed.unwrap();
    assert_eq!((claimed.document, claimed.trial), (document(0), None));
}

/// The same one over restarts: it is made once, with the claim.
#[tokio::test]
async fn the_identity_comes_with_the_claim_and_stays() {
    let mut appliance = Appliance::start().await;
    assert_eq!(appliance.call(&Request::Identity).await, Reply::Identity(None));
    appliance.call(&claim(0)).await;
    let Reply::Identity(Some(seed)) = appliance.call(&Request::Identity).await else { panic!("no identity") };
    assert_ne!(seed.0, [0; 32]);
    appliance.kill_and_restart().await;
    assert_eq!(appliance.call(&Request::Identity).await, Reply::Identity(Some(seed)));
}

/// Each claim is valid by itself and has a site name and a verifier of its own; all connections of a caller's share but one are in the race.
#[tokio::test]
async fn ten_thousand_claims_that_race_on_the_socket_make_one_owner() {
    const CLAIMS: u64 = 10_000;
    const AT_ONCE: u64 = 15;
    let appliance = Appliance::start().await;
    let start = Arc::new(Barrier::new(AT_ONCE as usize));
    let racers: Vec<_> = (0..AT_ONCE)
        .map(|racer| {
            let (start, mut caller) = (Arc::clone(&start), appliance.connect());
            std::thread::spawn(move || {
                start.wait();
                let claims = (racer..CLAIMS).step_by(AT_ONCE as usize);
                claims.map(|number| (number, caller.ask(&own_claim(number)))).collect::<Vec<_>>()
            })
        })
        .collect();
    let answers: Vec<(u64, Reply)> = racers.into_iter().flat_map(|racer| racer.join().unwrap()).collect();
    assert_eq!(answers.len() as u64, CLAIMS);
    let (committed, rejected): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, reply)| matches!(reply, Reply::Committed { .. }));
    let [(winner, Reply::Committed { generation: Generation(1) })] = committed.as_slice() else {
        panic!("{committed:?}")
    };
    for (number, reply) in rejected {
        let Reply::Rejected(problems) = reply else { panic!("{number}: {reply:?}") };
        assert_eq!(problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>(), ["already-claimed"]);
    }
    let Request::Claim(claim) = own_claim(*winner) else { unreachable!() };
    assert_eq!(appliance.state().await.claimed.unwrap().document, claim.document, "the box is the winner's");
    assert_eq!(appliance.call(&Request::Credential).await, Reply::Credential(Some(claim.password_phc)));
}

#[tokio::test]
async fn a_trial_goes_on_when_only_the_service_restarts() {
    let mut appliance = Appliance::start().await;
    appliance.call(&claim(0)).await;
    appliance.call(&apply(1, Some(600))).await;
    let before = appliance.state().await;
    appliance.kill_and_restart().await;
    assert_eq!(appliance.state().await, before);
    assert_eq!(
        appliance.call(&Request::Confirm { generation: Generation(2) }).await,
        Reply::Committed { generation: Generation(2) }
    );
}

#[tokio::test]
async fn a_polite_end_is_clean_and_loses_nothing() {
    let mut appliance = Appliance::start().await;
    appliance.call(&claim(0)).await;
    let before = appliance.state().await;
    assert!(appliance.terminate().success());
    appliance.restart().await;
    assert_eq!(appliance.state().await, before);
}

#[tokio::test]
async fn a_damaged_database_makes_the_box_unclaimed_and_says_so() {
    let mut appliance = Appliance::start().await;
    appliance.call(&claim(0)).await;
    appliance.terminate();
    std::fs::write(appliance.state_dir().join("config.redb"), b"damage").unwrap();
    appliance.restart().await;
    assert_eq!(appliance.state().await, State::default());
    assert_eq!(appliance.call(&Request::Credential).await, Reply::Credential(None));
    assert!(appliance.log().contains("set aside; this box is unclaimed"), "{}", appliance.log());
    assert!(appliance.state_dir().join("config.redb.damaged-1").exists());
}

#[tokio::test]
async fn a_full_disk_rejects_changes_and_keeps_what_runs() {
    let mut appliance = Appliance::start().await;
    appliance.call(&claim(0)).await;
    appliance.terminate();
    appliance.restart_on_full_disk(100).await;
    let mut committed = 1;
    let rejected = loop {
        match appliance.call(&apply(committed, None)).await {
            Reply::Committed { generation } => committed = generation.0,
            other => break other,
        }
        assert!(committed < 1000, "the disk was never full");
    };
    let Reply::Rejected(problems) = rejected else { panic!("{rejected:?}") };
    assert_eq!(problems[0].code, "disk-full");
    // The same process answers on, with what runs, and again after a restart with room.
    let before = appliance.state().await;
    assert_eq!(before.generation, Generation(committed));
    appliance.kill_and_restart().await;
    assert_eq!(appliance.state().await, before);
    assert_eq!(
        appliance.call(&apply(committed, None)).await,
        Reply::Committed { generation: Generation(committed + 1) }
    );
}

/// Commits without a pause while the service is killed 60 times, at moments spread over the length of three commits.
#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_service_is_killed_again_and_again() {
    let mut appliance = Appliance::start().await;
    let began = std::time::Instant::now();
    assert_eq!(appliance.call(&claim(0)).await, Reply::Committed { generation: Generation(1) });
    let commit = began.elapsed();
    let (mut acknowledged, mut cut_short) = (1_u64, 0);
    for kill in 0..60 {
        let mut killed = appliance.kill_after(commit * (kill * 7 % 20) / 7);
        loop {
            // Each generation says its own number, so that a mix-up is seen.
            let next = apply(acknowledged, None);
            let reply = tokio::select! {
                reply = appliance.try_call(&next) => reply,
                ended = &mut killed => break ended.unwrap(),
            };
            let Ok(reply) = reply else { break killed.await.unwrap() };
            assert_eq!(reply, Reply::Committed { generation: Generation(acknowledged + 1) });
            acknowledged += 1;
        }
        appliance.restart().await;
        let state = appliance.state().await;
        let found = state.generation.0;
        assert!(found == acknowledged || found == acknowledged + 1, "acknowledged {acknowledged}, found {found}");
        assert_eq!(state.claimed.unwrap().document, document(found - 1));
        cut_short += u32::from(found > acknowledged);
        acknowledged = found;
    }
    assert!(acknowledged > 20, "commits went on between the kills: {acknowledged}");
    println!("{acknowledged} generations, {cut_short} of 60 kills hit between commit and answer");
}
