//! What each request does: one function for each operation of `patronus_ipc::mesh::Request`.

use ed25519_dalek::SigningKey;
use patronus_ipc::mesh::{Problem, Reply, Request, Role};
use patronus_mesh::{Invitation, Joiner, Now, SignError, Wallclock, found, invitation};
use patronus_types::{HostPort, IpNet, RootSecret, SiteId, SiteName};
use patronus_wire::{
    Bundle, IdentityKey, JoinToken, NetworkKey, Refused, Revocation, Roles, Seed, SiteRecord, TokenSecret, Verified,
};

use super::{
    Fatal, moment,
    phase::{Joining, Member, Phase, advice},
    publish,
    service::{Own, Service},
    store::{Membership, WishToJoin},
};

/// What is answered, or why the service ends.
pub(crate) type Answered = Result<Result<Reply, String>, Fatal>;

impl Service {
    /// Carries out one request; what it returns is true on disk.
    pub(crate) fn handle_request(&mut self, request: Request, now: Now) -> Result<Reply, Fatal> {
        let answered = match request {
            Request::Watch => Ok(Reply::State(Box::new(self.state()))),
            Request::CreateNetwork => {
                // The root's key leaves with the answer, and is in no other place.
                let root = RootSecret(moment::random()?);
                self.found_network(&root, now)?.map(|_| Reply::Created { root_secret: root.to_hex() })
            }
            Request::FoundNetwork { root } => self.found_network(&root, now)?,
            Request::MakeSigner { root } => self.make_signer(&root, now)?,
            Request::WithdrawSigner { root, signer } => self.withdraw_signer(&root, &signer, now)?,
            Request::MakeToken { valid_s, roles, prefixes, seeds } => {
                self.make_token(valid_s, &roles, prefixes, &seeds, now)?
            }
            Request::Join { token, prefixes } => self.join(token, prefixes, now)?,
            Request::Revoke { site } => self.revoke(site, now)?,
            Request::Rename { site, name } => self.rename(site, name, now)?,
            Request::Renew { site } => self.renew(site, now)?,
        };
        Ok(answered.unwrap_or_else(|code| {
            let message = advice(&code).to_owned();
            Reply::Rejected(Problem { code, message })
        }))
    }

    fn found_network(&mut self, secret: &RootSecret, now: Now) -> Answered {
        let Some(own) = &self.own else { return no("unclaimed") };
        let root = SigningKey::from_bytes(&secret.0);
        if let Phase::Member(member) = &self.phase {
            let is_same = member.mesh.roster().root() == IdentityKey::from(&root);
            return if is_same { Ok(Ok(Reply::Accepted)) } else { no("in-a-network") };
        }
        let signer = SigningKey::from_bytes(&moment::random()?);
        let (Wallclock::Known(now_s) | Wallclock::AtLeast(now_s)) = now.clock;
        let founded = found(&root, &signer, &own.identity, own.name.clone(), own.prefixes.clone(), now_s);
        let founding = match founded {
            Ok(founding) => founding,
            Err(refused) => return no(refused),
        };
        let roster = founding.roster(IdentityKey::from(&root));
        let membership =
            Membership { roster, network_key: NetworkKey(moment::random()?), signer: Some(signer), seeds: Vec::new() };
        self.begin_membership(membership, now)?;
        Ok(Ok(Reply::Accepted))
    }

    fn make_token(
        &mut self,
        valid_s: u64,
        roles: &[Role],
        prefixes: Vec<IpNet>,
        seeds: &[String],
        now: Now,
    ) -> Answered {
        let root = match self.signer() {
            Ok(member) => member.mesh.roster().root(),
            Err(code) => return no(code),
        };
        let Some(now_s) = now.clock.known_s() else { return no(SignError::ClockUnknown) };
        let made = (|| {
            let seeds = seeds.iter().map(|seed| parse_seed(seed)).collect::<Result<_, _>>()?;
            let room = invitation::room(&self.invitations, now_s).map_err(|error| error.to_string())?;
            let secret = TokenSecret(moment::random().map_err(|error| error.to_string())?);
            let roles = if roles.is_empty() { Roles::SITE } else { publish::roles(roles) };
            let made = Invitation::new(&secret, now_s, valid_s, roles, prefixes).map_err(|error| error.to_string())?;
            let text = made.token(root, seeds).to_text().map_err(|refused| refused.to_string())?;
            Ok::<_, String>((room, made, text))
        })();
        let (room, made, token) = match made {
            Ok(made) => made,
            Err(code) => return no(code),
        };
        self.store.save_invitation(&made, room)?;
        room.and_then(|room| self.invitations.remove(&room));
        self.invitations.insert(made.secret().id(), made);
        Ok(Ok(Reply::Token { token }))
    }

