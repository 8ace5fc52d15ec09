//! A stream of bytes carried from one unix socket to another: by `vsock-rpc`'s relay, and by tokio's `copy_bidirectional`,
//! which is the limit.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use vsock_rpc::relay::{Allowlist, Relay, RelayHandle};
use vsock_rpc::transport::MAX_WRITE_LEN;
use vsock_rpc::{Addr, Listener};

use crate::attested::Failure;

/// How many bytes one transfer has.
pub const LEN: usize = 4 * 1024 * 1024;

/// A connection through each relay, everything on a runtime of one thread.
#[derive(Debug)]
pub struct Relayed {
    ours: RefCell<Route>,
    bare: RefCell<Route>,
    runtime: Runtime,
    #[expect(dead_code, reason = "held so that it carries")]
    relay: RelayHandle,
    #[expect(dead_code, reason = "held because the sockets are in it")]
    folder: TempDir,
}

impl Relayed {
    /// Starts both relays, and connects through them.
    ///
    /// # Errors
    /// If one does not start, or cannot be connected through.
    pub fn new() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let path = |name| folder.path().join(name);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (relay, ours, bare) = runtime.block_on(async {
            let [entrance, exit] = ["ours", "ours-target"].map(path);
            let target = UnixListener::bind(&exit)?;
            let relay = serve(&entrance, exit).await?;
            let ours = Route::connect(&entrance, &target).await?;

            let [entrance, exit] = ["bare", "bare-target"].map(path);
            let target = UnixListener::bind(&exit)?;
            serve_bare(&entrance, exit)?;
            let bare = Route::connect(&entrance, &target).await?;
            Ok::<_, Failure>((relay, RefCell::new(ours), RefCell::new(bare)))
        })?;
        Ok(Self { ours, bare, runtime, relay, folder })
    }

    /// Sends [`LEN`] bytes through vsock-rpc's relay, and waits until the last has come out.
    ///
    /// # Errors
    /// If other bytes come out.
    pub fn transfer(&self) -> Result<(), Failure> {
        self.runtime.block_on(self.ours.borrow_mut().transfer())
    }

    /// The same through the bare one.
    ///
    /// # Errors
    /// If other bytes come out.
    pub fn transfer_bare(&self) -> Result<(), Failure> {
        self.runtime.block_on(self.bare.borrow_mut().transfer())
    }
}

/// Where bytes go in, and where they come out.
#[derive(Debug)]
struct Route {
    near: UnixStream,
    far: UnixStream,
    pattern: Vec<u8>,
    arrived: Vec<u8>,
}

impl Route {
    async fn connect(entrance: &Path, target: &UnixListener) -> io::Result<Self> {
        let near = UnixStream::connect(entrance).await?;
        let (far, _) = target.accept().await?;
        let pattern = (0..LEN).map(pattern).collect();
        Ok(Self { near, far, pattern, arrived: vec![0; PIECE_LEN] })
    }

    async fn transfer(&mut self) -> Result<(), Failure> {
        let Self { near, far, pattern, arrived } = self;
        let send = async { Ok(near.write_all(pattern).await?) };
        let receive = async {
            let mut at = 0;
            while at < LEN {
                let len = far.read(arrived).await?;
                if len == 0 || !continues(at, &arrived[..len]) {
                    return Err("other bytes".into());
                }
                at += len;
            }
            Ok(())
        };
        tokio::try_join!(send, receive).map(|((), ())| ())
    }
}

/// Whether these bytes belong where they came, by one in a thousand and the last: bytes that are lost, repeated or moved
/// shift the pattern, and to compare every byte would be a part of what is measured.
fn continues(at: usize, bytes: &[u8]) -> bool {
    let bytes = || bytes.iter().enumerate();
    bytes().step_by(1024).chain(bytes().next_back()).all(|(offset, &byte)| byte == pattern(at + offset))
}

fn pattern(at: usize) -> u8 {
    (at % PATTERN_LEN).to_le_bytes()[0]
}

async fn serve(entrance: &Path, target: PathBuf) -> io::Result<RelayHandle> {
    let target = Addr::unix(target).map_err(io::Error::other)?;
    let allowlist: Allowlist = [target.clone()].into_iter().collect();
    let entrance = Listener::bind(&Addr::unix(entrance).map_err(io::Error::other)?).await?;
    Relay::new(target, allowlist).serve(entrance).map_err(io::Error::from)
}

/// Carries by tokio's own function, with pieces of the same length.
fn serve_bare(entrance: &Path, target: PathBuf) -> io::Result<()> {
    let listener = UnixListener::bind(entrance)?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let mut far = UnixStream::connect(target).await?;
                copy_bidirectional_with_sizes(&mut near, &mut far, MAX_WRITE_LEN, MAX_WRITE_LEN).await
            });
        }
    });
    Ok(())
}

/// What one read takes at most.
const PIECE_LEN: usize = 64 * 1024;
/// A prime.
const PATTERN_LEN: usize = 251;
