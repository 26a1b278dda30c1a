//! The claim code's life.
//!
//! *Does*: keep one code while the box is unclaimed, over restarts; forget it, on disk too, once `config` says that the box is claimed.
//! *Never does*: bring a used code back: should `config` lose its data, the box asks for a new one.
//! *Spec*: `docs/api.md`, section "Claim code".

use std::sync::Arc;

use patronus_store::StoreError;

use crate::{app::App, claim::ClaimCode};

/// Follows `config` until the service ends.
pub(crate) async fn keep(app: Arc<App>) {
    let mut config = app.config.clone();
    loop {
        config.mark_unchanged();
        let settled = app.configuration().map_or(Ok(()), |state| settle(&app, state.claimed.is_some()));
        if let Err(error) = settled {
            return app.fail(&error);
        }
        if config.changed().await.is_err() {
            return;
        }
    }
}

/// Makes disk and memory agree with what `config` says.
fn settle(app: &App, claimed: bool) -> Result<(), StoreError> {
    let stored = app.store.claim_code()?;
    if claimed {
        if stored.is_some() {
            app.store.remove_claim_code()?;
        }
        app.claim_code.send_replace(None);
    } else if app.claim_code.borrow().is_none() {
        let code = match stored.as_deref().and_then(ClaimCode::parse) {
            Some(code) => code,
            None => make(app)?,
        };
        app.claim_code.send_replace(Some(code));
    }
    Ok(())
}

/// A new code; it is on disk before anybody sees it.
fn make(app: &App) -> Result<ClaimCode, StoreError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|error| StoreError::Failed(format!("no randomness: {error}")))?;
    let code = ClaimCode::from_random(random);
    app.store.put_claim_code(&code.to_string())?;
    Ok(code)
}
