//! The LAN reaches the Internet through the box, with nothing configured but the first boot; and what is forwarded is reached from outside.

mod client;
mod server;

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hyper::Method;
use patronus_qemu::{Image, PROVIDED, Place, Segment, Wan, lan_mac, wan_mac};
use serde_json::{Value, json};

use crate::story::{Api, FirstBoot, Router};
use client::Client;
use server::Server;

/// This computer, as QEMU's provider shows it.
const THIS_COMPUTER: [u8; 4] = [10, 0, 2, 2];
/// What is fetched.
const BYTES: usize = 256 * 1024;
/// Who would answer has answered by then.
const SILENCE: Duration = Duration::from_secs(5);
/// Between two looks at something that does not tell when it changes.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// An emulated box on a busy computer, from its first packet.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_computer_on_the_lan_fetches_from_the_wan_side_through_a_box_just_switched_on() -> Result<()> {
    let content = content();
    let port = serve(content.clone())?;
    let lan = Segment::new()?;
    let scratch = Place::from_env().scratch("internet")?;
    let machine = Image::shipped()?.direct_machine_with("internet", &scratch, Wan::Provider)?;
    let router = Router::switch_on(scratch, machine.lan_segment(lan.path()))?;
    router.page()?;

    let mut client = Client::on(&lan, lan_mac(0), [192, 168, 42, 77]);
    let fetched = client.fetch(THIS_COMPUTER, port, PATIENCE).context("nothing came back")?;
    ensure!(fetched == content, "{} of {BYTES} bytes, or others", fetched.len());
    Ok(())
}

#[test]
fn a_stranger_on_the_wan_fetches_from_a_computer_on_the_lan_by_a_forwarded_port_alone() -> Result<()> {
    let (wan, lan) = (Segment::new()?, Segment::new()?);
    let scratch = Place::from_env().scratch("forward")?;
    let outside = Wan::ProviderOnSegment(wan.path().to_owned());
    let machine = Image::shipped()?.direct_machine_with("forward", &scratch, outside)?.lan_segment(lan.path());
    // A card whose driver takes programs, unlike that of the other tests, which is left without.
    let machine = machine.cards("vmxnet3");
    let router = Router::switch_on(scratch, machine)?;
    let page = router.page()?;
    FirstBoot { page: &page, code: &router.claim_code()? }.claim("forwarding")?;
    let api = Api::sign_in(&page)?;
    let _server = Server::on(&lan, [192, 168, 42, 50], 80, content());
    let forward = json!({ "name": "web", "protocol": "tcp", "outside": "8080", "inside": "192.168.42.50:80" });
    api.post("/api/forwards", &forward)?;

    let mut stranger = Client::on(&wan, wan_mac(0), [10, 0, 2, 77]);
    let fetched = stranger.fetch(PROVIDED, 8080, PATIENCE).context("nothing came back")?;
    ensure!(fetched == content(), "{} of {BYTES} bytes, or others", fetched.len());
    let flows: Value = serde_json::from_str(&api.get("/api/flows")?)?;
    let is_it = |flow: &Value| flow["forwarded"] == true && flow["inside"] == "192.168.42.50:80";
    let flow = flows["flows"].as_array().and_then(|flows| flows.iter().find(|flow| is_it(flow)));
    ensure!(flow.is_some_and(|flow| flow["outside"] == "10.0.2.15:8080"), "{flows}");

    ensure!(stranger.fetch(PROVIDED, 80, SILENCE).is_none(), "the port inside is no port outside");
    block_in_the_driver(&api, "10.0.2.77/32")?;
    ensure!(stranger.fetch(PROVIDED, 8080, SILENCE).is_none(), "he is on a list");
    api.post("/api/config/rollback", &json!({}))?;
    ensure!(stranger.fetch(PROVIDED, 8080, PATIENCE).is_some(), "he is not any more");
    flows_are_told(&api, "192.168.42.50:4739")?;
    api.post("/api/forwards/remove", &json!({ "name": "web" }))?;
    ensure!(stranger.fetch(PROVIDED, 8080, SILENCE).is_none(), "it is gone");
    Ok(())
}

/// Puts a prefix on a list, where the guard of this card looks: in its driver.
fn block_in_the_driver(api: &Api, prefix: &str) -> Result<()> {
    let list = format!("[guard]\nblock = [{{ name = \"strangers\", prefixes = [\"{prefix}\"] }}]\n");
    configure(api, |before| before.replacen("[guard]\n", &list, 1))?;
    let firewall =
        eventually(api, "/api/firewall", |said| said.pointer("/guard/lists/0/name") == Some(&json!("strangers")))?;
    ensure!(firewall.pointer("/guard/uplinks/0/in_driver") == Some(&json!(true)), "{firewall}");
    Ok(())
}

/// The service tells a collector of flows from within its sandbox.
fn flows_are_told(api: &Api, collector: &str) -> Result<()> {
    configure(api, |before| format!("{before}\n[ipfix]\ncollectors = [\"{collector}\"]\n"))?;
    let told = |said: &Value| said.pointer("/ipfix/messages").and_then(Value::as_u64).is_some_and(|count| count > 0);
    let flows = eventually(api, "/api/flows", told)?;
    ensure!(flows.pointer("/ipfix/send_errors") == Some(&json!(0)), "{flows}");
    Ok(())
}

fn configure(api: &Api, change: impl Fn(&str) -> String) -> Result<()> {
    let before = api.get("/api/config")?;
    let after = change(&before);
    ensure!(after != before, "no place for it in {before}");
    let answer = api.ask(&Method::PUT, "/api/config", "application/toml", &after)?;
    ensure!(answer.status.is_success(), "{} {}", answer.status, answer.body);
    Ok(())
}

/// What the API says once it is as wanted.
fn eventually(api: &Api, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let began = Instant::now();
    loop {
        let said = serde_json::from_str(&api.get(path)?)?;
        if wanted(&said) {
            return Ok(said);
        }
        ensure!(began.elapsed() < PATIENCE, "never: {path} {said}");
        std::thread::sleep(LOOK_EVERY);
    }
}

fn content() -> Vec<u8> {
    (0..BYTES).map(|n| (n * 7 + n / 251) as u8).collect()
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
