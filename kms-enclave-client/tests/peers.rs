//! The client against KMSs and CMS that are not ours: LocalStack, moto and openssl. The stage `peers` of `.ci/run` starts
//! them and describes them in the folder that `NITRO_PEERS` names.
//!
//! | peer | believed for | known to ignore |
//! |---|---|---|
//! | LocalStack | Decrypt with Recipient, encryption context | signatures, whether a document is signed, Recipient elsewhere |
//! | moto | signatures, session tokens, identity policies | time, region, Recipient |
//! | openssl | CMS | |

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "support/peers.rs"]
mod peers;
mod support;

use kms_enclave_client::cms::{DecryptError, EnvelopedData};
use kms_enclave_client::sim::envelop;
use kms_enclave_client::{
    DataKeyPairSpec, DecryptRequest, DeriveSharedSecretRequest, EncryptRequest, Error, GenerateDataKeyPairRequest,
    GenerateDataKeyRequest, GenerateRandomRequest, KeyId, RecipientKeyPair, ServiceErrorCode,
};
use peers::{Openssl, Peers};
use rcgen::PublicKeyData as _;
use support::context;

#[tokio::test]
async fn localstack_answers_decrypt_to_the_recipient_of_the_document() {
    let Some(peers) = Peers::find(localstack_answers_decrypt_to_the_recipient_of_the_document) else { return };
    let [key, _] = peers.localstack_keys();
    let client = peers.localstack();
    for plaintext in [&b"1"[..], &[7; 15], &[7; 16], &[7; 32], &[7; 4096]] {
        let encrypt = EncryptRequest::new(&key, plaintext).encryption_context(context(&[("purpose", "test")]));
        let blob = client.encrypt(encrypt).await.unwrap().ciphertext_blob;
        let request = DecryptRequest::new(&key, &blob).encryption_context(context(&[("purpose", "test")]));
        let decrypted = client.decrypt(request).await.unwrap();
        assert_eq!((decrypted.plaintext.as_bytes(), &decrypted.key_arn), (plaintext, &key));
    }
}

#[tokio::test]
async fn localstack_refuses_another_encryption_context_a_changed_blob_and_another_key() {
    let test = localstack_refuses_another_encryption_context_a_changed_blob_and_another_key;
    let Some(peers) = Peers::find(test) else { return };
    let [key, other] = peers.localstack_keys();
    let client = peers.localstack();
    let encrypt = EncryptRequest::new(&key, b"secret").encryption_context(context(&[("purpose", "test")]));
    let blob = client.encrypt(encrypt).await.unwrap().ciphertext_blob;
    let mut changed = blob.clone();
    *changed.last_mut().unwrap() ^= 1;
    use ServiceErrorCode::{IncorrectKey, InvalidCiphertext};
    for (key, blob, purpose, expected) in [
        (&key, &blob, Some("other"), InvalidCiphertext),
        (&key, &blob, None, InvalidCiphertext),
        (&key, &changed, Some("test"), InvalidCiphertext),
        (&other, &blob, Some("test"), IncorrectKey),
    ] {
        let pairs: Vec<_> = purpose.map(|purpose| ("purpose", purpose)).into_iter().collect();
        let request = DecryptRequest::new(key, blob).encryption_context(context(&pairs));
        let error = client.decrypt(request).await.unwrap_err();
        assert!(matches!(&error, Error::Service(service) if *service.code() == expected), "{error}");
    }
}

#[tokio::test]
async fn plaintext_of_localstack_for_a_document_that_it_cannot_read_is_refused() {
    let test = plaintext_of_localstack_for_a_document_that_it_cannot_read_is_refused;
    let Some(peers) = Peers::find(test) else { return };
    let [key, _] = peers.localstack_keys();
    let blob = peers.localstack().encrypt(EncryptRequest::new(&key, b"secret")).await.unwrap().ciphertext_blob;
    let error = peers.localstack_with_tagged_documents().decrypt(DecryptRequest::new(&key, &blob)).await.unwrap_err();
    assert!(matches!(error, Error::PlaintextInReply), "{error}");
}

#[tokio::test]
async fn plaintext_of_actions_for_which_localstack_ignores_the_recipient_is_refused() {
    let test = plaintext_of_actions_for_which_localstack_ignores_the_recipient_is_refused;
    let Some(peers) = Peers::find(test) else { return };
    let ([key, _], agreement_key, client) = (peers.localstack_keys(), peers.agreement_key(), peers.localstack());
    let pair = GenerateDataKeyPairRequest::new(&key, DataKeyPairSpec::EccNistP256);
    let other_key = rcgen::KeyPair::generate().unwrap().subject_public_key_info();
    let derive = DeriveSharedSecretRequest::new(&agreement_key, &other_key);
    for (action, error) in [
        ("GenerateDataKey", client.generate_data_key(GenerateDataKeyRequest::new(&key)).await.map(drop)),
        ("GenerateDataKeyPair", client.generate_data_key_pair(pair).await.map(drop)),
        ("GenerateRandom", client.generate_random(GenerateRandomRequest::new(32)).await.map(drop)),
        ("DeriveSharedSecret", client.derive_shared_secret(derive).await.map(drop)),
    ] {
        assert!(matches!(error, Err(Error::PlaintextInReply)), "{action}: {error:?}");
    }
}

