//! Where this box stands: in no network, on its way into one, or in one.

use ed25519_dalek::SigningKey;
use patronus_ipc::mesh::Problem;
use patronus_mesh::{JoinError, Joiner, Mesh, Now, Refusals, Registrar, Transmit};
use patronus_wire::{IdentityKey, JoinAnswer, LanMessage, Message, Nonce, Seed, Standing};

/// The way to a network without an answer.
const SEED_UNREACHABLE: &str = "seed-unreachable";
/// A seed was reached, and no answer came through it.
const SIGNER_SILENT: &str = "signer-silent";
/// After so many questions without an answer a person is told.
const ASKED_IN_VAIN: u32 = 2;
/// Between two questions to seeds, in milliseconds: they hand on a stranger's wish once a second at most.
const ASK_SEEDS_EVERY_MS: u64 = 5_000;

/// Where this box stands.
pub(crate) enum Phase {
    /// In no network.
    Alone,
    /// On its way into one.
    Joining(Box<Joining>),
    /// In one.
    Member(Box<Member>),
}

/// A box on its way.
pub(crate) struct Joining {
    pub(crate) joiner: Joiner,
    /// Why the last answer was no.
    pub(crate) problem: Option<Problem>,
    pub(crate) refusals: Refusals,
    /// When seeds were asked last, and how often without an answer, since one was reached.
    asked: Option<(u64, u32)>,
}

/// A box in a network.
pub(crate) struct Member {
    pub(crate) mesh: Mesh,
    /// On a signer's box.
    pub(crate) signer: Option<SigningKey>,
    /// Of the token with which it joined.
    pub(crate) seeds: Vec<Seed>,
}

impl Member {
    /// Whether this box has a signer's key that the root has not withdrawn.
    pub(crate) fn is_signer(&self) -> bool {
        let certificate = self.signer.as_ref().and_then(|signer| self.mesh.roster().signer(&IdentityKey::from(signer)));
        certificate.is_some_and(|certificate| certificate.standing == Standing::Active)
    }

    /// The signer at work, if this box is one.
    pub(crate) fn registrar(&self, now: Now) -> Option<Registrar<'_>> {
        let signer = self.signer.as_ref().filter(|_| self.is_signer())?;
        Some(Registrar::new(signer, self.mesh.roster(), self.mesh.members(), now.clock))
    }
}

impl Joining {
    /// Begins to ask.
    pub(crate) fn new(joiner: Joiner) -> Self {
        Self { joiner, problem: None, refusals: Refusals::default(), asked: None }
    }

    /// An answer for this box, if the datagram is one.
    pub(crate) fn handle_datagram(&mut self, datagram: &[u8]) -> Option<JoinAnswer> {
        // Members talk to each other, and other sites ask to join: neither is for this box.
        match LanMessage::open(datagram, &[]) {
            Ok(LanMessage::Join(Message::JoinAnswer(answer))) => Some(answer),
            Ok(_) | Err(patronus_wire::Refused::NetworkKeyUnknown) => None,
            Err(refused) => {
                self.refusals.count(refused.into());
                None
            }
        }
    }

    /// Takes note of a seed that was not reached. What somebody answered says more.
    pub(crate) fn handle_unreached(&mut self, host: &str, port: u16, error: &str) {
        if self.problem.as_ref().is_none_or(|problem| problem.code == SEED_UNREACHABLE) {
            let message = format!(
                "the seed {host}:{port} was not reached ({error}): see whether this box has an uplink and whether the seed's port is open"
            );
            self.problem = Some(Problem { code: SEED_UNREACHABLE.to_owned(), message });
        }
    }

    /// A seed was reached after all, and is being asked.
    pub(crate) fn handle_reached(&mut self, now_ms: u64) {
        self.problem.take_if(|problem| problem.code == SEED_UNREACHABLE);
        self.asked = Some((now_ms, 1));
    }

