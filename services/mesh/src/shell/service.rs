//! The loop: hear, decide, write, say, publish; then wait.
//!
//! *Does*: wait for the claim, take over the identity, begin or take up a membership.
//! *Never does*: say of itself what is not on disk, hold up its readiness until there is a network.

use std::{collections::BTreeSet, io, net::SocketAddr, time::Duration};

use ed25519_dalek::SigningKey;
use patronus_ipc::{
    Context, ServiceError,
    clock::{self, Clock},
    config::{self, Config},
    link::{self, Link},
    mesh::{self, Reply, State},
    tunnel::{self, Tunnel},
};
use patronus_mesh::{Event, Invitations, Mesh, Now};
use patronus_types::{Generation, IpNet, SiteId, SiteName};
use patronus_wire::{Capabilities, Digest32, IdentityKey, JoinAnswer, site_id};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::sleep,
};

use super::{
    Fatal,
    apply::Wish,
    inside::Inside,
    lan::{Heard, Lan},
    moment,
    phase::{Member, Phase},
    publish,
    seed::Identity,
    sessions::Sessions,
    sources,
    store::{Membership, Store},
    stun::Stun,
};

/// Counters and the time of hearing are told at most this often; what changes otherwise at once.
const PUBLISH_MS: u64 = 1_000;

/// Whereabouts are written at most this often: a site that moves all the time costs no more than that.
const SAVE_MS: u64 = 1_000;

/// Who this box is, by its claim.
pub(crate) struct Own {
    pub(crate) identity: SigningKey,
    pub(crate) site: SiteId,
    pub(crate) name: SiteName,
    /// Its LAN.
    pub(crate) prefixes: Vec<IpNet>,
    /// Where routers before each uplink forward a port to this box, by slot.
    reachable_at: Vec<Vec<SocketAddr>>,
    boot_epoch: u64,
}

pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) own: Option<Own>,
    pub(crate) phase: Phase,
    pub(crate) invitations: Invitations,
    pub(crate) sessions: Sessions,
    stun: Stun,
    lan: Lan,
    inside: Inside,
    /// Of `tunnel`'s last snapshot that was looked at.
    tunnel: Generation,
    wish: Option<Wish>,
    saved: Digest32,
    pub(crate) renew_ms: u64,
    pub(crate) withdraw_ms: Option<u64>,
    published_ms: u64,
    mark: Mark,
    /// Sites whose whereabouts have changed since they were written.
    moved: BTreeSet<SiteId>,
    moved_ms: u64,
    state: watch::Sender<Reply>,
    ipc_dir: std::path::PathBuf,
}

/// What changes when others are to be told of something.
#[derive(PartialEq, Eq)]
enum Mark {
    Alone,
    Joining,
    Member(u64, Digest32),
}

/// Runs until SIGTERM.
pub(crate) async fn run(context: Context) -> Result<(), Fatal> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ServiceError::Io("signal", error))?;
    let mut service = Service::open(&context)?;
    let (mut answering, mut asked) = patronus_ipc::ask_in_turn::<mesh::Mesh>(&context, &service.state)?;
    let mut config = patronus_ipc::follow::<Config>(&context.ipc_dir, || config::Request::Watch);
    let mut link = patronus_ipc::follow::<Link>(&context.ipc_dir, || link::Request::Watch);
    let mut clock = patronus_ipc::follow::<Clock>(&context.ipc_dir, || clock::Request::Watch);
    let mut tunnel = patronus_ipc::follow::<Tunnel>(&context.ipc_dir, || tunnel::Request::Watch);
    context.ready();
    loop {
        let pause_ms = service.deadline().saturating_sub(moment::uptime_ms());
        let mut is_asked = false;
        tokio::select! {
            Some(heard) = service.lan.heard() => service.hear(&heard, moment::now(clock.borrow().as_ref()))?,
            (source, datagram) = service.inside.heard() => {
                service.hear_inside(source, &datagram, moment::now(clock.borrow().as_ref()));
            }
            Some(happening) = service.sessions.happening() => {
                service.follow_happening(happening, moment::now(clock.borrow().as_ref()))?;
            }
            Some((request, answer)) = asked.recv() => {
                let reply = service.handle_request(request, moment::now(clock.borrow().as_ref()))?;
                is_asked = true;
                // Who has gone away needs no answer.
                let _ = answer.send(reply);
            }
            Ok(()) = config.changed() => {
                let newest = config.borrow_and_update().clone();
                // Before the await: who borrows a followed value keeps its follower from setting it.
                let now = moment::now(clock.borrow().as_ref());
                service.follow_config(newest, now).await?;
            }
            Ok(()) = link.changed() => {}
            Ok(()) = tunnel.changed() => {}
            Ok(()) = clock.changed() => {}
            () = sleep(Duration::from_millis(pause_ms)) => {}
            ended = &mut answering => return Err(ServiceError::not_answering(ended).into()),
            _ = terminate.recv() => return service.save_moved(),
        }
        let now = moment::now(clock.borrow_and_update().as_ref());
        service.follow_sources(link.borrow_and_update().as_ref(), tunnel.borrow_and_update().as_ref(), now);
        service.advance(now)?;
        if service.poll_look(now) || is_asked {
            service.look(is_asked, now)?;
        }
    }
}

