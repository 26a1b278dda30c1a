//! The naive answer, compared with the ledger after every step of random histories with crashes in between.

use std::collections::BTreeMap;

use super::*;

/// What a person may do, and what may happen to the box.
#[derive(Clone, Debug)]
enum Step {
    Claim(u16),
    Apply { number: u16, stale: bool, trial_s: Option<u32> },
    Confirm { off_by: u64 },
    RollBack(Option<u64>),
    Password(u8),
    Wait(u64),
    RestartService,
    Reboot,
}

/// Where in a step the power goes away.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    Never,
    BeforeCommit,
    AfterCommit,
}

/// Everything that was ever committed, kept for ever.
#[derive(Default)]
struct Model {
    documents: BTreeMap<u64, u16>,
    trial: Option<(u64, u64, u32)>,
    password: Option<u8>,
}

impl Model {
    fn running(&self) -> u64 {
        self.documents.keys().next_back().copied().unwrap_or(0)
    }

    fn push(&mut self, number: u16) -> u64 {
        let generation = self.running() + 1;
        self.documents.insert(generation, number);
        self.trial = None;
        generation
    }

    /// What the ledger still knows: the last fifty, and what the trial falls back to.
    fn knows(&self, generation: u64) -> bool {
        self.documents.contains_key(&generation) && self.documents.len() as u64 - generation < limit::HISTORY as u64
    }

    /// The generation that the step commits, or `None` if it must be rejected.
    fn act(&mut self, step: &Step, now_ms: u64, boot: u32) -> Option<u64> {
        let running = self.running();
        match *step {
            Step::Claim(number) if running == 0 => {
                self.password = Some(0);
                Some(self.push(number))
            }
            Step::Apply { number, stale: false, trial_s } if running > 0 && self.trial.is_none() => {
                let generation = self.push(number);
                self.trial = trial_s.map(|seconds| (running, now_ms + u64::from(seconds) * 1000, boot));
                Some(generation)
            }
            Step::Confirm { off_by: 0 } if running > 0 => {
                self.trial = None;
                Some(running)
            }
            Step::RollBack(back) if running > 0 => {
                let fallback = self.trial.map(|(fallback, ..)| fallback);
                let to = back.map_or_else(|| fallback.unwrap_or(running - 1), |back| running.saturating_sub(back));
                let number = self.documents.get(&to).copied().filter(|_| self.knows(to))?;
                Some(self.push(number))
            }
            Step::Password(password) if running > 0 => {
                self.password = Some(password);
                Some(running)
            }
            _ => None,
        }
    }

    fn end_trial(&mut self) {
        if let Some((fallback, ..)) = self.trial {
            self.push(self.documents[&fallback]);
        }
    }
}

fn password(number: u8) -> String {
    PHC.replace("t=2", &format!("t={}", number + 2))
}

fn request(step: &Step, running: u64) -> Option<Request> {
    Some(match *step {
        Step::Claim(number) => claim(number),
        Step::Apply { number, stale, trial_s } => {
            apply(number, Some(if stale { running + 1 } else { running }), trial_s)
        }
        Step::Confirm { off_by } => Request::Confirm { generation: Generation(running + off_by) },
        Step::RollBack(back) => roll_back(back.map(|back| running.saturating_sub(back))),
        Step::Password(number) => Request::SetCredential { password_phc: password(number) },
        Step::Wait(_) | Step::RestartService | Step::Reboot => return None,
    })
}

/// The box: the ledger in memory, and the disk that survives it.
struct Appliance {
    ledger: Ledger,
    disk: Snapshot,
    now_ms: u64,
    boot: u32,
}

impl Appliance {
    fn moment(&self) -> Moment {
        Moment { uptime_ms: self.now_ms, unix_s: 0, boot_id: self.boot.to_string(), entropy: [9; 32] }
    }

    /// Writes a change as the store does, unless the power goes away first. Says whether it is on disk.
    fn write(&mut self, change: Option<Change>, cut: Cut) -> bool {
        let Some(change) = change else { return true };
        if cut == Cut::BeforeCommit {
            return false;
        }
        self.disk.apply(change.clone());
        self.ledger.commit(change).unwrap();
        true
    }

    fn start(&mut self) {
        self.ledger = Ledger::restore(self.disk.clone()).unwrap();
        let change = self.ledger.handle_start(&self.moment());
        self.write(change, Cut::Never);
    }
}

