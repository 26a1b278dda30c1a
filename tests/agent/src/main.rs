//! The agent of the test image: does what tests ask, over the virtio port `patronus.agent`.
//!
//! *Does*: look at processes, files and sockets from inside with every right, and break things on request.
//! *Never does*: get into the image that ships: its manifest does not name it, and its root does not hold it.
//! *Spec*: one JSON object per line: `{"command": NAME, "arguments": {...}}` in, `{"ok": ...}` or `{"error": TEXT}` out.

#![forbid(unsafe_code)]

mod command;
mod files;
mod orphan;
mod port;
mod processes;

use std::io::{BufRead, BufReader, Write};

use anyhow::{Context, Result};
use serde_json::{Value, json};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(role) = arguments.get(1) {
        return orphan::play(role);
    }
    let context = patronus_ipc::Context::from_env()?;
    let port = port::open()?;
    context.ready();
    serve(port)
}

/// Answers each line; ends only when the port is gone, and `init` then starts a new agent.
fn serve(port: std::fs::File) -> Result<()> {
    let mut reader = BufReader::new(port);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).context("the port is gone")? == 0 {
            // Nobody is at the other end.
            std::thread::sleep(port::LOOK_EVERY);
            continue;
        }
        let answer = match answer(&line) {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        writeln!(reader.get_mut(), "{answer}")?;
    }
}

fn answer(line: &str) -> Result<Value> {
    let request: command::Request = serde_json::from_str(line)?;
    request.run()
}
