//! What a signer's box does unasked: admit who has a token, renew what will end.
//!
//! *Never does*: answer a request that is not sealed with a token of its own.

use patronus_mesh::{Admitted, Now};
use patronus_wire::{Admission, JoinAnswer, JoinRefusal, JoinRequest};

use super::{
    Fatal, moment,
    phase::{Member, Phase},
    requests::recorded_bundle,
    service::Service,
};

/// Between two looks at what will end.
const RENEW_EVERY_MS: u64 = 60_000;
/// Records renewed in one go.
const RENEWALS: usize = 32;

impl Service {
    /// Decides a request to join, and gives the answer to it; none if it is not sealed with a token of this box.
    pub(crate) fn admit(&mut self, request: &JoinRequest, now: Now) -> Result<Option<JoinAnswer>, Fatal> {
        let Phase::Member(member) = &mut self.phase else { return Ok(None) };
        let outcome = match member.registrar(now) {
            Some(registrar) => self.store.admit(&request.token, |kept| registrar.admit(request, kept))?,
            None => None,
        };
        let (outcome, invitation) = match (outcome, self.invitations.get_mut(&request.token)) {
            (Some(Ok(outcome)), Some(invitation)) => (outcome, invitation),
            (Some(Err(refused)), _) => {
                member.mesh.handle_refusal(refused.into());
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let outcome = match outcome {
            Ok(admitted) => {
                invitation.used = Some(admitted.used);
                welcome(member, admitted, now)
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &outcome {
            tracing::warn!(%refusal, "join refused");
        }
        Ok(JoinAnswer::seal(request, &invitation.secret(), &outcome, moment::random()?).ok())
    }

    /// Signs anew what will end, once a minute.
    pub(crate) fn renew_due(&mut self, now: Now) -> Result<(), Fatal> {
        if now.ms < self.renew_ms {
            return Ok(());
        }
        self.renew_ms = now.ms.saturating_add(RENEW_EVERY_MS);
        let Phase::Member(member) = &mut self.phase else { return Ok(()) };
        let Some(registrar) = member.registrar(now) else { return Ok(()) };
        let due = registrar.due().into_iter().take(RENEWALS);
        let renewed: Vec<_> = due.filter_map(|site| registrar.renew(site).ok()).collect();
        for record in renewed {
            tracing::info!(site = %record.name, "record renewed");
            member.mesh.handle_own(recorded_bundle(record), now);
        }
        Ok(())
    }
}

/// What a site that was admitted needs to begin; its record goes to the neighbours before it says its first word.
fn welcome(member: &mut Member, admitted: Admitted, now: Now) -> Result<Admission, JoinRefusal> {
    tracing::info!(site = ?admitted.site, "site admitted");
    if let Some(record) = admitted.record {
        member.mesh.handle_own(recorded_bundle(record), now);
    }
    let network_key = member.mesh.network_key().cloned().ok_or(JoinRefusal::SignerUnable)?;
    Ok(Admission { network_key, bundle: member.mesh.roster().excerpt(&[admitted.site, member.mesh.site()]) })
}
