//! The answering end: what callers ask reaches the service's loop in turn.

use std::{io, sync::Arc};

use patronus_ipc::{
    Answer, Context, Handler, ServiceError,
    tunnel::{Reply, Request, Tunnel},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::Fatal;

/// Questions that wait for the loop. `mesh` asks one at a time.
pub(crate) const QUESTIONS: usize = 4;

/// A question and the way back.
pub(crate) type Question = (Request, oneshot::Sender<Reply>);

struct Desk {
    state: watch::Receiver<Reply>,
    questions: mpsc::Sender<Question>,
}

impl Handler<Tunnel> for Desk {
    async fn handle(&self, _: u32, request: Request) -> Answer<Tunnel> {
        if request == Request::Watch {
            return Answer::Follow(self.state.clone());
        }
        let (sender, reply) = oneshot::channel();
        if self.questions.send((request, sender)).await.is_ok()
            && let Ok(reply) = reply.await
        {
            return Answer::Once(reply);
        }
        // The loop has ended and the process is about to: the caller sees its connection close.
        std::future::pending().await
    }
}

/// Answers in a task of its own. When it ends, so must the service: others could not follow it any more.
pub(crate) fn serve(
    context: &Context,
    state: watch::Receiver<Reply>,
    questions: mpsc::Sender<Question>,
) -> Result<JoinHandle<io::Result<()>>, Fatal> {
    let listener = context.take_listener().ok_or(ServiceError::Missing("a listening socket"))?;
    let (access, desk) = (context.access.clone(), Arc::new(Desk { state, questions }));
    Ok(tokio::spawn(patronus_ipc::serve::<Tunnel>(listener, access, desk)))
}
