//! A man in the middle who owns the relay, knows the protocol, has keys of his own and enclaves to talk to: what he
//! tries, and the name of the error that he meets.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
mod session_support;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::*;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, cipher_suite, default_provider, kx_group};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig};
use session_support::tls::*;
use session_support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use vsock_rpc::session::{
    AllowedClients, ClientKey, EvidenceError, ExpectedEvidence, SessionConnector, SessionError, VerifyEvidence,
};
use vsock_rpc::transport::MemoryConnector;
use vsock_rpc::{Listener, Stream};

/// What clients connect to instead of the enclave: each of their streams is given to `play`.
fn in_the_middle<F>(play: impl Fn(Stream) -> F + Send + 'static) -> MemoryConnector
where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut listener, connector) = Listener::memory(64 * 1024);
    tokio::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            tokio::spawn(play(stream));
        }
    });
    connector
}

type ServerEnd = tokio_rustls::server::TlsStream<Stream>;
type ClientEnd = tokio_rustls::client::TlsStream<Stream>;

async fn read_hello(tls: &mut ServerEnd) -> ([u8; 36], [u8; 32]) {
    let mut hello = [0; 36];
    tls.read_exact(&mut hello).await.unwrap();
    (hello, hello[4..].try_into().unwrap())
}

async fn say(tls: &mut ServerEnd, bytes: &[u8]) {
    tls.write_all(bytes).await.unwrap();
    tls.flush().await.unwrap();
}

/// Says hello to an enclave, and returns the head of its answer and its evidence.
async fn ask(tls: &mut ClientEnd, hello: &[u8; 36]) -> ([u8; 2], Vec<u8>) {
    tls.write_all(hello).await.unwrap();
    tls.flush().await.unwrap();
    let mut head = [0; 4];
    tls.read_exact(&mut head).await.unwrap();
    let mut evidence = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
    tls.read_exact(&mut evidence).await.unwrap();
    ([head[0], head[1]], evidence)
}

/// Reads until the peer ends the stream, so that this end is not what ends it.
async fn until_closed(tls: &mut ServerEnd) -> Vec<u8> {
    let mut read = Vec::new();
    // How it ends, by an alert or a cut, is not the question.
    let _ = tls.read_to_end(&mut read).await;
    read
}

/// Carries every stream to `target` as it is.
fn relay_to(target: MemoryConnector) -> MemoryConnector {
    in_the_middle(move |mut stream| {
        let target = target.clone();
        async move {
            let mut target = target.connect().await.unwrap();
            // How it ends is not the question.
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
        }
    })
}

/// Ends the client's session with what `config` shows, asks the genuine enclave over a session of its own with the
/// client's own hello, and hands its evidence on.
fn swap_evidence(enclave: MemoryConnector, config: ServerConfig) -> MemoryConnector {
    swap_evidence_and_read(enclave, config).0
}

/// The same, with what each client then sends.
fn swap_evidence_and_read(
    enclave: MemoryConnector,
    config: ServerConfig,
) -> (MemoryConnector, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (sent, received) = mpsc::unbounded_channel();
    let middle = in_the_middle(move |stream| {
        let (enclave, config, sent) = (enclave.clone(), config.clone(), sent.clone());
        async move {
            let Ok(mut client) = accept(config, stream).await else { return };
            let (hello, _) = read_hello(&mut client).await;
            let mut enclave = connect(plain_client(Shown::own_raw()), enclave.connect().await.unwrap()).await.unwrap();
            let (kind, evidence) = ask(&mut enclave, &hello).await;
            say(&mut client, &answer(kind[0], &evidence)).await;
            // Not every test wants to know.
            let _ = sent.send(until_closed(&mut client).await);
        }
    });
    (middle, received)
}

/// What no client should have for a verifier.
struct Credulous;

impl VerifyEvidence for Credulous {
    fn verify(&self, _: &[u8], _: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
        Ok(())
    }
}

