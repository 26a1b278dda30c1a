//! What a person does with the recovery key: make this box a signer, withdraw another.
//!
//! *Never does*: keep the root's key: it is used where it comes in, and gone.
//! *Spec*: `docs/membership.md`, section "Signers".

use ed25519_dalek::SigningKey;
use patronus_ipc::mesh::Reply;
use patronus_mesh::{Now, Wallclock, limit, signers};
use patronus_types::RootSecret;
use patronus_wire::{Bundle, IdentityKey, SignerCertificate, Verified};

use super::{
    Fatal, moment,
    phase::Phase,
    requests::{Answered, no},
    service::Service,
};

impl Service {
    pub(crate) fn make_signer(&mut self, root: &RootSecret, now: Now) -> Answered {
        let Phase::Member(member) = &mut self.phase else { return no("no-network") };
        // One that was withdrawn is none for ever: the box gets another.
        let signer = match member.signer.clone().filter(|_| member.is_signer()) {
            Some(signer) => signer,
            None => SigningKey::from_bytes(&moment::random()?),
        };
        let appointed =
            signers::appoint(&signing_key(root), IdentityKey::from(&signer), member.mesh.roster(), now_s(now));
        match appointed {
            Ok(certificate) => {
                member.mesh.handle_own(certified(certificate), now);
                self.store.save_signer(&signer, member.mesh.roster())?;
                member.signer = Some(signer);
                Ok(Ok(Reply::Accepted))
            }
            Err(error) => no(error),
        }
    }

    pub(crate) fn withdraw_signer(&mut self, root: &RootSecret, signer: &[u8; 32], now: Now) -> Answered {
        let Phase::Member(member) = &self.phase else { return no("no-network") };
        let Ok(signer) = IdentityKey::from_bytes(signer) else { return no("signer-unknown") };
        if member.signer.as_ref().is_some_and(|own| IdentityKey::from(own) == signer) {
            return no("own-signer");
        }
        let certificate = match signers::withdraw(&signing_key(root), signer, member.mesh.roster(), now_s(now)) {
            Ok(certificate) => certificate,
            Err(error) => return no(error),
        };
        let stays = self.registered(now, |registrar| registrar.succeed(&signer));
        let answered = self.take_over(stays, now)?;
        if answered.is_ok() {
            // Behind what stays: whatever is on disk after a power cut, no site loses its membership by it.
            self.store.keep_withdrawal(&certificate)?;
            self.schedule_withdrawals(now)?;
        }
        Ok(answered)
    }

    /// Others hear first what stays.
    pub(crate) fn schedule_withdrawals(&mut self, now: Now) -> Result<(), Fatal> {
        let is_any = !self.store.withdrawals()?.is_empty();
        self.withdraw_ms = is_any.then(|| now.ms.saturating_add(limit::WITHDRAW_AFTER_MS));
        Ok(())
    }

    /// Says that signers are none any more, once the others know what stays.
    pub(crate) fn withdraw_due(&mut self, now: Now) -> Result<(), Fatal> {
        if self.withdraw_ms.take_if(|due_ms| now.ms >= *due_ms).is_some() {
            let signers = self.store.withdrawals()?;
            tracing::warn!(count = signers.len(), "signers withdrawn");
            self.take_over(Ok(Bundle { signers, ..Bundle::default() }), now)?.ok();
            self.store.forget_withdrawals()?;
        }
        Ok(())
    }
}

fn signing_key(root: &RootSecret) -> SigningKey {
    SigningKey::from_bytes(&root.0)
}

fn certified(certificate: Verified<SignerCertificate>) -> Bundle {
    Bundle { signers: vec![certificate.into_unverified()], ..Bundle::default() }
}

const fn now_s(now: Now) -> u64 {
    let (Wallclock::Known(now_s) | Wallclock::AtLeast(now_s)) = now.clock;
    now_s
}