    /// Whether seeds are to be asked again: the last answer is long in coming, or was no.
    pub(crate) fn poll_ask_seeds(&mut self, now_ms: u64) -> bool {
        let Some((asked_ms, times)) = self.asked else { return false };
        let is_due = now_ms >= asked_ms.saturating_add(ASK_SEEDS_EVERY_MS);
        if is_due {
            self.asked = Some((now_ms, times.saturating_add(1)));
        }
        if is_due && times >= ASKED_IN_VAIN {
            let silent = || Problem { code: SIGNER_SILENT.to_owned(), message: advice(SIGNER_SILENT).to_owned() };
            self.problem.get_or_insert_with(silent);
        }
        is_due
    }

    /// Takes note of an answer that was no.
    pub(crate) fn handle_no(&mut self, error: JoinError) {
        match error {
            // Anybody can send such bytes: they say nothing of the network.
            JoinError::Wire(refused) => self.refusals.count(refused.into()),
            JoinError::Refused(_) | JoinError::WithoutRecord => {
                let code = error.to_string();
                tracing::warn!(reason = code, "join refused");
                self.problem = Some(Problem { message: advice(&code).to_owned(), code });
            }
        }
    }
}

impl Phase {
    /// When time demands something, on the monotonic clock in milliseconds.
    pub(crate) fn deadline(&self) -> Option<u64> {
        match self {
            Self::Alone => None,
            Self::Joining(joining) => Some(joining.joiner.deadline()),
            Self::Member(member) => Some(member.mesh.deadline()),
        }
    }

    /// The next datagram to be sent.
    pub(crate) fn poll_transmit(&mut self, nonce: Nonce, now: Now) -> Option<Transmit> {
        match self {
            Self::Alone => None,
            Self::Joining(joining) => {
                let datagram = joining.joiner.poll_ask(now.ms)?.to_bytes().ok()?;
                Some(Transmit { to: patronus_mesh::Destination::Lan, datagram })
            }
            Self::Member(member) => member.mesh.poll_transmit(nonce),
        }
    }
}

/// For people: what is wrong and what to do, by the name of the reason.
pub(crate) fn advice(code: &str) -> &'static str {
    match code {
        "token-used" => "another site has joined with this token: make a new one for each site",
        "token-expired" => "the token's time is over: make a new one",
        "token-unknown" => "the token was not made on the box that answers: make a new one",
        "wish-invalid" => "the signer's box does not understand this box: bring both to the same version",
        "site-revoked" => "this box was revoked in this network: reset it to join as a new site",
        "name-taken" => "another site has this name: change this site's name and join again",
        "prefix-not-granted" => "the token does not grant this site's LAN: make one that does, or change the LAN",
        "prefix-taken" => "another site has this LAN's addresses: change this site's LAN and join again",
        "network-full" => "the network has as many sites as it can",
        "clock-unknown" => "the signer's box does not know the time: see its uplinks and time servers",
        "signer-unable" => "the box that made the token may not sign: have the root sign it",
        "answer-without-record" => "somebody answered who is not of the token's network",
        "token-mistyped" => "a part of the token is missing or mistyped: paste it again, as a whole",
        "token-not-one" => "this is no token: it begins with patronus1",
        "no-network" => "this box is in no network: create or join one",
        "in-a-network" => "this box is in a network already",
        "not-a-signer" => "only a signer's box can do that: make this one a signer with the recovery key",
        "root-key-wrong" => "this recovery key is another network's",
        "signer-unknown" => "there is no such signer",
        "signer-silent" => {
            "a seed was reached, but the box that made the token does not answer through it: see whether that is on"
        }
        "too-many-signers" => "there are as many signers as there can be",
        "own-signer" => "a signer is withdrawn on another signer's box, which signs anew what is to stay",
        "unclaimed" => "finish first boot",
        "own-site" => "a signer's box does not revoke itself",
        "seed-invalid" => "write each seed as HOST:PORT",
        "site-unknown" => "there is no such site",
        "too-many-invitations" => "too many tokens are still good: wait until some have expired",
        "validity-too-long" => "a token is good for 30 days at most",
        _ => "the request is not possible",
    }
}
