//! The answering end: the state is followed, a question for flows reaches the service's loop.

use std::{io, sync::Arc};

use patronus_ipc::{
    Answer, Context, Handler, ServiceError,
    datapath::{Datapath, Flow, Reply, Request},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::Fatal;

/// Questions that wait for the loop.
const QUESTIONS: usize = 4;

/// The way back to who asks for flows.
pub(crate) type Question = oneshot::Sender<Vec<Flow>>;

struct Desk {
    state: watch::Receiver<Reply>,
    questions: mpsc::Sender<Question>,
}

impl Handler<Datapath> for Desk {
    async fn handle(&self, _: u32, request: Request) -> Answer<Datapath> {
        if request == Request::Watch {
            return Answer::Follow(self.state.clone());
        }
        let (sender, flows) = oneshot::channel();
        if self.questions.send(sender).await.is_ok()
            && let Ok(flows) = flows.await
        {
            return Answer::Once(Reply::Flows(flows));
        }
        // The loop has ended and the process is about to: the caller sees its connection close.
        std::future::pending().await
    }
}

/// Answers in a task of its own. When it ends, so must the service: others could not follow it any more.
pub(crate) fn serve(
    context: &Context,
    state: watch::Receiver<Reply>,
) -> Result<(JoinHandle<io::Result<()>>, mpsc::Receiver<Question>), Fatal> {
    let listener = context.take_listener().ok_or(ServiceError::Missing("a listening socket"))?;
    let (questions, asked) = mpsc::channel(QUESTIONS);
    let (access, desk) = (context.access.clone(), Arc::new(Desk { state, questions }));
    Ok((tokio::spawn(patronus_ipc::serve::<Datapath>(listener, access, desk)), asked))
}
