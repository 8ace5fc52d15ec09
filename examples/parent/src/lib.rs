//! The parent: what runs on the EC2 instance beside the enclave.
//!
//! It serves the HTTPS API, keeps the sealed records, hands the enclave AWS credentials, and relays its bytes to KMS.
//! The enclave does not trust it: a parent may refuse service, but it holds no key, opens no record and widens no
//! policy. It must be a robust service all the same: every input has a limit, every wait a deadline, and whatever one
//! caller does wrong concerns that caller alone.
//!
//! [`Parent::start`] is the whole of it; the binary reads a [`Config`] from a file and waits for a signal, or for a part
//! of the parent to fail ([`Parent::failed`]).
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = parent::Config::from_file("/etc/nitro-signer/parent.json".as_ref())?;
//! let parent = parent::Parent::start(config).await?;
//! println!("serving https://{}", parent.https_addr());
//! parent.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # HTTPS API
//!
//! HTTP/1.1 over TLS 1.2 or 1.3. **The API authenticates no client**: whoever reaches `listen` may create and list
//! keys, and have signed whatever a key's policy allows. Let only trusted callers reach it, by a private network, a
//! security group, or a proxy that authenticates them.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /` | `transaction_payload`, `secret_id` | 200 `transaction_signed`, `transaction_hash` |
//! | `POST /v1/keys` | `family`, `policy`, `callers` | 201 a key; `Location` is its path |
//! | `GET /v1/keys?after=ID&limit=N` | | 200 `keys`, `unreadable`, `next` |
//! | `GET /v1/keys/{id}` | | 200 a key |
//! | `POST /v1/keys/{id}/sign` | `encoding`, `transaction`, `chain_id` | 200 `signed_transaction`, `transaction_id`, `summary`, `rule` |
//! | `GET /healthz` | | 200 `status`, `enclave_version`, `enclave_time_ms`, `families` |
//!
//! `POST /` is the reference system's request, for Ethereum keys:
//!
//! ```sh
//! curl --cacert parent.pem https://localhost:PORT/ -H 'Content-Type: application/json' \
//!     -d '{"transaction_payload": {…}, "secret_id": "KEY_ID"}'
//! ```
//!
//! A body is one JSON object with `Content-Type: application/json`. Only `POST /` also takes a body without that
//! header, because the reference system's own client sends none; `curl -d` by itself sends another, and is refused.
//! Unknown, missing and repeated fields are refused.
//!
//! ## Fields of requests
//!
//! - `transaction_payload`: an object, the transaction with amounts in ether.
//! - `secret_id`, and `{id}` of a path: a key's id, 32 lower-case hexadecimal digits.
//! - `family`: a CAIP-2 namespace, such as `eip155` or `solana`.
//! - `policy`: an object of at most 16 KiB, sealed into the key's record.
//! - `callers`: up to 64 strings of 64 hexadecimal digits, each once: SHA-256 of the SPKI of clients that alone may sign
//!   with the key, and only over sessions of their own (`signerctl session`), never through this API. May be left out:
//!   the key is then the parent's to use, if the enclave's configuration lets it.
//! - `encoding` and `transaction`: `"json"` or `"typed_data"` (EIP-712) and an object, or `"binary"`, `"message"` or
//!   `"prehash"` and a string of `0x` and hex; at most 512 KiB. What each means is said by `chain_signers::Encoding`.
//! - `chain_id`: a CAIP-2 chain id such as `eip155:1`, for transactions that do not name their chain; may be left out.
//! - `after` of a query: the `next` of the page before; without it, the first page.
//! - `limit` of a query: 1..=1000 keys a page; 100 without it.
//!
//! ## Fields of answers
//!
//! A key has the fields below; in a list it lacks the last three.
//!
//! | field | content |
//! |---|---|
//! | `id` | 32 hexadecimal digits |
//! | `family` | CAIP-2 namespace |
//! | `curve` | `"secp256k1"` or `"ed25519"` |
//! | `public_key` | hex without `0x`: 33 bytes (SEC1 compressed) for secp256k1, 32 for ed25519 |
//! | `address` | in the chain's own spelling |
//! | `record_digest` | hex without `0x`, 32 bytes |
//! | `revision` | number |
//! | `callers` | a list as in requests |
//! | `birth_document` | base64, with padding: the signed attestation document over `record_digest` |
//! | `record` | base64, with padding: the sealed record |
//!
//! - `keys`: keys in the order of their ids. `unreadable`: for each that is stored but cannot be read, its `id` and a
//!   `detail`. `next`: the `after` of the next page, or `null` on the last one.
//! - `signed_transaction`, `transaction_signed`: `0x` and hex, in the chain's wire encoding.
//! - `transaction_id`, `transaction_hash`: as the chain's tools print it; for Ethereum `0x` and hex.
//! - `summary`: what the transaction does, in words. `rule`: the policy's rule that allowed it.
//! - `status`: always `"ok"`. `enclave_time_ms`: milliseconds since the Unix epoch. `families`: what the enclave signs
//!   for.
//!
//! ## Problems
//!
//! Every other answer is a problem document (RFC 9457, `application/problem+json`): `type`, `title`, `status`,
//! `detail`, and `request_id`, which the parent's log repeats and every answer carries as `X-Request-Id`. Only what the
//! parent answers before it has read a request's head, such as 431 to a head that is too long, has no document.
//!
//! | `type` | status | when |
//! |---|---|---|
//! | `/problems/malformed-json` | 400 | the body is not JSON |
//! | `/problems/malformed-request` | 400 | the request cannot be read |
//! | `/problems/not-permitted` | 403 | the enclave's measured configuration does not allow it, or the key is for others to sign with |
//! | `/problems/policy-denied` | 403 | the key's policy does not allow the transaction |
//! | `/problems/not-found` | 404 | no such key or path |
//! | `/problems/method-not-allowed` | 405 | the path does not take the method; `Allow` says which it takes |
//! | `/problems/body-timeout` | 408 | the body did not arrive within `timeouts_ms.body` |
//! | `/problems/body-too-long` | 413 | the body is above `limits.max_body_len` |
//! | `/problems/unsupported-media-type` | 415 | the body is not `application/json` |
//! | `/problems/invalid-field` | 422 | a field is missing, unknown, of the wrong type or outside its limits |
//! | `/problems/malformed-policy` | 422 | the policy of a new key cannot be used |
//! | `/problems/malformed-transaction` | 422 | the transaction cannot be decoded, or is of a kind that is not signed |
//! | `/problems/internal` | 500 | a defect of the parent |
//! | `/problems/record-rejected` | 500 | what is stored is not what the enclave once sealed |
//! | `/problems/store-failed` | 500 | the store failed; the log says how |
//! | `/problems/enclave-failed` | 502 | the enclave failed, or answered what it should not |
//! | `/problems/kms-refused` | 502 | KMS refused the enclave; a retry does not help |
//! | `/problems/credentials-unavailable` | 503 | no fresh AWS credentials |
//! | `/problems/enclave-unreachable` | 503 | no connection to the enclave |
//! | `/problems/nsm-unavailable` | 503 | the enclave's security module does not answer |
//! | `/problems/overloaded` | 503 | too much is in progress; `Retry-After` says when to come back |
//! | `/problems/deadline-exceeded` | 504 | the answer took longer than `timeouts_ms.request` |
//! | `/problems/kms-unavailable` | 504 | KMS could not be reached or did not answer in time |
//!
//! After 504, `enclave-unreachable` or a lost connection the request may have been carried out all the same: a
//! transaction may have been signed, and a key may have been created, which the list then shows.
//!
//! # Configuration file
//!
//! JSON of at most 64 KiB; unknown fields are refused.
//!
//! ```json
//! {
//!   "listen": "0.0.0.0:443",
//!   "tls": {"certificate_chain": "/etc/nitro-signer/chain.pem", "private_key": "/etc/nitro-signer/key.pem"},
//!   "enclave": "vsock:16:5000",
//!   "store": {"directory": "/var/lib/nitro-signer/keys"},
//!   "credentials": {"file": "/run/nitro-signer/credentials.json"},
//!   "relays": [
//!     {"listen": "vsock:3:8000", "target": "kms.us-east-1.amazonaws.com:443"},
//!     {"listen": "tcp:0.0.0.0:5001", "target": "vsock:16:5001"}
//!   ],
//!   "limits": {"max_in_flight": 256},
//!   "timeouts_ms": {"request": 20000}
//! }
//! ```
//!
//! - Every path is absolute.
//! - `tls`: two PEM files, the end-entity certificate first. The key's file has mode 600 or 400; one that group or
//!   others may read is refused.
//! - `store.directory` has mode 700, and is made with it if it is absent; one that group or others may read or change
//!   is refused, and so is one that another parent serves.
//! - `credentials`: a file in the format below, or `"environment"`: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and
//!   if they are set `AWS_SESSION_TOKEN` and `AWS_CREDENTIAL_EXPIRATION`, which cannot change while the parent runs.
//! - `relays`: up to 16, each of at most `limits.max_relay_connections` connections. A relay leads out of the enclave, to
//!   `host:port`, or into it, to `vsock:CID:PORT` or `unix:/path`: callers reach its session port so. What passes is
//!   encrypted between caller and enclave. A relay leads nowhere but to its target, and none to what `enclave` names.
//! - `enclave`, `relays`, `limits` and `timeouts_ms` may be left out, and so may each field of the last two: [`Limits`]
//!   (each 1..=65536, but `max_body_len` 1024..=1048576) and [`Timeouts`] (each 100..=300000).
//!
//! # Credentials file
//!
//! What an AWS credential process prints; JSON of at most 32 KiB in a file of mode 600 or 400:
//!
//! ```json
//! {
//!   "Version": 1,
//!   "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
//!   "SecretAccessKey": "…",
//!   "SessionToken": "…",
//!   "Expiration": "2026-11-22T14:00:00Z"
//! }
//! ```
//!
//! `SessionToken` and `Expiration` (RFC 3339) may be left out; other fields are refused. The file is read again
//! whenever the enclave needs credentials, from five minutes before they expire. Whoever renews it should write another
//! file and rename it over this one, so that it is never read half written.

mod api;
mod config;
mod credentials;
mod enclave;
mod permissions;
mod relays;
mod server;
mod start;
mod store;

pub use config::{Config, ConfigError, Limits, RelayConfig, StoreConfig, Timeouts, TlsIdentity};
pub use credentials::{CredentialsError, CredentialsSource};
pub use start::{Parent, RunError, StartError};
pub use store::StoreError;
