//! What is said on connections, and to whom this site is connected.
//!
//! *Does*: carry between connections and the core; call seeds, listen if this site is one.
//! *Never does*: judge who the far end is: the core does, at each message.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use patronus_mesh::{Connections, Forwarding, Now};
use patronus_wire::{JoinAnswer, JoinRequest, Message, Seed};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    Fatal,
    phase::{Member, Phase},
    seed::{self, Dialler, Happening, Identity, Session},
    service::Service,
};

/// Happenings that wait; with more, connections wait.
const QUEUE: usize = 256;

/// The connections of this site.
pub(crate) struct Sessions {
    connections: Connections,
    forwarding: Forwarding,
    /// Where messages to each go.
    senders: BTreeMap<u64, mpsc::Sender<Message>>,
    sender: mpsc::Sender<Happening>,
    happenings: mpsc::Receiver<Happening>,
    identity: Option<Identity>,
    dialler: Option<Dialler>,
    resolvers: watch::Sender<Vec<IpAddr>>,
    listener: Option<JoinHandle<()>>,
}

impl Sessions {
    /// None yet.
    pub(crate) fn new() -> Self {
        let (sender, happenings) = mpsc::channel(QUEUE);
        Self {
            connections: Connections::default(),
            forwarding: Forwarding::default(),
            senders: BTreeMap::new(),
            sender,
            happenings,
            identity: None,
            dialler: None,
            resolvers: watch::Sender::default(),
            listener: None,
        }
    }

    /// From now on connections are made with this identity.
    pub(crate) fn begin(&mut self, identity: Identity) {
        self.dialler = Some(Dialler::new(identity.clone(), self.sender.clone(), self.resolvers.subscribe()));
        self.identity = Some(identity);
    }

    /// From now on names are asked of these.
    pub(crate) fn follow_resolvers(&self, resolvers: Vec<IpAddr>) {
        self.resolvers.send_if_modified(|known| std::mem::replace(known, resolvers) != *known);
    }

    /// Of whom names are asked.
    pub(crate) fn resolvers(&self) -> watch::Receiver<Vec<IpAddr>> {
        self.resolvers.subscribe()
    }

    /// The next thing that happens on a connection.
    pub(crate) async fn happening(&mut self) -> Option<Happening> {
        self.happenings.recv().await
    }

    /// There is something that others may not know.
    pub(crate) const fn handle_news(&mut self) {
        self.connections.handle_news();
    }