impl Service {
    fn open(context: &Context) -> Result<Self, Fatal> {
        let opened = Store::open(context.state_dir.as_deref().ok_or(ServiceError::Missing("a directory for state"))?)?;
        if let Some(set_aside) = opened.set_aside {
            tracing::error!(reason = set_aside.reason, kept_as = %set_aside.to.display(),
                "keys and roster are damaged and were set aside; this box is in no network: join again");
        }
        let sessions = Sessions::new();
        Ok(Self {
            store: opened.content,
            own: None,
            phase: Phase::Alone,
            invitations: Invitations::new(),
            stun: Stun::new(sessions.resolvers()),
            sessions,
            lan: Lan::new(),
            inside: Inside::default(),
            tunnel: Generation::default(),
            wish: None,
            saved: [0; 32],
            renew_ms: 0,
            withdraw_ms: None,
            published_ms: 0,
            mark: Mark::Alone,
            moved: BTreeSet::new(),
            moved_ms: 0,
            state: watch::Sender::new(Reply::State(Box::default())),
            ipc_dir: context.ipc_dir.clone(),
        })
    }

    /// The claim, and every later name of the site and prefix of its LAN.
    async fn follow_config(&mut self, newest: Option<config::Reply>, now: Now) -> Result<(), Fatal> {
        let Some(config::Reply::State(state)) = newest else { return Ok(()) };
        let Some(claimed) = state.claimed else { return Ok(()) };
        self.stun.follow(claimed.document.discovery.stun);
        let lan = &claimed.document.lan;
        let prefixes = [Some(IpNet::V4(lan.address.trunc())), lan.address_v6.map(|net| IpNet::V6(net.trunc()))];
        let (name, prefixes) = (claimed.document.site.name, prefixes.into_iter().flatten().collect());
        let reachable_at = claimed.document.uplinks.into_iter().map(|uplink| uplink.reachable_at).collect();
        match &mut self.own {
            Some(own) if own.site == claimed.site_id => {
                (own.name, own.prefixes, own.reachable_at) = (name, prefixes, reachable_at);
                Ok(())
            }
            Some(_) => Err(Fatal::OtherIdentity),
            None => {
                let identity = self.identity().await?;
                let site = site_id(&IdentityKey::from(&identity));
                let boot_epoch = self.store.begin(site)?;
                let tls = Identity::new(&identity).map_err(|error| ServiceError::Io("tls", io::Error::other(error)))?;
                self.sessions.begin(tls);
                self.own = Some(Own { identity, site, name, prefixes, reachable_at, boot_epoch });
                self.wish = Some(Wish::new(&self.ipc_dir, boot_epoch));
                self.invitations = self.store.invitations()?;
                match self.store.load()? {
                    Some(membership) => self.take_up(membership, now),
                    None => self.resume_joining(now),
                }
            }
        }
    }

    async fn identity(&self) -> Result<SigningKey, Fatal> {
        match patronus_ipc::call::<Config>(&self.ipc_dir, &config::Request::Identity).await {
            Ok(config::Reply::Identity(Some(seed))) => Ok(SigningKey::from_bytes(&seed.0)),
            Ok(_) => Err(ServiceError::Missing("the identity").into()),
            Err(error) => Err(ServiceError::Io("identity", io::Error::other(error)).into()),
        }
    }

