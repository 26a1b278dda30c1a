//! Everything that can go wrong, with its exit code and what to do.

use std::{io, path::PathBuf};

use patronus_pin::NotAFingerprint;
use thiserror::Error;

/// Why a command did not do what it was told.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// The router's own words.
    #[error("{message}")]
    Refused { code: String, message: String },
    /// No connection, or it broke.
    #[error("{host} does not answer ({cause}). Check the address and that you are on the router's LAN.")]
    Unreachable { host: String, cause: String },
    /// Nobody has signed in, or the session is over.
    #[error("not signed in to {0}. Run: patronusctl login {0}")]
    NotSignedIn(String),
    /// No host was named and none is remembered.
    #[error("which router? Run: patronusctl login HOST")]
    NoHost,
    /// Another certificate than the pinned one.
    #[error(
        "{host} shows another certificate than the one that was confirmed:\n  now       {seen}\n  confirmed {pinned}\nSomebody may be between you and the router, or it was set up anew. If its console shows the new fingerprint, run: patronusctl login {host} --fingerprint {seen}"
    )]
    WrongCertificate { host: String, seen: String, pinned: String },
    /// The person said no, or there was nobody to ask.
    #[error("the certificate was not confirmed. Compare it with the router's console, or give it with --fingerprint.")]
    NotConfirmed,
    /// A text that is no fingerprint.
    #[error(transparent)]
    BadFingerprint(#[from] NotAFingerprint),
    /// A host that cannot be one.
    #[error(
        "\"{0}\" is no router. Give HOST or HOST:PORT, where HOST is a name or an address; an IPv6 address before a port is in brackets"
    )]
    BadHost(String),
    /// A site that the router does not know.
    #[error("there is no site \"{0}\". See: patronusctl sites")]
    NoSite(String),
    /// A signer that the router does not know, or the beginning of several.
    #[error("there is no one signer whose key begins with \"{0}\". See: patronusctl network signers")]
    NoSigner(String),
    /// The person said no, or there was nobody to ask.
    #[error("nothing was done. Without a terminal, add --yes")]
    NotDone,
    /// A join that was answered with no.
    #[error("not joined: {message} The router goes on asking, because the reason may pass. See: patronusctl sites")]
    NotJoined { code: String, message: String },
    /// The network may have been created or not.
    #[error(
        "{cause}\nWhether the network was created is not known. Keep {}, and look: patronusctl sites. Nothing is lost either way.",
        file.display()
    )]
    Unsure { file: PathBuf, cause: String },
    /// A local file.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Something else of this machine.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An answer that makes no sense.
    #[error("the router answered something unexpected. Is this patronusctl as new as the router?")]
    BadAnswer,
}

impl Error {
    /// Name for programs.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } | Self::NotJoined { code, .. } => code,
            Self::NoSite(_) => "site-unknown",
            Self::NoSigner(_) => "signer-unknown",
            Self::NotDone => "not-confirmed",
            Self::Unsure { .. } => "unreachable",
            Self::Unreachable { .. } => "unreachable",
            Self::NotSignedIn(_) => "not-signed-in",
            Self::NoHost => "no-host",
            Self::WrongCertificate { .. } => "wrong-certificate",
            Self::NotConfirmed => "not-confirmed",
            Self::BadFingerprint(_) => "bad-fingerprint",
            Self::BadHost(_) => "bad-host",
            Self::File { .. } | Self::Io(_) => "local",
            Self::BadAnswer => "bad-answer",
        }
    }

    /// See the head of `main.rs`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. }
            | Self::NotJoined { .. }
            | Self::NoSite(_)
            | Self::NoSigner(_)
            | Self::NotDone
            | Self::BadAnswer
            | Self::File { .. }
            | Self::Io(_) => 1,
            Self::NoHost | Self::BadFingerprint(_) | Self::BadHost(_) => 2,
            Self::Unreachable { .. } | Self::Unsure { .. } => 3,
            Self::NotSignedIn(_) => 4,
            Self::WrongCertificate { .. } | Self::NotConfirmed => 5,
        }
    }
}
