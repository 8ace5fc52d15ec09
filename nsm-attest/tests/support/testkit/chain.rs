//! The certificate path: validity, names, authority, usage. Every certificate is signed by its issuer's key.

use nsm_attest::ChainPosition::{self, Cabundle, EndEntity};
use nsm_attest::Rejection::{
    CertificateExpired, CertificateNotYetValid, ChainTooLong, EndEntityIsAuthority, ExtendedKeyUsage, IssuerMismatch,
    KeyUsageMissing, NotAuthority, PathInvalid, PathLenExceeded,
};
use nsm_attest::{Fingerprint, Rejection};

use super::key::Key;
use super::kit::{Kit, Plan};
use super::x509::{
    BASIC_CONSTRAINTS, DIGITAL_SIGNATURE, EXTENDED_KEY_USAGE, Extension, KEY_AGREEMENT, KEY_CERT_SIGN, KEY_USAGE,
    NAME_CONSTRAINTS, basic_constraints, key_usage, name,
};
use super::{Case, HOUR, NOW, der};

pub fn cases(kit: &Kit) -> Vec<Case> {
    let mut cases = vec![Case::accepted("chain_honest", kit.chain(|_| {}), "attestation_process.md 3.2.3")];
    cases.extend(validity(kit));
    cases.extend(names(kit));
    cases.extend(roots(kit));
    cases.extend(authority(kit));
    cases.extend(usage(kit));
    cases.extend(name_constraints(kit));
    cases
}

/// A chain with one link altered; one whose root is altered brings its own anchor.
pub fn altered(
    kit: &Kit,
    name: String,
    position: ChainPosition,
    alter: impl FnOnce(&mut super::x509::Template),
    error: impl Into<nsm_attest::Error>,
    why: &'static str,
) -> Case {
    let case = Case::refused(name, kit.chain(|plan| alter(plan.link(position))), error, why);
    if position == Cabundle(0) { case.under_its_own_root() } else { case }
}

/// The places of a chain and their names.
pub const PLACES: [(ChainPosition, &str); 5] = [
    (Cabundle(0), "root"),
    (Cabundle(1), "regional"),
    (Cabundle(2), "zonal"),
    (Cabundle(3), "instance"),
    (EndEntity, "end_entity"),
];

fn validity(kit: &Kit) -> Vec<Case> {
    let why = "attestation_process.md 3.2.3.1: all certificates are valid now, the root too";
    let second = std::time::Duration::from_secs(1);
    let mut cases = Vec::new();
    for (position, place) in PLACES {
        let (not_after, not_before) = (NOW.saturating_sub(second), NOW.saturating_add(second));
        let expired = CertificateExpired { position, not_after, now: NOW };
        let late = format!("chain_{place}_expired");
        cases.push(altered(kit, late, position, |link| link.not_after = not_after, expired, why));
        let early = format!("chain_{place}_not_yet_valid");
        let future = CertificateNotYetValid { position, not_before, now: NOW };
        cases.push(altered(kit, early, position, |link| link.not_before = not_before, future, why));
    }
    let only_now = kit.chain(|plan| {
        let end_entity = plan.link(EndEntity);
        (end_entity.not_before, end_entity.not_after) = (NOW, NOW);
    });
    cases.push(Case::accepted("chain_valid_for_one_second", only_now, "RFC 5280 4.1.2.5: both ends are included"));
    let swapped = CertificateExpired { position: EndEntity, not_after: NOW.saturating_sub(HOUR), now: NOW };
    let negative = |link: &mut super::x509::Template| {
        (link.not_before, link.not_after) = (NOW.saturating_sub(second), NOW.saturating_sub(HOUR));
    };
    cases.push(altered(kit, "chain_validity_negative".to_owned(), EndEntity, negative, swapped, why));
    cases
}

