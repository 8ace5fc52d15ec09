//! Bytes over TLS, for requests that no HTTP client would send.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{TestTls, in_time};

pub struct RawConnection(TlsStream<TcpStream>);

impl RawConnection {
    pub async fn open(tls: &TestTls, addr: SocketAddr) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(tls.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(addr).await.unwrap();
        let name = "localhost".try_into().unwrap();
        Self(TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap())
    }

    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// What arrives until the server closes the connection; a reset counts as a close.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = async {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = self.0.read(&mut buffer).await {
                bytes.extend_from_slice(&buffer[..len]);
            }
        };
        in_time("the server closes the connection", read).await;
        String::from_utf8(bytes).unwrap()
    }

    /// The first bytes of an answer, up to the end of its head.
    pub async fn read_head(&mut self) -> String {
        let mut head = String::new();
        in_time("the head has arrived", async {
            while !head.ends_with("\r\n\r\n") {
                head.push(self.0.read_u8().await.unwrap().into());
            }
        })
        .await;
        head
    }
}
