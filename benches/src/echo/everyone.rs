use std::cell::RefCell;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use vsock_rpc::{Client, ServerHandle};

use super::{PAYLOAD_LEN, call, call_bare, client, serve, serve_bare};
use crate::affinity::Pinned;
use crate::attested::Failure;
use crate::child::{ServerProcess, Service};
use crate::peers::{tarpc, tonic};

/// A client of each echo, on a runtime of one thread, each with one connection.
#[derive(Debug)]
pub struct Everyone {
    /// Away while a task has it.
    bare: RefCell<Option<UnixStream>>,
    ours: Ours,
    tarpc: tarpc::Client,
    tonic: tonic::Client,
    runtime: Runtime,
    #[expect(dead_code, reason = "held so that they serve")]
    host: Host,
    #[expect(dead_code, reason = "held because the sockets are in it")]
    folder: TempDir,
}

/// Where the servers are.
#[derive(Debug)]
enum Host {
    Here { _servers: ServerHandle },
    Apart { _process: ServerProcess, _pinned: Pinned },
}

impl Everyone {
    /// With the servers on the same runtime.
    ///
    /// # Errors
    /// If one does not start, or cannot be connected to.
    pub fn here() -> Result<Self, Failure> {
        let (folder, runtime) = (tempfile::tempdir()?, Builder::new_current_thread().enable_all().build()?);
        let servers = runtime.block_on(serve_all(folder.path()))?;
        Self::connect(folder, runtime, Host::Here { _servers: servers })
    }

    /// With the servers on such a runtime in another process, and both on one processor, so that no time passes between
    /// one's sleep and the other's waking.
    ///
    /// # Errors
    /// If one does not start, or cannot be connected to.
    pub fn apart() -> Result<Self, Failure> {
        let (folder, pinned) = (tempfile::tempdir()?, Pinned::to_last()?);
        let order = Order { folder: folder.path().to_owned(), processor: pinned.processor() };
        let (process, ()) = ServerProcess::start::<Servers>(&order)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Self::connect(folder, runtime, Host::Apart { _process: process, _pinned: pinned })
    }

    fn connect(folder: TempDir, runtime: Runtime, host: Host) -> Result<Self, Failure> {
        let path = |name| folder.path().join(name);
        let (bare, tarpc, tonic) = runtime.block_on(async {
            let bare = UnixStream::connect(path(BARE)).await?;
            let (tarpc, tonic) =
                (tarpc::Client::connect(&path(TARPC)).await?, tonic::Client::connect(&path(TONIC)).await?);
            Ok::<_, Failure>((RefCell::new(Some(bare)), tarpc, tonic))
        })?;
        let ours = Ours { client: client(&path(OURS)), payload: ByteBuf::from(PAYLOAD) };
        Ok(Self { bare, ours, tarpc, tonic, runtime, host, folder })
    }

    /// So many round trips after one another without an RPC, in one task, as one of [`calls`](Self::calls) is.
    ///
    /// # Errors
    /// If one fails, or brings something else back. None succeeds after that.
    pub fn bare(&self, calls: usize) -> Result<(), Failure> {
        let mut bare = self.bare.take().ok_or("a round trip failed before")?;
        let task = self.runtime.spawn(async move { one_by_one(&mut bare, calls).await.map(|()| bare) });
        self.bare.replace(Some(self.runtime.block_on(task)??));
        Ok(())
    }

    /// One call, on no task of its own, so that nothing is allocated for one.
    ///
    /// # Errors
    /// If it fails, or brings something else back.
    pub fn call(&self, whose: Whose) -> Result<(), Failure> {
        Ok(self.runtime.block_on(async {
            match whose {
                Whose::Ours => self.ours.call().await,
                Whose::Tarpc => one_by_one(&mut self.tarpc.clone(), 1).await,
                Whose::Tonic => one_by_one(&mut self.tonic.clone(), 1).await,
            }
        })?)
    }