fn names(kit: &Kit) -> Vec<Case> {
    let chaining = "RFC 5280 6.1.3 (a)(4): each certificate is issued in the name of the one before it";
    let order = "attestation_process.md 3.2.3: cabundle is [root, ..., last issuer]";
    let mismatch = |position| IssuerMismatch { position };
    let refused = |name: &str, document: Vec<u8>, error: Rejection, why| Case::refused(name, document, error, why);
    let certificates = kit.certificates();
    let arranged =
        |places: &[usize]| kit.document_below(places.iter().map(|place| certificates[*place].clone()).collect());
    let untrusted = |place: usize| untrusted(&kit.root, &certificates[place]);
    let one_too_many = PathLenExceeded { position: Cabundle(1), allowed: 2, actual: 3 };
    vec![
        refused("chain_order_swapped", arranged(&[0, 1, 3, 2, 4]), mismatch(Cabundle(2)), order),
        refused("chain_order_reversed", arranged(&[3, 2, 1, 0, 4]), untrusted(3), order),
        refused("chain_root_missing", arranged(&[1, 2, 3, 4]), untrusted(1), order),
        refused("chain_regional_missing", arranged(&[0, 2, 3, 4]), mismatch(Cabundle(1)), chaining),
        refused("chain_instance_missing", arranged(&[0, 1, 2, 4]), mismatch(EndEntity), chaining),
        refused("chain_zonal_repeated", arranged(&[0, 1, 2, 2, 4]), mismatch(Cabundle(3)), chaining),
        refused("chain_end_entity_in_bundle", arranged(&[0, 1, 2, 3, 4, 4]), one_too_many, order),
        refused("chain_root_as_end_entity", arranged(&[0, 0]), mismatch(EndEntity), chaining),
        refused("chain_too_long", arranged(&[0, 1, 2, 3, 3, 3, 3, 4]), ChainTooLong { len: 7, max: 6 }, WORK),
        altered(
            kit,
            "chain_end_entity_names_zonal_issuer".to_owned(),
            EndEntity,
            |link| link.issuer = name("zonal"),
            mismatch(EndEntity),
            chaining,
        ),
        refused("chain_name_repeated", kit.chain(repeat_name), mismatch(Cabundle(3)), WORK),
    ]
}

/// The instance authority is called what the zonal one is called.
fn repeat_name(plan: &mut Plan) {
    plan.link(Cabundle(3)).subject = name("zonal");
    plan.link(EndEntity).issuer = name("zonal");
}

fn roots(kit: &Kit) -> Vec<Case> {
    let why = "attestation_process.md 3.2: the chain ends at the root certificate that the verifier has";
    let signed = "RFC 5280 6.1.3 (a)(1): each certificate is signed by its issuer's key";
    let invalid = || Rejection::CertificateSignatureInvalid;
    let other = Kit { enclave: crate::support::Setup::new(), ..Kit::new() };
    let whole = other.certificates();
    let below = |certificates: Vec<Vec<u8>>| other.document_below(certificates);
    let grafted = [&kit.certificates()[..1], &whole[1..]].concat();
    let leaf_only = [&kit.certificates()[..4], &whole[4..]].concat();
    let same_key = kit.chain(|plan| plan.link(Cabundle(0)).not_after = NOW.saturating_add(HOUR));
    let same_key_root = nsm_attest::UnverifiedDocument::from_bytes(&same_key).unwrap().unverified().cabundle[0].clone();
    let self_made = |place: usize| kit.chain(|plan| plan.signers.push((place, Key::generate())));
    let mut cases = vec![
        Case::refused("chain_other_root_of_same_name", below(whole.clone()), untrusted(&kit.root, &whole[0]), why),
        Case::refused("chain_other_root_of_same_key", same_key, untrusted(&kit.root, &same_key_root), why),
        Case::refused("chain_grafted_below_root", below(grafted), invalid(), signed),
        Case::refused("chain_grafted_end_entity", below(leaf_only), invalid(), signed),
    ];
    for (place, (_, name)) in PLACES.into_iter().enumerate().skip(1) {
        let name = format!("chain_{name}_signed_by_other_key");
        cases.push(Case::refused(name, self_made(place), invalid(), signed));
    }
    cases
}

fn untrusted(expected: &[u8], actual: &[u8]) -> Rejection {
    Rejection::UntrustedRoot { expected: Fingerprint::of(expected), actual: Fingerprint::of(actual) }
}

fn authority(kit: &Kit) -> Vec<Case> {
    let why = "attestation_process.md 3.2.3.2, RFC 5280 6.1.4 (k): issuers are authorities";
    let path_len = "attestation_process.md 3.2.3.2, RFC 5280 6.1.4 (m): pathLenConstraint";
    let end = "attestation_process.md 3.2.3.3, RFC 5280 4.2.1.9: the end entity is no authority, without path length";
    let constrained = |ca, len| {
        move |link: &mut super::x509::Template| {
            link.set_extension(BASIC_CONSTRAINTS, basic_constraints(ca, len));
        }
    };
    let mut cases = Vec::new();
    for (position, place) in &PLACES[..4] {
        let error = NotAuthority { position: *position };
        cases.push(altered(
            kit,
            format!("chain_{place}_not_authority"),
            *position,
            constrained(false, None),
            error,
            why,
        ));
    }
    let remove = |link: &mut super::x509::Template| link.remove_extension(BASIC_CONSTRAINTS);
    let silent = "chain_instance_without_basic_constraints".to_owned();
    cases.push(altered(kit, silent, Cabundle(3), remove, NotAuthority { position: Cabundle(3) }, why));
    for (index, (position, place)) in PLACES[..3].iter().enumerate() {
        let actual = 3 - index;
        let allowed = u8::try_from(actual - 1).unwrap();
        let error = PathLenExceeded { position: *position, allowed, actual };
        let name = format!("chain_{place}_path_length");
        cases.push(altered(kit, name, *position, constrained(true, Some(allowed)), error, path_len));
    }
    let ends = [("chain_end_entity_is_authority", true, None), ("chain_end_entity_with_path_length", false, Some(0))];
    for (name, ca, len) in ends {
        cases.push(altered(kit, name.to_owned(), EndEntity, constrained(ca, len), EndEntityIsAuthority, end));
    }
    let issuing = kit.chain(issue_by_end_entity);
    cases.push(Case::refused("chain_end_entity_issues", issuing, NotAuthority { position: Cabundle(4) }, why));
    let plain = kit.chain(|plan| plan.link(EndEntity).remove_extension(BASIC_CONSTRAINTS));
    let plain_why = "RFC 5280 4.2.1.9: without the extension a certificate is no authority's";
    cases.push(Case::accepted("chain_end_entity_without_basic_constraints", plain, plain_why));
    cases
}

