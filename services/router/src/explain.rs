//! Why a class takes the path that it takes, from the same values that the decision is made from.

use patronus_ipc::prober::{Liveness, PathId};
use patronus_ipc::router::{Candidate, ClassState, Explanation, Verdict};
use patronus_types::{Class, SiteId, Treatment};

use crate::{Router, choice, measure};

pub(crate) fn explanation(router: &Router, site: SiteId, now_ms: u64) -> Explanation {
    Explanation {
        site,
        classes: Class::ALL.iter().filter_map(|class| class_state(router, site, *class, now_ms)).collect(),
    }
}

fn class_state(router: &Router, site: SiteId, class: Class, now_ms: u64) -> Option<ClassState> {
    let treatment = router.rules.treatments.get(class.number())?;
    let order = router.choices.get(&(site, class)).map(choice::Choice::order).unwrap_or_default();
    let current = router.choices.get(&(site, class)).and_then(|choice| choice.order().first());
    let seen = router.candidates(site, class, current, now_ms);
    let carries = router.groups.get(&(site, class)).map(|group| group.ways.iter().take(group.spread.into()));
    let shares = |path: &PathId| {
        carries.clone().is_some_and(|mut ways| ways.any(|way| (way.local, way.remote) == (path.local, path.remote)))
    };
    let first = order.first().and_then(|first| seen.iter().find(|one| one.path == *first));
    let mut candidates = Vec::new();
    for path in order {
        if let (Some(one), Some(first)) = (seen.iter().find(|one| one.path == *path), first) {
            let verdict = choice::verdict(one, first, shares(path), treatment, now_ms);
            candidates.extend(candidate(router, *path, class, treatment, verdict, now_ms));
        }
    }
    for path in router.paths.keys().filter(|path| path.site == site && !order.contains(path)) {
        candidates.extend(candidate(router, *path, class, treatment, Verdict::NotAllowed, now_ms));
    }
    let (sla, preset, strategy) = (treatment.sla, treatment.preset, treatment.strategy);
    Some(ClassState { class, sla, preset, strategy, candidates })
}

fn candidate(
    router: &Router,
    id: PathId,
    class: Class,
    treatment: &Treatment,
    verdict: Verdict,
    now_ms: u64,
) -> Option<Candidate> {
    let path = router.paths.get(&id)?;
    let grade = path.grade(class);
    let [latency, jitter, loss] = measure::terms(&path.report().measured, &treatment.sla, treatment.preset);
    let score = if path.liveness() == Liveness::Down { 0 } else { measure::score(grade.mean()) };
    Some(Candidate {
        path: id,
        verdict,
        liveness: path.liveness(),
        sla: grade.sla,
        cost_tier: path.tier(&id, treatment, &router.rules),
        latency,
        jitter,
        loss,
        sum_milli: measure::milli(grade.mean()),
        score,
        held_until_ms: grade.held_until_ms(now_ms),
    })
}
