//! The client against the simulator, over TCP: what a key policy admits, and everything that it does not.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kms_enclave_client::sim::{AdminClient, KmsSimulator, StartError};
use kms_enclave_client::{
    Credentials, DecryptRequest, Error, GenerateDataKeyRequest, KeyArn, KmsClient, Plaintext, ServiceErrorCode,
    TcpTransport, TlsRoots,
};
use nsm_attest::sim::{Authority, Defect, SimulatedNsm, pcr0};
use nsm_attest::{AsyncNsmError, AttestationRequest, Clock, Nsm, NsmError, PcrIndex, PcrValue};
use support::*;

/// A simulator, its administrator, and a key that only the enclave "signer" may use.
struct World {
    authority: Authority,
    clock: Clock,
    kms: KmsSimulator,
    admin: AdminClient,
    key: KeyArn,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::settable(start_of_time());
        let authority = Authority::generate(clock.now()).unwrap();
        let kms = KmsSimulator::builder(REGION, ACCOUNT)
            .attestation_anchor(authority.trust_anchor())
            .clock(clock.clone())
            .administrator(administrator_credentials(), ADMINISTRATOR)
            .credentials(enclave_credentials(), ENCLAVE_ROLE)
            .start()
            .await
            .unwrap();
        let admin = admin(&kms, &clock, administrator_credentials());
        let key = admin.create_key().await.unwrap();
        let world = Self { authority, clock, kms, admin, key };
        world.admit(&image_condition(&pcr0(b"signer", b"configuration"))).await;
        world
    }

    /// Lets the enclave's role Decrypt and GenerateDataKey under `condition`, and the administrator administer.
    async fn admit(&self, condition: &str) {
        self.admin.put_key_policy(&self.key, &policy(condition)).await.unwrap();
    }

    fn client(&self, nsm: Arc<dyn Nsm>) -> KmsClient {
        self.client_with(nsm, enclave_credentials(), self.clock.clone())
    }

    fn client_with(&self, nsm: Arc<dyn Nsm>, credentials: Credentials, clock: Clock) -> KmsClient {
        KmsClient::builder()
            .region(REGION)
            .permit_key(self.key.clone())
            .nsm(nsm)
            .transport(Arc::new(TcpTransport::new(self.kms.local_addr())))
            .clock(clock)
            .tls_roots(self.kms.tls_roots())
            .credentials(credentials)
            .build()
            .unwrap()
    }

    fn signer(&self) -> KmsClient {
        self.client(nsm(&self.authority, &self.clock, b"signer"))
    }

    fn request(&self) -> GenerateDataKeyRequest {
        GenerateDataKeyRequest::new(&self.key)
    }
}

fn admin(kms: &KmsSimulator, clock: &Clock, credentials: Credentials) -> AdminClient {
    let transport = Arc::new(TcpTransport::new(kms.local_addr()));
    AdminClient::new(REGION, transport, &kms.tls_roots(), clock.clone(), credentials).unwrap()
}