#[tokio::test]
async fn what_an_alias_means_is_said_by_the_reply_of_localstack() {
    let Some(peers) = Peers::find(what_an_alias_means_is_said_by_the_reply_of_localstack) else { return };
    let [first, second] = peers.localstack_keys();
    let alias: KeyId = "alias/first".parse().unwrap();
    let client = peers.localstack();
    let encrypted = client.encrypt(EncryptRequest::new(&alias, b"secret")).await.unwrap();
    assert_eq!(encrypted.key_arn, first);
    let decrypted = client.decrypt(DecryptRequest::new(&alias, &encrypted.ciphertext_blob)).await.unwrap();
    assert_eq!((decrypted.plaintext.as_bytes(), decrypted.key_arn), (&b"secret"[..], first));
    let error =
        peers.localstack_with_keys(&[second]).encrypt(EncryptRequest::new(&alias, b"secret")).await.unwrap_err();
    assert!(matches!(error, Error::ReplyKeyNotPermitted { .. }), "{error}");
}

#[tokio::test]
async fn moto_verifies_the_signatures_of_users_and_sessions() {
    let Some(peers) = Peers::find(moto_verifies_the_signatures_of_users_and_sessions) else { return };
    let key = peers.moto_key();
    for principal in ["permitted", "session"] {
        let client = peers.moto(peers.credentials(principal));
        for context in [context(&[]), context(&[("purpose", "test"), ("name", "\u{fc}\u{4e16} +/=")])] {
            let request = EncryptRequest::new(&key, b"secret").encryption_context(context);
            assert_eq!(client.encrypt(request).await.unwrap().key_arn, key, "{principal}");
        }
    }
}

#[tokio::test]
async fn moto_refuses_what_differs_in_one_part_of_the_credentials() {
    let Some(peers) = Peers::find(moto_refuses_what_differs_in_one_part_of_the_credentials) else { return };
    let key = peers.moto_key();
    for (what, credentials) in [
        ("a user's secret", peers.altered("permitted", "SecretAccessKey")),
        ("a user's id", peers.altered("permitted", "AccessKeyId")),
        ("a session's secret", peers.altered("session", "SecretAccessKey")),
        ("a session's token", peers.altered("session", "SessionToken")),
        ("a session without token", peers.without_token("session")),
        ("a user without permissions", peers.credentials("stranger")),
    ] {
        let error = peers.moto(credentials).encrypt(EncryptRequest::new(&key, b"secret")).await.unwrap_err();
        assert!(matches!(&error, Error::Service(service) if service.status() == 403), "{what}: {error}");
    }
}

#[tokio::test]
async fn plaintext_of_moto_which_ignores_every_recipient_is_refused() {
    let Some(peers) = Peers::find(plaintext_of_moto_which_ignores_every_recipient_is_refused) else { return };
    let key = peers.moto_key();
    let client = peers.moto(peers.credentials("session"));
    let blob = client.encrypt(EncryptRequest::new(&key, b"secret")).await.unwrap().ciphertext_blob;
    let error = client.decrypt(DecryptRequest::new(&key, &blob)).await.unwrap_err();
    assert!(matches!(error, Error::PlaintextInReply), "{error}");
    let error = client.generate_data_key(GenerateDataKeyRequest::new(&key)).await.unwrap_err();
    assert!(matches!(error, Error::PlaintextInReply), "{error}");
}

#[test]
fn openssl_opens_what_the_simulator_envelopes() {
    let Some(peers) = Peers::find(openssl_opens_what_the_simulator_envelopes) else { return };
    let openssl = Openssl::new(&peers);
    let public_key = openssl.recipient().public_key_der().to_vec();
    for len in [1, 15, 16, 17, 32, 4095, 4096] {
        let plaintext: Vec<u8> = (0..=255).cycle().take(len).collect();
        assert_eq!(openssl.open(&envelop(&plaintext, &public_key).unwrap()), plaintext);
    }
}

#[test]
fn what_openssl_envelopes_opens_here_and_for_its_recipient_only() {
    let Some(peers) = Peers::find(what_openssl_envelopes_opens_here_and_for_its_recipient_only) else { return };
    let openssl = Openssl::new(&peers);
    let other = RecipientKeyPair::generate().unwrap();
    for len in [1, 15, 16, 17, 32, 4096] {
        let plaintext: Vec<u8> = (0..=255).rev().cycle().take(len).collect();
        let data = EnvelopedData::from_bytes(&openssl.envelop(&plaintext)).unwrap();
        assert_eq!(data.open(&openssl.recipient()).unwrap().as_bytes(), plaintext);
        assert_eq!(data.open(&other), Err(DecryptError));
    }
}