    /// Keeps a new membership, then begins with it.
    pub(crate) fn begin_membership(&mut self, membership: Membership, now: Now) -> Result<(), Fatal> {
        self.store.save(&membership)?;
        self.take_up(membership, now)
    }

    fn take_up(&mut self, membership: Membership, now: Now) -> Result<(), Fatal> {
        let Some(own) = &self.own else { return Ok(()) };
        let Membership { roster, network_key, signer, seeds } = membership;
        tracing::info!(network = ?roster.network(), sites = roster.sites(), "in a network");
        self.saved = roster.digest();
        let mut mesh = Mesh::new(own.identity.clone(), roster, network_key, own.boot_epoch, now);
        mesh.restore(self.store.announcements()?);
        self.sessions.handle_news();
        self.phase = Phase::Member(Box::new(Member { mesh, signer, seeds }));
        self.schedule_withdrawals(now)
    }

    fn hear(&mut self, heard: &Heard, now: Now) -> Result<(), Fatal> {
        match &mut self.phase {
            Phase::Alone => Ok(()),
            Phase::Member(member) => {
                member.mesh.handle_datagram(heard.source, &heard.datagram, now);
                Ok(())
            }
            Phase::Joining(joining) => match joining.handle_datagram(&heard.datagram) {
                Some(answer) => self.hear_answer(&answer, now),
                None => Ok(()),
            },
        }
    }

    fn hear_inside(&mut self, source: SocketAddr, datagram: &[u8], now: Now) {
        if let Phase::Member(member) = &mut self.phase {
            member.mesh.handle_inner_datagram(source, datagram, now);
        }
    }

    /// An answer to this box's wish to join, wherever it came from.
    pub(crate) fn hear_answer(&mut self, answer: &JoinAnswer, now: Now) -> Result<(), Fatal> {
        let Phase::Joining(joining) = &mut self.phase else { return Ok(()) };
        match joining.joiner.handle_answer(answer, now.clock) {
            Ok(joined) => {
                let (roster, network_key) = (joined.roster, joined.network_key);
                let seeds = joining.joiner.token().seeds.clone();
                self.begin_membership(Membership { roster, network_key, signer: None, seeds }, now)
            }
            Err(error) => {
                joining.handle_no(error);
                Ok(())
            }
        }
    }

    fn follow_sources(&mut self, link: Option<&link::State>, tunnel: Option<&tunnel::Reply>, now: Now) {
        let Some(link) = link else { return };
        self.sessions.follow_resolvers(sources::resolvers(link));
        // A box that is in no network and wants into none has nobody to hear.
        let is_quiet = matches!(self.phase, Phase::Alone);
        let is_new = self.lan.follow(&if is_quiet { Vec::new() } else { sources::devices(link) });
        let Phase::Member(member) = &mut self.phase else { return };
        self.inside.follow(Some(member.mesh.inner_address()));
        if is_new {
            member.mesh.handle_new_neighbourhood(now);
        }
        let Some(tunnel::Reply::State(state)) = tunnel else { return };
        // An old snapshot is no sign of life: `tunnel` may be gone.
        if self.tunnel != state.generation {
            self.tunnel = state.generation;
            sources::heard(state).for_each(|peer| member.mesh.handle_sign_of_life(&peer, now));
            member.mesh.handle_tunnels(sources::answering(state), now);
        }
        let reachable_at = self.own.as_ref().map(|own| own.reachable_at.as_slice()).unwrap_or_default();
        let capabilities = if member.is_signer() { Capabilities::SIGNER } else { Capabilities::default() };
        member.mesh.handle_uplinks(capabilities, sources::offers(link, state, reachable_at), now);
    }

    /// What time demands, what has happened, what is to be said.
    fn advance(&mut self, now: Now) -> Result<(), Fatal> {
        if let Phase::Member(member) = &mut self.phase {
            member.mesh.handle_timeout(now, u64::from_be_bytes(moment::random()?));
        }
        self.renew_due(now)?;
        self.withdraw_due(now)?;
        while let Some(event) = self.poll_event() {
            self.follow_event(event, now)?;
        }
        while let Some(transmit) = self.phase.poll_transmit(moment::random()?, now) {
            if !self.inside.send(&transmit) {
                self.lan.send(&transmit);
            }
        }
        Ok(())
    }

