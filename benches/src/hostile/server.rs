use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use vsock_rpc::{Addr, Listener, Router, Server, ServerHandle};

use super::child;
use super::processors::confine_to;
use crate::attested::Failure;
use crate::echo::Echo;

/// The argument by which a program that calls [`serve`] is told to.
pub const ARGUMENT: &str = "--serve-hostile";

/// What to serve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Where.
    pub path: PathBuf,
    /// On which processors.
    pub processors: Vec<usize>,
    /// If not the default. Every other limit is.
    pub max_connections: Option<usize>,
}

/// Serves what standard input says until that ends.
///
/// # Errors
/// If it is told something else.
pub fn serve() -> Result<(), Failure> {
    let mut servers = Vec::new();
    child::answer(|order: Order| -> Result<(), String> {
        servers.push(start(order).map_err(|error| error.to_string())?);
        Ok(())
    })
}

fn start(order: Order) -> io::Result<(ServerHandle, Runtime)> {
    confine_to(&order.processors)?;
    // As `#[tokio::main]` makes it: a worker for each processor.
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let server = runtime.block_on(listen(order))?;
    Ok((server, runtime))
}

async fn listen(order: Order) -> io::Result<ServerHandle> {
    let router = Router::new(()).method::<Echo, _, _>(|_, _, payload| async move { Ok(payload) });
    let mut server = Server::builder(router);
    if let Some(max) = order.max_connections {
        server = server.max_connections(max);
    }
    Ok(server.serve(Listener::bind(&Addr::Unix(order.path)).await?))
}
