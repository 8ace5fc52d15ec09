//! [`Endpoint`]: under which name KMS must prove itself, and is addressed.

use std::net::{IpAddr, Ipv6Addr};

use rustls::pki_types::ServerName;

use crate::key_arn::is_region;

/// A name of KMS: the one that its certificate must bear, that the `Host` header says and that the signature covers.
///
/// It does not say where bytes go: that is the [`Transport`](crate::Transport)'s affair. Whatever the name, the
/// certificate must be under the client's roots, so another endpoint is not another trust.
///
/// ```
/// use kms_enclave_client::Endpoint;
///
/// assert_eq!(Endpoint::regional("eu-west-1")?.authority(), "kms.eu-west-1.amazonaws.com");
/// assert_eq!(Endpoint::fips("us-gov-west-1")?.authority(), "kms-fips.us-gov-west-1.amazonaws.com");
/// // An interface endpoint in a VPC.
/// let private = Endpoint::custom("vpce-0123-abcd.kms.eu-west-1.vpce.amazonaws.com", 443)?;
/// assert_eq!(private.region(), None);
/// # Ok::<(), kms_enclave_client::InvalidEndpoint>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    server_name: ServerName<'static>,
    authority: String,
    region: Option<String>,
}

impl Endpoint {
    /// The public endpoint of a region's KMS: the client's default.
    ///
    /// # Errors
    /// [`InvalidEndpoint::BadRegion`].
    pub fn regional(region: &str) -> Result<Self, InvalidEndpoint> {
        Self::of_region("kms", region)
    }

    /// The endpoint of a region's KMS whose TLS ends in a module validated under FIPS 140.
    ///
    /// # Errors
    /// [`InvalidEndpoint::BadRegion`], and [`InvalidEndpoint::NoFips`] for regions in China.
    pub fn fips(region: &str) -> Result<Self, InvalidEndpoint> {
        if region.starts_with(CHINA) {
            return Err(InvalidEndpoint::NoFips);
        }
        Self::of_region("kms-fips", region)
    }

    /// Any name or address, for interface endpoints of a VPC, and for whatever speaks KMS's protocol on one machine.
    ///
    /// # Errors
    /// [`InvalidEndpoint::BadHost`] if `host` is neither a DNS name nor an IP address, [`InvalidEndpoint::BadPort`] if
    /// `port` is zero.
    pub fn custom(host: &str, port: u16) -> Result<Self, InvalidEndpoint> {
        if port == 0 {
            return Err(InvalidEndpoint::BadPort);
        }
        Self::named(&host.to_ascii_lowercase(), port)
    }

    /// What the `Host` header says: the name, and the port unless it is 443.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The region, unless the endpoint is [`custom`](Self::custom).
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    pub(crate) fn server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }

    fn of_region(service: &str, region: &str) -> Result<Self, InvalidEndpoint> {
        if !is_region(region) {
            return Err(InvalidEndpoint::BadRegion);
        }
        let named = Self::named(&host(service, region), HTTPS)?;
        Ok(Self { region: Some(region.to_owned()), ..named })
    }

    fn named(host: &str, port: u16) -> Result<Self, InvalidEndpoint> {
        let server_name = ServerName::try_from(host).map_err(|_| InvalidEndpoint::BadHost)?.to_owned();
        // The name of a certificate never ends in the dot that makes a DNS name absolute.
        if host.ends_with('.') {
            return Err(InvalidEndpoint::BadHost);
        }
        let host = match &server_name {
            ServerName::IpAddress(address) => match IpAddr::from(*address) {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => bracketed(address),
            },
            _ => host.to_owned(),
        };
        let authority = if port == HTTPS { host } else { format!("{host}:{port}") };
        Ok(Self { server_name, authority, region: None })
    }
}

fn host(service: &str, region: &str) -> String {
    let suffix = if region.starts_with(CHINA) { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("{service}.{region}.{suffix}")
}

fn bracketed(address: Ipv6Addr) -> String {
    format!("[{address}]")
}

/// Why there is no such endpoint.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// The host is neither a DNS name nor an IP address.
    #[error("the endpoint's host must be a DNS name or an IP address")]
    BadHost,
    /// There is no port 0.
    #[error("the endpoint's port must not be zero")]
    BadPort,
    /// The region does not look like one.
    #[error("the region must look like `eu-west-1`")]
    BadRegion,
    /// KMS has no FIPS endpoints in China.
    #[error("KMS has no FIPS endpoint in this region")]
    NoFips,
}

const CHINA: &str = "cn-";
const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_endpoint_of_each_partition() {
        let authority = |region: &str| Endpoint::regional(region).unwrap().authority().to_owned();
        assert_eq!(authority("eu-west-1"), "kms.eu-west-1.amazonaws.com");
        assert_eq!(authority("us-gov-west-1"), "kms.us-gov-west-1.amazonaws.com");
        assert_eq!(authority("cn-north-1"), "kms.cn-north-1.amazonaws.com.cn");
        assert_eq!(Endpoint::fips("us-east-1").unwrap().authority(), "kms-fips.us-east-1.amazonaws.com");
        assert_eq!(Endpoint::fips("us-east-1").unwrap().region(), Some("us-east-1"));
        assert_eq!(Endpoint::fips("cn-north-1"), Err(InvalidEndpoint::NoFips));
    }

    #[test]
    fn the_port_is_said_unless_it_is_that_of_https() {
        for (host, port, authority) in [
            ("KMS.Example.Internal", 443, "kms.example.internal"),
            ("localhost", 4566, "localhost:4566"),
            ("127.0.0.1", 443, "127.0.0.1"),
            ("127.0.0.1", 4566, "127.0.0.1:4566"),
            ("::1", 443, "[::1]"),
            ("0:0::1", 4566, "[::1]:4566"),
        ] {
            assert_eq!(Endpoint::custom(host, port).unwrap().authority(), authority);
        }
    }

    #[test]
    fn refuses_what_is_no_name() {
        for host in
            ["", ".", "kms.example.", "a b", "a/b", "a:80", "user@host", "[::1]", "kms\r\nx: y", &"a".repeat(300)]
        {
            assert_eq!(Endpoint::custom(host, 443), Err(InvalidEndpoint::BadHost), "{host}");
        }
        assert_eq!(Endpoint::custom("localhost", 0), Err(InvalidEndpoint::BadPort));
        for region in ["", "europe", "eu-west-1.evil.example", "eu-west-1/"] {
            assert_eq!(Endpoint::regional(region), Err(InvalidEndpoint::BadRegion));
            assert_eq!(Endpoint::fips(region), Err(InvalidEndpoint::BadRegion));
        }
    }
}