fn image_condition(value: &PcrValue) -> String {
    format!(r#"{{"StringEqualsIgnoreCase":{{"kms:RecipientAttestation:ImageSha384":"{value}"}}}}"#)
}

fn policy(condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"{ADMINISTRATOR}"}},
              "Action":["kms:PutKeyPolicy","kms:GetKeyPolicy","kms:DescribeKey","kms:Encrypt"],"Resource":"*"}},
            {{"Effect":"Allow","Principal":{{"AWS":"{ENCLAVE_ROLE}"}},
              "Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*","Condition":{condition}}}]}}"#
    )
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> ServiceErrorCode {
    match result.unwrap_err() {
        Error::Service(error) => {
            assert!(error.request_id().is_some(), "{error}");
            error.code().clone()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_admitted_enclave_makes_and_decrypts_a_data_key() {
    let world = World::new().await;
    let client = world.signer();
    let bound = context(&[("purpose", "record-v1"), ("revision", "0")]);
    let made = client.generate_data_key(world.request().encryption_context(bound.clone())).await.unwrap();
    assert_eq!((made.key_arn.clone(), made.plaintext.as_bytes().len()), (world.key.clone(), 32));
    let request = DecryptRequest::new(&world.key, &made.ciphertext_blob).encryption_context(bound);
    let decrypted = client.decrypt(request).await.unwrap();
    assert_eq!(decrypted.key_arn, world.key);
    assert_eq!(decrypted.plaintext, made.plaintext);
    world.kms.shutdown().await;
}

#[tokio::test]
async fn what_was_encrypted_outside_is_decrypted_inside() {
    let world = World::new().await;
    let client = world.signer();
    for plaintext in [&b"x"[..], &[7; 32], &[9; 4096]] {
        let blob = world.admin.encrypt(&world.key, plaintext, &context(&[])).await.unwrap();
        let decrypted = client.decrypt(DecryptRequest::new(&world.key, &blob)).await.unwrap();
        assert_eq!(decrypted.plaintext, Plaintext::from(plaintext.to_vec()));
    }
}

#[tokio::test]
async fn another_image_is_denied_and_the_error_says_what_to_check() {
    let world = World::new().await;
    let client = world.client(nsm(&world.authority, &world.clock, b"another program"));
    let error = client.generate_data_key(world.request()).await.unwrap_err();
    let Error::Service(service) = &error else { panic!("{error:?}") };
    assert_eq!((service.code(), service.status()), (&ServiceErrorCode::AccessDenied, 400));
    assert!(error.to_string().contains("ImageSha384"), "{error}");
    assert!(service.message().contains("kms:GenerateDataKey"), "{service}");
    let blob = world.admin.encrypt(&world.key, b"secret", &context(&[])).await.unwrap();
    let decrypted = client.decrypt(DecryptRequest::new(&world.key, &blob)).await;
    assert_eq!(code(decrypted), ServiceErrorCode::AccessDenied);
}

#[tokio::test]
async fn every_register_that_the_policy_names_counts() {
    let world = World::new().await;
    let role_pcr: PcrValue = "5a".repeat(48).parse().unwrap();
    let enclave = |value: &str| {
        let builder = SimulatedNsm::builder(world.authority.clone()).measure(b"signer", b"configuration");
        let builder = builder.pcr(PcrIndex::ROLE, value.parse().unwrap()).clock(world.clock.clone());
        world.client(Arc::new(builder.build().unwrap()))
    };
    let image = pcr0(b"signer", b"configuration");
    world
        .admit(&format!(
            r#"{{"StringEqualsIgnoreCase":{{"kms:RecipientAttestation:PCR0":"{image}",
                "kms:RecipientAttestation:PCR3":"{role_pcr}"}}}}"#
        ))
        .await;
    assert!(enclave(&"5a".repeat(48)).generate_data_key(world.request()).await.is_ok());
    let denied = enclave(&"5b".repeat(48)).generate_data_key(world.request()).await;
    assert_eq!(code(denied), ServiceErrorCode::AccessDenied);
}

#[tokio::test]
async fn without_attestation_the_key_is_of_no_use() {
    let world = World::new().await;
    let blob = world.admin.encrypt(&world.key, b"secret", &context(&[])).await.unwrap();
    let parent = admin(&world.kms, &world.clock, enclave_credentials());
    let none = context(&[]);
    let decrypted = parent.decrypt_without_recipient(&world.key, &blob, &none).await;
    assert_eq!(code(decrypted), ServiceErrorCode::AccessDenied);
    let made = parent.generate_data_key_without_recipient(&world.key, &none).await;
    assert_eq!(code(made), ServiceErrorCode::AccessDenied);
    // A Deny with a negated operator also catches the absent document, even for who has every permission.
    let image = pcr0(b"signer", b"configuration");
    let statements = policy(&image_condition(&image)).replace(
        "\"Statement\":[",
        &format!(
            r#""Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ACCOUNT}"}},"Action":"kms:*","Resource":"*"}},
            {{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{{
              "StringNotEqualsIgnoreCase":{{"kms:RecipientAttestation:ImageSha384":"{image}"}}}}}},"#
        ),
    );
    world.admin.put_key_policy(&world.key, &statements).await.unwrap();
    assert!(world.admin.generate_data_key_without_recipient(&world.key, &none).await.is_ok());
    let denied = world.admin.decrypt_without_recipient(&world.key, &blob, &none).await;
    assert_eq!(code(denied), ServiceErrorCode::AccessDenied);
    assert!(world.signer().decrypt(DecryptRequest::new(&world.key, &blob)).await.is_ok());
}