fn run(steps: Vec<(Step, Cut)>) -> Result<(), TestCaseError> {
    let disk = Snapshot::default();
    let ledger = Ledger::restore(disk.clone()).unwrap();
    let (mut model, mut real) = (Model::default(), Appliance { ledger, disk, now_ms: 0, boot: 1 });
    for (step, cut) in steps {
        match step {
            Step::Wait(ms) => {
                real.now_ms += ms;
                let change = real.ledger.handle_timeout(&real.moment());
                real.write(change, Cut::Never);
                if model.trial.is_some_and(|(_, deadline, _)| real.now_ms >= deadline) {
                    model.end_trial();
                }
            }
            Step::RestartService => real.start(),
            Step::Reboot => {
                (real.boot, real.now_ms) = (real.boot + 1, 0);
                real.start();
                model.end_trial();
            }
            _ => {
                let request = request(&step, model.running()).unwrap();
                let Decision { change, reply } = real.ledger.handle_request(&real.moment(), request);
                let wrote = change.is_some();
                if real.write(change, cut) {
                    let expected = model.act(&step, real.now_ms, real.boot);
                    match (expected, reply) {
                        (Some(generation), Reply::Committed { generation: got }) => prop_assert_eq!(got.0, generation),
                        (Some(_), Reply::CredentialSet) => {}
                        (None, Reply::Rejected(problems)) => prop_assert!(!wrote && problems.len() == 1),
                        (expected, reply) => prop_assert!(false, "{:?}: {:?} {:?}", step, expected, reply),
                    }
                }
                if cut != Cut::Never {
                    // A crash of the service: same boot, so a trial goes on.
                    real.start();
                }
            }
        }
        compare(&model, &real)?;
    }
    Ok(())
}

fn compare(model: &Model, real: &Appliance) -> Result<(), TestCaseError> {
    prop_assert_eq!(real.ledger.snapshot(), &real.disk);
    prop_assert_eq!(real.ledger.state().generation.0, model.running());
    let claimed = real.ledger.state().claimed.as_ref();
    let expected = model.documents.get(&model.running()).map(|number| document(*number));
    prop_assert_eq!(claimed.map(|claimed| &claimed.document), expected.as_ref());
    prop_assert_eq!(real.ledger.deadline(), model.trial.map(|(_, deadline, _)| deadline));
    let fallback = claimed.and_then(|claimed| claimed.trial).map(|trial| trial.falls_back_to.0);
    prop_assert_eq!(fallback, model.trial.map(|(fallback, ..)| fallback));
    let stored = real.disk.secret.as_ref().map(|secret| secret.password_phc.clone());
    prop_assert_eq!(stored, model.password.map(|number| if number == 0 { PHC.to_owned() } else { password(number) }));
    for (generation, record) in &real.disk.records {
        prop_assert!(model.knows(generation.0));
        let expected = crate::emit(&document(model.documents[&generation.0])).unwrap();
        prop_assert_eq!(&record.toml, &expected);
    }
    prop_assert_eq!(real.disk.records.len(), model.documents.len().min(limit::HISTORY));
    Ok(())
}

fn step() -> impl Strategy<Value = Step> {
    let trial_s = prop::option::of(1_u32..20);
    let stale = prop::bool::weighted(0.1);
    prop_oneof![
        2 => any::<u16>().prop_map(Step::Claim),
        8 => (any::<u16>(), stale, trial_s).prop_map(|(number, stale, trial_s)| Step::Apply { number, stale, trial_s }),
        3 => prop_oneof![4 => Just(0_u64), 1 => 1_u64..3].prop_map(|off_by| Step::Confirm { off_by }),
        3 => prop::option::of(0_u64..55).prop_map(Step::RollBack),
        1 => (1_u8..10).prop_map(Step::Password),
        3 => (0_u64..15_000).prop_map(Step::Wait),
        1 => Just(Step::RestartService),
        1 => Just(Step::Reboot),
    ]
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![6 => Just(Cut::Never), 1 => Just(Cut::BeforeCommit), 1 => Just(Cut::AfterCommit)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_histories_with_crashes_match_the_naive_answer(steps in prop::collection::vec((step(), cut()), 1..150)) {
        run(steps)?;
    }
}
