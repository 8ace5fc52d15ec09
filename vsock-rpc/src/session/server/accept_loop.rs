//! The accept loop: sessions that are being opened and open sessions are tasks of their own, counted apart.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Opening, SessionServer};
use crate::Server;
use crate::accepting::accept_each;
use crate::session::SessionError;
use crate::tasks::Tasks;
use crate::transport::{Listener, Peer, Stream};

/// What an open session is given.
struct Serving {
    server: Server,
    shutdown: CancellationToken,
    tasks: Tasks,
}

impl SessionServer {
    pub(super) async fn accept_loop(
        self,
        listener: Listener,
        server: Server,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let (mut sessions, tasks) = (JoinSet::new(), Tasks::default());
        let begin = |stream, sessions: &mut JoinSet<()>| {
            let serving = Serving { server: server.clone(), shutdown: shutdown.clone(), tasks: tasks.clone() };
            self.begin(stream, serving, sessions);
        };
        let ended = accept_each(listener, &shutdown, &mut sessions, begin).await;
        shutdown.cancel();
        // Each connection bounds its own drain.
        while sessions.join_next().await.is_some() {}
        tokio::join!(server.wait_for(&tasks), self.inner.evidence.made());
        ended
    }

    fn begin(&self, stream: Stream, serving: Serving, sessions: &mut JoinSet<()>) {
        let peer = stream.peer().clone();
        match self.admit() {
            Ok(place) => {
                sessions.spawn(self.clone().run(stream, peer, place, serving));
            }
            Err(error) => self.report(&peer, &error),
        }
    }

    async fn run(self, stream: Stream, peer: Peer, place: Opening, serving: Serving) {
        let Serving { server, shutdown, tasks } = serving;
        let opened = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            opened = self.open(Box::new(stream), place) => opened,
        };
        match opened {
            Ok(session) => {
                let peer = peer.with_identity(session.peer_identity());
                server.serve_with_tasks(session, peer, shutdown.cancelled_owned(), &tasks).await;
            }
            Err(error) => self.report(&peer, &error),
        }
    }

    fn report(&self, peer: &Peer, error: &SessionError) {
        if let Some(on_failure) = &self.inner.on_failure {
            // The panic hook has told of a panic, and the callback's user alone has what it may have left half done.
            let _ = catch_unwind(AssertUnwindSafe(|| on_failure(peer, error)));
        }
    }
}