#[tokio::test]
async fn evidence_of_a_genuine_enclave_does_not_serve_another_key() {
    let rig = SessionRig::caching();
    let (middle, mut read) = swap_evidence_and_read(rig.connector.clone(), plain_server(Shown::own_raw()));
    let error = rig.through(middle.clone()).build().connect().await.unwrap_err();
    assert_eq!(rejection(&error), &Rejection::PublicKeyMismatch);
    // Cached evidence is over the key as well.
    let connector = rig.through(middle.clone()).accept_cached_evidence(60 * SECOND).build();
    assert_eq!(rejection(&connector.connect().await.unwrap_err()), &Rejection::PublicKeyMismatch);
    // A client sends no call, and says that it did not.
    let error = client(rig.through(middle.clone()).build()).call::<Add>(&(1, 2), LONG).await.unwrap_err();
    assert_eq!(rejection(cause(&error)), &Rejection::PublicKeyMismatch);
    assert_eq!(rig.enclave.asked(), 3);
    for _ in 0..3 {
        assert_eq!(read.recv().await.unwrap(), b"");
    }
    // The man in the middle would have read it: so he does of a client that verifies nothing.
    let connector = SessionConnector::builder(middle, &rig.client_key, Credulous).build();
    let mut session = connector.connect().await.unwrap();
    session.write_all(b"a call").await.unwrap();
    session.shutdown().await.unwrap();
    assert_eq!(read.recv().await.unwrap(), b"a call");
}

#[tokio::test]
async fn the_genuine_public_key_is_of_no_use_without_its_private_key() {
    let rig = SessionRig::new();
    let (_, own_key) = p256();
    let middle = swap_evidence(rig.connector.clone(), plain_server(Shown::raw(&rig.keys.public_key(), own_key)));
    let error = rig.through(middle).build().connect().await.unwrap_err();
    assert!(matches!(error, SessionError::BadSignature), "{error:?}");
}

#[tokio::test]
async fn a_signature_of_the_genuine_key_over_another_handshake_is_none_over_this_one() {
    let rig = SessionRig::new();
    let listening = Gullible::raw();
    let config = client_config(ONLY_1_3, Shown::own_raw(), listening.clone());
    connect(config, rig.connector.connect().await.unwrap()).await.unwrap();
    let signature = listening.seen.lock().unwrap().take().unwrap();
    let shown = Shown::raw(&rig.keys.public_key(), Arc::new(Parrot(signature)));
    let middle = swap_evidence(rig.connector.clone(), plain_server(shown));
    let error = rig.through(middle).build().connect().await.unwrap_err();
    assert!(matches!(error, SessionError::BadSignature), "{error:?}");
}

#[tokio::test]
async fn a_client_s_signature_does_not_open_a_session_elsewhere() {
    let victim = ClientKey::generate_p256().unwrap();
    let rig = SessionRig::with(AllowedClients::only([victim.identity()]), |sessions| sessions);
    // The client shows its key to whoever answers, and signs that handshake.
    let listening = Gullible::raw();
    let config = server_config(ONLY_1_3, Shown::own_raw(), listening.clone());
    let middle = in_the_middle(move |stream| {
        let config = config.clone();
        async move {
            let mut tls = accept(config, stream).await.unwrap();
            read_hello(&mut tls).await;
        }
    });
    let connector = SessionConnector::builder(middle, &victim, Arc::clone(&rig.verifier)).build();
    assert!(matches!(connector.connect().await, Err(SessionError::Closed)));
    let signature = listening.seen.lock().unwrap().take().unwrap();
    let shown = Shown::raw(victim.public_key(), Arc::new(Parrot(signature)));
    // A client is done with a TLS 1.3 handshake before the server has judged it.
    let _tls = connect(plain_client(shown), rig.connector.connect().await.unwrap()).await.unwrap();
    let failure = rig.failures.next().await;
    assert!(matches!(failure, SessionError::BadSignature), "{failure:?}");
    assert_eq!(rig.enclave.asked(), 0);
}

