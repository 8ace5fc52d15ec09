//! The markers are those of the simulators. (This program holds them anyway, by the list; that local-stack does, which has
//! the simulators, is shown by CI's stage emulator.)
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use eif::SIMULATION_MARKERS;
use kms_enclave_client::sim::KmsSimulator;
use nsm_attest::UnixTime;
use nsm_attest::sim::Authority;

#[test]
fn the_list_names_every_simulator() {
    assert_eq!(SIMULATION_MARKERS, [nsm_attest::sim::SIMULATION_MARKER, kms_enclave_client::sim::SIMULATION_MARKER]);
}

#[tokio::test]
async fn the_kms_simulator_shows_its_marker_in_its_certificates() {
    let holds = |bytes: &[u8], marker: &str| bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
    let authority = Authority::generate(UnixTime::from_secs(1_700_000_000)).unwrap();
    let builder = KmsSimulator::builder("us-east-1", "111122223333").attestation_anchor(authority.trust_anchor());
    let kms = builder.start().await.unwrap();
    assert!(holds(kms.tls_root_der(), kms_enclave_client::sim::SIMULATION_MARKER));
    kms.shutdown().await;
}
