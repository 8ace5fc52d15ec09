//! Verifying an attestation document whose issuers were never seen before, or are known. `P-384 verify` is one of the
//! five signature verifications inside, or two: five or two times that is the limit. The scoreboard measures the same
//! beside other people's verifiers.

use std::hint::black_box;

use benches::attested::{Attested, P384Signature};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nsm_attest::UnverifiedDocument;

criterion_group!(benches, verify);
criterion_main!(benches);

fn verify(criterion: &mut Criterion) {
    let attested = Attested::simulated().expect("the simulator attests");
    let lens = attested.signed_lens().expect("certificates");
    let signature = P384Signature::over_mean_of(&lens).expect("AWS-LC signs");
    let mut group = criterion.benchmark_group("attestation");
    group.throughput(Throughput::Elements(1));
    group.bench_function("P-384 verify", |bencher| bencher.iter(|| assert!(black_box(&signature).verifies())));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let document = UnverifiedDocument::from_bytes(black_box(&attested.bytes)).expect("a document");
            assert_eq!(document.as_bytes(), attested.bytes);
        });
    });
    group.bench_function("decode and verify, cold", |bencher| {
        bencher.iter(|| {
            let document = UnverifiedDocument::from_bytes(black_box(&attested.bytes)).expect("a document");
            let verified = document.verify(&attested.anchor, &attested.policy, attested.now).expect("it verifies");
            assert_eq!(verified.timestamp, attested.now);
        });
    });
    let cache = attested.warm_cache().expect("it verifies");
    group.bench_function("decode and verify, issuers cached", |bencher| {
        bencher.iter(|| {
            let document = UnverifiedDocument::from_bytes(black_box(&attested.bytes)).expect("a document");
            let verified =
                document.verify_cached(&attested.anchor, &attested.policy, attested.now, &cache).expect("it verifies");
            assert_eq!(verified.timestamp, attested.now);
        });
    });
    group.finish();
}