/// An enclave whose private key the test holds, so that a thief can have it too. What it answers to a hello is up to
/// `evidence`, which is given the nonce of this very session.
fn enclave_with_known_key(
    spki: &[u8],
    key: Arc<dyn SigningKey>,
    evidence: impl Fn([u8; 32]) -> Vec<u8> + Clone + Send + Sync + 'static,
) -> MemoryConnector {
    let config = plain_server(Shown::raw(spki, key));
    in_the_middle(move |stream| {
        let (config, evidence) = (config.clone(), evidence.clone());
        async move {
            let mut tls = accept(config, stream).await.unwrap();
            let (_, nonce) = read_hello(&mut tls).await;
            let nonce = nonce_at_server(&tls, &nonce);
            say(&mut tls, &evidence(nonce)).await;
            until_closed(&mut tls).await;
        }
    })
}

#[tokio::test]
async fn a_thief_of_the_server_s_key_still_has_no_fresh_evidence_for_a_client_s_session() {
    let authority = Authority::new();
    let (spki, key) = p256();
    let sign = {
        let (authority, spki) = (authority.clone(), spki.clone());
        move |nonce: Option<[u8; 32]>| authority.sign(IMAGE, &spki, nonce.as_ref())
    };
    let signed = sign.clone();
    let enclave = enclave_with_known_key(&spki, Arc::clone(&key), move |nonce| answer(1, &signed(Some(nonce))));
    let client_key = ClientKey::generate_p256().unwrap();
    let connector = |to: MemoryConnector| SessionConnector::builder(to, &client_key, authority.verifier());
    // The nonce that the test computes is the one that the crate does: the genuine enclave is accepted.
    connector(enclave.clone()).build().connect().await.unwrap();
    // The thief ends the client's session as the enclave would, and asks the enclave with the client's own nonce.
    let middle = swap_evidence(enclave, plain_server(Shown::raw(&spki, Arc::clone(&key))));
    let error = connector(middle).build().connect().await.unwrap_err();
    assert_eq!(rejection(&error), &Rejection::NonceMismatch);
    // Or shows what the enclave once made for somebody else's session, or for none.
    for recorded in [sign(Some([7; 32])), sign(None)] {
        let thief = enclave_with_known_key(&spki, Arc::clone(&key), move |_| answer(1, &recorded));
        let error = connector(thief).build().connect().await.unwrap_err();
        assert_eq!(rejection(&error), &Rejection::NonceMismatch);
    }
    // Whoever accepts cached evidence has no such protection; the documentation says so.
    let recorded = sign(None);
    let thief = enclave_with_known_key(&spki, key, move |_| answer(2, &recorded));
    connector(thief).accept_cached_evidence(60 * SECOND).build().connect().await.unwrap();
}

#[tokio::test]
async fn another_genuine_enclave_is_recognised() {
    let rig = SessionRig::new();
    let other = SessionRig::under(&rig.authority, OTHER_IMAGE, AllowedClients::any(), |sessions| sessions);
    // A relay that leads there instead changes nothing about it; the same relay may lead to the right one.
    for route in [other.connector.clone(), relay_to(other.connector.clone())] {
        let error = rig.through(route).build().connect().await.unwrap_err();
        assert_eq!(rejection(&error), &Rejection::WrongImage);
    }
    let session = rig.through(relay_to(rig.connector.clone())).build().connect().await.unwrap();
    assert_eq!(session.peer_identity(), rig.keys.identity());
    // Nor does the evidence of the right enclave serve the other one.
    let borrowed = rig.authority.sign(IMAGE, &rig.keys.public_key(), None);
    other.enclave.set(Behaviour::Bytes(borrowed));
    let error = rig.through(other.connector.clone()).build().connect().await.unwrap_err();
    assert_eq!(rejection(&error), &Rejection::PublicKeyMismatch);
    // Another authority is none.
    let stranger = SessionRig::new();
    let error = rig.through(stranger.connector.clone()).build().connect().await.unwrap_err();
    assert_eq!(rejection(&error), &Rejection::BadSignature);
}

/// A server that has a key of its own, and sends this in answer to every hello.
fn answering(bytes: Vec<u8>) -> MemoryConnector {
    let (spki, key) = p256();
    enclave_with_known_key(&spki, key, move |_| bytes.clone())
}

