//! CreateKey.

use bytes::Bytes;
use serde::Deserialize;

use super::describe_key::MetadataReply;
use super::{Action, Call, reply};
use crate::key_arn::KeyArn;
use crate::sim::fault::Fault;
use crate::sim::key::{Key, new_uuid};
use crate::sim::key_spec::KeySpec;
use crate::sim::policy::{KeyProperties, Policy, RequestContext, Resource};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct CreateKey {
    bypass_policy_lockout_safety_check: Option<bool>,
    description: Option<String>,
    key_spec: Option<String>,
    key_usage: Option<String>,
    multi_region: Option<bool>,
    origin: Option<String>,
    policy: Option<String>,
}

impl Action for CreateKey {
    const NAME: &'static str = "CreateKey";

    fn is_slow(&self) -> bool {
        self.key_spec.as_deref().is_some_and(|spec| spec != KeySpec::SymmetricDefault.as_str())
    }

    fn perform(self, call: &Call<'_>) -> Result<Bytes, Fault> {
        let spec = self.checked_spec()?;
        // There is no key yet, hence no key policy: only identity policies can allow it.
        let key_properties = Some(KeyProperties { spec, usage: spec.usage(), is_multi_region: false });
        let attempt = RequestContext {
            key_properties,
            bypass_policy_lockout_safety_check: self.bypass_policy_lockout_safety_check,
            ..call.attempt_on("kms:CreateKey", Resource::None)
        };
        call.authorize(None, &attempt)?;
        let id = new_uuid().map_err(|_| Fault::internal())?;
        let arn = call.service.place.arn(&format!("key/{id}"));
        let arn: KeyArn = arn.parse().map_err(|_| Fault::internal())?;
        // The safety check is for policies that somebody wrote.
        let bypass = self.bypass_policy_lockout_safety_check.unwrap_or(false) || self.policy.is_none();
        let text = self.policy.unwrap_or_else(|| Policy::default_text(&arn));
        let resource = Resource::Key { arn: &arn, aliases: &[] };
        let next = RequestContext { key_properties, ..call.attempt_on("kms:PutKeyPolicy", resource) };
        let policy = call.service.checked_policy(text, &arn, call.caller, Some(&next).filter(|_| !bypass))?;
        let key = Key::generate(arn, call.now, self.description.unwrap_or_default(), spec);
        let key = key.map_err(|_| Fault::internal())?;
        let body = reply(&MetadataReply::of(&key)?)?;
        call.service.vault_mut().insert(key, policy)?;
        Ok(body)
    }
}

impl CreateKey {
    fn checked_spec(&self) -> Result<KeySpec, Fault> {
        if self.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION_LEN) {
            return Err(Fault::validation(format!("Description must have at most {MAX_DESCRIPTION_LEN} characters")));
        }
        if self.multi_region == Some(true) {
            return Err(Fault::unsupported("the simulator makes no multi-Region keys"));
        }
        if self.origin.as_deref().is_some_and(|origin| origin != "AWS_KMS") {
            return Err(Fault::unsupported("the simulator makes keys of the Origin AWS_KMS only"));
        }
        let name = self.key_spec.as_deref().unwrap_or(KeySpec::SymmetricDefault.as_str());
        let usages = usages(name).ok_or_else(|| Fault::validation(format!("{name:?} is not a KeySpec")))?;
        let usage = match self.key_usage.as_deref() {
            Some(usage) => usage,
            None if name == KeySpec::SymmetricDefault.as_str() => "ENCRYPT_DECRYPT",
            None => {
                return Err(Fault::validation(
                    "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
                ));
            }
        };
        if !usages.contains(&usage) {
            return Err(Fault::validation(format!("KeyUsage {usage} is not compatible with KeySpec {name}")));
        }
        let spec = KeySpec::from_name(name).filter(|spec| spec.usage().as_str() == usage);
        spec.ok_or_else(|| Fault::unsupported(format!("the simulator makes no keys of {name} for {usage}")))
    }
}

/// What keys of a kind can be used for in KMS: <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>.
fn usages(spec: &str) -> Option<&'static [&'static str]> {
    Some(match spec {
        "SYMMETRIC_DEFAULT" => &["ENCRYPT_DECRYPT"],
        "RSA_2048" | "RSA_3072" | "RSA_4096" => &["ENCRYPT_DECRYPT", "SIGN_VERIFY"],
        "ECC_NIST_P256" | "ECC_NIST_P384" | "ECC_NIST_P521" => &["KEY_AGREEMENT", "SIGN_VERIFY"],
        "ECC_NIST_EDWARDS25519" | "ECC_SECG_P256K1" | "ML_DSA_44" | "ML_DSA_65" | "ML_DSA_87" => &["SIGN_VERIFY"],
        "HMAC_224" | "HMAC_256" | "HMAC_384" | "HMAC_512" => &["GENERATE_VERIFY_MAC"],
        "ML_KEM_512" | "ML_KEM_768" | "ML_KEM_1024" => &["ENCAPSULATE_DECAPSULATE"],
        "SM2" => &["ENCRYPT_DECRYPT", "SIGN_VERIFY", "KEY_AGREEMENT"],
        _ => return None,
    })
}

const MAX_DESCRIPTION_LEN: usize = 8192;