    /// So many tasks, sharing one client, each with so many calls after one another.
    ///
    /// # Errors
    /// If one fails, or brings something else back.
    pub fn calls(&self, whose: Whose, tasks: usize, calls: usize) -> Result<(), Failure> {
        match whose {
            Whose::Ours => self.share(&self.ours, tasks, calls),
            Whose::Tarpc => self.share(&self.tarpc, tasks, calls),
            Whose::Tonic => self.share(&self.tonic, tasks, calls),
        }
    }

    fn share<C: Caller + Clone + 'static>(&self, caller: &C, tasks: usize, calls: usize) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let mut callers = JoinSet::new();
            for _ in 0..tasks {
                let mut caller = caller.clone();
                callers.spawn(async move { one_by_one(&mut caller, calls).await });
            }
            while let Some(called) = callers.join_next().await {
                called??;
            }
            Ok(())
        })
    }
}

/// Who made the echo and its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// vsock-rpc's.
    Ours,
    /// tarpc's, with bincode.
    Tarpc,
    /// tonic's.
    Tonic,
}

async fn one_by_one(caller: &mut impl Caller, calls: usize) -> Result<(), String> {
    for _ in 0..calls {
        caller.echo().await?;
    }
    Ok(())
}

/// A client of an echo.
trait Caller: Send {
    /// One call, whose answer is compared; or what went wrong.
    fn echo(&mut self) -> impl Future<Output = Result<(), String>> + Send;
}

impl Caller for UnixStream {
    async fn echo(&mut self) -> Result<(), String> {
        compare(&call_bare(self, &PAYLOAD).await.map_err(text)?)
    }
}

/// It takes its request by reference: there is no need to make one for each call.
#[derive(Clone, Debug)]
struct Ours {
    client: Client,
    payload: ByteBuf,
}

impl Ours {
    async fn call(&self) -> Result<(), String> {
        compare(&call(&self.client, &self.payload).await.map_err(text)?)
    }
}

impl Caller for Ours {
    async fn echo(&mut self) -> Result<(), String> {
        self.call().await
    }
}

impl Caller for tarpc::Client {
    async fn echo(&mut self) -> Result<(), String> {
        compare(&tarpc::Client::echo(self, PAYLOAD.to_vec()).await.map_err(text)?)
    }
}

impl Caller for tonic::Client {
    async fn echo(&mut self) -> Result<(), String> {
        compare(&tonic::Client::echo(self, Bytes::from_static(&PAYLOAD)).await.map_err(text)?)
    }
}

fn compare(answer: &[u8]) -> Result<(), String> {
    if answer == PAYLOAD { Ok(()) } else { Err("another answer".to_owned()) }
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}

/// The servers, in the process that is pinned beside the client's.
#[derive(Debug)]
pub struct Servers {
    #[expect(dead_code, reason = "held so that they serve")]
    handle: ServerHandle,
    #[expect(dead_code, reason = "held so that this thread stays where it is")]
    pinned: Pinned,
}

/// Where to serve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Where the sockets go.
    pub folder: PathBuf,
    /// The processor to run on.
    pub processor: usize,
}

impl Service for Servers {
    const NAME: &'static str = "echo";
    type Order = Order;
    type Offer = ();

    async fn start(order: &Order) -> Result<Self, Failure> {
        let pinned = Pinned::to(order.processor)?;
        Ok(Self { handle: serve_all(&order.folder).await?, pinned })
    }

    fn offer(&self) -> &() {
        &()
    }
}

/// Serves everyone's echo, each on a socket of its own in `folder`.
async fn serve_all(folder: &Path) -> Result<ServerHandle, Failure> {
    serve_bare(&folder.join(BARE))?;
    tarpc::serve(&folder.join(TARPC))?;
    tonic::serve(&folder.join(TONIC))?;
    Ok(serve(&folder.join(OURS)).await?)
}

static PAYLOAD: [u8; PAYLOAD_LEN] = [0x5a; PAYLOAD_LEN];
const BARE: &str = "bare";
const OURS: &str = "vsock-rpc";
const TARPC: &str = "tarpc";
const TONIC: &str = "tonic";
