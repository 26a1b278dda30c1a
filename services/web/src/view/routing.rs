//! Which path carries what, and why, as page and API show it: one shape for both.

use patronus_ipc::{
    mesh,
    prober::Liveness,
    router::{self, Candidate, Drainable, SlaState, Term, Verdict},
};
use patronus_types::{Class, ClassRule, Document, Policy, SiteId, Treatment, Uplink, UplinkSlot};
use serde::Serialize;

/// Everything that `/api/sdwan/policies` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Policies {
    /// How each class is carried.
    pub classes: Vec<ClassPolicy>,
    /// Which traffic is of which class, the first that matches.
    pub rules: Vec<Rule>,
    /// The other sites, each with the path of each class.
    pub sites: Vec<Site>,
    /// The uplinks here, by slot.
    pub uplinks: Vec<UplinkName>,
    /// What carries no new traffic.
    pub drains: Vec<Drain>,
}

/// Which traffic is of a class.
#[derive(Debug, Serialize)]
pub(crate) struct Rule {
    /// The rule.
    #[serde(flatten)]
    pub rule: ClassRule,
    /// The same in words.
    pub text: String,
    /// Nobody has written it.
    pub is_built_in: bool,
}

/// A slot has an uplink.
#[derive(Debug, Serialize)]
pub(crate) struct UplinkName {
    /// Which.
    pub slot: u8,
    /// What the configuration calls it.
    pub name: String,
}

/// How a class is carried.
#[derive(Debug, Serialize)]
pub(crate) struct ClassPolicy {
    /// Which.
    pub class: Class,
    /// All of it, the built-in values with it.
    #[serde(flatten)]
    pub treatment: Treatment,
}

/// Another site.
#[derive(Debug, Serialize)]
pub(crate) struct Site {
    /// Who it is.
    pub site: String,
    /// What it is called.
    pub name: String,
    /// By class.
    pub classes: Vec<Carried>,
}

/// The paths of a class, the best first.
#[derive(Debug, Serialize)]
pub(crate) struct Carried {
    /// Which.
    pub class: Class,
    /// How flows are spread over the first paths.
    pub mode: router::Mode,
    /// Over how many of them.
    pub spread: u8,
    /// All of them.
    pub paths: Vec<Slots>,
}

/// A path to a site that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Slots {
    /// The slot here.
    pub local: u8,
    /// The slot there.
    pub remote: u8,
}

/// Something that carries no new traffic.
#[derive(Debug, Serialize)]
pub(crate) struct Drain {
    /// `uplink`, `path` or `site`.
    pub kind: &'static str,
    /// The slot of an uplink or a path.
    pub local: Option<u8>,
    /// The slot at the far end of a path.
    pub remote: Option<u8>,
    /// The site of a path, or itself.
    pub site: Option<String>,
    /// In how many seconds the last flow leaves.
    pub seconds_left: u64,
}

/// What `router` told, at `uptime_ms` of `CLOCK_BOOTTIME`.
pub(crate) fn policies(
    state: &router::State,
    document: &Document,
    network: Option<&mesh::State>,
    uptime_ms: u64,
) -> Policies {
    let class = |class: &Class| ClassPolicy { class: *class, treatment: document.policy.treatment(*class) };
    let uplink = |(slot, uplink): (u8, &Uplink)| UplinkName { slot, name: uplink.name.to_string() };
    let written = state.rules.len().saturating_sub(Policy::default().all_rules().len());
    let rule = |(at, rule): (usize, &ClassRule)| Rule {
        rule: rule.clone(),
        text: rule.to_string(),
        is_built_in: at >= written,
    };
    Policies {
        classes: Class::ALL.iter().map(class).collect(),
        rules: state.rules.iter().enumerate().map(rule).collect(),
        sites: state.sites.iter().map(|it| site(it, network)).collect(),
        uplinks: (0..).zip(&document.uplinks).map(uplink).collect(),
        drains: state.drains.iter().map(|it| drain(it, uptime_ms)).collect(),
    }
}

fn site(site: &router::Site, network: Option<&mesh::State>) -> Site {
    let slots = |way: &router::Way| Slots { local: way.local.number(), remote: way.remote.number() };
    let carried = |(class, group): (&Class, &router::Group)| Carried {
        class: *class,
        mode: group.mode,
        spread: group.spread,
        paths: group.ways.iter().map(slots).collect(),
    };
    Site {
        site: site.id.to_string(),
        name: name(site.id, network),
        classes: Class::ALL.iter().zip(&site.groups).map(carried).collect(),
    }
}

fn drain(drain: &router::Drain, uptime_ms: u64) -> Drain {
    let slot = |slot: UplinkSlot| Some(slot.number());
    let (kind, local, remote, site) = match drain.what {
        Drainable::Uplink(local) => ("uplink", slot(local), None, None),
        Drainable::Path(path) => ("path", slot(path.local), slot(path.remote), Some(path.site.to_string())),
        Drainable::Site(site) => ("site", None, None, Some(site.to_string())),
    };
    Drain { kind, local, remote, site, seconds_left: drain.until_ms.saturating_sub(uptime_ms).div_ceil(1000) }
}

pub(super) fn name(id: SiteId, network: Option<&mesh::State>) -> String {
    let site = network.and_then(|network| network.sites.iter().find(|site| site.id == id));
    site.map(|site| site.name.to_string()).unwrap_or_default()
}

/// Everything that `/api/sdwan/explain` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    /// Which site.
    pub site: String,
    /// What it is called.
    pub name: String,
    /// Each class.
    pub classes: Vec<ClassExplanation>,
}

/// One class.
#[derive(Debug, Serialize)]
pub(crate) struct ClassExplanation {
    /// What is good enough, what matters, how a path is chosen.
    #[serde(flatten)]
    pub policy: ClassPolicy,
    /// All paths, the chosen one first.
    pub candidates: Vec<Explained>,
}

/// A path as a class sees it. Parts are thousandths of what is allowed.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    /// Its slots.
    #[serde(flatten)]
    pub slots: Slots,
    /// What was decided.
    pub verdict: Verdict,
    /// Whether it lives.
    pub liveness: Liveness,
    /// Whether it is good enough.
    pub sla: SlaState,
    /// 0 to 100.
    pub score: u8,
    /// Tier of its cost.
    pub cost_tier: u8,
    /// The weighted sum.
    pub sum_milli: u32,
    /// Round trip, in microseconds.
    pub latency: Term,
    /// Jitter, in microseconds.
    pub jitter: Term,
    /// Loss, in millionths.
    pub loss: Term,
}

/// What `router` explained.
pub(crate) fn explanation(told: &router::Explanation, policy: &Policy, network: Option<&mesh::State>) -> Explanation {
    let class = |state: &router::ClassState| ClassExplanation {
        policy: ClassPolicy { class: state.class, treatment: policy.treatment(state.class) },
        candidates: state.candidates.iter().map(explained).collect(),
    };
    Explanation {
        site: told.site.to_string(),
        name: name(told.site, network),
        classes: told.classes.iter().map(class).collect(),
    }
}

fn explained(candidate: &Candidate) -> Explained {
    Explained {
        slots: Slots { local: candidate.path.local.number(), remote: candidate.path.remote.number() },
        verdict: candidate.verdict,
        liveness: candidate.liveness,
        sla: candidate.sla,
        score: candidate.score,
        cost_tier: candidate.cost_tier,
        sum_milli: candidate.sum_milli,
        latency: candidate.latency,
        jitter: candidate.jitter,
        loss: candidate.loss,
    }
}
