//! The answering end: what is asked of the past is answered from the disk, all else by the thread that probes.

use std::{collections::BTreeSet, io, sync::Arc};

use patronus_ipc::{
    Answer, Context, Handler, ServiceError,
    prober::{PathId, Prober, Rejected, Reply, Request},
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{Fatal, moment, service::Orders, store::History, worker::Order};

struct Desk {
    state: watch::Receiver<Reply>,
    orders: Orders,
    history: History,
}

impl Handler<Prober> for Desk {
    async fn handle(&self, _: u32, request: Request) -> Answer<Prober> {
        match request {
            Request::Watch => Answer::Follow(self.state.clone()),
            Request::Roles(hot) => {
                self.orders
                    .give(Order::Roles(hot.into_iter().take(patronus_prober::limit::PATHS).collect::<BTreeSet<_>>()));
                Answer::Once(Reply::Accepted)
            }
            Request::Test(path) => Answer::Once(self.test(path).await),
            Request::History { path, span } => {
                let read = self.history.with(move |store| store.points(&path, span, moment::unix_s())).await;
                if let Err(error) = &read {
                    tracing::error!(%error, "the history cannot be read");
                }
                Answer::Once(Reply::History(read.ok().flatten().unwrap_or_default()))
            }
        }
    }
}

impl Desk {
    async fn test(&self, path: PathId) -> Reply {
        let (tester, outcome) = oneshot::channel();
        self.orders.give(Order::Test(path, tester));
        // An order for which there was no room is one too many.
        match outcome.await.unwrap_or(Err(Rejected::TooManyTests)) {
            Ok(tested) => Reply::Tested(Box::new(tested)),
            Err(rejected) => Reply::Rejected(rejected),
        }
    }
}

/// Answers in a task of its own. When it ends, so must the service: others could not follow it any more.
pub(crate) fn serve(
    context: &Context,
    state: watch::Receiver<Reply>,
    orders: Orders,
    history: History,
) -> Result<JoinHandle<io::Result<()>>, Fatal> {
    let listener = context.take_listener().ok_or(ServiceError::Missing("a listening socket"))?;
    let (access, desk) = (context.access.clone(), Arc::new(Desk { state, orders, history }));
    Ok(tokio::spawn(patronus_ipc::serve::<Prober>(listener, access, desk)))
}
