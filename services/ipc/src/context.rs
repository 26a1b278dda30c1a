//! What `init` hands to a service: its name, its socket, its place for state, who may call it.
//!
//! *Does*: read the environment once, log to standard output, tell `init` "ready".
//! *Never does*: guess: without these variables a service does not start.
//! *Spec*: `docs/ipc.md`, section "Environment of a service".

use std::{env, io, os::fd::OwnedFd, os::unix::net::UnixListener, path::PathBuf, sync::Mutex};

use thiserror::Error;

use crate::{Access, sys};

/// A service's own name.
pub const SERVICE: &str = "PATRONUS_SERVICE";
/// Directory of all sockets, `NAME.sock` each.
pub const IPC_DIR: &str = "PATRONUS_IPC_DIR";
/// The service's own directory for state that lasts; absent for services without state.
pub const STATE_DIR: &str = "PATRONUS_STATE_DIR";
/// The access table of the service's own socket, see [`Access`].
pub const CALLERS: &str = "PATRONUS_CALLERS";
/// Number of the descriptor of the listening socket; absent for services that nobody calls.
pub const LISTEN_FD: &str = "PATRONUS_LISTEN_FD";
/// Number of the descriptor on which one byte means "ready".
pub const READY_FD: &str = "PATRONUS_READY_FD";

/// What a service knows of its place.
#[derive(Debug)]
pub struct Context {
    /// The service's own name.
    pub service: String,
    /// Directory of all sockets.
    pub ipc_dir: PathBuf,
    /// The service's own directory for state.
    pub state_dir: Option<PathBuf>,
    /// Who may call this service.
    pub access: Access,
    listener: Mutex<Option<UnixListener>>,
    ready: Mutex<Option<OwnedFd>>,
}

/// A service that cannot know its place exits at once; `init` shows the message.
#[derive(Debug, Error)]
pub enum ContextError {
    /// A variable that every service gets is not there.
    #[error("{0} is not set: services are started by init, or by the lab")]
    Missing(&'static str),
    /// A variable holds something else than it should.
    #[error("{0} does not hold what it should")]
    Invalid(&'static str),
}

impl Context {
    /// Reads the environment, takes over the descriptors, and starts logging to standard output, which `init` collects.
    ///
    /// # Errors
    /// See [`ContextError`].
    pub fn from_env() -> Result<Self, ContextError> {
        tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false).with_writer(io::stdout).init();
        let required = |name| env::var(name).map_err(|_| ContextError::Missing(name));
        let listener = inherited(LISTEN_FD)?.map(UnixListener::from);
        Ok(Self {
            service: required(SERVICE)?,
            ipc_dir: required(IPC_DIR)?.into(),
            state_dir: env::var_os(STATE_DIR).map(PathBuf::from),
            access: env::var(CALLERS).unwrap_or_default().parse().map_err(|_| ContextError::Invalid(CALLERS))?,
            listener: Mutex::new(listener),
            ready: Mutex::new(inherited(READY_FD)?),
        })
    }

    /// The listening socket; there is one, and the first who asks gets it.
    #[must_use]
    pub fn take_listener(&self) -> Option<UnixListener> {
        self.listener.lock().ok()?.take()
    }

    /// Tells `init` that the service answers. Only the first call counts.
    pub fn ready(&self) {
        if let Some(fd) = self.ready.lock().ok().and_then(|mut ready| ready.take()) {
            // If nobody listens any more, nobody needs to know.
            let _ = rustix::io::write(&fd, b"1");
        }
    }
}

/// The descriptor whose number stands in the variable `name`, if the variable is there.
fn inherited(name: &'static str) -> Result<Option<OwnedFd>, ContextError> {
    let Some(text) = env::var_os(name) else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse().ok()).ok_or(ContextError::Invalid(name))?;
    sys::adopt(number).map(Some).ok_or(ContextError::Invalid(name))
}