    fn join(&mut self, token: String, prefixes: Vec<IpNet>, now: Now) -> Answered {
        let Some(own) = &self.own else { return no("unclaimed") };
        if matches!(self.phase, Phase::Member(_)) {
            return no("in-a-network");
        }
        let wish = WishToJoin { token, prefixes };
        match joining(own, &wish, now)? {
            Ok(joining) => {
                self.store.keep_wish_to_join(&wish)?;
                self.phase = Phase::Joining(Box::new(joining));
                Ok(Ok(Reply::Accepted))
            }
            Err(refused) => no(refused),
        }
    }

    /// Goes on with the wish to join that a restart has cut off, if there is one.
    pub(crate) fn resume_joining(&mut self, now: Now) -> Result<(), Fatal> {
        let (Some(own), Some(wish)) = (&self.own, self.store.wish_to_join()?) else { return Ok(()) };
        match joining(own, &wish, now)? {
            Ok(joining) => self.phase = Phase::Joining(Box::new(joining)),
            Err(refused) => tracing::error!(%refused, "the token that was kept is of no use"),
        }
        Ok(())
    }

    fn revoke(&mut self, site: SiteId, now: Now) -> Answered {
        if self.own.as_ref().is_some_and(|own| own.site == site) {
            return no("own-site");
        }
        let revoked = self.registered(now, |registrar| registrar.revoke(site));
        self.take_over(revoked.map(revoked_bundle), now)
    }

    fn rename(&mut self, site: SiteId, name: SiteName, now: Now) -> Answered {
        let renamed = self.registered(now, |registrar| registrar.rename(site, name));
        self.take_over(renamed.map(recorded_bundle), now)
    }

    fn renew(&mut self, site: SiteId, now: Now) -> Answered {
        let renewed = self.registered(now, |registrar| registrar.renew(site));
        self.take_over(renewed.map(recorded_bundle), now)
    }

    /// What the signer of this box says to a question.
    pub(crate) fn registered<T>(
        &self,
        now: Now,
        ask: impl FnOnce(&patronus_mesh::Registrar<'_>) -> Result<T, SignError>,
    ) -> Result<T, String> {
        let registrar = self.signer()?.registrar(now).ok_or("not-a-signer")?;
        ask(&registrar).map_err(|error| error.to_string())
    }

    /// Merges what was just signed, and writes it.
    pub(crate) fn take_over(&mut self, signed: Result<Bundle, String>, now: Now) -> Answered {
        let bundle = match signed {
            Ok(bundle) => bundle,
            Err(code) => return no(code),
        };
        if let Phase::Member(member) = &mut self.phase {
            member.mesh.handle_own(bundle, now);
            self.store.save_roster(member.mesh.roster())?;
        }
        Ok(Ok(Reply::Accepted))
    }

    fn signer(&self) -> Result<&Member, String> {
        match &self.phase {
            Phase::Member(member) if member.is_signer() => Ok(member),
            Phase::Member(_) => Err("not-a-signer".to_owned()),
            _ => Err("no-network".to_owned()),
        }
    }
}

/// Records as they are handed to the roster.
pub(crate) fn recorded_bundle(record: Verified<SiteRecord>) -> Bundle {
    Bundle { records: vec![record.into_unverified()], ..Bundle::default() }
}

fn revoked_bundle(revocation: Option<Verified<Revocation>>) -> Bundle {
    Bundle { revocations: revocation.map(Verified::into_unverified).into_iter().collect(), ..Bundle::default() }
}

/// The way into a network, from its beginning.
fn joining(own: &Own, wish: &WishToJoin, now: Now) -> Result<Result<Joining, Refused>, Fatal> {
    let nonce = moment::random()?;
    let joiner = JoinToken::parse_text(&wish.token)
        .and_then(|token| Joiner::new(token, &own.identity, own.name.clone(), wish.prefixes.clone(), nonce, now.ms));
    Ok(joiner.map(Joining::new))
}

pub(crate) fn no(code: impl ToString) -> Answered {
    Ok(Err(code.to_string()))
}

fn parse_seed(text: &str) -> Result<Seed, String> {
    let HostPort { host, port } = text.parse().map_err(|_| Refused::SeedInvalid.to_string())?;
    Ok(Seed { host, port })
}
