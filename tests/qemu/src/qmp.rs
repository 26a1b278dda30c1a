//! QEMU's own control channel: power button, reset, keys, cables, screen.
//!
//! *Spec*: QEMU Machine Protocol specification, <https://www.qemu.org/docs/master/interop/qmp-spec.html>.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// QEMU answers a command at once; a busy machine gets this long.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// QEMU opens its socket before the guest runs.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// A connection to QEMU.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects, and waits until QEMU takes commands.
    ///
    /// # Errors
    /// If QEMU does not open its socket in time.
    pub fn connect(path: &Path) -> Result<Self> {
        let deadline = Instant::now() + CONNECT_LIMIT;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => {
                    return Err(error).context("QEMU did not open its QMP socket");
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let mut qmp = Self { reader: BufReader::new(stream) };
        qmp.read()?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs one command and gives its result.
    ///
    /// # Errors
    /// If QEMU refuses the command or ends.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.reader.get_mut(), "{line}").context("QEMU is gone")?;
        loop {
            let mut answer = self.read()?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {error}");
            }
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
            // Anything else is an event; nobody waits for it here.
        }
    }

    /// Runs one command of the monitor that people use.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn monitor(&mut self, line: &str) -> Result<String> {
        let result = self.execute("human-monitor-command", &json!({ "command-line": line }))?;
        Ok(result.as_str().unwrap_or_default().to_owned())
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let length = self.reader.read_line(&mut line).context("QEMU does not answer")?;
        if length == 0 {
            bail!("QEMU is gone");
        }
        serde_json::from_str(&line).with_context(|| format!("QEMU said {line:?}"))
    }
}
