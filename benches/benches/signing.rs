//! The reference EIP-1559 transaction: signed (and the signature verified before it is released), and the whole way from
//! the request's JSON through the policy to the signed bytes.

use std::hint::black_box;
use std::sync::Arc;

use chain_signers::evm::{Evm, recover_sender};
use chain_signers::policy::Policy;
use chain_signers::{Chain, ChainSigner, Curve, Encoding, Payload, SigningKey};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

criterion_group!(benches, eip1559);
criterion_main!(benches);

fn eip1559(criterion: &mut Criterion) {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x11; 32]).expect("a scalar in range");
    let signer = ChainSigner::new(Arc::new(Evm), key).expect("the chain's curve");
    let policy = Policy::from_json(POLICY).expect("a policy");
    let transaction = Evm.decode(&Payload::new(Encoding::Json, REQUEST)).expect("the reference request");
    let expected = signer.sign(&*transaction).expect("a signature");
    assert_eq!(recover_sender(&expected.bytes).expect("a signed transaction"), signer.address());

    let mut group = criterion.benchmark_group("eip1559");
    group.throughput(Throughput::Elements(1));
    group.bench_function("sign", |bencher| {
        bencher.iter(|| {
            let signed = signer.sign(black_box(&*transaction)).expect("a signature");
            assert_eq!(signed, expected);
        });
    });
    group.bench_function("decode, appraise, sign", |bencher| {
        bencher.iter(|| {
            let payload = Payload::new(Encoding::Json, black_box(REQUEST));
            let transaction = Evm.decode(&payload).expect("the reference request");
            assert!(policy.evaluate(transaction.summary()).allowed);
            let signed = signer.sign(&*transaction).expect("a signature");
            assert_eq!(signed, expected);
        });
    });
    group.finish();
}

const REQUEST: &[u8] =
    br#"{"value":0.01,"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":0,"type":2,"chainId":4,
    "gas":100000,"maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000}"#;
const POLICY: &[u8] = br#"{"version":1,"rules":[{"name":"reference","effect":"allow","chains":["eip155:4"],
    "destinations":["0xa5D3241A1591061F2a4bB69CA0215F66520E67cf"]}]}"#;
