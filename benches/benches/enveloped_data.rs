//! Opening KMS's `CiphertextForRecipient`. `RSA-OAEP decrypt` is the one expensive step inside: that is the limit.

use std::hint::black_box;

use benches::enveloped::Enveloped;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kms_enclave_client::cms::EnvelopedData;

criterion_group!(benches, open);
criterion_main!(benches);

fn open(criterion: &mut Criterion) {
    let enveloped = Enveloped::new().expect("AWS-LC makes an envelope");
    let mut group = criterion.benchmark_group("enveloped data");
    group.throughput(Throughput::Elements(1));
    group.bench_function("RSA-OAEP decrypt", |bencher| {
        bencher.iter(|| assert_eq!(black_box(&enveloped.oaep).decrypt(), Some(32)));
    });
    group.bench_function("parse", |bencher| {
        bencher.iter(|| {
            let data = EnvelopedData::from_bytes(black_box(&enveloped.bytes)).expect("KMS's shape");
            assert_eq!(data.subject_key_identifier(), Some(&enveloped.recipient.identifier()[..]));
        });
    });
    group.bench_function("parse and open", |bencher| {
        bencher.iter(|| {
            let data = EnvelopedData::from_bytes(black_box(&enveloped.bytes)).expect("KMS's shape");
            let plaintext = data.open(&enveloped.recipient).expect("the recipient opens it");
            assert_eq!(plaintext.as_bytes(), enveloped.plaintext);
        });
    });
    group.finish();
}
