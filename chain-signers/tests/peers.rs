//! The chains against libraries that are not ours: random transactions that a library built are signed here, and the
//! library judges what comes out, and that the key's address is the one it knows.
//!
//! | chain | library | what comes out is |
//! |---|---|---|
//! | Aptos | aptos-sdk | what it signs itself |
//! | Bitcoin | embit | what it signs itself, and Schnorr signatures that it verifies |
//! | Cosmos | cosmpy | what it signs itself; in amino mode the JSON is Python's |
//! | EVM | eth-account | what it signs itself, by the key that it recovers |
//! | NEAR | py-near-primitives | what it signs itself |
//! | Solana | solders | what it signs itself, and verifies |
//! | Stellar | stellar-sdk | what it signs itself |
//! | Sui | pysui | what it signs itself |
//! | TRON | tronpy | what it signs itself, by the key that it recovers |
//!
//! So are the transactions' names, and of the actions all or, where the program says so, a part.
//!
//! The stage `peers` of `.ci/run` installs the libraries and names their Python in `NITRO_CHAIN_PEERS`; the programs that
//! ask and judge are in `.ci/peers/chains`, one a chain. `NITRO_CHAIN_PEERS_SEED` is another seed than the fixed one.
#![cfg(any(
    feature = "aptos",
    feature = "bitcoin",
    feature = "cosmos",
    feature = "evm",
    feature = "near",
    feature = "solana",
    feature = "stellar",
    feature = "sui",
    feature = "tron"
))]
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::{env, ffi::OsString};

use chain_signers::{Chain, ChainId, ChainSigner, Encoding, Payload, Registry, SigningKey};
use serde::Deserialize;
use serde_json::{Value, json};

#[cfg(feature = "aptos")]
#[test]
fn aptos_sdk_agrees() {
    agrees("aptos", "aptos");
}

#[cfg(feature = "bitcoin")]
#[test]
fn embit_agrees() {
    agrees("bitcoin", "bip122");
}

#[cfg(feature = "cosmos")]
#[test]
fn cosmpy_agrees() {
    agrees("cosmos", "cosmos");
}

#[cfg(feature = "evm")]
#[test]
fn eth_account_agrees() {
    agrees("evm", "eip155");
}

#[cfg(feature = "near")]
#[test]
fn py_near_primitives_agrees() {
    agrees("near", "near");
}

#[cfg(feature = "solana")]
#[test]
fn solders_agrees() {
    agrees("solana", "solana");
}

#[cfg(feature = "stellar")]
#[test]
fn stellar_sdk_agrees() {
    agrees("stellar", "stellar");
}

#[cfg(feature = "sui")]
#[test]
fn pysui_agrees() {
    agrees("sui", "sui");
}

#[cfg(feature = "tron")]
#[test]
fn tronpy_agrees() {
    agrees("tron", "tron");
}

/// Has the program of a chain ask and judge, as often as [`TRANSACTIONS`] says.
fn agrees(program: &str, namespace: &str) {
    let Some(python) = env::var_os("NITRO_CHAIN_PEERS") else {
        return say(&format!("{program} skipped: NITRO_CHAIN_PEERS is not set"));
    };
    let seed = env::var_os("NITRO_CHAIN_PEERS_SEED").unwrap_or_else(|| "1".into());
    say(&format!("{program}: the seed is {}", seed.display()));
    let mut peer = Peer::start(program, python, &seed);
    let registry = Registry::with_enabled_chains();
    let mut checked = 0;
    while let Some(question) = peer.read::<Question>() {
        let answer = question.answer(&registry, namespace);
        peer.write(&answer);
        let wrong: Option<String> = peer.read().expect("the library judges every answer");
        if let Some(wrong) = wrong {
            panic!("{program}, transaction {checked} ({}), {question:?}\nsigned as {answer}\n{wrong}", question.kind);
        }
        checked += 1;
    }
    peer.end();
    assert_eq!(checked, TRANSACTIONS, "{program}");
    say(&format!("{program}: {checked} transactions checked"));
}

/// Not `eprintln!`: the test harness swallows that of a test that passes.
fn say(line: &str) {
    writeln!(io::stderr(), "{line}").expect("standard error is open");
}

/// What to sign, and what is known of the signer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    kind: String,
    secret: String,
    address: String,
    /// Bitcoin's alone.
    #[serde(default)]
    address_type: Option<String>,
    chain_id: Option<ChainId>,
    encoding: Encoding,
    payload: String,
}

impl Question {
    fn answer(&self, registry: &Registry, namespace: &str) -> Value {
        let chain = self.chain(registry, namespace);
        let key = SigningKey::from_secret_bytes(chain.curve(), &hex::decode(&self.secret).unwrap()).unwrap();
        let signer = ChainSigner::new(chain, key).unwrap();
        assert_eq!(self.address_of(&signer), self.address, "{self:?}");
        let bytes = hex::decode(&self.payload).unwrap();
        let mut payload = Payload::new(self.encoding, &bytes);
        if let Some(chain_id) = &self.chain_id {
            payload = payload.on_chain(chain_id);
        }
        let transaction = signer.decode(&payload).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let signed = signer.sign(transaction.as_ref()).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        json!({"signed": hex::encode(signed.bytes), "id": signed.id, "actions": transaction.summary().actions})
    }

    /// The registry's, except where a chain has a choice.
    fn chain(&self, registry: &Registry, namespace: &str) -> Arc<dyn Chain> {
        match self.address_type.as_deref() {
            None => registry.get(namespace).expect("the chain's feature is on").clone(),
            Some(address_type) => bitcoin_with(address_type),
        }
    }

    fn address_of(&self, signer: &ChainSigner) -> String {
        match &self.chain_id {
            Some(chain_id) => signer.chain().address_on(signer.verifying_key(), chain_id).unwrap(),
            None => signer.address().to_owned(),
        }
    }
}

#[cfg(feature = "bitcoin")]
fn bitcoin_with(address_type: &str) -> Arc<dyn Chain> {
    use chain_signers::bitcoin::{AddressType, Bitcoin};
    let address_type = match address_type {
        "p2pkh" => AddressType::P2pkh,
        "p2sh_p2wpkh" => AddressType::P2shP2wpkh,
        "p2wpkh" => AddressType::P2wpkh,
        "p2tr" => AddressType::P2tr,
        other => panic!("no address type: {other}"),
    };
    Arc::new(Bitcoin::with_address_type(address_type))
}

#[cfg(not(feature = "bitcoin"))]
fn bitcoin_with(address_type: &str) -> Arc<dyn Chain> {
    panic!("no Bitcoin, but the address type {address_type}")
}

/// A program of `.ci/peers/chains`, spoken to in lines of JSON.
struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    fn start(program: &str, python: OsString, seed: &OsString) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/peers/chains");
        let mut command = Command::new(python);
        // Nothing of this environment or machine has a say, and nothing is left beside the programs.
        command.args(["-I", "-B"]).arg(folder.join("peer.py")).arg(program).arg(seed).arg(TRANSACTIONS.to_string());
        let piped = command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("NITRO_CHAIN_PEERS names a Python");
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    /// The next line, or `None` if there is none.
    fn read<T: for<'a> Deserialize<'a>>(&mut self) -> Option<T> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    fn write(&mut self, answer: &Value) {
        // In one piece: every piece is a system call.
        self.stdin.write_all(format!("{answer}\n").as_bytes()).expect("the program reads every answer");
    }

    fn end(mut self) {
        drop(self.stdin);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the program says above what is wrong: {status}");
    }
}

/// A chain. `.ci/peers/run` looks for this number.
const TRANSACTIONS: usize = 200;
