//! What passes between the TLS handshake and the first frame: [`Hello`] and the answer's [`Answer`].

/// Client to server, the first bytes of the session.
///
/// ```text
///  byte  0        1                 4                                   36
///       +--------+-----------------+------------------------------------+
///       | wants  | zero (3 bytes)  | nonce (32 bytes)                   |
///       +--------+-----------------+------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) wants: Wants,
    pub(super) nonce: [u8; 32],
}

/// Which evidence the client is content with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// Evidence made for this session.
    Fresh,
    /// Evidence made for the server's key some time ago would do.
    Cached,
}

impl Hello {
    pub(super) const LEN: usize = 36;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = match self.wants {
            Wants::Fresh => FRESH,
            Wants::Cached => CACHED,
        };
        bytes[NONCE_AT..].copy_from_slice(&self.nonce);
        bytes
    }

    /// `None` for every other first byte, and for anything where zeros belong.
    pub(super) fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let (head, nonce) = bytes.split_first_chunk::<NONCE_AT>()?;
        let wants = match head {
            [FRESH, 0, 0, 0] => Wants::Fresh,
            [CACHED, 0, 0, 0] => Wants::Cached,
            _ => return None,
        };
        Some(Self { wants, nonce: nonce.try_into().ok()? })
    }
}

/// Server to client, in answer to a [`Hello`]; the evidence follows.
///
/// ```text
///  byte  0        1        2                 4
///       +--------+--------+-----------------+-----------------------
///       | answer |  zero  | length (u16)    | evidence (length bytes)
///       +--------+--------+-----------------+-----------------------
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Evidence made for this session, of so many bytes.
    Fresh { len: u16 },
    /// Evidence made for the key earlier, of so many bytes.
    Cached { len: u16 },
    /// No session for this client's key.
    NotAllowed,
    /// The server cannot get evidence.
    Unavailable,
}

impl Answer {
    pub(super) const LEN: usize = 4;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let (kind, len) = match self {
            Self::Fresh { len } => (FRESH, len),
            Self::Cached { len } => (CACHED, len),
            Self::NotAllowed => (NOT_ALLOWED, 0),
            Self::Unavailable => (UNAVAILABLE, 0),
        };
        let [high, low] = len.to_be_bytes();
        [kind, 0, high, low]
    }

    /// `None` for every other first byte, for anything where zeros belong, and for a refusal with a length.
    pub(super) fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Self> {
        let [kind, 0, high, low] = bytes else { return None };
        match (kind, u16::from_be_bytes([high, low])) {
            (FRESH, len) => Some(Self::Fresh { len }),
            (CACHED, len) => Some(Self::Cached { len }),
            (NOT_ALLOWED, 0) => Some(Self::NotAllowed),
            (UNAVAILABLE, 0) => Some(Self::Unavailable),
            _ => None,
        }
    }
}

const NONCE_AT: usize = 4;
const FRESH: u8 = 1;
const CACHED: u8 = 2;
const NOT_ALLOWED: u8 = 3;
const UNAVAILABLE: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes() {
        let hello = Hello { wants: Wants::Cached, nonce: [0xab; 32] };
        assert_eq!(hello.to_bytes().as_slice(), [&[2, 0, 0, 0][..], &[0xab; 32]].concat());
        assert_eq!(Answer::Fresh { len: 0x1234 }.to_bytes(), [1, 0, 0x12, 0x34]);
        assert_eq!(Answer::Cached { len: 1 }.to_bytes(), [2, 0, 0, 1]);
        assert_eq!(Answer::NotAllowed.to_bytes(), [3, 0, 0, 0]);
        assert_eq!(Answer::Unavailable.to_bytes(), [4, 0, 0, 0]);
    }

    proptest! {
        /// Bytes that are read are those that would be written, so that nothing has two forms; and everything that can
        /// be said is read as it was said.
        #[test]
        fn a_hello_has_one_form(head in prop::array::uniform4(0_u8..4), nonce in any::<[u8; 32]>(), cached in any::<bool>()) {
            let bytes: [u8; Hello::LEN] = [&head[..], &nonce].concat().try_into().unwrap();
            let read = Hello::from_bytes(&bytes);
            prop_assert_eq!(read.is_some(), matches!(head, [1 | 2, 0, 0, 0]));
            if let Some(hello) = read {
                prop_assert_eq!(hello.to_bytes(), bytes);
            }
            let hello = Hello { wants: if cached { Wants::Cached } else { Wants::Fresh }, nonce };
            prop_assert_eq!(Hello::from_bytes(&hello.to_bytes()), Some(hello));
        }

        #[test]
        fn an_answer_has_one_form(kind in 0_u8..7, zero in 0_u8..2, len in any::<u16>()) {
            let [high, low] = len.to_be_bytes();
            for bytes in [[kind, zero, high, low], [kind, zero, 0, 0]] {
                let read = Answer::from_bytes(bytes);
                let has_length = bytes[2..] != [0, 0];
                prop_assert_eq!(read.is_some(), zero == 0 && (1..=4).contains(&kind) && !(kind > 2 && has_length));
                if let Some(answer) = read {
                    prop_assert_eq!(answer.to_bytes(), bytes);
                }
            }
        }
    }
}
