//! What tests can ask for.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{files, orphan, processes};

/// One line of a test.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", content = "arguments", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Says that it is there.
    Ping {},
    /// Every process with its rights, kernel threads as well.
    Processes {},
    /// `kill -9`.
    Kill { pid: i32 },
    /// A file's bytes, as hexadecimal.
    Read { path: PathBuf },
    /// Writes text into an existing file, such as one in `/proc`, or tries to.
    Write { path: PathBuf, text: String },
    /// Overwrites a part of a block device.
    WriteDevice { path: PathBuf, offset: u64, bytes_hex: String },
    /// Everything below a directory, without crossing into other file systems unless asked to.
    Walk { path: PathBuf, cross: bool },
    /// Fills the file system of a directory up to its last block.
    Fill { path: PathBuf },
    /// Removes what `Fill` has made.
    Empty { path: PathBuf },
    /// Makes a process whose parent has ended; gives its pid.
    Orphan { lives_ms: u64 },
}

impl Request {
    /// Does it.
    pub(crate) fn run(self) -> Result<Value> {
        match self {
            Self::Ping {} => Ok(json!("here")),
            Self::Processes {} => Ok(serde_json::to_value(processes::all()?)?),
            Self::Kill { pid } => kill(pid),
            Self::Read { path } => Ok(json!(hex::encode(fs::read(&path).with_context(|| path.display().to_string())?))),
            Self::Write { path, text } => done(files::write_text(&path, &text)),
            Self::WriteDevice { path, offset, bytes_hex } => {
                done(files::write_device(&path, offset, &hex::decode(bytes_hex)?))
            }
            Self::Walk { path, cross } => Ok(serde_json::to_value(files::walk(&path, cross)?)?),
            Self::Fill { path } => Ok(json!(files::fill(&path)?)),
            Self::Empty { path } => done(files::empty(&path)),
            Self::Orphan { lives_ms } => Ok(json!(orphan::make(lives_ms)?)),
        }
    }
}

fn done(result: Result<()>) -> Result<Value> {
    result.map(|()| Value::Null)
}

fn kill(pid: i32) -> Result<Value> {
    let pid = Pid::from_raw(pid).context("no process has this id")?;
    kill_process(pid, Signal::KILL)?;
    Ok(Value::Null)
}