/// The end entity issues one more certificate, below authorities that allow any number.
fn issue_by_end_entity(plan: &mut Plan) {
    for (position, _) in &PLACES[1..4] {
        plan.link(*position).set_extension(BASIC_CONSTRAINTS, basic_constraints(true, None));
    }
    let mut another = plan.link(EndEntity).clone();
    (another.issuer, another.subject) = (name("end-entity"), name("another"));
    plan.link(EndEntity).set_extension(KEY_USAGE, key_usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN));
    plan.links.push(another);
}

fn usage(kit: &Kit) -> Vec<Case> {
    let why = "attestation_process.md 3.2.3.3, RFC 5280 4.2.1.3: keyCertSign for issuers, digitalSignature at the end";
    let mut cases = Vec::new();
    for (position, place) in PLACES {
        let (required, other) = match position {
            EndEntity => ("digitalSignature", KEY_AGREEMENT | KEY_CERT_SIGN),
            Cabundle(_) => ("keyCertSign", DIGITAL_SIGNATURE),
        };
        let error = || KeyUsageMissing { position, required };
        let other = |link: &mut super::x509::Template| link.set_extension(KEY_USAGE, key_usage(other));
        cases.push(altered(kit, format!("chain_{place}_other_key_usage"), position, other, error(), why));
        let none = |link: &mut super::x509::Template| link.remove_extension(KEY_USAGE);
        cases.push(altered(kit, format!("chain_{place}_without_key_usage"), position, none, error(), why));
    }
    let extended = "RFC 5280 4.2.1.12: a key restricted to other purposes; Nitro's are not restricted";
    for (position, place) in [(Cabundle(3), "instance"), (EndEntity, "end_entity")] {
        let server_auth = der::sequence(&[&der::oid("1.3.6.1.5.5.7.3.1")]);
        let restrict = |link: &mut super::x509::Template| {
            link.extensions.push(Extension { oid: EXTENDED_KEY_USAGE, critical: false, value: server_auth });
        };
        let name = format!("chain_{place}_extended_key_usage");
        cases.push(altered(kit, name, position, restrict, ExtendedKeyUsage { position }, extended));
    }
    cases
}

fn name_constraints(kit: &Kit) -> Vec<Case> {
    let why = "RFC 5280 4.2.1.10: an issuer's name constraints bind everything below it";
    // permittedSubtrees [0] or excludedSubtrees [1], of one directoryName [4].
    let constrained = |subtrees: u8, common_name: &str| {
        let subtree = der::sequence(&[&der::tlv(der::context(4), &name(common_name))]);
        let value = der::sequence(&[&der::tlv(der::context(subtrees), &subtree)]);
        move |link: &mut super::x509::Template| link.extensions.push(Extension::critical(NAME_CONSTRAINTS, value))
    };
    let [permitted, excluded] = ["chain_name_not_permitted", "chain_name_excluded"].map(str::to_owned);
    // permittedSubtrees of one dNSName [2]: nothing below has a DNS name.
    let met = kit.chain(|plan| {
        let subtree = der::sequence(&[&der::tlv(0x82, b"simulation.invalid")]);
        let value = der::sequence(&[&der::tlv(der::context(0), &subtree)]);
        plan.link(Cabundle(2)).extensions.push(Extension::critical(NAME_CONSTRAINTS, value));
    });
    vec![
        Case::accepted(RESTRICTED, met, why),
        altered(kit, permitted, Cabundle(3), constrained(0, "other"), PathInvalid, why),
        altered(kit, excluded, Cabundle(3), constrained(1, "end-entity"), PathInvalid, why),
    ]
}

const WORK: &str = "RFC 5280 6.1: one path and no search, so that the work is bounded";
/// A chain whose restriction on names is met.
pub const RESTRICTED: &str = "chain_name_constraints_met";