    /// When members are to be told, on the monotonic clock in milliseconds.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.connections.deadline()
    }

    /// Answers a wish that came over a connection; `false` if it did not.
    pub(crate) fn answer(&mut self, to: SocketAddr, answer: &JoinAnswer) -> bool {
        let Some(number) = self.connections.to(to) else { return false };
        self.send(number, Message::JoinAnswer(answer.clone()));
        true
    }

    /// Who does not take what is said to him is called anew.
    fn send(&mut self, number: u64, message: Message) {
        let is_gone = self.senders.get(&number).is_some_and(|sender| sender.try_send(message).is_err());
        if is_gone {
            self.close(number);
        }
    }

    fn close(&mut self, number: u64) {
        self.senders.remove(&number);
        self.connections.handle_closed(number);
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
            Happening::Opened(session) => self.greet(*session, now),
            Happening::Closed(number) => self.sessions.close(number),
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

    fn greet(&mut self, session: Session, now: Now) {
        let Session { number, peer, source, is_ours, sender } = session;
        self.sessions.senders.insert(number, sender);
        self.sessions.connections.handle_opened(number, peer, source, is_ours);
        let first = match &mut self.phase {
            Phase::Alone => None,
            Phase::Joining(joining) => {
                joining.handle_reached(now.ms);
                Some(joining.joiner.request())
            }
            Phase::Member(member) => self.sessions.connections.greeting(number, &mut member.mesh),
        };
        first.into_iter().for_each(|message| self.sessions.send(number, message));
    }

    fn hear_session(&mut self, number: u64, message: Message, now: Now) -> Result<(), Fatal> {
        match (&mut self.phase, message) {
            (Phase::Joining(_), Message::JoinAnswer(answer)) => return self.hear_answer(&answer, now),
            // A site that is in no network understands nobody.
            (Phase::Alone | Phase::Joining(_), _) => {}
            (Phase::Member(member), message) => {
                match self.sessions.connections.handle_message(number, message, &mut member.mesh, now) {
                    Some(answers) => answers.into_iter().for_each(|answer| self.sessions.send(number, answer)),
                    None => self.sessions.close(number),
                }
            }
        }
        Ok(())
    }

    /// Answers a wish where it came from: on a connection, or on a LAN.
    pub(crate) fn answer_wish(&mut self, source: SocketAddr, answer: JoinAnswer) {
        if !self.sessions.answer(source, &answer)
            && let Phase::Member(member) = &mut self.phase
        {
            member.mesh.send_answer(source, answer);
        }
    }

    /// Hands on a wish that nobody here can decide.
    pub(crate) fn hand_on(&mut self, source: SocketAddr, request: &JoinRequest, now: Now) {
        let Phase::Member(member) = &mut self.phase else { return };
        let Sessions { connections, forwarding, .. } = &mut self.sessions;
        match forwarding.handle_wish(source, request, connections, &mut member.mesh, now) {
            Ok(numbers) => {
                numbers
                    .into_iter()
                    .for_each(|number| self.sessions.send(number, Message::JoinRequest(request.clone())));
            }
            Err(refusal) => member.mesh.handle_refusal(refusal),
        }
    }

    /// Hands an answer back to who waits for it.
    pub(crate) fn hand_back(&mut self, answer: &JoinAnswer, now: Now) {
        let Phase::Member(member) = &mut self.phase else { return };
        match self.sessions.forwarding.handle_answer(answer, now) {
            Ok(sources) => {
                // The new site knows the signer, and not yet who has handed its wish on.
                let own = Message::Bundle(member.mesh.roster().excerpt(&[member.mesh.site()]));
                let numbers = sources.into_iter().filter_map(|source| self.sessions.connections.to(source));
                for number in numbers.collect::<Vec<u64>>() {
                    self.sessions.send(number, Message::JoinAnswer(answer.clone()));
                    self.sessions.send(number, own.clone());
                }
            }
            Err(refusal) => member.mesh.handle_refusal(refusal),
        }
    }

    /// Says the wish to join again on all connections: the box that made the token may have been away.
    pub(crate) fn ask_again(&mut self, now: Now) {
        let Phase::Joining(joining) = &mut self.phase else { return };
        if joining.poll_ask_seeds(now.ms) {
            let request = joining.joiner.request();
            let numbers: Vec<u64> = self.sessions.senders.keys().copied().collect();
            numbers.into_iter().for_each(|number| self.sessions.send(number, request.clone()));
        }
    }

    /// Calls the seeds that there are, listens if this site is one, and tells members what is new.
    pub(crate) fn follow_seeds(&mut self, now: Now) {
        let gone = self.sessions.senders.iter().filter(|(_, sender)| sender.is_closed());
        let gone: Vec<u64> = gone.map(|(number, _)| *number).collect();
        gone.into_iter().for_each(|number| self.sessions.close(number));
        let seeds = self.wanted_seeds();
        if let Some(dialler) = &mut self.sessions.dialler {
            dialler.follow(&seeds);
        }
        let Phase::Member(member) = &mut self.phase else { return };
        follow_role(&mut self.sessions, member);
        for number in self.sessions.connections.poll_tell(&member.mesh, now) {
            self.sessions.send(number, member.mesh.digest());
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
    member.mesh.seeds().filter_map(|seed| Some(Seed { host: seed.ip().to_string().parse().ok()?, port: seed.port() }))
}

/// Listens exactly while the record says that this site is a seed.
fn follow_role(sessions: &mut Sessions, member: &Member) {
    let is_seed = member.mesh.is_seed();
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
