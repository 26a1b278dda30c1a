//! What is said on connections, and to whom this site is connected.
//!
//! *Does*: hear a stranger's wish to join, and members' everything; tell all of them at once when something is new.
//! *Never does*: believe that a key once was a member's: each message is judged by the roster of its moment.

use std::{collections::BTreeMap, net::SocketAddr};

use patronus_mesh::{Now, Refusal, Standing};
use patronus_types::SiteId;
use patronus_wire::{Digest32, JoinAnswer, Message, Roles, Seed, site_id};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Fatal,
    phase::{Member, Phase},
    seed::{self, Dialler, Happening, Identity, Session},
    service::Service,
};

/// Happenings that wait; with more, connections wait.
const QUEUE: usize = 256;
/// News are told at most this often.
const TELL_GAP_MS: u64 = 200;
/// And compared this often without any.
const TELL_EVERY_MS: u64 = 30_000;

/// The connections of this site.
pub(crate) struct Sessions {
    open: BTreeMap<u64, Session>,
    sender: mpsc::Sender<Happening>,
    happenings: mpsc::Receiver<Happening>,
    identity: Option<Identity>,
    dialler: Option<Dialler>,
    listener: Option<JoinHandle<()>>,
    told: Option<Digest32>,
    told_ms: u64,
    has_news: bool,
}

impl Sessions {
    /// None yet.
    pub(crate) fn new() -> Self {
        let (sender, happenings) = mpsc::channel(QUEUE);
        Self {
            open: BTreeMap::new(),
            sender,
            happenings,
            identity: None,
            dialler: None,
            listener: None,
            told: None,
            told_ms: 0,
            has_news: false,
        }
    }

    /// From now on connections are made with this identity.
    pub(crate) fn begin(&mut self, identity: Identity) {
        self.dialler = Some(Dialler::new(identity.clone(), self.sender.clone()));
        self.identity = Some(identity);
    }

    /// The next thing that happens on a connection.
    pub(crate) async fn happening(&mut self) -> Option<Happening> {
        self.happenings.recv().await
    }

    /// There is something that others may not know.
    pub(crate) const fn handle_news(&mut self) {
        self.has_news = true;
    }

    /// When members are to be told, on the monotonic clock in milliseconds.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let pause_ms = if self.has_news { TELL_GAP_MS } else { TELL_EVERY_MS };
        (!self.open.is_empty()).then(|| self.told_ms.saturating_add(pause_ms))
    }

    /// Answers a wish that came over a connection; `false` if it did not.
    pub(crate) fn answer(&mut self, to: SocketAddr, answer: &JoinAnswer) -> bool {
        let number = self.open.values().find(|session| session.source == to).map(|session| session.number);
        let Some(number) = number else { return false };
        self.send(number, Message::JoinAnswer(answer.clone()));
        true
    }

    /// Who does not take what is said to him is called anew.
    fn send(&mut self, number: u64, message: Message) {
        let is_gone = self.open.get(&number).is_some_and(|session| session.sender.try_send(message).is_err());
        if is_gone {
            self.open.remove(&number);
        }
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.listener.iter().for_each(JoinHandle::abort);
    }
}

impl Service {
    /// Takes what happened on a connection.
    pub(crate) fn follow_happening(&mut self, happening: Happening, now: Now) -> Result<(), Fatal> {
        match happening {
            Happening::Opened(session) => self.greet(*session),
            Happening::Closed(number) => _ = self.sessions.open.remove(&number),
            Happening::Unreached { host, port, error } => {
                if let Phase::Joining(joining) = &mut self.phase {
                    joining.handle_unreached(&host, port, &error);
                }
            }
            Happening::Refused(refused) => {
                if let Phase::Member(member) = &mut self.phase {
                    member.mesh.handle_refusal(refused.into());
                }
            }
            Happening::Said { number, message } => return self.hear_session(number, *message, now),
        }
        Ok(())
    }

    fn greet(&mut self, session: Session) {
        let first = match &mut self.phase {
            Phase::Alone => None,
            Phase::Joining(joining) => {
                joining.handle_reached();
                Some(joining.joiner.request())
            }
            Phase::Member(member) => refusal(member, &session).is_none().then(|| member.mesh.summary()),
        };
        let number = session.number;
        self.sessions.open.insert(number, session);
        first.into_iter().for_each(|message| self.sessions.send(number, message));
    }