    /// Whether others are to be told of something: what they are told costs as much as there are sites, so not with every datagram.
    fn poll_look(&mut self, now: Now) -> bool {
        let mark = match &self.phase {
            Phase::Alone => Mark::Alone,
            Phase::Joining(_) => Mark::Joining,
            Phase::Member(member) => Mark::Member(member.mesh.generation(), member.mesh.roster_digest()),
        };
        let is_new = self.mark != mark;
        self.mark = mark;
        is_new || now.ms >= self.tick_ms() || self.tell_ms().is_some_and(|tell| now.ms >= tell)
    }

    /// First to disk, then to others.
    fn look(&mut self, is_asked: bool, now: Now) -> Result<(), Fatal> {
        if now.ms >= self.moved_ms && !self.moved.is_empty() {
            self.save_moved()?;
            self.moved_ms = now.ms.saturating_add(SAVE_MS);
        }
        if let Phase::Member(member) = &self.phase {
            if self.saved != member.mesh.roster_digest() {
                self.store.save_roster(member.mesh.roster())?;
                self.saved = member.mesh.roster_digest();
                self.sessions.handle_news();
            }
            if let Some(wish) = &mut self.wish {
                wish.set(sources::desired(&member.mesh, self.stun.addresses()));
            }
        }
        self.ask_again(now);
        self.follow_seeds(now);
        self.publish(is_asked, now);
        Ok(())
    }

    /// Keeps the whereabouts that have changed.
    fn save_moved(&mut self) -> Result<(), Fatal> {
        if let Phase::Member(member) = &self.phase
            && !self.moved.is_empty()
        {
            self.store.save_announcements(&self.moved, member.mesh.book())?;
        }
        self.moved.clear();
        Ok(())
    }

    fn poll_event(&mut self) -> Option<Event> {
        match &mut self.phase {
            Phase::Member(member) => member.mesh.poll_event(),
            _ => None,
        }
    }

    fn follow_event(&mut self, event: Event, now: Now) -> Result<(), Fatal> {
        match event {
            Event::SiteMoved(site) => {
                self.moved.insert(site);
                self.sessions.handle_news();
            }
            Event::SiteRevoked(site) => {
                tracing::warn!(?site, "site revoked");
                self.moved.insert(site);
            }
            Event::JoinRequested { source, request } => match self.admit(&request, now)? {
                Some(answer) => self.answer_wish(source, answer),
                None => self.hand_on(source, &request, now),
            },
            Event::JoinAnswered(answer) => self.hand_back(&answer, now),
            Event::BootEpochForgotten(boot_epoch) => {
                tracing::warn!(
                    boot_epoch,
                    "others have heard this site before its disk was set aside: it goes on from there"
                );
                self.store.raise_boot_epoch(boot_epoch)?;
                if let Phase::Member(member) = &mut self.phase {
                    member.mesh.handle_boot_epoch(boot_epoch, now);
                }
            }
            other => tracing::info!(event = ?other, "mesh"),
        }
        Ok(())
    }

    fn deadline(&self) -> u64 {
        let others = [self.phase.deadline(), self.tell_ms(), self.withdraw_ms];
        others.into_iter().flatten().fold(self.tick_ms(), u64::min)
    }

    /// When members on connections are to be told what is new; only a member tells.
    fn tell_ms(&self) -> Option<u64> {
        self.sessions.deadline().filter(|_| matches!(self.phase, Phase::Member(_)))
    }

    const fn tick_ms(&self) -> u64 {
        self.published_ms.saturating_add(PUBLISH_MS)
    }

    /// The state as it was told last.
    pub(crate) fn state(&self) -> State {
        match &*self.state.borrow() {
            Reply::State(state) => (**state).clone(),
            _ => State::default(),
        }
    }

    fn publish(&mut self, at_once: bool, now: Now) {
        let new = publish::state(self.own.as_ref().map(|own| own.site), &self.phase, &self.invitations);
        let old = self.state();
        let is_time = now.ms >= self.tick_ms();
        if is_time {
            self.published_ms = now.ms;
        }
        let is_changed = State { generation: old.generation, ..new.clone() } != old;
        if is_changed && (at_once || is_time || publish::is_news(&old, &new)) {
            let generation = old.generation.next();
            self.state.send_replace(Reply::State(Box::new(State { generation, ..new })));
        }
    }
}