#[tokio::test]
async fn a_document_under_another_root_is_denied() {
    let world = World::new().await;
    let stranger = Authority::generate(world.clock.now()).unwrap();
    let client = world.client(nsm(&stranger, &world.clock, b"signer"));
    assert_eq!(code(client.generate_data_key(world.request()).await), ServiceErrorCode::AccessDenied);
}

#[tokio::test]
async fn a_document_with_a_defect_in_signature_or_path_is_denied() {
    let world = World::new().await;
    for defect in
        [Defect::Signature, Defect::CertificateSignature, Defect::EndEntityExpired, Defect::IssuerNotAuthority]
    {
        let builder = SimulatedNsm::builder(world.authority.clone()).measure(b"signer", b"configuration");
        let forged = builder.defect(defect).clock(world.clock.clone()).build().unwrap();
        let client = world.client(Arc::new(forged));
        let made = client.generate_data_key(world.request()).await;
        assert_eq!(code(made), ServiceErrorCode::AccessDenied, "{defect:?}");
    }
}

#[tokio::test]
async fn a_document_of_five_minutes_ago_is_denied() {
    let world = World::new().await;
    let its_clock = Clock::settable(world.clock.now());
    let client = world.client(nsm(&world.authority, &its_clock, b"signer"));
    assert!(client.generate_data_key(world.request()).await.is_ok());
    world.clock.set(start_of_time().saturating_add(Duration::from_secs(299))).unwrap();
    assert!(client.generate_data_key(world.request()).await.is_ok());
    world.clock.set(start_of_time().saturating_add(Duration::from_secs(301))).unwrap();
    assert_eq!(code(client.generate_data_key(world.request()).await), ServiceErrorCode::AccessDenied);
}

#[tokio::test]
async fn a_debug_mode_enclave_needs_a_policy_that_names_zeros() {
    let world = World::new().await;
    let builder = SimulatedNsm::builder(world.authority.clone()).measure(b"signer", b"configuration");
    let client = world.client(Arc::new(builder.debug_mode().clock(world.clock.clone()).build().unwrap()));
    assert_eq!(code(client.generate_data_key(world.request()).await), ServiceErrorCode::AccessDenied);
    world.admit(&image_condition(&"0".repeat(96).parse().unwrap())).await;
    assert!(client.generate_data_key(world.request()).await.is_ok());
}

/// An NSM that hands out whatever bytes it was given.
#[derive(Debug)]
struct Parrot(Vec<u8>);

impl Nsm for Parrot {
    fn attest(&self, _: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        if self.0.is_empty() { Err(NsmError::InternalError) } else { Ok(self.0.clone()) }
    }
    fn random(&self, _: &mut [u8]) -> Result<(), NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn describe(&self) -> Result<nsm_attest::NsmDescription, NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn describe_pcr(&self, _: PcrIndex) -> Result<nsm_attest::PcrDescription, NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn extend_pcr(&self, _: PcrIndex, _: &[u8]) -> Result<PcrValue, NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn lock_pcr(&self, _: PcrIndex) -> Result<(), NsmError> {
        Err(NsmError::InvalidOperation)
    }
    fn lock_pcrs(&self, _: u16) -> Result<(), NsmError> {
        Err(NsmError::InvalidOperation)
    }
}

#[tokio::test]
async fn bytes_that_are_no_document_and_keys_that_are_not_rsa_are_invalid() {
    let world = World::new().await;
    let real = nsm(&world.authority, &world.clock, b"signer");
    let without_key = real.attest(&AttestationRequest::new()).unwrap();
    let wrong_key = real.attest(&AttestationRequest::new().with_public_key(vec![4; 65])).unwrap();
    for document in [b"no document".to_vec(), without_key, wrong_key] {
        let client = world.client(Arc::new(Parrot(document)));
        assert_eq!(code(client.generate_data_key(world.request()).await), ServiceErrorCode::Validation);
    }
}

