//! What each request does: one function per operation of `patronus_ipc::config::Request`.

use argon2::password_hash::phc::PasswordHash;
use patronus_ipc::config::{Claim, IdentitySeed, Network, Problem, Reply, Request, Revision};
use patronus_types::Generation;

use super::{Decision, Ledger, Moment};
use crate::{Change, Head, Record, Rejection, Secret, TrialRecord, document, limit, validate};

/// What is to be written, or why nothing is.
type Attempt = Result<Change, Vec<Problem>>;

impl Ledger {
    /// Decides one request. Nothing changes until the decision's change has gone through [`Ledger::commit`].
    #[must_use]
    pub fn handle_request(&self, moment: &Moment, request: Request) -> Decision {
        match request {
            Request::Watch => answer(Reply::State(Box::new(self.state.clone()))),
            Request::Check { toml } => answer(match document::accept(&toml) {
                Ok(_) => Reply::Valid,
                Err(problems) => Reply::Rejected(problems),
            }),
            Request::Apply { toml, base, confirm_within_s, author } => {
                committed(self.apply(moment, &toml, base, confirm_within_s, author))
            }
            Request::Confirm { generation } => self.confirm(moment, generation),
            Request::Rollback { to, author } => committed(self.roll_back_to(moment, to, author)),
            Request::History => answer(Reply::History(self.history())),
            Request::Export { generation } => answer(self.export(generation)),
            Request::Claim(claim) => committed(self.claim(moment, *claim)),
            Request::Credential => {
                answer(Reply::Credential(self.disk.secret.as_ref().map(|secret| secret.password_phc.clone())))
            }
            Request::Identity => {
                let seed = self.disk.secret.as_ref().map(|secret| IdentitySeed(secret.identity_seed));
                answer(Reply::Identity(seed))
            }
            Request::SetCredential { password_phc } => self.set_credential(password_phc),
        }
    }

    fn apply(
        &self,
        moment: &Moment,
        toml: &str,
        base: Option<Generation>,
        confirm_within_s: Option<u32>,
        author: String,
    ) -> Attempt {
        let head = self.head()?;
        if head.trial.is_some() {
            return Err(Rejection::TrialRunning(head.running).into());
        }
        if let Some(base) = base.filter(|base| *base != head.running) {
            return Err(Rejection::StaleBase { base, running: head.running }.into());
        }
        let trial = confirm_within_s.map(|seconds| trial(moment, head.running, seconds)).transpose()?;
        let author = checked_author(author)?;
        let toml = written(&document::accept(toml)?)?;
        let mut change = self.revision(Record { committed_unix_s: moment.unix_s, author, toml });
        change.forget = self.forget(trial.as_ref().map(|trial| trial.falls_back_to));
        change.head.trial = trial;
        Ok(change)
    }

    /// Asking twice is answered twice: the first answer may have been lost.
    fn confirm(&self, moment: &Moment, asked: Generation) -> Decision {
        let head = match self.head() {
            Ok(head) => head,
            Err(problems) => return answer(Reply::Rejected(problems)),
        };
        let running = head.running;
        if asked != running {
            return rejected(Rejection::WrongGeneration { asked, running });
        }
        let Some(trial) = &head.trial else { return answer(Reply::Committed { generation: running }) };
        if moment.uptime_ms >= trial.deadline_uptime_ms {
            return rejected(Rejection::TrialOver(running));
        }
        let head = Head { running, trial: None };
        committed(Ok(Change { head, record: None, forget: Vec::new(), secret: None }))
    }

    /// Ends a trial as well: with `None` at once as its deadline would.
    fn roll_back_to(&self, moment: &Moment, to: Option<Generation>, author: String) -> Attempt {
        let head = self.head()?;
        let author = checked_author(author)?;
        let earlier = || self.disk.records.range(..head.running).next_back().map(|(generation, _)| *generation);
        let fallback = head.trial.as_ref().map(|trial| trial.falls_back_to);
        let to = to.or(fallback).or_else(earlier).ok_or_else(|| Vec::from(Rejection::NothingEarlier))?;
        let record = self.disk.records.get(&to).ok_or_else(|| Vec::from(Rejection::UnknownGeneration(to)))?;
        // An old document may not pass today's rules.
        document::accept(&record.toml)?;
        Ok(self.revision(Record { committed_unix_s: moment.unix_s, author, toml: record.toml.clone() }))
    }

