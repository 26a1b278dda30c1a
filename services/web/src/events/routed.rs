//! What `router` has seen or done, as events tell it.

use patronus_ipc::{prober::PathId, router::What};
use patronus_types::{Class, SiteId};
use serde::Serialize;

/// What only such an event has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Routed {
    /// The class of traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// The slot here of the path that carries it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_local: Option<u8>,
    /// And the slot there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_remote: Option<u8>,
    /// From the first sign to the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detect_ms: Option<u32>,
    /// From the verdict to the new choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch_ms: Option<u32>,
}

/// As the API calls it.
pub(super) const fn name(what: &What) -> &'static str {
    match what {
        What::PathSuspect(_) => "PathSuspect",
        What::PathRecovered(_) => "PathRecovered",
        What::FailoverTriggered { .. } => "FailoverTriggered",
        What::PathChosen { .. } => "PathChosen",
        What::SlaViolated(..) => "SlaViolated",
        What::SlaRestored(..) => "SlaRestored",
        What::PolicyApplied => "PolicyApplied",
    }
}

/// The path that it is about.
pub(super) const fn path(what: &What) -> Option<PathId> {
    match what {
        What::PathSuspect(path) | What::PathRecovered(path) => Some(*path),
        What::FailoverTriggered { from, .. } | What::PathChosen { from, .. } => Some(*from),
        What::SlaViolated(..) | What::SlaRestored(..) | What::PolicyApplied => None,
    }
}

/// The site that it is about.
pub(super) fn site(what: &What) -> Option<SiteId> {
    match what {
        What::SlaViolated(site, _) | What::SlaRestored(site, _) => Some(*site),
        other => path(other).map(|path| path.site),
    }
}

/// The rest of it.
pub(super) fn details(what: &What) -> Routed {
    let to = |class: &Class, to: Option<PathId>| Routed {
        class: Some(*class),
        to_local: to.map(|to| to.local.number()),
        to_remote: to.map(|to| to.remote.number()),
        ..Routed::default()
    };
    match what {
        What::FailoverTriggered { to: new, class, cause, detect_ms, switch_ms, .. } => Routed {
            cause: Some(cause.name()),
            detect_ms: Some(*detect_ms),
            switch_ms: Some(*switch_ms),
            ..to(class, *new)
        },
        What::PathChosen { to: new, class, .. } => to(class, Some(*new)),
        What::SlaViolated(_, class) | What::SlaRestored(_, class) => {
            Routed { class: Some(*class), ..Routed::default() }
        }
        What::PathSuspect(_) | What::PathRecovered(_) | What::PolicyApplied => Routed::default(),
    }
}
