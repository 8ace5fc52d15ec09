//! One connection, from handshake to close.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use http::header::CONNECTION;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::stall_guard::StallGuard;
use crate::api::Api;
use crate::config::Timeouts;

/// What all connections share.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) api: Arc<Api>,
    pub(super) tls: TlsAcceptor,
    pub(super) timeouts: Timeouts,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Context {
    /// Returns when the server shuts down, or its handle is gone.
    pub(super) async fn stopping(&mut self) {
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
    }
}

/// Serves one connection to its end. What its peer does wrong ends it, and concerns nobody else.
pub(super) async fn serve(stream: TcpStream, mut context: Context) {
    // Answers are written whole; waiting for more to send would only delay them.
    if stream.set_nodelay(true).is_err() {
        return; // the peer is gone already
    }
    let handshake = context.tls.accept(StallGuard::new(stream, context.timeouts.write));
    let tls = match tokio::time::timeout(context.timeouts.handshake, handshake).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return tracing::debug!(%error, "no TLS handshake"),
        Err(_) => return tracing::debug!("no TLS handshake in time"),
    };
    let unread = Arc::new(AtomicBool::new(false));
    match serve_http(tls, &mut context, &unread).await {
        Ok(tls) => close(tls, unread.load(Ordering::Relaxed)).await,
        Err(error) => tracing::debug!(%error, "a connection ended"),
    }
}

/// Serves requests until the connection is done, and returns it open.
async fn serve_http(
    tls: TlsStream<StallGuard<TcpStream>>,
    context: &mut Context,
    unread: &Arc<AtomicBool>,
) -> hyper::Result<TlsStream<StallGuard<TcpStream>>> {
    let (api, unread) = (Arc::clone(&context.api), Arc::clone(unread));
    let service = service_fn(move |request: Request<Incoming>| {
        let (api, unread) = (Arc::clone(&api), Arc::clone(&unread));
        Box::pin(async move {
            let response: Response<Body> = api.answer(request).await;
            if response.headers().contains_key(CONNECTION) {
                unread.store(true, Ordering::Relaxed);
            }
            Ok::<_, std::convert::Infallible>(response)
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(context.timeouts.header)
        .max_buf_size(MAX_HEAD_LEN)
        .serve_connection(TokioIo::new(tls), service);
    let mut stopping = pin!(context.stopping());
    let mut stopped = false;
    poll_fn(|cx| {
        if !stopped && stopping.as_mut().poll(cx).is_ready() {
            stopped = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        match connection.poll_without_shutdown(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => Poll::Ready(result),
        }
    })
    .await?;
    Ok(connection.into_parts().io.into_inner())
}

/// Says goodbye. A peer that is still sending a body nobody reads gets some time and bytes to notice: closing at once
/// would reset the connection, and the answer that tells it why would be lost on the way.
async fn close(mut tls: TlsStream<StallGuard<TcpStream>>, unread: bool) {
    let goodbye = async {
        tls.shutdown().await?;
        let (mut stream, _) = tls.into_inner();
        if unread {
            let mut scrap = vec![0; 16 * 1024];
            let mut left = LINGER_LEN;
            while left > 0 {
                match stream.read(&mut scrap).await? {
                    0 => break,
                    len => left = left.saturating_sub(len),
                }
            }
        }
        std::io::Result::Ok(())
    };
    if !matches!(tokio::time::timeout(LINGER_TIME, goodbye).await, Ok(Ok(()))) {
        tracing::debug!("a connection was closed before its peer agreed");
    }
}

/// Longest head of a request, in bytes.
const MAX_HEAD_LEN: usize = 16 * 1024;

/// How long a connection lingers at its end.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// How much of an unread body is thrown away at the end of a connection, in bytes.
const LINGER_LEN: usize = 32 * 1024 * 1024;
