//! The probe's binary: the image's `/init`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use emulator_probe::{
    AskNsm, Bytes, Echo, EchoThroughRelay, End, Ending, LAST_WORDS, MAX_PAYLOAD_LEN, PORT, RELAY, host,
};
use enclave::init;
use nsm_attest::{Device, Nsm};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;
use vsock_rpc::relay::{Allowlist, Relay};
use vsock_rpc::{Addr, Listener, RemoteError, Router, Server};

/// What the handlers share.
#[derive(Debug)]
struct Probe {
    nsm: Arc<dyn Nsm>,
    relay: Addr,
    ending: watch::Sender<Option<Ending>>,
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().json().with_target(false).with_timer(tracing_subscriber::fmt::time::uptime()).init();
    ensure!(init::is_first_process(), "this program belongs into an emulated enclave, as its init");
    init::run(|nsm| {
        let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
        runtime.block_on(serve(nsm))
    })
}

async fn serve(nsm: Device) -> anyhow::Result<()> {
    let nsm = Arc::new(nsm);
    let relay: Addr = RELAY.parse().context("the relay's address")?;
    let probe = Arc::new(Probe { nsm, relay: relay.clone(), ending: watch::Sender::new(None) });
    let allowlist: Allowlist = [host()].into_iter().collect();
    let relay = Relay::new(host(), allowlist).serve(Listener::bind(&relay).await.context("no loopback")?)?;
    let router = Router::from_shared(Arc::clone(&probe))
        .parallel_method::<Echo, _, _>(async |_, _, bytes| Ok(bytes))
        .parallel_method::<EchoThroughRelay, _, _>(async |probe, _, Bytes(bytes)| {
            through(&probe.relay, bytes).await.map(Bytes).map_err(|error| failed(&error))
        })
        .parallel_method::<AskNsm, _, _>(async |probe, _, request| {
            let nsm = Arc::clone(&probe.nsm);
            // The device blocks.
            let asked = tokio::task::spawn_blocking(move || request.ask(&*nsm)).await;
            asked.map_err(|_| RemoteError::internal())
        })
        .method::<End, _, _>(async |probe, _, ending| {
            probe.ending.send_replace(Some(ending));
            Ok(())
        });
    let server = Server::builder(router).max_payload_len(MAX_PAYLOAD_LEN).max_in_flight(IN_FLIGHT);
    let listener = Listener::bind(&Addr::Vsock { cid: Addr::CID_ANY, port: PORT }).await.context("cannot listen")?;
    let server = server.max_in_flight_total(IN_FLIGHT).serve(listener);
    let ending = *probe.ending.subscribe().wait_for(Option::is_some).await?;
    server.shutdown().await;
    relay.shutdown().await;
    match ending {
        Some(Ending::Failing) => bail!(LAST_WORDS),
        Some(Ending::Panicking) => panic!("{LAST_WORDS}"),
        Some(Ending::Cleanly) | None => Ok(()),
    }
}

/// Writes and reads at once, since neither end may have room for all of it. As many bytes are awaited as were sent: the
/// emulator's vsock device does not carry half of a close.
async fn through(relay: &Addr, bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let stream = timeout(DEADLINE, relay.connect()).await?.context("cannot connect to the relay")?;
    let (mut read, mut write) = tokio::io::split(stream);
    let mut answer = vec![0; bytes.len()];
    let sending = async {
        write.write_all(&bytes).await?;
        write.flush().await
    };
    tokio::try_join!(sending, read.read_exact(&mut answer)).context("the relay broke off")?;
    Ok(answer)
}

fn failed(error: &anyhow::Error) -> RemoteError {
    RemoteError::new("relay_failed", format!("{error:#}"))
}

const DEADLINE: Duration = Duration::from_secs(30);

/// More than the hundred requests that the host has in flight.
const IN_FLIGHT: usize = 128;
