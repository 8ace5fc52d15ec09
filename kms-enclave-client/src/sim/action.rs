//! The actions of the simulator: request, authorisation, reply.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nsm_attest::{Clock, TrustAnchor};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::action::{EncryptionContext, MAX_CIPHERTEXT_BLOB_LEN, MAX_ENCRYPTION_CONTEXT_LEN};
use crate::key_arn::KeyArn;
use crate::sim::authenticate::Registered;
use crate::sim::fault::Fault;
use crate::sim::key_spec::KeySpec;
use crate::sim::keys::{Key, Keys, new_key_id};
use crate::sim::policy::{Decision, KeyProperties, Origin, Policy, PolicyKind, RequestContext, Resource, decide};
use crate::sim::principal::{Caller, KnownPrincipals, Principal};
use crate::sim::recipient::{RecipientField, VerifiedRecipient};

/// Everything that the simulator knows.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) partition: &'static str,
    pub(crate) anchor: TrustAnchor,
    pub(crate) clock: Clock,
    pub(crate) registered: Arc<[Registered]>,
    pub(crate) keys: Mutex<Keys>,
}

impl Service {
    /// Performs the action that `target` names. `None` is a reply without content.
    pub(crate) fn perform(&self, target: &str, caller: &Caller, body: &[u8]) -> Result<Option<Value>, Fault> {
        match target.strip_prefix("TrentService.") {
            Some("CreateKey") => self.create_key(caller, parse(body)?).map(Some),
            Some("Decrypt") => self.decrypt(caller, &parse(body)?).map(Some),
            Some("DescribeKey") => self.describe_key(caller, &parse(body)?).map(Some),
            Some("Encrypt") => self.encrypt(caller, &parse(body)?).map(Some),
            Some("GenerateDataKey") => self.generate_data_key(caller, &parse(body)?).map(Some),
            Some("GetKeyPolicy") => self.get_key_policy(caller, &parse(body)?).map(Some),
            Some("PutKeyPolicy") => self.put_key_policy(caller, parse(body)?).map(|()| None),
            _ => Err(Fault::new("UnknownOperationException", "")),
        }
    }

    fn create_key(&self, caller: &Caller, request: CreateKeyRequest) -> Result<Value, Fault> {
        // There is no key yet, hence no key policy: only identity policies can allow it.
        let attempt = RequestContext::new(&caller.principal, "kms:CreateKey", Resource::None);
        check(decide(None, &caller.identity, &attempt), &attempt)?;
        for (name, value, only) in [
            ("KeyUsage", &request.key_usage, "ENCRYPT_DECRYPT"),
            ("KeySpec", &request.key_spec, "SYMMETRIC_DEFAULT"),
            ("Origin", &request.origin, "AWS_KMS"),
        ] {
            if value.as_deref().is_some_and(|value| value != only) {
                return Err(Fault::new("UnsupportedOperationException", format!("{name} other than {only}")));
            }
        }
        let id = new_key_id().map_err(|_| Fault::internal())?;
        let (partition, region, account) = (self.partition, &self.region, &self.account);
        let arn: KeyArn =
            format!("arn:{partition}:kms:{region}:{account}:key/{id}").parse().map_err(|_| Fault::internal())?;
        let text = request.policy.unwrap_or_else(|| Policy::default_text(&arn));
        let policy =
            self.checked_policy(&text, &arn, caller, request.bypass_policy_lockout_safety_check.unwrap_or(false))?;
        let description = request.description.unwrap_or_default();
        let key = Key::generate(arn, self.clock.now(), description, policy, text).map_err(|_| Fault::internal())?;
        let reply = json!({ "KeyMetadata": metadata(&key) });
        let mut keys = self.keys();
        if keys.len() >= Keys::MAX {
            return Err(Fault::new("LimitExceededException", "the simulator holds no more keys"));
        }
        keys.insert(key);
        Ok(reply)
    }

    fn describe_key(&self, caller: &Caller, request: &KeyRequest) -> Result<Value, Fault> {
        let keys = self.keys();
        let key = Self::find(&keys, &request.key_id)?;
        authorize(key, &Attempt::of("kms:DescribeKey", caller))?;
        Ok(json!({ "KeyMetadata": metadata(key) }))
    }

