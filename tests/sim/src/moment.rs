//! Where a run is, for who asks after it has ended with a panic.
//!
//! *Does*: remember the step that is being made; say what happened at the one that is watched.

use std::cell::Cell;

/// A step and when it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// How many things had happened.
    pub step: u64,
    /// Milliseconds since the beginning.
    pub ms: u64,
}

/// Steps before the watched one that are told, too.
const BEFORE: u64 = 10;

thread_local! {
    static NOW: Cell<Moment> = const { Cell::new(Moment { step: 0, ms: 0 }) };
    static WATCHED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The last step of this thread's run.
#[must_use]
pub fn moment() -> Moment {
    NOW.get()
}

/// From now on the runs of this thread tell what leads to this step, and end there.
pub fn watch_for(step: Option<u64>) {
    WATCHED.set(step);
}

/// Whether the watched step was made.
pub(crate) fn is_over() -> bool {
    WATCHED.get().is_some_and(|watched| NOW.get().step >= watched)
}

/// One more step.
pub(crate) fn begin(step: u64, ms: u64, what: impl FnOnce() -> String) {
    NOW.set(Moment { step, ms });
    if WATCHED.get().is_some_and(|watched| (watched.saturating_sub(BEFORE)..=watched).contains(&step)) {
        let what: String = what().chars().take(600).collect();
        println!("step {step} at {ms} ms, {what}");
    }
}