    fn history(&self) -> Vec<Revision> {
        let newest_first = self.disk.records.iter().rev();
        let entry = |(generation, record): (&Generation, &Record)| Revision {
            generation: *generation,
            committed_unix_s: record.committed_unix_s,
            author: record.author.clone(),
            running: *generation == self.state.generation,
        };
        newest_first.map(entry).collect()
    }

    fn export(&self, generation: Option<Generation>) -> Reply {
        let generation = match self.head() {
            Ok(head) => generation.unwrap_or(head.running),
            Err(problems) => return Reply::Rejected(problems),
        };
        match self.disk.records.get(&generation) {
            Some(record) => Reply::Document { toml: record.toml.clone() },
            None => Reply::Rejected(Rejection::UnknownGeneration(generation).into()),
        }
    }

    /// Document, identity and password in one change: the box is claimed as a whole or not at all.
    fn claim(&self, moment: &Moment, claim: Claim) -> Attempt {
        if self.disk.head.is_some() {
            return Err(Rejection::AlreadyClaimed.into());
        }
        let Claim { document, password_phc, network: Network::Create } = claim;
        let password_phc = checked_password(password_phc)?;
        let problems = validate(&document);
        if !problems.is_empty() {
            return Err(problems);
        }
        let record =
            Record { committed_unix_s: moment.unix_s, author: "first boot".to_owned(), toml: written(&document)? };
        let secret = Secret { identity_seed: moment.entropy, password_phc };
        Ok(Change { secret: Some(secret), ..self.revision(record) })
    }

    fn set_credential(&self, password_phc: String) -> Decision {
        match self.new_credential(password_phc) {
            Ok(change) => Decision { change: Some(change), reply: Reply::CredentialSet },
            Err(problems) => answer(Reply::Rejected(problems)),
        }
    }

    fn new_credential(&self, password_phc: String) -> Attempt {
        let head = self.head()?.clone();
        let secret = self.disk.secret.clone().ok_or_else(|| Vec::from(Rejection::Unclaimed))?;
        let secret = Secret { password_phc: checked_password(password_phc)?, ..secret };
        Ok(Change { head, record: None, forget: Vec::new(), secret: Some(secret) })
    }

    fn head(&self) -> Result<&Head, Vec<Problem>> {
        self.disk.head.as_ref().ok_or_else(|| Rejection::Unclaimed.into())
    }
}

fn answer(reply: Reply) -> Decision {
    Decision { change: None, reply }
}

fn rejected(rejection: Rejection) -> Decision {
    answer(Reply::Rejected(rejection.into()))
}

fn committed(attempt: Attempt) -> Decision {
    match attempt {
        Ok(change) => {
            let reply = Reply::Committed { generation: change.head.running };
            Decision { change: Some(change), reply }
        }
        Err(problems) => answer(Reply::Rejected(problems)),
    }
}

fn trial(moment: &Moment, falls_back_to: Generation, seconds: u32) -> Result<TrialRecord, Vec<Problem>> {
    if !limit::TRIAL_S.contains(&seconds) {
        return Err(Rejection::TrialLength.into());
    }
    let deadline_uptime_ms = moment.uptime_ms.saturating_add(u64::from(seconds).saturating_mul(1000));
    Ok(TrialRecord { falls_back_to, deadline_uptime_ms, boot_id: moment.boot_id.clone() })
}

fn checked_author(author: String) -> Result<String, Vec<Problem>> {
    let valid = (1..=limit::AUTHOR_BYTES).contains(&author.len()) && !author.chars().any(char::is_control);
    if valid { Ok(author) } else { Err(Rejection::AuthorInvalid.into()) }
}

/// A verifier that nothing can match would lock the administrator out for good.
fn checked_password(phc: String) -> Result<String, Vec<Problem>> {
    let hash = if phc.len() <= limit::PASSWORD_PHC_BYTES { PasswordHash::new(&phc).ok() } else { None };
    let usable = hash.is_some_and(|hash| {
        let params = argon2::Params::try_from(&hash);
        let affordable = params.is_ok_and(|params| {
            params.m_cost() <= limit::PASSWORD_MEMORY_KIB && params.t_cost() <= limit::PASSWORD_PASSES
        });
        hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some() && affordable
    });
    if usable { Ok(phc) } else { Err(Rejection::PasswordInvalid.into()) }
}

fn written(document: &patronus_types::Document) -> Result<String, Vec<Problem>> {
    document::emit(document).map_err(|problem| vec![problem])
}