#[tokio::test]
async fn cached_evidence_is_refused_where_fresh_was_asked_for() {
    let rig = SessionRig::new();
    let offered = answer(2, &rig.authority.sign(IMAGE, &rig.keys.public_key(), None));
    let error = rig.through(answering(offered)).build().connect().await.unwrap_err();
    assert!(matches!(error, SessionError::CachedEvidence), "{error:?}");
    assert_eq!(rig.verifier.verified.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn stale_cached_evidence_is_refused() {
    let rig = SessionRig::with(AllowedClients::any(), |sessions| sessions.serve_cached_evidence(1000 * SECOND));
    let connector = rig.through(rig.connector.clone()).accept_cached_evidence(60 * SECOND).build();
    connector.connect().await.unwrap();
    tokio::time::advance(60 * SECOND).await;
    connector.connect().await.unwrap();
    tokio::time::advance(SECOND).await;
    assert_eq!(rejection(&connector.connect().await.unwrap_err()), &Rejection::TooOld);
    // It is the client that judges: with fresh evidence asked for, the same server is accepted.
    rig.connector().connect().await.unwrap();
}

#[tokio::test]
async fn malformed_answers_have_names() {
    let rig = SessionRig::new();
    let is = |expected: fn(&SessionError) -> bool, bytes: &[u8]| {
        let connector = rig.through(answering(bytes.to_vec())).build();
        let bytes = bytes.to_vec();
        async move {
            let error = connector.connect().await.unwrap_err();
            assert!(expected(&error), "{bytes:02x?}: {error:?}");
        }
    };
    is(|error| matches!(error, SessionError::EvidenceEmpty), &[1, 0, 0, 0]).await;
    is(|error| matches!(error, SessionError::EvidenceTooLong { len: 0x4001 }), &[1, 0, 0x40, 1]).await;
    is(|error| matches!(error, SessionError::EvidenceTooLong { len: 0xffff }), &[1, 0, 0xff, 0xff]).await;
    for bytes in [[0, 0, 0, 9], [1, 1, 0, 9], [3, 0, 0, 1], [4, 0, 1, 0], [5, 0, 0, 0], [0xff; 4]] {
        is(|error| matches!(error, SessionError::MalformedAnswer), &bytes).await;
    }
    is(|error| matches!(error, SessionError::EvidenceUnavailable), &[4, 0, 0, 0]).await;
    is(|error| matches!(error, SessionError::ClientKeyNotAllowed { .. }), &[3, 0, 0, 0]).await;
    let longest = answer(1, &[0x5a; 16 * 1024]);
    is(|error| *rejection(error) == Rejection::BadSignature, &longest).await;
}

#[tokio::test]
async fn evidence_that_ends_early_is_no_evidence() {
    let rig = SessionRig::new();
    let config = plain_server(Shown::own_raw());
    let middle = in_the_middle(move |stream| {
        let config = config.clone();
        async move {
            let mut tls = accept(config, stream).await.unwrap();
            read_hello(&mut tls).await;
            say(&mut tls, &[1, 0, 0, 100, 1, 2, 3]).await;
            tls.shutdown().await.unwrap();
        }
    });
    let error = rig.through(middle).build().connect().await.unwrap_err();
    assert!(matches!(error, SessionError::Closed), "{error:?}");
}

/// What a client of this crate meets at a server with this TLS.
async fn client_meets(config: ServerConfig) -> SessionError {
    let rig = SessionRig::new();
    let middle = in_the_middle(move |stream| {
        let config = config.clone();
        async move {
            if let Ok(mut tls) = accept(config, stream).await {
                until_closed(&mut tls).await;
            }
        }
    });
    rig.through(middle).build().connect().await.unwrap_err()
}

/// What a server of this crate reports of a client with this TLS, which says a proper hello.
async fn server_meets(config: ClientConfig) -> SessionError {
    let rig = SessionRig::new();
    if let Ok(mut tls) = connect(config, rig.connector.connect().await.unwrap()).await {
        // The server may have closed the stream by now.
        let _ = tls.write_all(&hello(1, [7; 32])).await;
        let _ = tls.flush().await;
        assert_eq!(tls.read(&mut [0; 1]).await.unwrap_or(0), 0, "no answer");
    }
    let failure = rig.failures.next().await;
    assert_eq!(rig.enclave.asked(), 0);
    assert_eq!(client_still_served(&rig).await, 42);
    failure
}

async fn client_still_served(rig: &SessionRig) -> u32 {
    rig.client().call::<Add>(&(20, 22), LONG).await.unwrap()
}

#[tokio::test]
async fn tls_1_2_is_not_spoken() {
    let shown = || Shown { raw: false, ..Shown::x509() };
    let gullible = || Gullible { raw: false, ..Gullible::raw() };
    let error = client_meets(server_config(ONLY_1_2, shown(), gullible())).await;
    assert!(matches!(error, SessionError::Alert { name: "ProtocolVersion", .. }), "{error:?}");
    let error = server_meets(client_config(ONLY_1_2, shown(), gullible())).await;
    assert!(matches!(error, SessionError::UnsupportedVersion), "{error:?}");
}

/// A relay cannot talk the ends down: a ServerHello that chooses TLS 1.2, which the client did not offer.
#[tokio::test]
async fn a_server_that_answers_with_tls_1_2_is_refused() {
    let middle = in_the_middle(|mut stream| async move {
        let mut client_hello = [0; 5];
        stream.read_exact(&mut client_hello).await.unwrap();
        let mut body = vec![0; usize::from(u16::from_be_bytes([client_hello[3], client_hello[4]]))];
        stream.read_exact(&mut body).await.unwrap();
        // Version 3.3, a random, no session id, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, no compression, no extensions.
        let server_hello = [&[3, 3][..], &[9; 32], &[0, 0xc0, 0x2c, 0, 0, 0]].concat();
        let handshake = [&[2, 0, 0, u8::try_from(server_hello.len()).unwrap()][..], &server_hello].concat();
        let record = [&[22, 3, 3, 0, u8::try_from(handshake.len()).unwrap()][..], &handshake].concat();
        stream.write_all(&record).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let error = SessionRig::new().through(middle).build().connect().await.unwrap_err();
    assert!(matches!(error, SessionError::UnsupportedVersion), "{error:?}");
}

#[tokio::test]
async fn x509_is_not_accepted_instead_of_a_raw_key() {
    // The server has certificates, and does not take raw keys.
    let x509 = Gullible { raw: false, ..Gullible::raw() };
    let error = client_meets(server_config(ONLY_1_3, Shown::x509(), x509.clone())).await;
    assert!(matches!(error, SessionError::Alert { .. } | SessionError::Closed), "{error:?}");
    // It agrees to a raw key, and shows a certificate.
    let error = client_meets(plain_server(Shown::x509().said_to_be_raw())).await;
    assert!(matches!(error, SessionError::UnsupportedKey), "{error:?}");
    let error = server_meets(client_config(ONLY_1_3, Shown::x509(), x509)).await;
    assert!(matches!(error, SessionError::RawKeyRequired), "{error:?}");
    let error = server_meets(client_config(ONLY_1_3, Shown::x509(), Gullible::raw())).await;
    assert!(matches!(error, SessionError::RawKeyRequired), "{error:?}");
    let error = server_meets(plain_client(Shown::x509().said_to_be_raw())).await;
    assert!(matches!(error, SessionError::UnsupportedKey), "{error:?}");
}

#[tokio::test]
async fn a_client_without_a_key_is_refused() {
    let error = server_meets(plain_client(Shown::nothing())).await;
    assert!(matches!(error, SessionError::NoPeerKey), "{error:?}");
}

/// Says that it shows a raw key, and shows these, signing with the first.
fn showing(keys: &[&[u8]], key: Arc<dyn SigningKey>) -> Shown {
    let shown = keys.iter().map(|spki| CertificateDer::from(spki.to_vec())).collect();
    Shown { key: Some(Arc::new(CertifiedKey::new(shown, key))), raw: true }
}

#[tokio::test]
async fn keys_of_other_kinds_and_forms_are_refused() {
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = (rcgen::PublicKeyData::subject_public_key_info(&p384), signing_key(p384.serialized_der()));
    let error = server_meets(plain_client(Shown::raw(&p384.0, p384.1))).await;
    assert!(matches!(error, SessionError::NoPeerKey), "it can sign by no scheme that is asked for: {error:?}");
    let (spki, key) = p256();
    let error = server_meets(plain_client(Shown::raw(&p384.0, Arc::clone(&key)))).await;
    assert!(matches!(error, SessionError::UnsupportedKey), "{error:?}");
    // One key and a second one.
    let error = server_meets(plain_client(showing(&[&spki, &spki], Arc::clone(&key)))).await;
    assert!(matches!(error, SessionError::UnsupportedKey), "{error:?}");
    // The same key, with its length in the long form that DER forbids.
    let long = [&[0x30, 0x81, 0x59][..], &spki[2..]].concat();
    let error = server_meets(plain_client(Shown::raw(&long, Arc::clone(&key)))).await;
    assert!(matches!(error, SessionError::UnsupportedKey), "{error:?}");
    // A point that is not on the curve.
    let mut off_curve = spki.clone();
    off_curve[90] ^= 1;
    let error = server_meets(plain_client(Shown::raw(&off_curve, key))).await;
    assert!(matches!(error, SessionError::BadSignature), "{error:?}");
    // A server's key is P-256. It cannot sign by ed25519, and calling an ed25519 key its own helps nothing.
    let ed25519 = ClientKey::generate_ed25519().unwrap();
    let (_, key) = p256();
    let error = client_meets(plain_server(Shown::raw(ed25519.public_key(), key))).await;
    assert!(matches!(error, SessionError::UnsupportedKey), "{error:?}");
    // A client's ed25519 key is not proved by a P-256 signature.
    let (_, key) = p256();
    let error = server_meets(plain_client(Shown::raw(ed25519.public_key(), key))).await;
    assert!(matches!(error, SessionError::BadSignature), "{error:?}");
}

#[tokio::test]
async fn another_protocol_inside_tls_is_refused() {
    for protocols in [vec![], vec![b"http/1.1".to_vec()], vec![b"vsock-rpc/2".to_vec()]] {
        let mut config = plain_client(Shown::own_raw());
        config.alpn_protocols = protocols.clone();
        let error = server_meets(config).await;
        assert!(matches!(error, SessionError::OtherProtocol), "{protocols:?}: {error:?}");
        let mut config = plain_server(Shown::own_raw());
        config.alpn_protocols = protocols.clone();
        let error = client_meets(config).await;
        let gave_up = matches!(error, SessionError::Alert { .. } | SessionError::Closed) && !protocols.is_empty();
        assert!(gave_up || matches!(error, SessionError::OtherProtocol), "{protocols:?}: {error:?}");
    }
}

#[tokio::test]
async fn there_is_one_cipher_suite_and_one_group() {
    let only = |suites: &[_], groups: &[_]| {
        let provider = rustls::crypto::CryptoProvider {
            cipher_suites: suites.to_vec(),
            kx_groups: groups.to_vec(),
            ..default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(ONLY_1_3)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Gullible::raw()))
            .with_client_cert_resolver(Arc::new(Shown::own_raw()));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config
    };
    for suite in [cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256] {
        let error = server_meets(only(&[suite], &[kx_group::X25519MLKEM768])).await;
        assert!(error.to_string().contains("NoCipherSuitesInCommon"), "{error}");
    }
    for group in [kx_group::X25519, kx_group::SECP256R1, kx_group::MLKEM768] {
        let error = server_meets(only(ALL_CIPHER_SUITES, &[group])).await;
        assert!(error.to_string().contains("NoKxGroupsInCommon"), "{error}");
    }
}

/// A server of tickets under the same name, whose key is its own.
async fn ticket_from_elsewhere(config: &Arc<ClientConfig>) {
    let (mut listener, connector) = Listener::memory(64 * 1024);
    let mut generous = plain_server(Shown::own_raw());
    generous.max_early_data_size = u32::MAX;
    let serving = tokio::spawn(async move {
        let mut tls = accept(generous, listener.accept().await.unwrap()).await.unwrap();
        say(&mut tls, b"!").await;
        until_closed(&mut tls).await;
    });
    let mut tls = connect((**config).clone(), connector.connect().await.unwrap()).await.unwrap();
    tls.read_exact(&mut [0; 1]).await.unwrap();
    drop(tls);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_ticket_and_early_data_open_no_session() {
    let rig = SessionRig::new();
    let mut config = plain_client(Shown::own_raw());
    config.enable_early_data = true;
    config.resumption = Resumption::in_memory_sessions(8);
    let config = Arc::new(config);
    ticket_from_elsewhere(&config).await;
    let name = ServerName::try_from("enclave.test").unwrap();
    let mut tls = ClientConnection::new(Arc::clone(&config), name).unwrap();
    let early = [&hello(1, [7; 32])[..], &request_bytes(1, "add", (20, 22))].concat();
    let written = std::io::Write::write(&mut tls.early_data().expect("it has a ticket"), &early).unwrap();
    assert_eq!(written, early.len());
    let mut stream = rig.connector.connect().await.unwrap();
    while tls.is_handshaking() {
        let mut bytes = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut bytes).unwrap();
        }
        stream.write_all(&bytes).await.unwrap();
        bytes.clear();
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            break;
        }
        tls.read_tls(&mut bytes.as_slice()).unwrap();
        tls.process_new_packets().unwrap();
    }
    assert!(!tls.is_early_data_accepted());
    assert_eq!(tls.handshake_kind(), Some(HandshakeKind::Full));
    // What was sent early is not read as a hello, nor as a request.
    drop(stream);
    assert!(matches!(rig.failures.next().await, SessionError::Closed));
    assert_eq!((rig.enclave.asked(), rig.state.calls.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn no_session_is_resumed() {
    let rig = SessionRig::new();
    // A client that would: the server gives it no ticket, though it asks for some.
    let mut config = plain_client(Shown::own_raw());
    config.resumption = Resumption::in_memory_sessions(8);
    config.send_ticket_request = Some(rustls::client::TicketRequest { new_session_count: 4, resumption_count: 4 });
    for _ in 0..2 {
        let mut tls = connect(config.clone(), rig.connector.connect().await.unwrap()).await.unwrap();
        let (kind, evidence) = ask(&mut tls, &hello(1, [7; 32])).await;
        assert_eq!((kind, evidence.is_empty()), ([1, 0], false));
        let connection = tls.get_ref().1;
        assert_eq!((connection.handshake_kind(), connection.tls13_tickets_received()), (Some(HandshakeKind::Full), 0));
    }
    // A server that would: our client keeps none of its tickets.
    let (spki, key) = p256();
    let (kinds, mut kind) = tokio::sync::mpsc::unbounded_channel();
    let (authority, config) = (rig.authority.clone(), plain_server(Shown::raw(&spki, key)));
    let generous = in_the_middle(move |stream| {
        let (config, authority, spki, kinds) = (config.clone(), authority.clone(), spki.clone(), kinds.clone());
        async move {
            let mut tls = accept(config, stream).await.unwrap();
            kinds.send(tls.get_ref().1.handshake_kind()).unwrap();
            let (_, nonce) = read_hello(&mut tls).await;
            let nonce = nonce_at_server(&tls, &nonce);
            say(&mut tls, &answer(1, &authority.sign(IMAGE, &spki, Some(&nonce)))).await;
            until_closed(&mut tls).await;
        }
    });
    let connector = rig.through(generous).build();
    for _ in 0..3 {
        connector.connect().await.unwrap();
        assert_eq!(kind.recv().await.unwrap(), Some(HandshakeKind::Full));
    }
}