    fn get_key_policy(&self, caller: &Caller, request: &GetKeyPolicyRequest) -> Result<Value, Fault> {
        check_policy_name(request.policy_name.as_deref())?;
        let keys = self.keys();
        let key = Self::find(&keys, &request.key_id)?;
        authorize(key, &Attempt::of("kms:GetKeyPolicy", caller))?;
        Ok(json!({ "Policy": key.policy_text, "PolicyName": "default" }))
    }

    fn put_key_policy(&self, caller: &Caller, request: PutKeyPolicyRequest) -> Result<(), Fault> {
        check_policy_name(request.policy_name.as_deref())?;
        let bypass = request.bypass_policy_lockout_safety_check.unwrap_or(false);
        let mut keys = self.keys();
        let key = Self::find(&keys, &request.key_id)?;
        let attempt =
            Attempt { bypass: request.bypass_policy_lockout_safety_check, ..Attempt::of("kms:PutKeyPolicy", caller) };
        authorize(key, &attempt)?;
        let arn = key.arn.clone();
        let policy = self.checked_policy(&request.policy, &arn, caller, bypass)?;
        let key = keys.get_mut(arn.key_id()).ok_or_else(Fault::internal)?;
        key.policy = policy;
        key.policy_text = request.policy;
        Ok(())
    }

    fn encrypt(&self, caller: &Caller, request: &EncryptRequest) -> Result<Value, Fault> {
        check_algorithm(request.encryption_algorithm.as_deref())?;
        check_context(&request.encryption_context)?;
        let plaintext = Zeroizing::new(blob("Plaintext", &request.plaintext, MAX_PLAINTEXT_LEN)?);
        let keys = self.keys();
        let key = Self::find(&keys, &request.key_id)?;
        let attempt = Attempt { context: &request.encryption_context, ..Attempt::of("kms:Encrypt", caller) };
        authorize(key, &attempt)?;
        let sealed = key.encrypt(&plaintext, &request.encryption_context).map_err(|_| Fault::internal())?;
        Ok(json!({
            "CiphertextBlob": STANDARD.encode(sealed),
            "EncryptionAlgorithm": ALGORITHM,
            "KeyId": key.arn.as_str(),
        }))
    }

    fn decrypt(&self, caller: &Caller, request: &DecryptRequest) -> Result<Value, Fault> {
        check_algorithm(request.encryption_algorithm.as_deref())?;
        check_context(&request.encryption_context)?;
        let blob = blob("CiphertextBlob", &request.ciphertext_blob, MAX_CIPHERTEXT_BLOB_LEN)?;
        let recipient = self.verify_recipient(request.recipient.as_ref())?;
        let keys = self.keys();
        let made_under = keys.of_blob(&blob);
        let key = match &request.key_id {
            Some(id) => Self::find(&keys, id)?,
            None => made_under.ok_or_else(Fault::invalid_ciphertext)?,
        };
        let attempt = Attempt {
            context: &request.encryption_context,
            recipient: recipient.as_ref(),
            ..Attempt::of("kms:Decrypt", caller)
        };
        authorize(key, &attempt)?;
        match made_under {
            Some(other) if other.arn != key.arn => {
                return Err(Fault::new(
                    "IncorrectKeyException",
                    "The key ID in the request does not identify a CMK that can perform this operation.",
                ));
            }
            Some(_) => {}
            None => return Err(Fault::invalid_ciphertext()),
        }
        let plaintext = key.decrypt(&blob, &request.encryption_context).map_err(|_| Fault::invalid_ciphertext())?;
        let mut reply = json!({ "EncryptionAlgorithm": ALGORITHM, "KeyId": key.arn.as_str() });
        add_plaintext(&mut reply, &plaintext, recipient.as_ref())?;
        Ok(reply)
    }

