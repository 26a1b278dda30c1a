//! The LAN reaches the Internet through the box, with nothing configured but the first boot.

mod client;

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use patronus_qemu::{Image, Place, Segment, Wan};

use crate::story::Router;
use client::Client;

/// This computer, as QEMU's provider shows it.
const THIS_COMPUTER: [u8; 4] = [10, 0, 2, 2];
/// What is fetched.
const BYTES: usize = 256 * 1024;
/// An emulated box on a busy computer, from its first packet.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_computer_on_the_lan_fetches_from_the_wan_side_through_a_box_just_switched_on() -> Result<()> {
    let content: Vec<u8> = (0..BYTES).map(|n| (n * 7 + n / 251) as u8).collect();
    let port = serve(content.clone())?;
    let lan = Segment::new()?;
    let scratch = Place::from_env().scratch("internet")?;
    let machine = Image::shipped()?.direct_machine_with("internet", &scratch, Wan::Provider)?;
    let router = Router::switch_on(scratch, machine.lan_segment(lan.path()))?;
    router.page()?;

    let mut client = Client::on(&lan, [192, 168, 42, 77]);
    let fetched = client.fetch(THIS_COMPUTER, port, PATIENCE).context("nothing came back")?;
    ensure!(fetched == content, "{} of {BYTES} bytes, or others", fetched.len());
    Ok(())
}

/// Gives `content` to whoever connects.
fn serve(content: Vec<u8>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let content = content.clone();
            std::thread::spawn(move || {
                // A request of one byte, so that something goes up, too.
                let _ = stream.read_exact(&mut [0]).and_then(|()| stream.write_all(&content));
            });
        }
    });
    Ok(port)
}