    fn hear_session(&mut self, number: u64, message: Message, now: Now) -> Result<(), Fatal> {
        let Some(session) = self.sessions.open.get(&number) else { return Ok(()) };
        let (source, site) = (session.source, site_id(&session.peer));
        match (&mut self.phase, message) {
            (Phase::Joining(_), Message::JoinAnswer(answer)) => self.hear_answer(&answer, now),
            // A site that is in no network understands nobody.
            (Phase::Alone | Phase::Joining(_), _) => Ok(()),
            (Phase::Member(member), message) => {
                let is_wish = matches!(message, Message::JoinRequest(_));
                if let Some(refusal) = refusal(member, session).filter(|_| !is_wish) {
                    member.mesh.handle_refusal(refusal);
                    self.sessions.open.remove(&number);
                    return Ok(());
                }
                member.mesh.handle_sign_of_life(&site, now);
                for answer in member.mesh.handle_message(source, message, now) {
                    self.sessions.send(number, answer);
                }
                Ok(())
            }
        }
    }

    /// Calls the seeds that there are, listens if this site is one, and tells members what is new.
    pub(crate) fn follow_seeds(&mut self, now: Now) {
        self.sessions.open.retain(|_, session| !session.sender.is_closed());
        let seeds = self.wanted_seeds();
        if let Some(dialler) = &mut self.sessions.dialler {
            dialler.follow(&seeds);
        }
        let Phase::Member(member) = &mut self.phase else { return };
        follow_role(&mut self.sessions, member);
        let own = member.mesh.own().map(|own| own.content_digest());
        if own != self.sessions.told {
            (self.sessions.told, self.sessions.has_news) = (own, true);
        }
        if self.sessions.deadline().is_none_or(|deadline| now.ms < deadline) {
            return;
        }
        (self.sessions.told_ms, self.sessions.has_news) = (now.ms, false);
        let members: Vec<u64> =
            self.sessions.open.values().filter(|it| refusal(member, it).is_none()).map(|it| it.number).collect();
        for number in members {
            self.sessions.send(number, member.mesh.summary());
        }
    }

    fn wanted_seeds(&self) -> Vec<Seed> {
        match &self.phase {
            Phase::Alone => Vec::new(),
            Phase::Joining(joining) => joining.joiner.token().seeds.clone(),
            Phase::Member(member) => member.seeds.iter().cloned().chain(announced_seeds(member)).collect(),
        }
    }
}

/// Members with the role, where they say that they are.
fn announced_seeds(member: &Member) -> impl Iterator<Item = Seed> {
    let mesh = &member.mesh;
    let is_other = |site: &SiteId| *site != mesh.site();
    let seeds =
        mesh.members().valid().filter(move |(site, it)| is_other(site) && it.record.roles.contains(Roles::SEED));
    let heard = seeds.filter_map(|(site, _)| mesh.book().get(site));
    let endpoints = heard.flat_map(|heard| heard.announcement.uplinks.iter().flat_map(|uplink| &uplink.endpoints));
    endpoints.filter_map(|endpoint| {
        let host = endpoint.address.ip().to_string().parse().ok()?;
        Some(Seed { host, port: seed::PORT })
    })
}

/// Listens exactly while the record says that this site is a seed.
fn follow_role(sessions: &mut Sessions, member: &Member) {
    let own = member.mesh.members().get(&member.mesh.site());
    let is_seed = own.is_some_and(|own| own.standing == Standing::Valid && own.record.roles.contains(Roles::SEED));
    match (&sessions.listener, &sessions.identity) {
        (None, Some(identity)) if is_seed => match seed::listen(identity, sessions.sender.clone()) {
            Ok(listener) => sessions.listener = Some(listener),
            Err(error) => tracing::warn!(%error, "this site is a seed and cannot listen"),
        },
        (Some(listener), _) if !is_seed => {
            listener.abort();
            sessions.listener = None;
        }
        _ => {}
    }
}

/// Why the far end is nobody to this site now; `None` if it is a member.
fn refusal(member: &Member, session: &Session) -> Option<Refusal> {
    match member.mesh.members().get(&site_id(&session.peer)).map(|it| it.standing) {
        None => Some(Refusal::SiteUnknown),
        Some(Standing::Revoked) => Some(Refusal::SiteRevoked),
        Some(Standing::Expired) => Some(Refusal::SiteExpired),
        Some(Standing::NotYet) => Some(Refusal::SiteNotYetValid),
        Some(Standing::Valid) => None,
    }
}
