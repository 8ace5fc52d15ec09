use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{KeyPair, PublicKeyData};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::attested::Failure;

/// TLS 1.3 by tokio-rustls with a raw P-256 key on either side, the cipher suite and the group of a session, no tickets.
pub struct BareTls {
    path: PathBuf,
    connector: TlsConnector,
}

impl BareTls {
    /// Serves at `path` until the runtime of the caller ends.
    ///
    /// # Errors
    /// If a key cannot be made, or the socket not be bound.
    pub fn start(path: PathBuf) -> Result<Self, Failure> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
            kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
            ..aws_lc_rs::default_provider()
        });
        let (server_key, client_key) = (raw_key()?, raw_key()?);
        let expect =
            |key: &CertifiedKey| Arc::new(Expected { key: key.cert[0].clone(), provider: Arc::clone(&provider) });
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(expect(&client_key))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&server_key))));
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous() // There is one key to be expected, and no name.
            .with_custom_certificate_verifier(expect(&server_key))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(client_key)));
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        let listener = UnixListener::bind(&path)?;
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(server))));
        Ok(Self { path, connector: TlsConnector::from(Arc::new(client)) })
    }

    /// Connects, and waits for a byte, which says that the server has verified the client's key too.
    ///
    /// # Errors
    /// If either key is not accepted, or the connection ends.
    pub async fn shake_hands(&self) -> Result<(), Failure> {
        let stream = UnixStream::connect(&self.path).await?;
        let mut tls = self.connector.connect(ServerName::try_from("bare")?, stream).await?;
        if tls.read_u8().await? == ACCEPTED { Ok(()) } else { Err("another byte".into()) }
    }
}

impl std::fmt::Debug for BareTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BareTls").field("path", &self.path).finish_non_exhaustive()
    }
}

async fn accept(listener: UnixListener, tls: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let tls = tls.clone();
        tokio::spawn(async move {
            let mut stream = tls.accept(stream).await?;
            stream.write_u8(ACCEPTED).await?;
            stream.flush().await?;
            // Until the client leaves.
            stream.read_u8().await?;
            Ok::<_, io::Error>(())
        });
    }
}

fn raw_key() -> Result<Arc<CertifiedKey>, Failure> {
    let key = KeyPair::generate()?;
    let public = CertificateDer::from(key.subject_public_key_info());
    let private = aws_lc_rs::sign::any_supported_type(&PrivateKeyDer::try_from(key.serialize_der())?)?;
    Ok(Arc::new(CertifiedKey::new(vec![public], private)))
}

/// Accepts one raw key.
#[derive(Debug)]
struct Expected {
    key: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl Expected {
    fn compare(&self, key: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        if *key == self.key { Ok(()) } else { Err(CertificateError::UnknownIssuer.into()) }
    }
}

/// What both traits ask for alike.
macro_rules! verify_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Err(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            let (key, algorithms) =
                (SubjectPublicKeyInfoDer::from(&**key), &self.provider.signature_verification_algorithms);
            verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ECDSA_NISTP256_SHA256]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.compare(key).map(|()| ServerCertVerified::assertion())
    }

    verify_signatures!();
}

impl ClientCertVerifier for Expected {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.compare(key).map(|()| ClientCertVerified::assertion())
    }

    verify_signatures!();
}

/// What the server says after the handshake.
const ACCEPTED: u8 = 1;
