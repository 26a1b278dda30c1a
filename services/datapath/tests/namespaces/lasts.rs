//! What outlives the service.

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::lab::{COMPUTER, FAR, Lab};

/// A flow that counts up while something happens, and comes back with each number; how many those were.
fn every_packet_comes_back(lab: &mut Lab, meanwhile: impl FnOnce(&mut Lab)) -> u64 {
    let far = lab.far.inside(|| UdpSocket::bind((FAR, 7)).unwrap());
    // Ends with the test's process.
    std::thread::spawn(move || {
        let mut buffer = [0; 8];
        while let Ok((count, from)) = far.recv_from(&mut buffer) {
            far.send_to(&buffer[..count], from).unwrap();
        }
    });
    let computer = lab.computer.inside(|| UdpSocket::bind((COMPUTER, 5000)).unwrap());
    computer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    computer.connect((FAR, 7)).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let traffic = std::thread::spawn(move || {
        let mut number = 0_u64;
        while !over.load(Ordering::Relaxed) {
            computer.send(&number.to_be_bytes()).unwrap();
            let mut buffer = [0; 8];
            let count = computer.recv(&mut buffer).unwrap_or_else(|error| panic!("packet {number}: {error}"));
            assert_eq!(buffer[..count], number.to_be_bytes());
            number += 1;
        }
        number
    });
    meanwhile(lab);
    is_over.store(true, Ordering::Relaxed);
    traffic.join().unwrap()
}

#[test]
fn no_packet_is_lost_while_the_service_is_killed_and_its_programs_are_replaced() {
    let mut lab = Lab::new();
    let packets = every_packet_comes_back(&mut lab, |lab| {
        for _ in 0..3 {
            lab.forwarding.restart();
            // Its first word comes when its programs hang where the old ones hung.
            lab.wait_for("LAN and uplink", |state| state.lan.is_some() && state.uplinks.len() == 1);
        }
    });
    println!("{packets} packets");
    assert!(packets > 100, "hardly any traffic: this shows nothing");
    let flows = lab.flows();
    assert_eq!(flows[0].sent.packets, packets, "one flow over all lives of the service: {flows:?}");
}

#[test]
fn while_the_service_is_away_the_lan_keeps_the_internet() {
    let mut lab = Lab::new();
    lab.forwarding.datapath.kill();
    patronus_lab::carry::tcp(&lab.computer, &lab.far, FAR, 100_000);
    assert!(lab.wire.was_never_private(), "{:?}", lab.wire.ends());
}
