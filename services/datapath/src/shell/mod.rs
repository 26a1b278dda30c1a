//! The shell: everything that touches the kernel or another service.

pub(crate) mod devices;
pub(crate) mod export;
pub(crate) mod guard;
pub(crate) mod hooks;
pub(crate) mod loaded;
pub(crate) mod rules;
pub(crate) mod service;
pub(crate) mod six;
pub(crate) mod steer;
pub(crate) mod sys;
pub(crate) mod tables;
pub(crate) mod told;

use std::{
    io,
    path::{Path, PathBuf},
};

use patronus_ipc::{Context, ServiceError};
use thiserror::Error;

/// Why the service ends. `init` starts it again; programs and tables stay in the kernel meanwhile.
#[derive(Debug, Error)]
pub(crate) enum Fatal {
    /// As of any service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The object cannot be loaded.
    #[error("object: {0}")]
    Object(#[from] aya::EbpfError),
    /// The kernel does not take a program.
    #[error("program {0}: {1}")]
    Program(&'static str, #[source] aya::programs::ProgramError),
    /// A table is not what it should be.
    #[error("table {0}: {1}")]
    Table(&'static str, #[source] aya::maps::MapError),
    /// The words of the paths cannot be mapped.
    #[error("table PATHS: {0}")]
    Words(#[source] io::Error),
    /// A table cannot be read.
    #[error("table {0}: {1}")]
    Read(&'static str, #[source] io::Error),
    /// The kernel does not tell of a device.
    #[error("device {0}: {1}")]
    Device(String, #[source] rtnetlink::Error),
    /// The object has no part of this name.
    #[error("the object has no {0}")]
    Missing(&'static str),
    /// A directory for pins cannot be made.
    #[error("{}: {error}", .path.display())]
    Pin {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// Where the object lies and where the kernel keeps what is pinned.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) object: PathBuf,
    pub(crate) pins: PathBuf,
}

impl Places {
    /// Those of the image; a service that was given a directory has both in there, as in a test.
    pub(crate) fn of(context: &Context) -> Self {
        match &context.state_dir {
            Some(dir) => Self { object: dir.join("datapath.o"), pins: dir.join("bpf") },
            None => Self {
                object: Path::new("/usr/share/patronus/datapath.o").to_owned(),
                pins: Path::new("/sys/fs/bpf").to_owned(),
            },
        }
    }
}
