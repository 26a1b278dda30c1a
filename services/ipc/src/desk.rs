//! The answering end of a service whose one loop decides everything: its state is followed, all else is asked of the loop in turn.
//!
//! *Does*: hand questions over, bounded, each with the way back.
//! *Never does*: answer in the loop's place: while the loop ends, callers see their connection close and ask the next process.
//! *Spec*: `docs/ipc.md`, section "Following".

use std::{io, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{Answer, Context, Handler, Operation, Protocol, ServiceError, WATCH, serve};

/// Questions that wait for the loop; who asks more waits at the socket.
const QUESTIONS: usize = 16;

/// What is asked, and the way back to who asks.
pub type Question<P> = (<P as Protocol>::Request, oneshot::Sender<<P as Protocol>::Reply>);

struct Desk<P: Protocol> {
    state: watch::Receiver<P::Reply>,
    questions: mpsc::Sender<Question<P>>,
}

impl<P: Protocol> Handler<P> for Desk<P> {
    async fn handle(&self, _: u32, request: P::Request) -> Answer<P> {
        if request.operation() == WATCH {
            return Answer::Follow(self.state.clone());
        }
        let (sender, reply) = oneshot::channel();
        if self.questions.send((request, sender)).await.is_ok()
            && let Ok(reply) = reply.await
        {
            return Answer::Once(reply);
        }
        // The loop has ended and the process is about to.
        std::future::pending().await
    }
}

/// What the loop receives, and the task that answers callers: when it ends, so must the service, since nobody could follow it any more.
pub type Asked<P> = (JoinHandle<io::Result<()>>, mpsc::Receiver<Question<P>>);

/// Answers callers in a task of its own: with `state` as it is and as it becomes, with the loop's word on everything else.
///
/// # Errors
/// [`ServiceError::Missing`] if no listening socket was handed over.
pub fn ask_in_turn<P: Protocol>(context: &Context, state: &watch::Sender<P::Reply>) -> Result<Asked<P>, ServiceError> {
    let listener = context.take_listener().ok_or(ServiceError::Missing("a listening socket"))?;
    let (questions, asked) = mpsc::channel(QUESTIONS);
    let desk = Arc::new(Desk::<P> { state: state.subscribe(), questions });
    Ok((tokio::spawn(serve::<P>(listener, context.access.clone(), desk)), asked))
}
