//! What services on one box say to each other: one module per service that answers, postcard over Unix sockets.
//!
//! *Does*: the messages, their framing, who may call what, the two ends of a connection; and what every service's program does
//! before and after its own work ([`run`]).
//! *Never does*: wait for a consumer, queue without a limit, trust a caller by what it says of itself: the kernel names the peer's
//! user id, and `init/services.toml` says which operations that user may call.
//! *Spec*: `docs/ipc.md`.

mod access;
mod client;
pub mod context;
mod desk;
pub mod frame;
mod publish;
mod server;
mod service;
mod sys;

pub mod clock;
pub mod config;
pub mod datapath;
pub mod init;
pub mod link;
pub mod mesh;
pub mod prober;
pub mod router;
pub mod tunnel;

pub use access::{Access, InvalidAccess};
pub use client::{CallError, call, follow};
pub use context::{Context, ContextError};
pub use desk::{Asked, Question, ask_in_turn};
pub use publish::{WatchOnly, publish};
pub use server::{Answer, Handler, serve};
pub use service::{ServiceError, run};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

/// The protocol of one service: what may be asked of it and what it answers.
pub trait Protocol: 'static {
    /// The service's name in the manifest; its socket is `NAME.sock` in the directory of sockets.
    const SERVICE: &'static str;
    /// What may be asked.
    type Request: Operation + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What is answered.
    type Reply: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// Whether a snapshot says anything. A service that was just started anew may not have looked yet: its followers go on with what they know.
    #[must_use]
    fn is_set(_snapshot: &Self::Reply) -> bool {
        true
    }
}

/// The operation of every service whose state can be followed.
pub const WATCH: &str = "watch";

/// A request knows under which name the manifest grants it.
pub trait Operation {
    /// The operation's name in `callers` of the manifest, such as `config.apply` without its service: `apply`.
    fn operation(&self) -> &'static str;
}

/// Why a service did not look at a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Refusal {
    /// The manifest does not let this caller call this operation. Programming error, or an intruder in a service.
    #[error("operation \"{operation}\" is not granted to user {uid}")]
    Denied {
        /// What was asked.
        operation: String,
        /// Who asked, by the kernel's word.
        uid: u32,
    },
    /// The bytes are no request of this protocol. The connection is closed.
    #[error("malformed request")]
    Malformed,
}

/// A whole answer on the wire: the reply, or why there is none.
pub type Outcome<P> = Result<<P as Protocol>::Reply, Refusal>;
