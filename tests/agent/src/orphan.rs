//! Processes without parents: the agent starts itself as a parent that starts a child and ends.

use std::{
    io::Read,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// The process that starts a child and ends before it.
const PARENT: &str = "parent";
/// The child.
const CHILD: &str = "child";

/// Makes an orphan that lives for a while; gives its pid.
pub(crate) fn make(lives_ms: u64) -> Result<u32> {
    let program = std::env::current_exe()?;
    let mut parent = Command::new(program).args([PARENT, &lives_ms.to_string()]).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    parent.stdout.take().context("no pipe")?.read_to_string(&mut said)?;
    parent.wait()?;
    said.trim().parse().with_context(|| format!("the parent said {said:?}"))
}

/// What the other two processes do.
pub(crate) fn play(role: &str) -> Result<()> {
    let lives_ms: u64 = std::env::args().nth(2).context("how long?")?.parse()?;
    match role {
        PARENT => {
            let program = std::env::current_exe()?;
            let mut child = Command::new(program);
            child.args([CHILD, &lives_ms.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
            println!("{}", child.spawn()?.id());
        }
        CHILD => thread::sleep(Duration::from_millis(lives_ms)),
        _ => bail!("unknown role {role}"),
    }
    Ok(())
}
