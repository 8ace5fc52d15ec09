//! [`Addr`]: where to listen or connect, and its text form.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a peer listens.
///
/// The text form is what configuration files and command lines carry:
///
/// | text | meaning |
/// |---|---|
/// | `vsock:16:5000` | context id 16 (an enclave's, from `nitro-cli run-enclave --enclave-cid`), port 5000 |
/// | `vsock:any:5000` | every context id of this machine (listening only) |
/// | `unix:/run/signer.sock` | a unix socket |
/// | `tcp:127.0.0.1:5000`, `tcp:[::1]:5000` | an IP address and port |
/// | `tcp:[fe80::1%2]:5000` | a link-local one, behind the interface of index 2 |
/// | `tcp:kms.eu-west-1.amazonaws.com:443` | a name, resolved again on each connection |
///
/// ```
/// use vsock_rpc::Addr;
///
/// let addr: Addr = "vsock:16:5000".parse()?;
/// assert_eq!(addr, Addr::Vsock { cid: 16, port: 5000 });
/// assert_eq!(addr.to_string(), "vsock:16:5000");
/// assert!("vsock:16".parse::<Addr>().is_err());
/// # Ok::<(), vsock_rpc::ParseAddrError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addr {
    /// A TCP port of a host.
    Tcp(HostPort),
    /// A unix stream socket; [`Addr::unix`] checks the path.
    ///
    /// A path that is not UTF-8 has no text form: it is shown with replacement characters, and does not serialize.
    Unix(PathBuf),
    /// An `AF_VSOCK` stream socket.
    Vsock {
        /// The context id: 3 is a Nitro Enclave's parent ([AWS's documentation][parent]), [`Addr::CID_ANY`] listens
        /// on all (vsock(7)).
        ///
        /// [parent]: https://docs.aws.amazon.com/enclaves/latest/user/enclave-networking.html
        cid: u32,
        /// The port.
        port: u32,
    },
}

impl Addr {
    /// The context id that means "any of this machine's own", written `any`.
    pub const CID_ANY: u32 = u32::MAX;

    /// A unix socket at `path`, under the rules that hold for its text form, but for UTF-8.
    ///
    /// # Errors
    /// [`ParseAddrError::InvalidPath`] if no socket can have this path.
    pub fn unix(path: impl Into<PathBuf>) -> Result<Self, ParseAddrError> {
        let path = path.into();
        check_path(&path)?;
        Ok(Self::Unix(path))
    }

    /// The path, for a unix socket.
    #[must_use]
    pub fn as_unix(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(target) => write!(f, "tcp:{target}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Vsock { cid: Self::CID_ANY, port } => write!(f, "vsock:any:{port}"),
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
        }
    }
}

impl FromStr for Addr {
    type Err = ParseAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once(':').ok_or(ParseAddrError::UnknownScheme)?;
        match scheme {
            "tcp" => rest.parse().map(Self::Tcp),
            "unix" => Self::unix(rest),
            "vsock" => parse_vsock(rest),
            _ => Err(ParseAddrError::UnknownScheme),
        }
    }
}

impl Serialize for Addr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Unix(path) = self {
            check_path(path).map_err(S::Error::custom)?;
            path.to_str().ok_or_else(|| S::Error::custom("a unix socket path that is not UTF-8 has no text form"))?;
        }
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Addr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A host, by name or IP address, and a port.
///
/// Names are kept as text and resolved on each connection, so that a long-lived relay follows DNS. IP addresses are kept
/// in their one canonical spelling, so that equal ones are equal, and with their scope id (the index of an interface), if
/// they have one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// Checks `host`: an IP address without brackets, such as `::1` or `fe80::1%2`, or a DNS name.
    ///
    /// # Errors
    /// [`ParseAddrError::InvalidHost`] if it is neither.
    pub fn new(host: &str, port: u16) -> Result<Self, ParseAddrError> {
        let host = match canonical_ip(host) {
            Some(address) => address,
            None if is_dns_name(host) => host.to_owned(),
            None => return Err(ParseAddrError::InvalidHost),
        };
        Ok(Self { host, port })
    }

    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address to connect to or to listen on, unless the host is a name.
    pub(super) fn socket_addr(&self) -> Option<SocketAddr> {
        self.to_string().parse().ok()
    }
}