#[tokio::test]
async fn a_failing_nsm_and_an_oversize_document_are_named() {
    let world = World::new().await;
    let failed = world.client(Arc::new(Parrot(vec![]))).generate_data_key(world.request()).await;
    assert!(matches!(failed, Err(Error::Attestation(AsyncNsmError::Nsm(NsmError::InternalError)))), "{failed:?}");
    let long = world.client(Arc::new(Parrot(vec![0; 300_000]))).generate_data_key(world.request()).await;
    assert!(matches!(long, Err(Error::AttestationTooLong { len: 300_000, .. })), "{long:?}");
}

#[tokio::test]
async fn a_document_replayed_by_the_parent_yields_nothing_to_another_key() {
    let world = World::new().await;
    let real = nsm(&world.authority, &world.clock, b"signer");
    let other = kms_enclave_client::RecipientKeyPair::generate().unwrap();
    let request = AttestationRequest::new().with_public_key(other.public_key_der());
    let client = world.client(Arc::new(Parrot(real.attest(&request).unwrap())));
    // KMS answers, but to the key in the document.
    let opened = client.generate_data_key(world.request()).await;
    assert!(matches!(opened, Err(Error::Decrypt(_))), "{opened:?}");
}

#[tokio::test]
async fn another_encryption_context_is_an_invalid_ciphertext() {
    let world = World::new().await;
    let client = world.signer();
    let bound = context(&[("key_id", "1"), ("revision", "0")]);
    let made = client.generate_data_key(world.request().encryption_context(bound)).await.unwrap();
    for wrong in [context(&[]), context(&[("key_id", "1")]), context(&[("key_id", "1"), ("revision", "1")])] {
        let request = DecryptRequest::new(&world.key, &made.ciphertext_blob).encryption_context(wrong);
        assert_eq!(code(client.decrypt(request).await), ServiceErrorCode::InvalidCiphertext);
    }
    let mut damaged = made.ciphertext_blob.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let request = DecryptRequest::new(&world.key, &damaged);
    assert_eq!(code(client.decrypt(request).await), ServiceErrorCode::InvalidCiphertext);
}

#[tokio::test]
async fn a_condition_on_the_encryption_context_is_enforced() {
    let world = World::new().await;
    let image = pcr0(b"signer", b"configuration");
    world
        .admit(&format!(
            r#"{{"StringEqualsIgnoreCase":{{"kms:RecipientAttestation:ImageSha384":"{image}"}},
                "StringEquals":{{"kms:EncryptionContext:purpose":"record-v1"}}}}"#
        ))
        .await;
    let client = world.signer();
    let right = world.request().encryption_context(context(&[("purpose", "record-v1")]));
    assert!(client.generate_data_key(right).await.is_ok());
    let wrong = world.request().encryption_context(context(&[("purpose", "record-v2")]));
    assert_eq!(code(client.generate_data_key(wrong).await), ServiceErrorCode::AccessDenied);
    assert_eq!(code(client.generate_data_key(world.request()).await), ServiceErrorCode::AccessDenied);
}

#[tokio::test]
async fn a_blob_of_another_key_is_not_opened() {
    let world = World::new().await;
    let other = world.admin.create_key().await.unwrap();
    let blob = world.admin.encrypt(&other, b"secret", &context(&[])).await.unwrap();
    let decrypted = world.signer().decrypt(DecryptRequest::new(&world.key, &blob)).await;
    assert_eq!(code(decrypted), ServiceErrorCode::IncorrectKey);
}

#[tokio::test]
async fn a_key_that_is_not_permitted_is_refused_before_anything_is_sent() {
    let world = World::new().await;
    let other = world.admin.create_key().await.unwrap();
    let client = world.signer();
    let made = client.generate_data_key(GenerateDataKeyRequest::new(&other)).await;
    assert!(matches!(&made, Err(Error::KeyNotPermitted { key }) if key.key_arn() == Some(&other)), "{made:?}");
    let decrypted = client.decrypt(DecryptRequest::new(&other, b"blob")).await;
    assert!(matches!(decrypted, Err(Error::KeyNotPermitted { .. })));
}

