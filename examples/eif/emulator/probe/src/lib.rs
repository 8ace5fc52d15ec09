//! What the probe answers: a program that runs as init in an emulated enclave, so that its host can try the security
//! module and the vsock there.
//!
//! It gives whoever reaches it the whole module, and so belongs into no enclave that holds anything.

use nsm_attest::{AttestationRequest, Nsm, NsmError, PcrIndex};
use serde::{Deserialize, Serialize};
use vsock_rpc::{Addr, Method};

/// The vsock port on which the probe answers, with payloads of up to [`MAX_PAYLOAD_LEN`].
pub const PORT: u32 = 5000;

/// Longest payload of the probe's server: 1 MiB of content, and what is around it.
pub const MAX_PAYLOAD_LEN: usize = 1024 * 1024 + 1024;

/// The port of the host to which the probe relays what arrives at [`RELAY`].
pub const HOST_PORT: u32 = 9100;

/// Where the probe's relay listens in the guest: on the loopback interface, which init has brought up.
pub const RELAY: &str = "tcp:127.0.0.1:9100";

/// The emulated parent: vhost-device-vsock carries what is for the host, CID 2, and drops CID 3, which is Nitro's parent.
pub const HOST_CID: u32 = 2;

/// Answers with what it was sent.
#[derive(Debug)]
pub enum Echo {}

impl Method for Echo {
    const NAME: &'static str = "echo";
    type Request = Bytes;
    type Response = Bytes;
}

/// Sends bytes through the probe's relay to the host, and answers with as many as come back.
#[derive(Debug)]
pub enum EchoThroughRelay {}

impl Method for EchoThroughRelay {
    const NAME: &'static str = "echo_through_relay";
    type Request = Bytes;
    type Response = Bytes;
}

/// Asks the module through [`nsm_attest::Device`].
#[derive(Debug)]
pub enum AskNsm {}

impl Method for AskNsm {
    const NAME: &'static str = "ask_nsm";
    type Request = NsmRequest;
    type Response = Result<NsmAnswer, String>;
}

/// Ends the probe, and with it the enclave.
#[derive(Debug)]
pub enum End {}

impl Method for End {
    const NAME: &'static str = "end";
    type Request = Ending;
    type Response = ();
}

/// How init's work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// As it should.
    Cleanly,
    /// With an error, [`LAST_WORDS`].
    Failing,
    /// With a panic, [`LAST_WORDS`].
    Panicking,
}

/// What is to be read on the console then.
pub const LAST_WORDS: &str = "the probe was told to end so";

/// Bytes as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// A request to the module: every one that there is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum NsmRequest {
    /// [`Nsm::attest`].
    Attest {
        /// [`AttestationRequest::public_key`].
        public_key: Option<Bytes>,
        /// [`AttestationRequest::user_data`].
        user_data: Option<Bytes>,
        /// [`AttestationRequest::nonce`].
        nonce: Option<Bytes>,
    },
    /// [`Nsm::describe`].
    Describe,
    /// [`Nsm::describe_pcr`].
    DescribePcr(u8),
    /// [`Nsm::extend_pcr`].
    ExtendPcr(u8, Bytes),
    /// [`Nsm::lock_pcr`].
    LockPcr(u8),
    /// [`Nsm::lock_pcrs`].
    LockPcrs(u16),
    /// [`Nsm::random`], this many bytes.
    Random(usize),
}

/// The module's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NsmAnswer {
    /// Random bytes, a document, or a register's new value.
    Bytes(Bytes),
    /// What the module is.
    Description {
        /// Major, minor and patch version.
        version: (u16, u16, u16),
        /// Its name.
        module_id: String,
        /// How many registers it has.
        max_pcrs: u16,
        /// Those that are locked, ascending.
        locked_pcrs: Vec<u8>,
    },
    /// It did as it was asked.
    Done,
    /// A register.
    Pcr {
        /// Whether it can no longer change.
        locked: bool,
        /// What it holds.
        value: Bytes,
    },
}

impl NsmRequest {
    /// Asks `nsm`.
    ///
    /// # Errors
    /// The name of the module's error, such as `ReadOnlyIndex`.
    pub fn ask(self, nsm: &dyn Nsm) -> Result<NsmAnswer, String> {
        self.answer(nsm).map_err(|error| format!("{error:?}"))
    }

    fn answer(self, nsm: &dyn Nsm) -> Result<NsmAnswer, NsmError> {
        let index = |index| PcrIndex::new(index).ok_or(NsmError::InvalidIndex);
        Ok(match self {
            Self::Attest { public_key, user_data, nonce } => {
                let take = |field: Option<Bytes>| field.map(|Bytes(bytes)| bytes);
                let request =
                    AttestationRequest { public_key: take(public_key), user_data: take(user_data), nonce: take(nonce) };
                NsmAnswer::Bytes(Bytes(nsm.attest(&request)?))
            }
            Self::Describe => {
                let description = nsm.describe()?;
                NsmAnswer::Description {
                    version: description.version,
                    module_id: description.module_id,
                    max_pcrs: description.max_pcrs,
                    locked_pcrs: description.locked_pcrs.iter().map(|index| index.as_u8()).collect(),
                }
            }
            Self::DescribePcr(at) => {
                let pcr = nsm.describe_pcr(index(at)?)?;
                NsmAnswer::Pcr { locked: pcr.locked, value: Bytes(pcr.value.as_bytes().to_vec()) }
            }
            Self::ExtendPcr(at, Bytes(data)) => {
                NsmAnswer::Bytes(Bytes(nsm.extend_pcr(index(at)?, &data)?.as_bytes().to_vec()))
            }
            Self::LockPcr(at) => nsm.lock_pcr(index(at)?).map(|()| NsmAnswer::Done)?,
            Self::LockPcrs(range) => nsm.lock_pcrs(range).map(|()| NsmAnswer::Done)?,
            Self::Random(len) => {
                let mut random = vec![0; len.min(MAX_PAYLOAD_LEN / 2)];
                nsm.random(&mut random)?;
                NsmAnswer::Bytes(Bytes(random))
            }
        })
    }
}

/// The host's end of the relay, as the guest names it.
#[must_use]
pub const fn host() -> Addr {
    Addr::Vsock { cid: HOST_CID, port: HOST_PORT }
}