impl From<SocketAddr> for HostPort {
    fn from(addr: SocketAddr) -> Self {
        let host = match addr {
            SocketAddr::V4(addr) => addr.ip().to_string(),
            SocketAddr::V6(addr) => ipv6_text(&addr),
        };
        Self { host, port: addr.port() }
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Self {
        Self::Tcp(addr.into())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for HostPort {
    type Err = ParseAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(ParseAddrError::InvalidPort)?;
        let port = parse_number(port).ok_or(ParseAddrError::InvalidPort)?;
        match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) if inner.contains(':') => Self::new(inner, port),
            Some(_) => Err(ParseAddrError::InvalidHost),
            // A bare IPv6 address is ambiguous beside a port.
            None if host.contains(':') => Err(ParseAddrError::InvalidHost),
            None => Self::new(host, port),
        }
    }
}

/// Why a text is not an [`Addr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseAddrError {
    /// The context id is not a decimal 32-bit number, nor `any`.
    #[error("the context id is not a decimal 32-bit number")]
    InvalidCid,
    /// The host is neither an IP address (IPv6 in brackets) nor a DNS name.
    #[error("the host is neither an IP address (IPv6 in brackets) nor a DNS name")]
    InvalidHost,
    /// The unix path is empty, holds a NUL, or is longer than a socket address can carry.
    #[error("the unix socket path is empty, holds a NUL byte or has more than {MAX_UNIX_PATH_LEN} bytes")]
    InvalidPath,
    /// The port is missing, not decimal, or out of range.
    #[error("the port is missing, not decimal or out of range")]
    InvalidPort,
    /// The text does not start with `vsock:`, `unix:` or `tcp:`.
    #[error("an address starts with `vsock:`, `unix:` or `tcp:`")]
    UnknownScheme,
}

fn check_path(path: &Path) -> Result<(), ParseAddrError> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes.len() > MAX_UNIX_PATH_LEN || bytes.contains(&0) {
        return Err(ParseAddrError::InvalidPath);
    }
    Ok(())
}

fn canonical_ip(host: &str) -> Option<String> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(address.to_string()),
        Err(_) => Some(ipv6_text(&format!("[{host}]:0").parse().ok()?)),
    }
}

fn ipv6_text(addr: &SocketAddrV6) -> String {
    match addr.scope_id() {
        0 => addr.ip().to_string(),
        scope => format!("{}%{scope}", addr.ip()),
    }
}

fn parse_vsock(text: &str) -> Result<Addr, ParseAddrError> {
    let (cid, port) = text.split_once(':').ok_or(ParseAddrError::InvalidPort)?;
    let cid = if cid == "any" { Addr::CID_ANY } else { parse_number(cid).ok_or(ParseAddrError::InvalidCid)? };
    let port = parse_number(port).ok_or(ParseAddrError::InvalidPort)?;
    Ok(Addr::Vsock { cid, port })
}

/// Digits only: the standard parsers also take a leading `+`.
fn parse_number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn is_dns_name(name: &str) -> bool {
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // Resolvers take `127.1` and `0x7f000001` for addresses, which would then be spelled in more ways than one.
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    name.len() <= 253 && name.split('.').all(label_ok) && !is_number
}