#[tokio::test]
async fn requests_outside_the_limits_of_kms_are_refused_before_anything_is_sent() {
    let world = World::new().await;
    let client = world.signer();
    for blob in [vec![], vec![0; 6145]] {
        let refused = client.decrypt(DecryptRequest::new(&world.key, &blob)).await;
        assert!(matches!(refused, Err(Error::Request(_))), "{refused:?}");
    }
    for pairs in [[("", "x")], [("x", &*"y".repeat(8192))]] {
        let refused = client.generate_data_key(world.request().encryption_context(context(&pairs))).await;
        assert!(matches!(refused, Err(Error::Request(_))), "{refused:?}");
    }
    let none = context(&[]);
    assert!(matches!(world.admin.encrypt(&world.key, &[0; 4097], &none).await, Err(Error::Request(_))));
    assert!(matches!(world.admin.put_key_policy(&world.key, &"x".repeat(32_769)).await, Err(Error::Request(_))));
}

#[tokio::test]
async fn a_wrong_secret_a_wrong_token_and_an_unknown_key_are_refused() {
    let world = World::new().await;
    let enclave = nsm(&world.authority, &world.clock, b"signer");
    let token = || Some(SESSION_TOKEN.to_owned());
    let wrong_secret = SECRET.replace('w', "x");
    for (credentials, expected) in [
        (Credentials::new(ENCLAVE_KEY, &wrong_secret, token(), None), ServiceErrorCode::InvalidSignature),
        (Credentials::new(ENCLAVE_KEY, SECRET, None, None), ServiceErrorCode::UnrecognizedClient),
        (Credentials::new(ENCLAVE_KEY, SECRET, Some("x".into()), None), ServiceErrorCode::UnrecognizedClient),
        (Credentials::new(ADMINISTRATOR_KEY, SECRET, token(), None), ServiceErrorCode::UnrecognizedClient),
        (Credentials::new("AKIAUNKNOWNEXAMPLE00", SECRET, None, None), ServiceErrorCode::UnrecognizedClient),
    ] {
        let client = world.client_with(enclave.clone(), credentials.unwrap(), world.clock.clone());
        assert_eq!(code(client.generate_data_key(world.request()).await), expected);
    }
}

#[tokio::test]
async fn a_client_whose_clock_is_off_is_told_the_time_and_recovers() {
    let world = World::new().await;
    let enclave = nsm(&world.authority, &world.clock, b"signer");
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let now = world.clock.now();
    let mut seen = 0;
    for (clock, requests) in [
        (now.saturating_sub(minutes(4)), 1),
        (now.saturating_add(minutes(4)), 1),
        (now.saturating_sub(minutes(6)), 2),
        (now.saturating_add(minutes(6)), 2),
    ] {
        let client = world.client_with(enclave.clone(), enclave_credentials(), Clock::settable(clock));
        client.generate_data_key(world.request()).await.unwrap();
        seen += requests;
        assert_eq!(world.kms.requests_seen("GenerateDataKey"), seen);
    }
}

#[tokio::test]
async fn expired_credentials_are_refused_on_both_sides_and_can_be_replaced() {
    let clock = Clock::settable(start_of_time());
    let expires_at = Some(start_of_time().saturating_add(Duration::from_secs(60)));
    let temporary = |key: &str| Credentials::new(key, SECRET, None, expires_at).unwrap();
    let authority = Authority::generate(clock.now()).unwrap();
    let kms = KmsSimulator::builder(REGION, ACCOUNT)
        .attestation_anchor(authority.trust_anchor())
        .clock(clock.clone())
        .administrator(temporary(ADMINISTRATOR_KEY), ADMINISTRATOR)
        .start()
        .await
        .unwrap();
    let key = admin(&kms, &clock, temporary(ADMINISTRATOR_KEY)).create_key().await.unwrap();
    let client = KmsClient::builder()
        .region(REGION)
        .permit_key(key.clone())
        .nsm(nsm(&authority, &clock, b"signer"))
        .transport(Arc::new(TcpTransport::new(kms.local_addr())))
        .clock(clock.clone())
        .tls_roots(kms.tls_roots())
        .build()
        .unwrap();
    let make = || client.generate_data_key(GenerateDataKeyRequest::new(&key));
    assert!(matches!(make().await, Err(Error::CredentialsMissing)));
    client.clone().set_credentials(temporary(ADMINISTRATOR_KEY));
    assert!(make().await.is_ok());
    clock.set(start_of_time().saturating_add(Duration::from_secs(61))).unwrap();
    assert!(matches!(make().await, Err(Error::CredentialsExpired { .. })));
    // A client that does not know the expiry is told by KMS.
    client.set_credentials(Credentials::new(ADMINISTRATOR_KEY, SECRET, None, None).unwrap());
    assert_eq!(code(make().await), ServiceErrorCode::ExpiredToken);
}