    fn generate_data_key(&self, caller: &Caller, request: &GenerateDataKeyRequest) -> Result<Value, Fault> {
        check_context(&request.encryption_context)?;
        let len = match (request.key_spec.as_deref(), request.number_of_bytes) {
            (Some("AES_256"), None) => 32,
            (Some("AES_128"), None) => 16,
            (None, Some(len)) if (1..=1024).contains(&len) => len,
            _ => {
                return Err(Fault::validation(
                    "exactly one of KeySpec (AES_256, AES_128) and NumberOfBytes (1 to 1024)",
                ));
            }
        };
        let recipient = self.verify_recipient(request.recipient.as_ref())?;
        let keys = self.keys();
        let key = Self::find(&keys, &request.key_id)?;
        let attempt = Attempt {
            context: &request.encryption_context,
            recipient: recipient.as_ref(),
            ..Attempt::of("kms:GenerateDataKey", caller)
        };
        authorize(key, &attempt)?;
        let mut plaintext = Zeroizing::new(vec![0; len]);
        aws_lc_rs::rand::fill(&mut plaintext).map_err(|_| Fault::internal())?;
        let sealed = key.encrypt(&plaintext, &request.encryption_context).map_err(|_| Fault::internal())?;
        let mut reply = json!({ "CiphertextBlob": STANDARD.encode(sealed), "KeyId": key.arn.as_str() });
        add_plaintext(&mut reply, &plaintext, recipient.as_ref())?;
        Ok(reply)
    }

    fn verify_recipient(&self, field: Option<&RecipientField>) -> Result<Option<VerifiedRecipient>, Fault> {
        field.map(|field| field.verify(&self.anchor, self.clock.now())).transpose()
    }

    /// Reads a policy and, unless told not to, makes sure that its author can still change it.
    fn checked_policy(&self, text: &str, key: &KeyArn, caller: &Caller, bypass: bool) -> Result<Policy, Fault> {
        let known: Vec<Principal> = self.registered.iter().map(|entry| entry.caller.principal.clone()).collect();
        let policy = Policy::parse(text, PolicyKind::Key { key, principals: KnownPrincipals::Only(&known) })?;
        let attempt = Attempt::of("kms:PutKeyPolicy", caller);
        if !bypass && decide(Some(&policy), &caller.identity, &attempt.request(key)) != Decision::Allowed {
            return Err(Fault::malformed_policy(
                "The new key policy will not allow you to update the key policy in the future.",
            ));
        }
        Ok(policy)
    }

    fn find<'a>(keys: &'a Keys, key_id: &str) -> Result<&'a Key, Fault> {
        let key = match key_id.parse::<KeyArn>() {
            Ok(arn) => keys.get(arn.key_id()).filter(|key| key.arn == arn),
            Err(_) => keys.get(key_id),
        };
        let shown: String = key_id.chars().take(256).collect();
        key.ok_or_else(|| Fault::new("NotFoundException", format!("Key '{shown}' does not exist")))
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        // Every change to the keys is one insertion or one assignment of values already made.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a caller attempts, for the key policy.
struct Attempt<'a> {
    action: &'a str,
    caller: &'a Caller,
    context: &'a EncryptionContext,
    recipient: Option<&'a VerifiedRecipient>,
    bypass: Option<bool>,
}

impl<'a> Attempt<'a> {
    fn of(action: &'a str, caller: &'a Caller) -> Self {
        static NO_CONTEXT: EncryptionContext = EncryptionContext::new();
        Self { action, caller, context: &NO_CONTEXT, recipient: None, bypass: None }
    }

    fn request<'b>(&'b self, key: &'b KeyArn) -> RequestContext<'b> {
        let properties = KeyProperties {
            spec: KeySpec::SymmetricDefault,
            usage: KeySpec::SymmetricDefault.usage(),
            is_multi_region: false,
        };
        RequestContext {
            encryption_context: self.context,
            pcrs: self.recipient.map(|recipient| &recipient.pcrs),
            bypass_policy_lockout_safety_check: self.bypass,
            key_properties: Some(properties),
            ..RequestContext::new(&self.caller.principal, self.action, Resource::Key { arn: key, aliases: &[] })
        }
    }
}

fn authorize(key: &Key, attempt: &Attempt<'_>) -> Result<(), Fault> {
    let request = attempt.request(&key.arn);
    check(decide(Some(&key.policy), &attempt.caller.identity, &request), &request)
}

