//! rustls in the hands of an attacker, or of somebody who got it wrong: any key, any verifier, any version.

use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ResolvesClientCert};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{ALL_KX_GROUPS, default_provider, kx_group, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureAlgorithm, SignatureScheme, SupportedProtocolVersion,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use vsock_rpc::Stream;

use super::session_nonce;

pub(crate) const ALPN: &[u8] = b"vsock-rpc/1";
const EXPORTER_LABEL: &[u8] = b"EXPERIMENTAL vsock-rpc/1 session";

/// A P-256 key whose private half is at hand, and its SubjectPublicKeyInfo.
pub(crate) fn p256() -> (Vec<u8>, Arc<dyn SigningKey>) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    let spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
    (spki, signing_key(pkcs8.as_ref()))
}

pub(crate) fn signing_key(pkcs8: &[u8]) -> Arc<dyn SigningKey> {
    any_supported_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()))).unwrap()
}

/// Shows whatever it likes, and signs with whatever it has.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) key: Option<Arc<CertifiedKey>>,
    pub(crate) raw: bool,
}

impl Shown {
    /// A raw public key, and a private key that need not belong to it.
    pub(crate) fn raw(spki: &[u8], key: Arc<dyn SigningKey>) -> Self {
        let shown = vec![CertificateDer::from(spki.to_vec())];
        Self { key: Some(Arc::new(CertifiedKey::new(shown, key))), raw: true }
    }

    pub(crate) fn own_raw() -> Self {
        let (spki, key) = p256();
        Self::raw(&spki, key)
    }

    pub(crate) fn nothing() -> Self {
        Self { key: None, raw: true }
    }

    pub(crate) fn x509() -> Self {
        let made = rcgen::generate_simple_self_signed(["enclave.test".to_owned()]).unwrap();
        let key = signing_key(made.signing_key.serialized_der());
        Self { key: Some(Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key))), raw: false }
    }

    /// Says that it shows a raw key, whatever it shows.
    pub(crate) fn said_to_be_raw(self) -> Self {
        Self { raw: true, ..self }
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.key.clone()
    }

    fn only_raw_public_keys(&self) -> bool {
        self.raw
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.key.clone()
    }

    fn only_raw_public_keys(&self) -> bool {
        self.raw
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

/// Accepts everything, and remembers the last signature that it was to verify.
#[derive(Clone, Debug)]
pub(crate) struct Gullible {
    pub(crate) raw: bool,
    pub(crate) asks_for_client_key: bool,
    pub(crate) seen: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Gullible {
    pub(crate) fn raw() -> Self {
        Self { raw: true, asks_for_client_key: true, seen: Arc::default() }
    }
}

macro_rules! accept_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            *self.seen.lock().unwrap() = Some(signature.signature().to_vec());
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            default_provider().signature_verification_algorithms.supported_schemes()
        }

        fn requires_raw_public_keys(&self) -> bool {
            self.raw
        }
    };
}

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    accept_signatures!();
}

impl ClientCertVerifier for Gullible {
    fn offer_client_auth(&self) -> bool {
        self.asks_for_client_key
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    accept_signatures!();
}

/// Signs with bytes that somebody else made.
#[derive(Debug)]
pub(crate) struct Parrot(pub(crate) Vec<u8>);

impl SigningKey for Parrot {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Self(self.0.clone())))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Parrot {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.clone())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// Everything there is, the group that servers want first.
fn provider() -> CryptoProvider {
    let others = ALL_KX_GROUPS.iter().filter(|group| group.name() != kx_group::X25519MLKEM768.name());
    let kx_groups = [kx_group::X25519MLKEM768].into_iter().chain(others.copied()).collect();
    CryptoProvider { kx_groups, ..default_provider() }
}

pub(crate) const ONLY_1_2: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
pub(crate) const ONLY_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

pub(crate) fn client_config(
    versions: &[&'static SupportedProtocolVersion],
    shown: Shown,
    gullible: Gullible,
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(gullible))
        .with_client_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

pub(crate) fn server_config(
    versions: &[&'static SupportedProtocolVersion],
    shown: Shown,
    gullible: Gullible,
) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(Arc::new(gullible))
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

/// What an honest client's TLS does, with a key that the test chooses.
pub(crate) fn plain_client(shown: Shown) -> ClientConfig {
    client_config(ONLY_1_3, shown, Gullible::raw())
}

/// What an honest server's TLS does, with a key that the test chooses.
pub(crate) fn plain_server(shown: Shown) -> ServerConfig {
    server_config(ONLY_1_3, shown, Gullible::raw())
}

pub(crate) async fn connect(config: ClientConfig, stream: Stream) -> std::io::Result<client::TlsStream<Stream>> {
    let name = ServerName::try_from("enclave.test").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

pub(crate) async fn accept(config: ServerConfig, stream: Stream) -> std::io::Result<server::TlsStream<Stream>> {
    TlsAcceptor::from(Arc::new(config)).accept(stream).await
}

/// The nonce that evidence for the server's end of this connection contains.
pub(crate) fn nonce_at_server(tls: &server::TlsStream<Stream>, nonce: &[u8; 32]) -> [u8; 32] {
    let exported = tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, Some(nonce)).unwrap();
    session_nonce(&exported, nonce)
}

/// The nonce that evidence for the client's end of this connection contains.
pub(crate) fn nonce_at_client(tls: &client::TlsStream<Stream>, nonce: &[u8; 32]) -> [u8; 32] {
    let exported = tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, Some(nonce)).unwrap();
    session_nonce(&exported, nonce)
}
