//! What the crates do with their default features.

use std::sync::Arc;
use std::time::Duration;

use chain_signers::policy::Policy;
use chain_signers::{ChainId, ChainSigner, Curve, Encoding, Payload, Registry, Signature, SigningKey, SigningPayload};
use consumer::{DOMAIN, Toy};
use kms_enclave_client::KeyArn;
use kms_enclave_client::cms::{EnvelopedData, MalformedCms};
use nsm_attest::{PcrIndex, PcrValue, Policy as AttestationPolicy, TrustAnchor, UnixTime, UnverifiedDocument};
use serde::{Deserialize, Serialize};
use vsock_rpc::{Addr, CallContext, Client, Listener, Method, RemoteError, Router, Server};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[test]
fn a_chain_of_ones_own_is_registered_decoded_judged_and_signed() -> Result {
    let mut registry = Registry::with_enabled_chains();
    registry.register(Arc::new(Toy))?;
    assert!(registry.register(Arc::new(Toy)).is_err(), "the namespace is taken");

    let chain_id: ChainId = "toy:test".parse()?;
    let chain = registry.for_chain_id(&chain_id).ok_or("not registered")?;
    let bytes = [0x74, 0x07, 0, 0, 0, 0, 0, 0, 0, 42];
    let transaction = chain.decode(&Payload::new(Encoding::Binary, &bytes).on_chain(&chain_id))?;
    assert_eq!(transaction.to_bytes(), bytes);
    assert_eq!(transaction.summary().text, "42 to toy-07");

    let policy = Policy::from_json(
        br#"{"version":1,"rules":[{"name":"seven","effect":"allow","chains":["toy:test"],"destinations":["toy-07"]}]}"#,
    )?;
    let decision = policy.evaluate(transaction.summary());
    assert!(decision.allowed, "{}", decision.reason);
    assert_eq!(decision.rule.as_deref(), Some("seven"));

    let key = SigningKey::from_secret_bytes(Curve::Ed25519, &[7; 32])?;
    let verifying_key = key.verifying_key();
    let signed = ChainSigner::new(Arc::clone(chain), key)?.sign(transaction.as_ref())?;
    let signature = Signature::from_bytes(Curve::Ed25519, &signed.bytes[bytes.len()..], None)?;
    verifying_key.verify(&SigningPayload::message([DOMAIN, &bytes[..]].concat()), &signature)?;
    Ok(())
}

#[test]
fn what_is_no_attestation_document_is_refused_with_a_reason() -> Result {
    let error = UnverifiedDocument::from_bytes(b"no document").expect_err("text is no document");
    assert!(!error.to_string().is_empty());
    // The pieces of a verification, under Amazon's own root.
    let value: PcrValue = "5c".repeat(48).parse()?;
    let _policy = AttestationPolicy::builder().pcr(PcrIndex::IMAGE, [value]).nonce(b"fresh").build();
    let _anchor = TrustAnchor::aws_nitro_g1();
    assert!(UnixTime::from_secs(1_700_000_000) < UnixTime::from_secs(1_800_000_000));
    Ok(())
}

#[test]
fn key_arns_and_enveloped_data_are_read_strictly() -> Result {
    let arn: KeyArn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
    assert_eq!((arn.region(), arn.account()), ("eu-central-1", "111122223333"));
    assert!("arn:aws:kms:eu-central-1:111122223333:alias/anything".parse::<KeyArn>().is_err());
    assert!(matches!(EnvelopedData::from_bytes(b"\x30\x80"), Err(MalformedCms::Ber)));
    Ok(())
}

#[tokio::test]
async fn a_typed_call_crosses_a_unix_socket() -> Result {
    struct Greet;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Name {
        name: String,
    }

    impl Method for Greet {
        const NAME: &'static str = "greet";
        type Request = Name;
        type Response = String;
    }

    async fn greet(greeting: Arc<&'static str>, _: CallContext, who: Name) -> Result<String, RemoteError> {
        match who.name.as_str() {
            "" => Err(RemoteError::new("nobody", "a name is needed")),
            name => Ok(format!("{greeting} {name}")),
        }
    }

    let folder = tempfile::tempdir()?;
    let addr: Addr = format!("unix:{}", folder.path().join("rpc").display()).parse()?;
    let server = Server::builder(Router::new("hello").method::<Greet, _, _>(greet)).serve(Listener::bind(&addr).await?);
    let client = Client::builder(addr).build();
    let deadline = Duration::from_secs(10);
    assert_eq!(client.call::<Greet>(&Name { name: "you".to_owned() }, deadline).await?, "hello you");
    let error = client.call::<Greet>(&Name { name: String::new() }, deadline).await.expect_err("nobody is greeted");
    assert!(error.to_string().contains("a name is needed"), "{error}");
    server.shutdown().await;
    Ok(())
}
