//! The accept loop: sessions that are being opened and open sessions are tasks of their own, counted apart.

use std::io;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Opening, SessionServer};
use crate::Server;
use crate::session::SessionError;
use crate::transport::{Backlog, Listener, Peer, Stream};

impl SessionServer {
    pub(super) async fn accept_loop(
        self,
        listener: Listener,
        server: Server,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let mut sessions = JoinSet::new();
        let mut backlog = Backlog::new(listener);
        let ended = loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break Ok(()),
                Some(_) = sessions.join_next() => {}
                accepted = backlog.accept() => match accepted {
                    Ok(stream) => self.begin(stream, &server, &shutdown, &mut sessions),
                    Err(error) => break Err(error),
                },
            }
        };
        drop(backlog);
        shutdown.cancel();
        // Each connection bounds its own drain.
        while sessions.join_next().await.is_some() {}
        ended
    }

    fn begin(&self, stream: Stream, server: &Server, shutdown: &CancellationToken, sessions: &mut JoinSet<()>) {
        let peer = stream.peer().clone();
        match self.admit() {
            Ok(place) => {
                sessions.spawn(self.clone().run(stream, peer, place, server.clone(), shutdown.clone()));
            }
            Err(error) => self.report(&peer, &error),
        }
    }

    async fn run(self, stream: Stream, peer: Peer, place: Opening, server: Server, shutdown: CancellationToken) {
        let opened = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            opened = self.open(Box::new(stream), place) => opened,
        };
        match opened {
            Ok(session) => {
                let peer = peer.with_identity(session.peer_identity());
                server.serve_stream_until(session, peer, shutdown.cancelled_owned()).await;
            }
            Err(error) => self.report(&peer, &error),
        }
    }

    fn report(&self, peer: &Peer, error: &SessionError) {
        if let Some(on_failure) = &self.inner.on_failure {
            on_failure(peer, error);
        }
    }
}
