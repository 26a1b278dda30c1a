//! Why a request changes nothing: one name each, for logs, counters, programs and tests, and a sentence for people.

use patronus_ipc::config::Problem;
use patronus_types::Generation;
use thiserror::Error;

use crate::limit;

/// A request that `config` understands and does not carry out. Problems of a document are told one by one instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The box has no configuration yet.
    #[error("this box is not set up yet: finish first boot on its page")]
    Unclaimed,
    /// First boot happens once.
    #[error("this box is set up already: sign in instead")]
    AlreadyClaimed,
    /// The document was made from a generation that is not the running one any more.
    #[error(
        "the configuration changed meanwhile: generation {running} is running, not {base}; load it and make your change again"
    )]
    StaleBase {
        /// What the change was made from.
        base: Generation,
        /// What is running.
        running: Generation,
    },
    /// One trial at a time, so that it is clear what comes back.
    #[error("generation {0} is on trial: confirm it or roll it back first")]
    TrialRunning(Generation),
    /// The time to confirm has run out.
    #[error("the time to confirm generation {0} is over: it is being rolled back; apply it again")]
    TrialOver(Generation),
    /// What was to be confirmed is not what is running.
    #[error("generation {asked} cannot be confirmed: generation {running} is running")]
    WrongGeneration {
        /// What was to be confirmed.
        asked: Generation,
        /// What is running.
        running: Generation,
    },
    /// The time to confirm is no useful time.
    #[error("the time to confirm must be {} to {} seconds", limit::TRIAL_S.start(), limit::TRIAL_S.end())]
    TrialLength,
    /// A generation that never was, or has left the history.
    #[error("generation {0} is not in the history: it keeps the last {kept}", kept = limit::HISTORY)]
    UnknownGeneration(Generation),
    /// Nothing was there before the running document.
    #[error("there is no generation before the running one")]
    NothingEarlier,
    /// The author is no name.
    #[error("the author must have 1 to {} bytes and no control characters", limit::AUTHOR_BYTES)]
    AuthorInvalid,
    /// The verifier would lock the administrator out.
    #[error(
        "the password's verifier must be an Argon2id PHC string with salt and hash, of at most {} bytes and {} KiB of memory",
        limit::PASSWORD_PHC_BYTES,
        limit::PASSWORD_MEMORY_KIB
    )]
    PasswordInvalid,
    /// The data partition is full; what runs is as it was.
    #[error(
        "the data partition is full: nothing was changed; delete what fills it, or set the box up on a larger disk"
    )]
    DiskFull,
}

impl Rejection {
    /// Its name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unclaimed => "unclaimed",
            Self::AlreadyClaimed => "already-claimed",
            Self::StaleBase { .. } => "stale-base",
            Self::TrialRunning(_) => "trial-running",
            Self::TrialOver(_) => "trial-over",
            Self::WrongGeneration { .. } => "wrong-generation",
            Self::TrialLength => "trial-length",
            Self::UnknownGeneration(_) => "unknown-generation",
            Self::NothingEarlier => "nothing-earlier",
            Self::AuthorInvalid => "author-invalid",
            Self::PasswordInvalid => "password-invalid",
            Self::DiskFull => "disk-full",
        }
    }
}

impl From<Rejection> for Vec<Problem> {
    fn from(rejection: Rejection) -> Self {
        vec![problem(rejection.code(), "", rejection.to_string())]
    }
}

/// A problem with its name, its place in the document, and what to do.
pub(crate) fn problem(code: &'static str, at: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem { code: code.to_owned(), at: at.into(), message: message.into() }
}
