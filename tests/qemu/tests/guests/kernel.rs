//! The running kernel is what `kernel-config/policy.toml` says.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use patronus_image::policy::Policy;
use patronus_qemu::Agent;
use serde_json::json;

use crate::{
    story::{BOOT, Router},
    wan::read,
};

#[test]
fn the_running_kernel_keeps_to_the_hardening_policy() -> Result<()> {
    let router = Router::with_agent("policy")?;
    router.page()?;
    let mut agent = router.guest.agent(BOOT)?;
    let policy = Policy::of_this_version()?;
    let mut drift = policy.drift_from_built(&configuration(&mut agent)?);
    let command_line = read(&mut agent, "/proc/cmdline")?;
    for argument in &policy.argument {
        if !command_line.split_whitespace().any(|word| word == argument.text) {
            drift.push(format!("{} is not on the command line {command_line}", argument.text));
        }
    }
    for sysctl in &policy.sysctl {
        let found = read(&mut agent, &format!("/proc/sys/{}", sysctl.name.replace('.', "/")))?;
        if found.trim() != sysctl.value {
            drift.push(format!("{} is {}, not {}", sysctl.name, found.trim(), sysctl.value));
        }
    }
    for absent in &policy.absent {
        if read(&mut agent, &absent.path).is_ok() {
            drift.push(format!("{} is there", absent.path));
        }
    }
    for shows in &policy.shows {
        let found = read(&mut agent, &shows.path).unwrap_or_else(|error| error.to_string());
        if !found.contains(&shows.contains) {
            drift.push(format!("{} shows {}, not {}", shows.path, found.trim(), shows.contains));
        }
    }
    assert!(drift.is_empty(), "{drift:#?}");
    Ok(())
}

/// What the kernel was built from, as it tells itself.
fn configuration(agent: &mut Agent) -> Result<String> {
    let packed: String = agent.ask("read", &json!({ "path": "/proc/config.gz" }))?;
    gunzip(hex::decode(packed)?)
}

fn gunzip(bytes: Vec<u8>) -> Result<String> {
    let mut gzip = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = gzip.stdin.take().context("no pipe")?;
    // What comes out is larger than a pipe: it must be read while this is written.
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = gzip.wait_with_output()?;
    writer.join().ok().context("the writer panicked")??;
    Ok(String::from_utf8(output.stdout)?)
}
