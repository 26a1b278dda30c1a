//! What a signer's box does: admit, revoke, rename, renew.
//!
//! *Spec*: `services/mesh/src/shell/signing.rs`, `requests.rs`.

use ed25519_dalek::SigningKey;
use patronus_mesh::{Invitation, Joiner, Now, Registrar, SignError};
use patronus_types::{SiteId, SiteName};
use patronus_wire::{
    Admission, Bundle, JoinAnswer, JoinRefusal, JoinRequest, JoinToken, Roles, Seed, TokenSecret, Verified,
};

use super::{Phase, Site};
use crate::{charter, dice::Dice};

/// As in the shell.
const RENEW_EVERY_MS: u64 = 60_000;
const RENEWALS: usize = 32;
/// Tokens of a run are good for this long.
const TOKEN_S: u64 = 86_400;

impl Site {
    /// The signer's key, on a signer's box.
    #[must_use]
    pub fn signer(&self) -> Option<&SigningKey> {
        self.disk.membership.as_ref()?.signer.as_ref()
    }

    /// A token for one more site, with the seeds that it is to call.
    ///
    /// # Errors
    /// Why there is none.
    pub fn make_token(
        &mut self,
        number: u32,
        seeds: Vec<Seed>,
        now: Now,
        dice: &mut Dice,
    ) -> Result<JoinToken, SignError> {
        let now_s = now.clock.known_s().ok_or(SignError::ClockUnknown)?;
        let membership = self.disk.membership.as_ref().ok_or(SignError::SignerUnable)?;
        let root = membership.roster.root();
        let secret = TokenSecret(dice.bytes());
        let made = Invitation::new(&secret, now_s, TOKEN_S, Roles::SITE, vec![charter::prefix(number)])?;
        let token = made.token(root, seeds);
        self.disk.save_invitation(made);
        Ok(token)
    }

    /// Who asks with this token.
    #[must_use]
    pub fn joiner(&self, token: JoinToken, now: Now, dice: &mut Dice) -> Joiner {
        let name = format!("site-{}", self.number).parse().expect("a name");
        Joiner::new(token, &self.identity, name, Vec::new(), dice.bytes(), now.ms).expect("a wish by the rules")
    }

    /// Ends a membership. What comes back as done is on the disk.
    ///
    /// # Errors
    /// Why nothing was signed.
    pub fn revoke(&mut self, site: SiteId, now: Now) -> Result<(), SignError> {
        let revocation = self.registered(now, |registrar| registrar.revoke(site))?;
        let revocations = revocation.map(Verified::into_unverified).into_iter().collect();
        self.take_over(Bundle { revocations, ..Bundle::default() }, now);
        Ok(())
    }

    /// Gives a site another name.
    ///
    /// # Errors
    /// Why nothing was signed.
    pub fn rename(&mut self, site: SiteId, name: SiteName, now: Now) -> Result<(), SignError> {
        let record = self.registered(now, |registrar| registrar.rename(site, name))?;
        self.take_over(Bundle { records: vec![record.into_unverified()], ..Bundle::default() }, now);
        Ok(())
    }

    /// Decides a request to join, and gives the answer to it; none if it is not sealed with a token of this box.
    pub(super) fn admit(&mut self, request: &JoinRequest, now: Now, dice: &mut Dice) -> Option<JoinAnswer> {
        let invitation = self.disk.invitations.get(&request.token)?.clone();
        let outcome = self.registered(now, |registrar| Ok(registrar.admit(request, &invitation))).ok()?.ok()?;
        let outcome = outcome.and_then(|admitted| {
            if let Some(record) = admitted.record {
                self.disk.admit(&request.token, admitted.used, &record);
                self.handle_own(Bundle { records: vec![record.into_unverified()], ..Bundle::default() }, now);
            }
            let mesh = self.mesh().ok_or(JoinRefusal::SignerUnable)?;
            let network_key = mesh.network_key().cloned().ok_or(JoinRefusal::SignerUnable)?;
            Ok(Admission { network_key, bundle: mesh.roster().excerpt(&[admitted.site, mesh.site()]) })
        });
        JoinAnswer::seal(request, &invitation.secret(), &outcome, dice.bytes()).ok()
    }

    /// Signs anew what will end, once a minute.
    pub(super) fn renew_due(&mut self, now: Now) {
        let Some(running) = self.running.as_mut().filter(|running| now.ms >= running.renew_ms) else { return };
        running.renew_ms = now.ms + RENEW_EVERY_MS;
        let renewed = self.registered(now, |registrar| {
            let due = registrar.due().into_iter().take(RENEWALS);
            Ok(due.filter_map(|site| registrar.renew(site).ok()).collect::<Vec<_>>())
        });
        for record in renewed.unwrap_or_default() {
            self.handle_own(Bundle { records: vec![record.into_unverified()], ..Bundle::default() }, now);
        }
    }

    fn registered<T>(
        &self,
        now: Now,
        ask: impl FnOnce(&Registrar<'_>) -> Result<T, SignError>,
    ) -> Result<T, SignError> {
        let (Some(key), Some(mesh)) = (self.signer(), self.mesh()) else { return Err(SignError::SignerUnable) };
        ask(&Registrar::new(key, mesh.roster(), mesh.members(), now.clock))
    }

    /// Merges what was just signed, and writes it.
    fn take_over(&mut self, bundle: Bundle, now: Now) {
        self.handle_own(bundle, now);
        if let Some(roster) = self.mesh().map(|mesh| mesh.roster().clone()) {
            self.disk.save_roster(&roster);
        }
    }

    fn handle_own(&mut self, bundle: Bundle, now: Now) {
        if let Some(super::Running { phase: Phase::Member(mesh), .. }) = &mut self.running {
            mesh.handle_own(bundle, now);
        }
    }
}
