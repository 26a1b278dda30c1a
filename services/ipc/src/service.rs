//! A service from its start to its end.
//!
//! *Does*: take what `init` hands over, run the service on one thread, say why it ended.
//! *Never does*: start anything again: `init` does.

use std::{fmt::Display, io, process::ExitCode};

use thiserror::Error;
use tokio::{runtime, task::JoinError};

use crate::{Context, ContextError};

/// Threads for work that blocks, such as a password's hash: one that waits behind four others waits.
const MOST_BLOCKING_THREADS: usize = 4;

/// Why any service ends before it is told to. `init` starts it again; what it has put into the kernel stays there meanwhile.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// Not started by `init`.
    #[error("{0}")]
    Context(#[from] ContextError),
    /// Something that the manifest should give, or another service, is missing.
    #[error("{0} was not handed over")]
    Missing(&'static str),
    /// The operating system refused something that must work.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
}

impl ServiceError {
    /// Nobody answers on the service's socket any more: others could not follow it.
    #[must_use]
    pub fn not_answering(ended: Result<io::Result<()>, JoinError>) -> Self {
        let error = ended.map_err(io::Error::other).flatten().err();
        Self::Io("ipc", error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }
}

/// Runs `service`, called `name`, until it ends: the whole of a service's `main`.
#[must_use]
pub fn run<F, E>(name: &str, service: impl FnOnce(Context) -> F) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: Display + From<ServiceError>,
{
    match start(service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Also when logging could not be set up.
            println!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start<F, E>(service: impl FnOnce(Context) -> F) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
    E: From<ServiceError>,
{
    let context = Context::from_env().map_err(ServiceError::from)?;
    let runtime =
        runtime::Builder::new_current_thread().enable_all().max_blocking_threads(MOST_BLOCKING_THREADS).build();
    runtime.map_err(|error| ServiceError::Io("runtime", error))?.block_on(service(context))
}