/// `sockaddr_un` has 108 bytes, one of them for the terminating NUL.
const MAX_UNIX_PATH_LEN: usize = 107;

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_every_documented_form() {
        for text in [
            "vsock:16:5000",
            "vsock:any:5000",
            "unix:/run/signer.sock",
            "tcp:127.0.0.1:5000",
            "tcp:[::1]:5000",
            "tcp:[fe80::1%2]:5000",
            "tcp:kms.eu-west-1.amazonaws.com:443",
        ] {
            assert_eq!(text.parse::<Addr>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_an_address() {
        use ParseAddrError::{InvalidCid, InvalidHost, InvalidPath, InvalidPort, UnknownScheme};
        for (text, expected) in [
            ("", UnknownScheme),
            ("5000", UnknownScheme),
            ("http://localhost", UnknownScheme),
            ("VSOCK:1:2", UnknownScheme),
            ("vsock:16", InvalidPort),
            ("vsock:16:", InvalidPort),
            ("vsock::5000", InvalidCid),
            ("vsock:-1:5000", InvalidCid),
            ("vsock:+1:5000", InvalidCid),
            ("vsock:4294967296:1", InvalidCid),
            ("vsock:16:5000:1", InvalidPort),
            ("unix:", InvalidPath),
            ("unix:/a\0b", InvalidPath),
            ("tcp:127.0.0.1", InvalidPort),
            ("tcp:127.0.0.1:65536", InvalidPort),
            ("tcp::1", InvalidHost),
            ("tcp:::1:80", InvalidHost),
            ("tcp:[127.0.0.1]:80", InvalidHost),
            ("tcp:a..b:80", InvalidHost),
            ("tcp:a b:80", InvalidHost),
            ("tcp:-a:80", InvalidHost),
            ("tcp:127.1:80", InvalidHost),
            ("tcp:2130706433:80", InvalidHost),
            ("tcp:0x7f000001:80", InvalidHost),
            ("tcp:127.0.0.01:80", InvalidHost),
            ("tcp:kms.example.:443", InvalidHost),
            ("tcp:[fe80::1%eth0]:80", InvalidHost),
            ("tcp:[fe80::1%]:80", InvalidHost),
            ("tcp:[fe80::1%4294967296]:80", InvalidHost),
            ("tcp:[::1]:5]:80", InvalidHost),
            ("tcp:127.0.0.1%1:80", InvalidHost),
        ] {
            assert_eq!(text.parse::<Addr>(), Err(expected), "{text:?}");
        }
        assert_eq!(format!("unix:/{}", "a".repeat(107)).parse::<Addr>(), Err(InvalidPath));
    }

    #[test]
    fn an_address_of_ipv6_has_one_spelling() {
        let canonical: Addr = "tcp:[2001:db8::1]:443".parse().unwrap();
        for text in ["tcp:[2001:DB8:0:0:0:0:0:1]:443", "tcp:[2001:0db8::0001]:443"] {
            let addr: Addr = text.parse().unwrap();
            assert_eq!(addr, canonical);
            assert_eq!(addr.to_string(), "tcp:[2001:db8::1]:443");
        }
        let Addr::Tcp(target) = canonical else { panic!("a TCP address") };
        assert_eq!((target.host(), target.port()), ("2001:db8::1", 443));
    }

    #[test]
    fn the_parent_s_context_id_is_what_the_text_says() {
        for cid in [0, 1, 2, 3, 16, u32::MAX - 1] {
            assert_eq!(format!("vsock:{cid}:8000").parse::<Addr>(), Ok(Addr::Vsock { cid, port: 8000 }));
        }
        assert_eq!("vsock:4294967295:1".parse::<Addr>(), "vsock:any:1".parse());
    }

    #[test]
    fn a_scope_is_kept_and_has_one_spelling() {
        let addr: SocketAddr = "[fe80::1%7]:443".parse().unwrap();
        assert_eq!(Addr::from(addr).to_string(), "tcp:[fe80::1%7]:443");
        assert_eq!(HostPort::from(addr).socket_addr(), Some(addr));
        assert_eq!(HostPort::from(addr).host(), "fe80::1%7");
        assert_eq!("tcp:[FE80:0::1%007]:443".parse(), Ok(Addr::from(addr)));
        assert_eq!("tcp:[fe80::1%0]:443".parse::<Addr>(), "tcp:[fe80::1]:443".parse());
        assert_ne!("tcp:[fe80::1%8]:443".parse(), Ok(Addr::from(addr)));
    }

    #[test]
    fn only_the_path_of_a_socket_makes_an_address() {
        let longest = "a".repeat(107);
        assert_eq!(Addr::unix(&longest), format!("unix:{longest}").parse());
        for path in ["", "/a\0b", &format!("{longest}a")] {
            assert_eq!(Addr::unix(path), Err(ParseAddrError::InvalidPath), "{path:?}");
            // Whoever avoids the check has what does not serialize, either.
            let error = serde_cbor::to_vec(&Addr::Unix(path.into())).unwrap_err();
            assert!(error.to_string().contains("the unix socket path is empty"), "{error}");
        }
    }

    #[test]
    fn a_path_that_is_not_utf8_is_an_address_that_does_not_serialize() {
        let path = PathBuf::from(OsString::from_vec(b"/run/\xff.sock".to_vec()));
        let addr = Addr::unix(&path).unwrap();
        assert_eq!(addr.as_unix(), Some(&*path));
        let error = serde_cbor::to_vec(&addr).unwrap_err();
        assert!(error.to_string().contains("not UTF-8"), "{error}");
    }

    fn any_addr() -> impl Strategy<Value = Addr> {
        prop_oneof![
            (any::<u32>(), any::<u32>()).prop_map(|(cid, port)| Addr::Vsock { cid, port }),
            "\\PC{1,26}".prop_map(|path| Addr::unix(path).unwrap()),
            any::<SocketAddr>().prop_map(Addr::from),
            ("([a-z0-9][a-z0-9-]{0,20}\\.){0,3}[a-z][a-z0-9-]{0,10}", any::<u16>())
                .prop_map(|(host, port)| Addr::Tcp(HostPort::new(&host, port).unwrap())),
        ]
    }

    proptest! {
        #[test]
        fn every_address_survives_its_text_form(addr in any_addr()) {
            prop_assert_eq!(addr.to_string().parse::<Addr>().unwrap(), addr.clone());
            let cbor = serde_cbor::to_vec(&addr).unwrap();
            prop_assert_eq!(serde_cbor::from_slice::<Addr>(&cbor).unwrap(), addr);
        }

        #[test]
        fn every_socket_address_survives_being_an_address(addr in any::<SocketAddr>()) {
            let expected = match addr {
                SocketAddr::V4(_) => addr,
                // The flow information is no part of where a peer is.
                SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
            };
            prop_assert_eq!(HostPort::from(addr).socket_addr(), Some(expected));
        }

        #[test]
        fn every_path_is_refused_or_serializes_as_itself_or_not_at_all(
            bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..=120), proptest::collection::vec(1..=127_u8, 0..=120)],
        ) {
            let path = PathBuf::from(OsString::from_vec(bytes.clone()));
            let invalid = bytes.is_empty() || bytes.len() > 107 || bytes.contains(&0);
            let made = Addr::unix(&path);
            prop_assert_eq!(made.is_err(), invalid);
            match serde_cbor::to_vec(&Addr::Unix(path)) {
                Ok(cbor) => prop_assert_eq!(serde_cbor::from_slice::<Addr>(&cbor).unwrap(), made.unwrap()),
                Err(_) => prop_assert!(invalid || std::str::from_utf8(&bytes).is_err()),
            }
        }

        #[test]
        fn whatever_is_parsed_survives_its_text_form_too(
            text in "\\PC*|(tcp|unix|vsock):(any|[0-9a-fA-Fx:.%\\[\\]-]{0,20}|\\PC{0,20}):?[0-9]{0,11}",
        ) {
            if let Ok(addr) = text.parse::<Addr>() {
                prop_assert_eq!(addr.to_string().parse(), Ok(addr));
            }
        }
    }
}
