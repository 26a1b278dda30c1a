//! Runs `web` on this machine until it is interrupted, and says how to reach it.

mod support;

use support::{ADDRESS, Stand};

fn main() {
    let stand = Stand::start();
    println!("page        https://{ADDRESS}/");
    println!("network     nsenter --target {} --net COMMAND", std::process::id());
    println!("claim code  {}", stand.claim_code().unwrap_or_default());
    println!("fingerprint {}", stand.fingerprint());
    loop {
        std::thread::park();
    }
}
