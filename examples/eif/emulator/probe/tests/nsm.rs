//! Every request of the NSM interface, through `Device`, in an emulated enclave.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use aws_lc_rs::digest::{SHA384, digest};
use emulator_probe::{AskNsm, Bytes, NsmAnswer, NsmRequest};
use nsm_attest::sim::accept_unsigned;
use nsm_attest::{Clock, Malformed, PcrIndex, PcrValue, Policy, UnverifiedDocument};
use support::Guest;

#[tokio::test]
async fn every_request_is_answered_as_on_hardware() {
    let Some(guest) = Guest::boot(128).await else { return };
    describes_itself(&guest).await;
    extends_and_locks(&guest).await;
    gives_randomness(&guest).await;
    attests_all_fields(&guest).await;
    refuses_fields_that_are_too_long(&guest).await;
    guest.power_off().await;
}

async fn describes_itself(guest: &Guest) {
    let NsmAnswer::Description { version, module_id, max_pcrs, locked_pcrs } = ask(guest, NsmRequest::Describe).await
    else {
        panic!("not a description")
    };
    assert!(version.0 >= 1, "{version:?}");
    // As `boot` names the machine, with its CID at the end.
    assert!(module_id.starts_with("i-00000000000000000-enc"), "{module_id}");
    assert_eq!(max_pcrs, 32);
    // The image's registers are locked before it runs.
    for index in 0..=2 {
        assert!(locked_pcrs.contains(&index), "PCR{index} is not locked: {locked_pcrs:?}");
    }
}

/// The module's arithmetic is SHA-384(old ‖ data), and a locked register does not change.
async fn extends_and_locks(guest: &Guest) {
    let data = Bytes(b"extension".to_vec());
    let first = PcrValue::ZERO.as_bytes().to_vec();
    let extended = digest(&SHA384, &[first, data.0.clone()].concat()).as_ref().to_vec();
    assert_eq!(ask(guest, NsmRequest::ExtendPcr(16, data.clone())).await, NsmAnswer::Bytes(Bytes(extended.clone())));
    let twice = digest(&SHA384, &[extended, data.0.clone()].concat()).as_ref().to_vec();
    assert_eq!(ask(guest, NsmRequest::ExtendPcr(16, data.clone())).await, NsmAnswer::Bytes(Bytes(twice.clone())));
    assert_eq!(ask(guest, NsmRequest::LockPcr(16)).await, NsmAnswer::Done);
    assert_eq!(refusal(guest, NsmRequest::ExtendPcr(16, data.clone())).await, "ReadOnlyIndex");
    assert_eq!(refusal(guest, NsmRequest::LockPcr(16)).await, "ReadOnlyIndex");
    assert_eq!(ask(guest, NsmRequest::DescribePcr(16)).await, pcr(true, &twice));
    assert_eq!(ask(guest, NsmRequest::DescribePcr(17)).await, pcr(false, PcrValue::ZERO.as_bytes()));
    assert_eq!(ask(guest, NsmRequest::LockPcrs(18)).await, NsmAnswer::Done);
    assert_eq!(ask(guest, NsmRequest::DescribePcr(17)).await, pcr(true, PcrValue::ZERO.as_bytes()));
    assert_eq!(refusal(guest, NsmRequest::ExtendPcr(0, data)).await, "ReadOnlyIndex");
    assert_eq!(refusal(guest, NsmRequest::LockPcrs(33)).await, "InvalidIndex");
}

async fn gives_randomness(guest: &Guest) {
    let (first, second) = (random(guest, 1000).await, random(guest, 1000).await);
    assert_eq!((first.len(), second.len()), (1000, 1000));
    assert_ne!(first, second);
    assert!(first.iter().any(|byte| *byte != first[0]), "constant");
}

/// The registers in the document are what the image's file was measured as, and the fields are echoed.
async fn attests_all_fields(guest: &Guest) {
    let (public_key, user_data, nonce) = (vec![0xab; 1024], vec![0xcd; 512], vec![0xef; 512]);
    let request = NsmRequest::Attest {
        public_key: Some(Bytes(public_key.clone())),
        user_data: Some(Bytes(user_data.clone())),
        nonce: Some(Bytes(nonce.clone())),
    };
    let NsmAnswer::Bytes(Bytes(bytes)) = ask(guest, request).await else { panic!("no document") };
    // The same bytes are refused by whoever wants a signed document, and by name.
    assert_eq!(UnverifiedDocument::from_bytes(&bytes).map(drop), Err(Malformed::Unsigned));
    println!("the strict verifier: {}", Malformed::Unsigned);
    let (_, pcr0) = guest.measured[0];
    let policy = Policy::builder().pcr(PcrIndex::IMAGE, [pcr0]).build();
    let claims = accept_unsigned(&bytes, &policy, Clock::system().now()).unwrap();
    assert_eq!(claims.public_key.as_deref(), Some(&public_key[..]));
    assert_eq!(claims.user_data.as_deref(), Some(&user_data[..]));
    assert_eq!(claims.nonce.as_deref(), Some(&nonce[..]));
    for (index, expected) in &guest.measured {
        let NsmAnswer::Pcr { locked: true, value } = ask(guest, NsmRequest::DescribePcr(index.as_u8())).await else {
            panic!("PCR{index} is not locked")
        };
        assert_eq!(value.0, expected.as_bytes(), "PCR{index} as the module describes it");
        assert_eq!(claims.pcrs.get(*index), Some(expected), "PCR{index} in the document");
    }
    println!("PCR0 by eif, by the module and in its document: {pcr0}");
}

async fn refuses_fields_that_are_too_long(guest: &Guest) {
    let attest = |public_key: usize, user_data: usize, nonce: usize| {
        let field = |len: usize| (len > 0).then(|| Bytes(vec![7; len]));
        NsmRequest::Attest { public_key: field(public_key), user_data: field(user_data), nonce: field(nonce) }
    };
    for request in [attest(TOO_LONG, 0, 0), attest(0, TOO_LONG, 0), attest(0, 0, TOO_LONG)] {
        assert_eq!(refusal(guest, request).await, "InputTooLarge");
    }
    let bare = ask(guest, attest(0, 0, 0)).await;
    assert!(matches!(bare, NsmAnswer::Bytes(_)), "{bare:?}");
}

async fn random(guest: &Guest, len: usize) -> Vec<u8> {
    let NsmAnswer::Bytes(Bytes(random)) = ask(guest, NsmRequest::Random(len)).await else { panic!("no bytes") };
    random
}

async fn ask(guest: &Guest, request: NsmRequest) -> NsmAnswer {
    let asked = format!("{request:?}");
    let answer = guest.client.call::<AskNsm>(&request, support::DEADLINE).await.unwrap();
    answer.unwrap_or_else(|error| panic!("{error}: {asked}"))
}

async fn refusal(guest: &Guest, request: NsmRequest) -> String {
    guest.client.call::<AskNsm>(&request, support::DEADLINE).await.unwrap().map(drop).unwrap_err()
}

fn pcr(locked: bool, value: &[u8]) -> NsmAnswer {
    NsmAnswer::Pcr { locked, value: Bytes(value.to_vec()) }
}

/// AWS documents 1024 bytes for a public key and 512 for the other two; QEMU's device takes somewhat more of each.
const TOO_LONG: usize = 8192;
