//! What the crates' features add: simulators to test one's own enclave with, and chains.
#![cfg(feature = "everything")]

use std::sync::Arc;

use chain_signers::{ChainSigner, Curve, Encoding, Payload, Registry, SigningKey, evm};
use kms_enclave_client::sim::{AdminClient, KmsSimulator};
use kms_enclave_client::{Credentials, DecryptRequest, GenerateDataKeyRequest, KmsClient, TcpTransport, Transport};
use nsm_attest::sim::{Authority, SimulatedNsm, pcr0};
use nsm_attest::{AttestationRequest, Clock, Nsm, NsmRng, PcrIndex, Policy, TrustAnchor, UnverifiedDocument};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[test]
fn a_simulated_document_verifies_under_its_own_root_alone() -> Result {
    let clock = Clock::system();
    let authority = Authority::generate(clock.now())?;
    let nsm = SimulatedNsm::builder(authority.clone()).measure(b"executable", b"configuration").build()?;
    let bytes = nsm.attest(&AttestationRequest::new().with_nonce(b"fresh"))?;
    let document = UnverifiedDocument::from_bytes(&bytes)?;

    let policy =
        Policy::builder().pcr(PcrIndex::IMAGE, [pcr0(b"executable", b"configuration")]).nonce(b"fresh").build();
    let verified = document.clone().verify(&authority.trust_anchor(), &policy, clock.now())?;
    assert_eq!(verified.nonce.as_deref(), Some(&b"fresh"[..]));

    let changed = Policy::builder().pcr(PcrIndex::IMAGE, [pcr0(b"executable", b"changed")]).build();
    assert!(document.clone().verify(&authority.trust_anchor(), &changed, clock.now()).is_err());
    assert!(document.verify(&TrustAnchor::aws_nitro_g1(), &policy, clock.now()).is_err());
    Ok(())
}

#[test]
fn a_key_from_the_nsm_signs_for_ethereum() -> Result {
    let authority = Authority::generate(Clock::system().now())?;
    let nsm: Arc<dyn Nsm> =
        Arc::new(SimulatedNsm::builder(authority).measure(b"executable", b"configuration").build()?);
    let registry = Registry::with_enabled_chains();
    let namespaces = ["aptos", "bip122", "cosmos", "eip155", "near", "solana", "stellar", "sui", "tron"];
    assert_eq!(registry.namespaces().collect::<Vec<_>>(), namespaces);
    let chain = registry.get("eip155").ok_or("not enabled")?;

    let key = SigningKey::generate(Curve::Secp256k1, &mut NsmRng::new(nsm))?;
    let signer = ChainSigner::new(Arc::clone(chain), key)?;
    let json = br#"{"value": 0.01, "to": "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf", "nonce": 0, "type": 2,
        "chainId": 4, "gas": 100000, "maxFeePerGas": 100000000000, "maxPriorityFeePerGas": 3000000000}"#;
    let transaction = chain.decode(&Payload::new(Encoding::Json, json))?;
    let signed = signer.sign(transaction.as_ref())?;
    assert_eq!(evm::recover_sender(&signed.bytes)?, signer.address());
    Ok(())
}

#[tokio::test]
async fn only_the_measured_enclave_gets_a_data_key() -> Result {
    let clock = Clock::system();
    let authority = Authority::generate(clock.now())?;
    // AWS's documented example credentials: they open nothing.
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None)?;
    let kms = KmsSimulator::builder("eu-central-1", "111122223333")
        .attestation_anchor(authority.trust_anchor())
        .administrator(credentials.clone(), "arn:aws:iam::111122223333:role/consumer")
        .start()
        .await?;
    let transport: Arc<dyn Transport> = Arc::new(TcpTransport::new(kms.local_addr()));
    let admin =
        AdminClient::new("eu-central-1", Arc::clone(&transport), &kms.tls_roots(), clock.clone(), credentials.clone())?;
    let key = admin.create_key().await?;
    let image = pcr0(b"executable", b"configuration");
    admin.put_key_policy(&key, &policy(&image.to_string())).await?;

    let client = |configuration: &[u8]| -> Result<KmsClient> {
        let nsm = SimulatedNsm::builder(authority.clone()).measure(b"executable", configuration).build()?;
        Ok(KmsClient::builder()
            .region("eu-central-1")
            .permit_key(key.clone())
            .nsm(Arc::new(nsm))
            .transport(Arc::clone(&transport))
            .tls_roots(kms.tls_roots())
            .clock(clock.clone())
            .credentials(credentials.clone())
            .build()?)
    };
    let enclave = client(b"configuration")?;
    let made = enclave.generate_data_key(GenerateDataKeyRequest::new(&key)).await?;
    let opened = enclave.decrypt(DecryptRequest::new(&key, &made.ciphertext_blob)).await?;
    assert_eq!(made.plaintext.as_bytes(), opened.plaintext.as_bytes());

    let changed = client(b"another configuration")?;
    let error = changed.decrypt(DecryptRequest::new(&key, &made.ciphertext_blob)).await.expect_err("another PCR0");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    kms.shutdown().await;
    Ok(())
}

fn policy(image: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [
            {{"Effect": "Allow", "Principal": {{"AWS": "arn:aws:iam::111122223333:role/consumer"}},
              "Action": ["kms:PutKeyPolicy", "kms:GetKeyPolicy"], "Resource": "*"}},
            {{"Effect": "Allow", "Principal": {{"AWS": "arn:aws:iam::111122223333:role/consumer"}},
              "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*",
              "Condition": {{"StringEqualsIgnoreCase": {{"kms:RecipientAttestation:ImageSha384": "{image}"}}}}}}]}}"#
    )
}
