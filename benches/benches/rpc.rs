//! An RPC round trip of 128 bytes each way over a unix socket, client and server in one process on one thread, so that
//! the code shows and not the wake-ups. `bare` is the limit: the same bytes without an RPC.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use benches::echo::{self, PAYLOAD_LEN};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_bytes::ByteBuf;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

criterion_group!(benches, one_in_flight, many_in_flight);
criterion_main!(benches);

fn one_in_flight(criterion: &mut Criterion) {
    let setup = Setup::new();
    let mut group = criterion.benchmark_group("rpc/1 in flight");
    group.throughput(Throughput::Elements(1));

    let path = setup.socket("bare");
    let mut stream = setup.runtime.block_on(async {
        echo::serve_bare(&path).expect("a fresh socket");
        UnixStream::connect(&path).await.expect("the server listens")
    });
    group.bench_function("bare", |bencher| {
        bencher.iter_custom(|iterations| {
            let started = Instant::now();
            setup.runtime.block_on(async {
                for _ in 0..iterations {
                    let answer = echo::call_bare(&mut stream, black_box(&PAYLOAD)).await.expect("an answer");
                    assert_eq!(answer, PAYLOAD);
                }
            });
            started.elapsed()
        });
    });

    let path = setup.socket("vsock-rpc");
    let _server = setup.runtime.block_on(echo::serve(&path)).expect("a fresh socket");
    let client = echo::client(&path);
    let payload = ByteBuf::from(PAYLOAD);
    group.bench_function("vsock-rpc", |bencher| {
        bencher.to_async(&setup.runtime).iter(|| async {
            let answer = echo::call(&client, black_box(&payload)).await.expect("an answer");
            assert_eq!(answer, payload);
        });
    });

    #[cfg(feature = "peers")]
    peers::one_in_flight(&mut group, &setup);
    group.finish();
}

fn many_in_flight(criterion: &mut Criterion) {
    let setup = Setup::new();
    let mut group = criterion.benchmark_group("rpc/64 in flight");
    group.throughput(Throughput::Elements(CALLERS));

    let path = setup.socket("vsock-rpc");
    let _server = setup.runtime.block_on(echo::serve(&path)).expect("a fresh socket");
    let client = echo::client(&path);
    group.bench_function("vsock-rpc", |bencher| {
        bencher.iter_custom(|rounds| {
            setup.race(|| {
                let client = client.clone();
                async move {
                    let payload = ByteBuf::from(PAYLOAD);
                    for _ in 0..rounds {
                        let answer = echo::call(&client, black_box(&payload)).await.expect("an answer");
                        assert_eq!(answer, payload);
                    }
                }
            })
        });
    });

    #[cfg(feature = "peers")]
    peers::many_in_flight(&mut group, &setup);
    group.finish();
}

/// A runtime on this thread, and a folder for sockets.
struct Setup {
    runtime: Runtime,
    folder: TempDir,
}

impl Setup {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, folder: tempfile::tempdir().expect("a folder") }
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How long [`CALLERS`] tasks take together.
    fn race<F>(&self, caller: impl Fn() -> F) -> std::time::Duration
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.runtime.block_on(async {
            let started = Instant::now();
            let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(caller())).collect();
            for caller in callers {
                caller.await.expect("no caller panics");
            }
            started.elapsed()
        })
    }
}

#[cfg(feature = "peers")]
mod peers {
    use std::hint::black_box;

    use benches::peers::{tarpc, tonic};
    use bytes::Bytes;
    use criterion::BenchmarkGroup;
    use criterion::measurement::WallTime;

    use super::{PAYLOAD, Setup};

    pub(super) fn one_in_flight(group: &mut BenchmarkGroup<'_, WallTime>, setup: &Setup) {
        let client = tarpc_client(setup);
        group.bench_function("tarpc (bincode)", |bencher| {
            bencher.to_async(&setup.runtime).iter(|| async {
                let answer = client.echo(black_box(PAYLOAD.to_vec())).await.expect("an answer");
                assert_eq!(answer, PAYLOAD);
            });
        });
        let client = tonic_client(setup);
        group.bench_function("tonic", |bencher| {
            bencher.to_async(&setup.runtime).iter(|| async {
                let payload = Bytes::from_static(&PAYLOAD);
                let answer = client.clone().echo(black_box(payload)).await.expect("an answer");
                assert_eq!(answer, PAYLOAD.as_slice());
            });
        });
    }

    pub(super) fn many_in_flight(group: &mut BenchmarkGroup<'_, WallTime>, setup: &Setup) {
        let client = tarpc_client(setup);
        group.bench_function("tarpc (bincode)", |bencher| {
            bencher.iter_custom(|rounds| {
                setup.race(|| {
                    let client = client.clone();
                    async move {
                        for _ in 0..rounds {
                            let answer = client.echo(black_box(PAYLOAD.to_vec())).await.expect("an answer");
                            assert_eq!(answer, PAYLOAD);
                        }
                    }
                })
            });
        });
        let client = tonic_client(setup);
        group.bench_function("tonic", |bencher| {
            bencher.iter_custom(|rounds| {
                setup.race(|| {
                    let mut client = client.clone();
                    async move {
                        for _ in 0..rounds {
                            let payload = Bytes::from_static(&PAYLOAD);
                            let answer = client.echo(black_box(payload)).await.expect("an answer");
                            assert_eq!(answer, PAYLOAD.as_slice());
                        }
                    }
                })
            });
        });
    }

    fn tarpc_client(setup: &Setup) -> tarpc::Client {
        let path = setup.socket("tarpc");
        setup.runtime.block_on(async {
            tarpc::serve(&path).expect("a fresh socket");
            tarpc::Client::connect(&path).await.expect("the server listens")
        })
    }

    fn tonic_client(setup: &Setup) -> tonic::Client {
        let path = setup.socket("tonic");
        setup.runtime.block_on(async {
            tonic::serve(&path).expect("a fresh socket");
            tonic::Client::connect(&path).await.expect("the server listens")
        })
    }
}

static PAYLOAD: [u8; PAYLOAD_LEN] = [0x5a; PAYLOAD_LEN];
const CALLERS: u64 = 64;
