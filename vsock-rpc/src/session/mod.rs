//! Sessions: TLS 1.3 that ends in the enclave, bound to evidence of what the enclave is.
//!
//! Whoever carries the bytes, the parent instance above all, can read and change them. A session takes both away over
//! any byte stream: [`SessionServer`] opens sessions in the enclave and hands them to a [`Server`](crate::Server);
//! [`SessionConnector`] opens them for a [`Client`](crate::Client), which sends nothing before it has verified the
//! enclave's evidence. Handlers find the client's identity in [`CallContext::peer`](crate::CallContext::peer).
//!
//! The example needs `aws-lc-rs`, and `tokio` with `macros` and `rt`.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use aws_lc_rs::hmac;
//! use vsock_rpc::session::*;
//! use vsock_rpc::{CallContext, Client, Listener, Method, RemoteError, Router, Server};
//!
//! /// A TOY. Evidence must be such that only an enclave can make it: see "With attestation documents" below. This one is
//! /// an HMAC under a key that both sides know, so that the example runs anywhere.
//! struct ToyEvidence(hmac::Key);
//!
//! impl ToyEvidence {
//!     fn statement(public_key: &[u8], nonce: &[u8]) -> Vec<u8> {
//!         [b"toy evidence", nonce, public_key].concat() // the nonce has 32 bytes
//!     }
//! }
//!
//! impl Evidence for ToyEvidence {
//!     fn evidence<'a>(&'a self, request: EvidenceRequest<'a>) -> BoxFuture<'a, Result<Vec<u8>, EvidenceError>> {
//!         Box::pin(async move {
//!             let nonce = request.nonce().ok_or("this toy is fresh only")?;
//!             Ok(hmac::sign(&self.0, &Self::statement(request.public_key(), nonce)).as_ref().to_vec())
//!         })
//!     }
//! }
//!
//! impl VerifyEvidence for ToyEvidence {
//!     fn verify(&self, evidence: &[u8], expected: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
//!         let Freshness::Nonce(nonce) = expected.freshness() else { return Err("this toy is fresh only".into()) };
//!         hmac::verify(&self.0, &Self::statement(expected.public_key(), nonce), evidence)
//!             .map_err(|_| "not evidence for this session".into())
//!     }
//! }
//!
//! struct WhoAmI;
//! impl Method for WhoAmI {
//!     const NAME: &'static str = "who_am_i";
//!     type Request = ();
//!     type Response = String;
//! }
//!
//! async fn who_am_i(_: Arc<()>, context: CallContext, (): ()) -> Result<String, RemoteError> {
//!     let identity = context.peer().identity().ok_or_else(RemoteError::internal)?;
//!     Ok(identity.to_string())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let toy_key = hmac::Key::new(hmac::HMAC_SHA256, b"known to both sides of this example");
//! let caller = ClientKey::generate_ed25519()?;
//!
//! // In the enclave, on a listener such as `vsock:any:5001`:
//! let (listener, connector) = Listener::memory(64 * 1024);
//! let clients = AllowedClients::only([caller.identity()]);
//! let sessions = SessionServer::builder(SessionKeys::generate()?, ToyEvidence(toy_key.clone()), clients).build();
//! let server = Server::builder(Router::new(()).method::<WhoAmI, _, _>(who_am_i)).build();
//! let handle = sessions.serve(listener, server);
//!
//! // At the client, over whatever reaches the enclave:
//! let sessions = SessionConnector::builder(connector.clone(), &caller, ToyEvidence(toy_key)).build();
//! let client = Client::builder(sessions).build();
//! assert_eq!(client.call::<WhoAmI>(&(), Duration::from_secs(5)).await?, caller.identity().to_string());
//!
//! // What cannot show this evidence is not spoken to.
//! let wrong = ToyEvidence(hmac::Key::new(hmac::HMAC_SHA256, b"another key"));
//! let client = Client::builder(SessionConnector::builder(connector, &caller, wrong).build()).build();
//! let error = client.call::<WhoAmI>(&(), Duration::from_secs(5)).await.unwrap_err();
//! assert!(matches!(SessionError::find(&error), Some(SessionError::EvidenceRejected(_))));
//! handle.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # The exchange
//!
//! ```text
//!  client                                   relay                                  enclave
//!    |  ClientHello: key share, ALPN "vsock-rpc/1", raw public keys on both sides     |
//!    |------------------------------------------------------------------------------->|
//!    |  ServerHello: key share                                                        |
//!    |  {CertificateRequest, Certificate: K, CertificateVerify, Finished}             |
//!    |<-------------------------------------------------------------------------------|
//!    |  {Certificate: C, CertificateVerify, Finished}                                 |
//!    |  [hello: wants fresh evidence, or cached will do; nonce N]                     |
//!    |------------------------------------------------------------------------------->| is C allowed?
//!    |                                                                                | B = SHA-256("vsock-rpc/1
//!    |                                                                                |   session evidence nonce\0"
//!    |                                                                                |   ‖ N ‖ exported)
//!    |  [answer: fresh or cached, evidence over K and B]                              | Evidence::evidence(K, B)
//!    |<-------------------------------------------------------------------------------|
//!    | VerifyEvidence::verify(K, B); only then is there a stream to write to          |
//!    |  [frames]                                                                      |
//!    |<------------------------------------------------------------------------------>|
//! ```
//!
//! `{}` is encrypted under handshake keys, `[]` under the session's. K and C are SubjectPublicKeyInfos: the server's, of
//! a P-256 key made at boot ([`SessionKeys`]), and the client's, P-256 or ed25519 ([`ClientKey`]). *exported* are 32 bytes
//! of the TLS exporter (RFC 8446 §7.5) with the label `EXPERIMENTAL vsock-rpc/1 session` and N as context. The
//! hello is 36 bytes: 1 (fresh) or 2 (cached will do), three zeros, N. The answer is 1 (fresh), 2 (cached), 3 (the
//! client is not allowed) or 4 (there is no evidence), a zero, the evidence's length in two bytes, big-endian, and the
//! evidence.
//!
//! Where cached evidence is asked for and served, it is over K alone.
//!
//! # What is bound to what
//!
//! | this | is bound to | by |
//! |---|---|---|
//! | the session's keys | both key shares, fresh for each session, and the whole handshake | TLS 1.3's key schedule |
//! | K | the session | CertificateVerify: a signature over the handshake so far, which only K's holder can make |
//! | C | the session | the client's CertificateVerify, likewise |
//! | fresh evidence | K, and so to whoever is at the other end | its `public_key` |
//! | fresh evidence | this very session | B, which both ends compute and neither chooses: *exported* follows from the handshake up to the server's Finished, so from both key shares, both randoms and K |
//! | cached evidence | K | its `public_key`; its age is checked by the verifier's clock |
//! | requests, answers | the session, and their order in it | TLS records: AES-256-GCM with counted nonces |
//! | the client's identity in handlers | C | SHA-256 of the SubjectPublicKeyInfo; a key has one encoding here |
//!
//! B does not cover C, which comes later in the handshake; the client's own signature binds it.
//!
//! # Why these fail
//!
//! - **Replay.** A recorded session opens none: the other end has another key share, so that nothing recorded decrypts.
//!   Recorded evidence contains another B.
//! - **Relay to another enclave.** The session ends in whatever it is relayed to. If that shows evidence of an image that
//!   the verifier does not accept, there is no session. If it is an enclave that the verifier accepts, it is one the
//!   client meant, unless the verifier pins more, such as K.
//! - **Evidence swap.** A man in the middle ends the client's session himself, under his own key K', opens another to the
//!   genuine enclave, forwards N and the evidence. The evidence names K, the client saw K'. Showing K instead fails at
//!   CertificateVerify: he cannot sign.
//! - **Evidence swap by a thief of the server's private key.** He can sign as K. But his session with the client and his
//!   session with the enclave have different *exported* bytes, so that the enclave's evidence contains another B. This
//!   holds for fresh evidence only.
//! - **A stolen client key** opens sessions as that client, until [`AllowedClients`] and handlers refuse it. It does
//!   not show a client a false enclave, nor open what was recorded.
//! - **A client's signature used elsewhere** fails: it is over one handshake.
//! - **Downgrade.** There is nothing below: TLS 1.3 alone, one cipher suite (TLS_AES_256_GCM_SHA384), one group
//!   (X25519MLKEM768), one ALPN name that must be agreed to, one signature scheme for each kind of key, no X.509
//!   (so no certificate is parsed). A relay that edits the ClientHello breaks the handshake's own hash.
//! - **0-RTT, tickets, resumption** are off on both sides. Each session is a whole handshake with evidence of its own.
//! - **Changed, dropped, reordered, cut bytes** break a record's authentication, or end the stream without
//!   close_notify. Calls in flight fail; none gets a wrong answer.
//!
//! **Forward secrecy.** The session's keys come from key shares that are forgotten. Who records everything and gets
//! every private key later still reads nothing, and neither does a later quantum computer: the group is hybrid, because
//! what passes here may be keys that are worth something for decades.
//!
//! **What the relay still learns**: that there are sessions, when, how many bytes each way in what rhythm. It can cut
//! and delay. It can connect by itself, and so learn K and the evidence, if any key is allowed. If it plays the server, it
//! learns C: a client shows its public key, which is no secret, before it sees evidence.
//!
//! **What fresh evidence does not say**: what the enclave becomes later. A session outlives the moment of its evidence;
//! connect again to see new evidence.
//!
//! # Rotation
//!
//! [`SessionKeys::rotate`] gives new sessions a new key. No session is dropped; each keeps the key it began with, and its
//! evidence is over that key. Because sessions are forward secret and fresh evidence holds against a stolen key, rotation
//! matters most to clients that accept cached evidence.
//!
//! # Cached evidence
//!
//! A client that opens many sessions may accept evidence made for earlier ones
//! ([`SessionConnectorBuilder::accept_cached_evidence`]). It still sees, in each handshake, that the server holds K's
//! private key. It loses that the evidence is of now: up to `max_age`, K may have left the enclave, or the enclave may have
//! changed registers, unseen. Both sides opt in: a server that was not told to
//! ([`SessionServerBuilder::serve_cached_evidence`]) makes fresh evidence for such clients too; a client that did not ask for
//! cached evidence refuses it ([`SessionError::CachedEvidence`]). The server makes it once for all who wait, and never serves
//! it after a rotation.
//!
//! # Limits
//!
//! | what | default | when it is reached |
//! |---|---|---|
//! | evidence (fixed, [`MAX_EVIDENCE_LEN`]) | 16 KiB | `EvidenceTooLong` |
//! | bytes read of a client, of a server, before the session is open (fixed) | 8 KiB, 32 KiB | `OpeningTooLong` |
//! | opening a session, on each side | 10 s; behind a client its `connect_timeout`, 5 s, if that is shorter | `TimedOut` |
//! | getting evidence, of that | 3 s | `EvidenceTimedOut`; the client: `EvidenceUnavailable` |
//! | server: sessions being opened | 64 | `TooManyOpenings`; the stream is closed |
//! | server: time that a slow client keeps its place from others | 1 s | `Displaced` |
//! | server: age of cached evidence | 0: none is served | made anew |
//! | a record that arrives (TLS) | 16 KiB and 2 KiB of overhead | `Corrupted` |
//! | records not yet taken by the stream (fixed) | 16 KiB and one record | nothing more is encrypted |
//!
//! An open session holds at most 96 KiB more than a plain connection; while it is silent, at most 40 KiB, and less than
//! 10 KiB if little has passed. One that is being opened holds at most 96 KiB.
//!
//! Sessions that are being opened and sessions that are open are bounded apart: a thousand half-open handshakes take
//! nothing from those that are open, and a newcomer gets the place of the one that has been waited for longest. The limits
//! of the [`Server`](crate::Server) behind hold for open sessions only, so its `max_payload_len` can be as high as
//! authenticated clients deserve.
//!
//! # Secrets in memory
//!
//! Private keys are in AWS-LC's memory, which it wipes when it frees it; PKCS#8 from [`ClientKey::to_pkcs8`] and the
//! exported bytes are wiped by this crate. TLS's own secrets are rustls's and AWS-LC's; rustls wipes them. **Not wiped**
//! are the payloads of requests and answers: they pass through buffers of rustls (received and not yet read), of this
//! crate (frames) and of serde, which are freed as they are. What must not linger is a handler's to wipe, and the
//! enclave's memory is what keeps the rest.
//!
//! # With attestation documents
//!
//! This crate knows no AWS. In a Nitro Enclave, [`Evidence`] asks the security module for an attestation document, and
//! [`VerifyEvidence`] verifies one. With the crate `nsm-attest` and its feature `async` (a whole program is in the
//! repository: `.ci/consumer/tests/attested_session.rs`):
//!
//! ```text
//! user_data = UserData::over(Purpose::Session, request.public_key()).encode()
//!
//! Evidence:        AsyncNsm::attest(AttestationRequest::new()
//!                      .with_public_key(request.public_key())
//!                      .with_user_data(user_data)
//!                      .with_nonce(request.nonce()))              // left out if there is none
//!
//! VerifyEvidence:  verify(anchor, policy, now), where the policy pins the image, expects that user_data and
//!                  public_key = expected.public_key(), and for
//!                    Freshness::Nonce(nonce)     expects that nonce
//!                    Freshness::MaxAge(max_age)  limits the document's age to max_age
//! ```
//!
//! The purpose in `user_data` keeps documents made for something else, such as a KMS recipient, from passing as
//! evidence for a session, and the other way round. Nothing that a peer chooses goes into `public_key` or `user_data`,
//! and the nonce is a hash.
//!
//! # Why no TUN device?
//!
//! It would give the enclave a network, and with it every attack on a network stack and a way out for whoever gets in. A
//! session needs one byte stream, and a [relay](crate::relay) carries exactly one kind of it to exactly one place.

mod allowed_clients;
mod binding;
mod budgeted;
mod connector;
mod error;
mod evidence;
mod key_pair;
mod keys;
mod preamble;
mod server;
mod spki;
mod stream;
mod tls;

pub use self::allowed_clients::AllowedClients;
pub use self::connector::{SessionConnector, SessionConnectorBuilder};
pub use self::error::SessionError;
pub use self::evidence::{
    BoxFuture, Evidence, EvidenceError, EvidenceRequest, ExpectedEvidence, Freshness, VerifyEvidence,
};
pub use self::key_pair::KeyError;
pub use self::keys::{ClientKey, SessionKeys};
pub use self::server::{SessionCounters, SessionServer, SessionServerBuilder};
pub use self::stream::SessionStream;
use crate::transport::MAX_WRITE_LEN;

/// The protocol's name in the handshake (ALPN, RFC 7301): both sides insist on it.
pub const ALPN: &[u8] = b"vsock-rpc/1";

/// The most bytes that evidence may have: 16 KiB.
pub const MAX_EVIDENCE_LEN: usize = 16 * 1024;

/// How much may be encrypted and not yet taken by the stream. More would hide a slow reader from the server's timeout.
const BUFFER_LIMIT: usize = MAX_WRITE_LEN;
