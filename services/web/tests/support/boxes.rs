//! Two boxes with a cable between their uplinks.

use std::sync::mpsc;

use super::{Stand, run};

/// The second box, on a thread with a network of its own; the first is on the test's.
pub fn with_two_boxes(
    second: impl FnOnce(&Stand, mpsc::Receiver<String>) + Send + 'static,
    first: impl FnOnce(&Stand, &mpsc::Sender<String>),
) {
    let (say_id, id) = mpsc::channel();
    let (plugged, plug) = mpsc::channel();
    let (token, tokens) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let stand = Stand::start_as(2, || {
            say_id.send(nix::unistd::gettid()).unwrap();
            plug.recv().unwrap();
            uplink(2);
        });
        second(&stand, tokens);
    });
    let stand = Stand::start_as(1, || {
        let far: nix::unistd::Pid = id.recv().unwrap();
        run("ip", &["link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", &far.to_string()]);
        uplink(1);
        plugged.send(()).unwrap();
    });
    first(&stand, &token);
    drop(token);
    other.join().unwrap();
}

fn uplink(number: u8) {
    run("ip", &["address", "add", &format!("203.0.113.{number}0/24"), "dev", "eth0"]);
    run("ip", &["link", "set", "eth0", "up"]);
}
