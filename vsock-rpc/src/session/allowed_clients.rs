//! [`AllowedClients`]: whose sessions a server opens.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::transport::PeerIdentity;

/// The clients with which a server opens sessions. Each has proved to hold its key before it is looked up here, and
/// only it learns the answer.
///
/// ```
/// use vsock_rpc::session::{AllowedClients, ClientKey};
///
/// let caller = ClientKey::generate_p256()?;
/// let clients = AllowedClients::only([caller.identity()]);
/// assert!(clients.allows(&caller.identity()));
/// assert!(!clients.allows(&ClientKey::generate_p256()?.identity()));
/// # Ok::<(), vsock_rpc::session::KeyError>(())
/// ```
#[derive(Clone)]
pub struct AllowedClients {
    rule: Rule,
}

#[derive(Clone)]
enum Rule {
    Any,
    Matching(Arc<dyn Fn(&PeerIdentity) -> bool + Send + Sync>),
    Only(Arc<HashSet<PeerIdentity>>),
}

impl AllowedClients {
    /// Whoever has a key, for servers whose handlers judge the identity in
    /// [`CallContext::peer`](crate::CallContext::peer) themselves.
    ///
    /// # Security
    /// Keys cost nothing. Such a server gets evidence for anyone who asks, and its handlers must authorize every
    /// call.
    #[must_use]
    pub fn any() -> Self {
        Self { rule: Rule::Any }
    }

    /// These clients. An empty list allows nobody.
    #[must_use]
    pub fn only(identities: impl IntoIterator<Item = PeerIdentity>) -> Self {
        Self { rule: Rule::Only(Arc::new(identities.into_iter().collect())) }
    }

    /// Those for which `is_allowed` says so; it is asked once for each session and must not block.
    #[must_use]
    pub fn matching(is_allowed: impl Fn(&PeerIdentity) -> bool + Send + Sync + 'static) -> Self {
        Self { rule: Rule::Matching(Arc::new(is_allowed)) }
    }

    /// Whether this client is allowed.
    #[must_use]
    pub fn allows(&self, identity: &PeerIdentity) -> bool {
        match &self.rule {
            Rule::Any => true,
            Rule::Matching(is_allowed) => is_allowed(identity),
            Rule::Only(identities) => identities.contains(identity),
        }
    }
}

impl fmt::Debug for AllowedClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::Any => f.write_str("AllowedClients::any"),
            Rule::Matching(_) => f.write_str("AllowedClients::matching"),
            Rule::Only(identities) => f.debug_tuple("AllowedClients::only").field(&identities.len()).finish(),
        }
    }
}
