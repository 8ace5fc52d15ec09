//! TLS as sessions use it: 1.3 only, raw public keys on both sides, nothing resumed, nothing to negotiate.

use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::compress::CompressionCache;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName, PeerMisbehaved,
    ServerConfig, SignatureScheme,
};

use super::key_pair::KeyPair;
use super::spki::KeyKind;
use super::{ALPN, SessionError};

/// What all sessions of a server have in common; `resolver` is the key of the moment.
pub(super) fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_details(Arc::clone(&PROVIDER), Arc::new(NoTime))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has a TLS 1.3 cipher suite and a group")
        .with_client_cert_verifier(Arc::new(RawKeyVerifier))
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.cert_compression_cache = Arc::new(CompressionCache::Disabled);
    config.cert_compressors = Vec::new();
    config.cert_decompressors = Vec::new();
    config.max_early_data_size = 0;
    config.max_tls13_tickets = 0;
    config.send_half_rtt_data = false;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

pub(super) fn client_config(key: &KeyPair) -> ClientConfig {
    let mut config = ClientConfig::builder_with_details(Arc::clone(&PROVIDER), Arc::new(NoTime))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has a TLS 1.3 cipher suite and a group")
        .dangerous() // The verifier below leaves out names and chains, which raw keys do not have; no signature.
        .with_custom_certificate_verifier(Arc::new(RawKeyVerifier))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key.certified())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.cert_compression_cache = Arc::new(CompressionCache::Disabled);
    config.cert_compressors = Vec::new();
    config.cert_decompressors = Vec::new();
    config.enable_early_data = false;
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    config
}

/// rustls wants a name. None is sent, and none is compared: the evidence says who the server is.
pub(super) fn no_name() -> ServerName<'static> {
    ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into())
}

/// The public key of the peer at the other end of a finished handshake, if it agreed to this protocol.
pub(super) fn peer_key(connection: &CommonState) -> Result<Arc<[u8]>, SessionError> {
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(SessionError::OtherProtocol);
    }
    let keys = connection.peer_certificates().unwrap_or_default();
    keys.first().map(|key| Arc::from(key.as_ref())).ok_or(SessionError::NoPeerKey)
}

/// One cipher suite and one group, so that there is nothing to be downgraded.
///
/// AES-256-GCM has hardware where enclaves run. X25519 with ML-KEM-768, because the relay can keep what it carries,
/// keys being imported among it, until a quantum computer opens plain X25519.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    })
});

/// Accepts any raw key of a kind in use, and every handshake that the key signed. Who the key belongs to is settled
/// after the handshake: a server's by its evidence, a client's by [`AllowedClients`](super::AllowedClients). There an
/// answer about a client's key reaches only who holds it.
#[derive(Debug)]
struct RawKeyVerifier;

impl ServerCertVerifier for RawKeyVerifier {
    fn verify_server_cert(
        &self,
        raw_key: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match KeyKind::of_spki(raw_key) {
            Some(KeyKind::P256) if more.is_empty() => Ok(ServerCertVerified::assertion()),
            _ => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _raw_key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        raw_key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(message, raw_key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![KeyKind::P256.scheme()]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeyVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        raw_key: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match KeyKind::of_spki(raw_key) {
            Some(_) if more.is_empty() => Ok(ClientCertVerified::assertion()),
            _ => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _raw_key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        raw_key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(message, raw_key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![KeyKind::Ed25519.scheme(), KeyKind::P256.scheme()]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Checks a CertificateVerify, by the one scheme that the key's kind has.
fn verify_signature(
    message: &[u8],
    raw_key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let kind = KeyKind::of_spki(raw_key).ok_or(CertificateError::BadEncoding)?;
    if signature.scheme != kind.scheme() {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let spki = SubjectPublicKeyInfoDer::from(raw_key.as_ref());
    verify_tls13_signature_with_raw_key(message, &spki, signature, &PROVIDER.signature_verification_algorithms)
}

fn no_tls12() -> rustls::Error {
    rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into()
}

/// Nothing in these handshakes depends on the time, which a parent instance could set.
#[derive(Debug)]
struct NoTime;

impl TimeProvider for NoTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::ZERO))
    }
}