#[tokio::test]
async fn key_policies_are_read_back_and_bad_ones_change_nothing() {
    let world = World::new().await;
    let before = world.admin.get_key_policy(&world.key).await.unwrap();
    assert!(before.contains("RecipientAttestation"));
    let lock_out = policy("{}").replace("kms:PutKeyPolicy", "kms:ListAliases");
    let misspelled = policy(r#"{"StringEqualsIgnorecase":{"kms:RecipientAttestation:ImageSha384":"00"}}"#);
    let stranger = policy("{}").replace("signer-parent", "nobody");
    for bad in ["{}", "not a policy", &lock_out, &misspelled, &stranger] {
        let put = world.admin.put_key_policy(&world.key, bad).await;
        assert_eq!(code(put), ServiceErrorCode::MalformedPolicyDocument, "{bad}");
    }
    assert_eq!(world.admin.get_key_policy(&world.key).await.unwrap(), before);
    let described = world.admin.describe_key(&world.key).await.unwrap();
    assert_eq!((&described.key_arn, described.enabled, &*described.key_state), (&world.key, true, "Enabled"));
}

#[tokio::test]
async fn the_enclaves_role_may_neither_create_keys_nor_touch_policies() {
    let world = World::new().await;
    let parent = admin(&world.kms, &world.clock, enclave_credentials());
    assert_eq!(code(parent.create_key().await), ServiceErrorCode::AccessDenied);
    assert_eq!(code(parent.get_key_policy(&world.key).await), ServiceErrorCode::AccessDenied);
    let open = policy("{}");
    assert_eq!(code(parent.put_key_policy(&world.key, &open).await), ServiceErrorCode::AccessDenied);
    let encrypted = parent.encrypt(&world.key, b"x", &context(&[])).await;
    assert_eq!(code(encrypted), ServiceErrorCode::AccessDenied);
}

#[tokio::test]
async fn keys_that_do_not_exist_are_not_found() {
    let world = World::new().await;
    let same_account = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000");
    let other_account = world.key.as_str().replace(ACCOUNT, "444455556666");
    let other_partition = world.key.as_str().replace("arn:aws:", "arn:aws-cn:");
    for arn in [same_account, other_account, other_partition] {
        assert_eq!(code(world.admin.describe_key(&arn.parse().unwrap()).await), ServiceErrorCode::NotFound);
    }
}

#[tokio::test]
async fn tls_needs_the_right_root_and_the_right_name() {
    let world = World::new().await;
    let builder = || {
        KmsClient::builder()
            .permit_key(world.key.clone())
            .nsm(nsm(&world.authority, &world.clock, b"signer"))
            .transport(Arc::new(TcpTransport::new(world.kms.local_addr())))
            .clock(world.clock.clone())
            .credentials(enclave_credentials())
    };
    let amazon = builder().region(REGION).build().unwrap().generate_data_key(world.request()).await;
    assert!(matches!(&amazon, Err(Error::Tls { .. })), "{amazon:?}");
    // The simulator of one region does not pass for another region's KMS.
    let transport = Arc::new(TcpTransport::new(world.kms.local_addr()));
    let roots = world.kms.tls_roots();
    let other = AdminClient::new("us-east-1", transport, &roots, world.clock.clone(), administrator_credentials());
    let described = other.unwrap().describe_key(&world.key).await;
    assert!(
        matches!(&described, Err(Error::Tls { server_name, .. }) if server_name == "kms.us-east-1.amazonaws.com"),
        "{described:?}"
    );
}

#[tokio::test]
async fn a_simulator_that_is_shut_down_cannot_be_reached() {
    let world = World::new().await;
    let client = world.signer();
    assert!(client.generate_data_key(world.request()).await.is_ok());
    let request = GenerateDataKeyRequest::new(&world.key);
    world.kms.shutdown().await;
    let gone = client.generate_data_key(request).await;
    assert!(matches!(gone, Err(Error::Connect(_))), "{gone:?}");
}

#[tokio::test]
async fn what_holds_over_tcp_holds_in_memory_too() {
    let world = World::new().await;
    let transport = Arc::new(world.kms.memory_transport());
    let builder = |roots: TlsRoots| {
        let client = KmsClient::builder().region(REGION).permit_key(world.key.clone()).tls_roots(roots);
        let client = client.nsm(nsm(&world.authority, &world.clock, b"signer")).clock(world.clock.clone());
        client.transport(transport.clone()).credentials(enclave_credentials()).build().unwrap()
    };
    let client = builder(world.kms.tls_roots());
    let made = client.generate_data_key(world.request()).await.unwrap();
    let decrypted = client.decrypt(DecryptRequest::new(&world.key, &made.ciphertext_blob)).await.unwrap();
    assert_eq!(decrypted.plaintext, made.plaintext);
    // The bytes are TLS there as well, and the policy is asked.
    let amazon = builder(TlsRoots::amazon()).generate_data_key(world.request()).await;
    assert!(matches!(&amazon, Err(Error::Tls { .. })), "{amazon:?}");
    world.admit(&image_condition(&pcr0(b"another", b"configuration"))).await;
    assert_eq!(code(client.generate_data_key(world.request()).await), ServiceErrorCode::AccessDenied);
    // An open connection ends with the simulator, and there is none afterwards.
    let request = world.request();
    world.kms.shutdown().await;
    let gone = client.generate_data_key(request).await;
    let Err(Error::Connect(error)) = gone else { panic!("{gone:?}") };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn the_simulator_listens_on_loopback_only_and_checks_its_parts() {
    let clock = Clock::settable(start_of_time());
    let anchor = Authority::generate(clock.now()).unwrap().trust_anchor();
    let builder = |region: &str, account: &str| KmsSimulator::builder(region, account).attestation_anchor(anchor);
    let everywhere = builder(REGION, ACCOUNT).listen("0.0.0.0:0".parse().unwrap()).start().await;
    assert!(matches!(everywhere, Err(StartError::NotLoopback { .. })));
    assert!(matches!(builder("nowhere", ACCOUNT).start().await, Err(StartError::BadRegion)));
    assert!(matches!(builder(REGION, "1").start().await, Err(StartError::BadAccount)));
    assert!(matches!(KmsSimulator::builder(REGION, ACCOUNT).start().await, Err(StartError::MissingAnchor)));
    let foreign = builder(REGION, ACCOUNT).credentials(enclave_credentials(), "arn:aws:iam::444455556666:root");
    assert!(matches!(foreign.start().await, Err(StartError::BadPrincipal { .. })));
    let short = Credentials::new(ENCLAVE_KEY, "short", None, None).unwrap();
    assert!(matches!(
        builder(REGION, ACCOUNT).credentials(short, ENCLAVE_ROLE).start().await,
        Err(StartError::BadSecret)
    ));
    let twice = builder(REGION, ACCOUNT).credentials(enclave_credentials(), ENCLAVE_ROLE);
    let twice = twice.credentials(enclave_credentials(), ADMINISTRATOR);
    assert!(matches!(twice.start().await, Err(StartError::DuplicateAccessKey)));
}

#[tokio::test]
async fn many_calls_at_once_all_succeed() {
    let world = World::new().await;
    let client = world.signer();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, key) = (client.clone(), world.key.clone());
        calls.spawn(async move {
            client.generate_data_key(GenerateDataKeyRequest::new(&key)).await.map(|made| made.ciphertext_blob)
        });
    }
    let blobs: std::collections::BTreeSet<_> = calls.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(blobs.len(), 8);
}

#[test]
fn an_envelope_of_the_simulator_has_the_size_of_the_real_thing() {
    let recipient = kms_enclave_client::RecipientKeyPair::generate().unwrap();
    let sealed = kms_enclave_client::sim::envelop(&[7; 32], recipient.public_key_der()).unwrap();
    assert_eq!(sealed.len(), 493);
    assert!(STANDARD.encode(&sealed).starts_with("MIAGCSqGSIb3DQEHA6CAMIACAQIx"));
    assert!(kms_enclave_client::sim::envelop(&[7; 4097], recipient.public_key_der()).is_err());
    assert!(kms_enclave_client::sim::envelop(&[7; 32], b"no key").is_err());
    assert!(TlsRoots::from_der([&sealed[..]]).is_err());
}
