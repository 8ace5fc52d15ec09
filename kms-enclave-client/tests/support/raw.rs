//! Requests made by hand, and replies as they arrive.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use kms_enclave_client::sim::KmsSimulator;
use nsm_attest::UnixTime;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{ADMINISTRATOR_KEY, REGION, SECRET, start_of_time};

pub(crate) const HOST: &str = "kms.eu-west-1.amazonaws.com";

/// A reply with its headers in the order in which they came.
#[derive(Debug)]
pub(crate) struct RawReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl RawReply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The names of the JSON object's members, in the order in which they came.
    pub(crate) fn members(&self) -> Vec<String> {
        struct Names(Vec<String>);
        impl<'de> serde::Deserialize<'de> for Names {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = Names;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                        let mut names = Vec::new();
                        while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                            names.push(name);
                        }
                        Ok(Names(names))
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
        serde_json::from_str::<Names>(&self.text).unwrap().0
    }
}

pub(crate) async fn connect(kms: &KmsSimulator) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(kms.tls_root_der())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(kms.local_addr()).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(HOST).unwrap(), stream).await.unwrap()
}

/// Sends bytes on a connection of their own and reads one reply.
pub(crate) async fn exchange(kms: &KmsSimulator, bytes: &[u8]) -> RawReply {
    let mut stream = connect(kms).await;
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
    read_reply(&mut stream).await.expect("a whole reply")
}

/// Reads to the end of one reply with a content length; what came of it if the connection ended before.
pub(crate) async fn read_reply(stream: &mut TlsStream<TcpStream>) -> Result<RawReply, Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let mut lines = head.lines();
            let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            let headers: Vec<(String, String)> = lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let len = headers.iter().find(|(name, _)| name == "content-length");
            let len = len.map_or(0, |(_, len)| len.parse::<usize>().unwrap());
            if bytes.len() >= end + 4 + len {
                let text = String::from_utf8(bytes.split_off(end + 4)).unwrap();
                return Ok(RawReply { status, headers, text });
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return Err(bytes);
        }
    }
}

/// A request that can be changed after it was signed.
pub(crate) struct Signed {
    pub(crate) request_line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Signed {
    pub(crate) fn new(action: &str, body: &Value) -> Self {
        Self::with(&format!("TrentService.{action}"), body.to_string().into_bytes(), REGION, "kms", HOST)
    }

    pub(crate) fn with(target: &str, body: Vec<u8>, region: &str, service: &str, host: &str) -> Self {
        let sent = [("host", host), ("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        Self::signing(&sent, body, region, service)
    }

    pub(crate) fn signing(sent: &[(&str, &str)], body: Vec<u8>, region: &str, service: &str) -> Self {
        Self::signing_at(start_of_time(), sent, body, region, service)
    }

    /// The same request by the principal that has this access key id and no session token.
    pub(crate) fn by(access_key: &str, action: &str, body: &Value) -> Self {
        let target = format!("TrentService.{action}");
        let sent = [("host", HOST), ("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
        Self::signing_by(access_key, start_of_time(), &sent, body.to_string().into_bytes(), REGION, "kms")
    }

    pub(crate) fn signing_at(
        time: UnixTime,
        sent: &[(&str, &str)],
        body: Vec<u8>,
        region: &str,
        service: &str,
    ) -> Self {
        Self::signing_by(ADMINISTRATOR_KEY, time, sent, body, region, service)
    }

    fn signing_by(
        access_key: &str,
        time: UnixTime,
        sent: &[(&str, &str)],
        body: Vec<u8>,
        region: &str,
        service: &str,
    ) -> Self {
        let identity = aws_credential_types::Credentials::new(access_key, SECRET, None, None, "tests").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(UNIX_EPOCH + Duration::from_millis(time.as_millis()))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let uri = format!("https://{}/", sent[0].1);
        let signable = SignableRequest::new("POST", uri, sent.iter().copied(), SignableBody::Bytes(&body)).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let mut headers: Vec<(String, String)> =
            sent.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        headers.extend(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self { request_line: "POST / HTTP/1.1".to_owned(), headers, body }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.request_line);
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\ncontent-length: {}\r\n", self.request_line, self.body.len());
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        [text.as_bytes(), b"\r\n", &self.body].concat()
    }
}
