//! The agent of the test image, spoken to over its virtio port.
//!
//! *Spec*: `tests/agent`: one JSON object per line, `{"command": ..., "arguments": ...}` there, `{"ok": ...}` or `{"error": ...}` back.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// One command; filling a data partition takes its time.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// A connection to the agent.
#[derive(Debug)]
pub struct Agent {
    reader: BufReader<UnixStream>,
}

impl Agent {
    /// Connects, and waits until the agent answers: it starts with the other services.
    pub(crate) fn connect(path: &Path, limit: Duration) -> Result<Self> {
        let deadline = Instant::now() + limit;
        let stream = UnixStream::connect(path).context("QEMU has no socket for the agent")?;
        let mut agent = Self { reader: BufReader::new(stream) };
        agent.reader.get_ref().set_read_timeout(Some(limit))?;
        // What is written before the agent has opened the port waits in QEMU.
        agent.ask::<Value>("ping", &json!({})).context("the agent does not answer")?;
        anyhow::ensure!(Instant::now() <= deadline, "the agent answered too late");
        agent.reader.get_ref().set_read_timeout(Some(ANSWER_LIMIT))?;
        Ok(agent)
    }

    /// Runs one command.
    ///
    /// # Errors
    /// If the agent refuses or does not answer.
    pub fn ask<T: DeserializeOwned>(&mut self, command: &str, arguments: &Value) -> Result<T> {
        let request = json!({ "command": command, "arguments": arguments });
        writeln!(self.reader.get_mut(), "{request}")?;
        let mut line = String::new();
        self.reader.read_line(&mut line).with_context(|| format!("no answer to {command}"))?;
        let mut answer: Value = serde_json::from_str(&line).with_context(|| format!("the agent said {line:?}"))?;
        match answer.get_mut("ok") {
            Some(result) => Ok(serde_json::from_value(result.take())?),
            None => bail!("the agent cannot {command}: {answer}"),
        }
    }
}