fn check(decision: Decision, request: &RequestContext<'_>) -> Result<(), Fault> {
    let based = |origin| match origin {
        Origin::Identity => "identity-based",
        Origin::Resource => "resource-based",
    };
    let reason = match decision {
        Decision::Allowed => return Ok(()),
        Decision::DeniedBy(origin) => format!("with an explicit deny in a {} policy", based(origin)),
        Decision::NotAllowedBy(origin) => {
            format!("because no {} policy allows the {} action", based(origin), request.action)
        }
    };
    let resource = match request.resource {
        Resource::None => String::new(),
        other => format!(" on resource: {}", other.as_str()),
    };
    let (who, what) = (&request.caller.arn, request.action);
    Err(Fault::new(
        "AccessDeniedException",
        format!("User: {who} is not authorized to perform: {what}{resource} {reason}"),
    ))
}

/// With a Recipient the plaintext travels in its envelope only.
fn add_plaintext(reply: &mut Value, plaintext: &[u8], recipient: Option<&VerifiedRecipient>) -> Result<(), Fault> {
    match recipient {
        Some(recipient) => reply["CiphertextForRecipient"] = STANDARD.encode(recipient.seal(plaintext)?).into(),
        None => reply["Plaintext"] = STANDARD.encode(plaintext).into(),
    }
    Ok(())
}

fn metadata(key: &Key) -> Value {
    json!({
        "AWSAccountId": key.arn.account(),
        "Arn": key.arn.as_str(),
        "CreationDate": key.created_at.as_secs(),
        "CustomerMasterKeySpec": ALGORITHM,
        "Description": key.description,
        "Enabled": true,
        "EncryptionAlgorithms": [ALGORITHM],
        "KeyId": key.arn.key_id(),
        "KeyManager": "CUSTOMER",
        "KeySpec": ALGORITHM,
        "KeyState": "Enabled",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": false,
        "Origin": "AWS_KMS",
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::new("SerializationException", error.to_string()))
}

fn blob(field: &str, text: &str, max: usize) -> Result<Vec<u8>, Fault> {
    let bytes =
        STANDARD.decode(text).map_err(|_| Fault::new("SerializationException", format!("{field} is not base64")))?;
    if (1..=max).contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(Fault::validation(format!("{field} must have 1 to {max} bytes")))
    }
}

fn check_algorithm(algorithm: Option<&str>) -> Result<(), Fault> {
    match algorithm {
        None | Some(ALGORITHM) => Ok(()),
        Some(_) => Err(Fault::new("InvalidKeyUsageException", "the key is symmetric")),
    }
}

fn check_policy_name(name: Option<&str>) -> Result<(), Fault> {
    match name {
        None | Some("default") => Ok(()),
        Some(_) => Err(Fault::new("NotFoundException", "a key has one policy, named default")),
    }
}

fn check_context(context: &EncryptionContext) -> Result<(), Fault> {
    let len: usize = context.iter().map(|(key, value)| key.len() + value.len()).sum();
    if len > MAX_ENCRYPTION_CONTEXT_LEN || context.contains_key("") {
        return Err(Fault::validation("the encryption context is too long or has an empty key"));
    }
    let mut names: Vec<String> = context.keys().map(|key| key.to_ascii_lowercase()).collect();
    names.sort_unstable();
    // KMS warns of such contexts: which of the two a condition key means is not defined.
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Fault::validation("the simulator refuses encryption context keys that differ by case only"));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateKeyRequest {
    bypass_policy_lockout_safety_check: Option<bool>,
    description: Option<String>,
    key_spec: Option<String>,
    key_usage: Option<String>,
    origin: Option<String>,
    policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct KeyRequest {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetKeyPolicyRequest {
    key_id: String,
    policy_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutKeyPolicyRequest {
    bypass_policy_lockout_safety_check: Option<bool>,
    key_id: String,
    policy: String,
    policy_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct EncryptRequest {
    encryption_algorithm: Option<String>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    key_id: String,
    plaintext: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DecryptRequest {
    ciphertext_blob: String,
    encryption_algorithm: Option<String>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    key_id: Option<String>,
    recipient: Option<RecipientField>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GenerateDataKeyRequest {
    #[serde(default)]
    encryption_context: EncryptionContext,
    key_id: String,
    key_spec: Option<String>,
    number_of_bytes: Option<usize>,
    recipient: Option<RecipientField>,
}

const ALGORITHM: &str = "SYMMETRIC_DEFAULT";
const MAX_PLAINTEXT_LEN: usize = 4096;
