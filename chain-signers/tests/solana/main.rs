//! Solana's messages against the SDK's own fixture and serializer, and what is refused.
#![cfg(feature = "solana")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod fees;
mod lookups;
#[path = "../mutation/mod.rs"]
mod mutation;
mod programs;
mod wallet_core;

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, Payload, SignError, Signature,
    SigningKey, SigningPayload, Transaction, VerifyingKey, solana::Solana,
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};
use solana_hash::Hash;
use solana_instruction::{AccountMeta, Instruction};
use solana_message::Message;
use solana_pubkey::Pubkey;

/// `test_sdk_serialize` of the solana-transaction crate: the secret half of its key pair, and the signed transaction.
mod sdk {
    pub(crate) const SECRET: [u8; 32] = [
        255, 101, 36, 24, 124, 23, 167, 21, 132, 204, 155, 5, 185, 58, 121, 75, 156, 227, 116, 193, 215, 38, 142, 22,
        8, 14, 229, 239, 119, 93, 5, 218,
    ];
    pub(crate) const SIGNED: &str = "01788aa2b93bd1f19d479d4a830457361c26b4de52403e3d3e162e11cbbb883e2b0b26eb11ef52f08b\
         82d9e3d609f28ddf5e1db86e3e2057893f8b64dd1489040501000103\
         24649efc21a161b93e5963c3faf9bbbdab76f15af80e44dbe73e9d058e1bd275\
         0101010405060708090909090909090909090909090909090807060504010101\
         0202020405060708090101010101010101010101010101090807060504020202\
         0000000000000000000000000000000000000000000000000000000000000000\
         010202000103010203";
}

const CLUSTER: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"; // CAIP-2's example for the development cluster
const SYSTEM: Pubkey = Pubkey::new_from_array([0; 32]);
const RECEIVER: [u8; 32] = [9; 32];

#[test]
fn signs_the_fixture_of_the_solana_sdk() {
    let expected = hex::decode(sdk::SIGNED).unwrap();
    let message = &expected[65..];
    let signer = signer(&sdk::SECRET);
    let transaction = decode(message).unwrap();
    let signed = signer.sign(transaction.as_ref()).unwrap();
    assert_eq!(signed.bytes, expected);
    assert_eq!(signed.id, bs58::encode(&expected[1..65]).into_string());
    let address = |bytes: &[u8]| bs58::encode(bytes).into_string();
    assert_eq!(signer.address(), address(&message[4..36]));
    assert_eq!(
        transaction.summary().actions,
        [Action::ProgramCall {
            program: address(&message[68..100]),
            accounts: vec![address(&message[4..36]), address(&message[36..68])],
            data_len: 3,
        }]
    );
    assert_eq!(transaction.summary().fee_ceiling, Some(Amount::from(5000_u64)));
    let payload = SigningPayload::message(message.to_vec());
    let signature = Signature::from_bytes(Curve::Ed25519, &signed.bytes[1..65], None).unwrap();
    assert_eq!(signer.verifying_key().verify(&payload, &signature), Ok(()));
}

#[test]
fn a_system_transfer_is_a_transfer() {
    let transaction = decode(&message(&[transfer(1_500_000_000)]).serialize()).unwrap();
    let to = bs58::encode(RECEIVER).into_string();
    assert_eq!(transaction.summary().actions, [Action::Transfer { to, amount: Amount::from(1_500_000_000_u64) }]);
    assert_eq!(transaction.summary().fee_ceiling, Some(Amount::from(5000_u64)));
    assert!(transaction.summary().text.starts_with("transfer 1.5 to "), "{}", transaction.summary().text);
    assert_eq!(transaction.summary().chain_id.as_str(), CLUSTER);
}

#[test]
fn what_is_not_exactly_a_transfer_is_a_program_call() {
    let payer = payer_key();
    let meta = |key: [u8; 32]| AccountMeta::new(key.into(), false);
    let system = |data: &[u8], accounts| Instruction { program_id: SYSTEM, accounts, data: data.to_vec() };
    let from_and_to = || vec![AccountMeta::new(payer, true), meta(RECEIVER)];
    let mut longer = transfer(1).data;
    longer.push(0); // the runtime ignores what follows; it is a transfer there, so it must not pass as something lesser
    for instruction in [
        system(&longer, from_and_to()),
        system(&[1, 0, 0, 0], from_and_to()),
        system(&[2, 0, 0, 0], from_and_to()),
        system(&[], from_and_to()),
        system(&transfer(1).data, vec![AccountMeta::new(payer, true), meta(RECEIVER), meta([7; 32])]),
        system(&transfer(1).data, vec![AccountMeta::new(payer, true)]),
    ] {
        let transaction = decode(&message(&[instruction]).serialize()).unwrap();
        let actions = &transaction.summary().actions;
        assert!(
            matches!(&actions[..], [Action::ProgramCall { program, .. }] if *program == "1".repeat(32)),
            "{actions:?}"
        );
    }
    let assign =
        decode(&message(&[system(&[&[1, 0, 0, 0][..], &[7; 32]].concat(), from_and_to())]).serialize()).unwrap();
    assert!(assign.summary().text.contains("(System, Assign)"), "{}", assign.summary().text);
}

#[test]
fn refuses_a_transfer_out_of_another_account() {
    let mut stolen = transfer(1);
    stolen.accounts.swap(0, 1);
    stolen.accounts[0].is_signer = false;
    let error = decode(&message(&[stolen]).serialize()).unwrap_err();
    assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == "the source of a transfer"), "{error}");
}

#[test]
fn the_caller_names_the_cluster() {
    let bytes = message(&[transfer(1)]).serialize();
    let payload = Payload::new(Encoding::Binary, &bytes);
    assert_eq!(Solana.decode(&payload).unwrap_err(), DecodeError::ChainIdRequired { namespace: "solana".into() });
    let other: ChainId = "eip155:1".parse().unwrap();
    assert!(matches!(Solana.decode(&payload.on_chain(&other)), Err(DecodeError::Invalid { .. })));
    let cluster = CLUSTER.parse().unwrap();
    let json = Solana.decode(&Payload::new(Encoding::Json, b"{}").on_chain(&cluster)).unwrap_err();
    assert!(matches!(json, DecodeError::UnsupportedEncoding { encoding: Encoding::Json, .. }));
    let message = Solana.decode(&Payload::new(Encoding::Message, &bytes).on_chain(&cluster)).unwrap_err();
    assert!(matches!(message, DecodeError::UnsupportedEncoding { encoding: Encoding::Message, .. }));
}

#[test]
fn only_the_named_signer_signs() {
    let transaction = decode(&message(&[transfer(1)]).serialize()).unwrap();
    let other = signer(&[8; 32]);
    let refused = other.sign(transaction.as_ref()).unwrap_err();
    let expected = signer(&sdk::SECRET).address().to_owned();
    assert_eq!(refused, SignError::NotTheSigner { expected, actual: other.address().to_owned() });
    let own = payer();
    let none = transaction.assemble(&own, &[]).unwrap_err();
    assert_eq!(none, SignError::SignatureCount { expected: 1, actual: 0 });
}

#[test]
fn refuses_what_breaks_the_rules() {
    let good = message(&[transfer(1)]);
    decode(&good.serialize()).unwrap();
    let edited = |edit: &dyn Fn(&mut Message)| {
        let mut message = good.clone();
        edit(&mut message);
        message.serialize()
    };
    let cases: [(&str, Vec<u8>); 15] = [
        ("nothing", Vec::new()),
        ("a trailing byte", [&good.serialize()[..], &[0]].concat()),
        ("two signers", edited(&|m| m.header.num_required_signatures = 2)),
        ("no signer", edited(&|m| m.header.num_required_signatures = 0)),
        ("a fee payer that is not written to", edited(&|m| m.header.num_readonly_signed_accounts = 1)),
        ("more read-only accounts than there are", edited(&|m| m.header.num_readonly_unsigned_accounts = 3)),
        ("a duplicate account", edited(&|m| m.account_keys[1] = m.account_keys[0])),
        ("no accounts", edited(&|m| m.account_keys.clear())),
        ("no instructions", edited(&|m| m.instructions.clear())),
        ("a program that is the payer", edited(&|m| m.instructions[0].program_id_index = 0)),
        ("a program out of range", edited(&|m| m.instructions[0].program_id_index = 3)),
        ("an account out of range", edited(&|m| m.instructions[0].accounts[1] = 3)),
        ("more than a packet", edited(&|m| m.instructions[0].data = vec![0; 1168])),
        ("a padded length", {
            let mut bytes = good.serialize();
            bytes[3] |= 0x80;
            bytes.insert(4, 0);
            bytes
        }),
        ("cut short", good.serialize()[..good.serialize().len() - 1].to_vec()),
    ];
    for (what, bytes) in cases {
        assert!(decode(&bytes).is_err(), "{what}");
    }
    for (first, version) in [(0x81, "version 1 "), (0x82, "version 2"), (0xff, "version 127")] {
        let mut bytes = good.serialize();
        bytes.insert(0, first);
        let error = decode(&bytes).unwrap_err();
        assert!(matches!(&error, DecodeError::UnsupportedType { found } if found.contains(version)), "{error}");
    }
}

#[test]
fn takes_the_largest_message_that_fits_a_packet_and_no_larger() {
    let with_data = |len: usize| {
        let mut message = message(&[transfer(1)]);
        message.instructions[0].data = vec![0; len];
        message.serialize()
    };
    let overhead = with_data(1000).len() - 1000;
    assert_eq!(decode(&with_data(1167 - overhead)).unwrap().to_bytes().len(), 1167);
    assert!(matches!(decode(&with_data(1168 - overhead)), Err(DecodeError::TooLong { len: 1168, max: 1167, .. })));
}

proptest! {
    #[test]
    fn what_the_sdk_serializes_decodes_to_the_same_bytes(
        instructions in vec((1..6_u8, vec(0..6_u8, 0..5), vec(any::<u8>(), 0..200)), 1..4),
    ) {
        let key = |n: u8| Pubkey::new_from_array([n + 1; 32]);
        let instructions: Vec<_> = instructions
            .into_iter()
            .map(|(program, accounts, data)| Instruction {
                program_id: key(program + 10),
                accounts: accounts.into_iter().map(|n| AccountMeta::new(key(n), false)).collect(),
                data,
            })
            .collect();
        let bytes = message(&instructions).serialize();
        let transaction = decode(&bytes).unwrap();
        prop_assert_eq!(transaction.to_bytes(), bytes);
        prop_assert_eq!(transaction.summary().actions.len(), instructions.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_mutated_message_is_refused_or_another_one(
        lamports: u64, v0: bool, mutations in mutations(),
    ) {
        let good = if v0 { lookups::with_one_of_each(lamports) } else { message(&[transfer(lamports)]).serialize() };
        let bytes = mutated(&good, &mutations);
        let Ok(transaction) = decode(&bytes) else { return Ok(()) };
        prop_assert_eq!(transaction.to_bytes(), &bytes[..], "decoding is exact");
        prop_assert_eq!(transaction.summary() == decode(&good).unwrap().summary(), bytes == good);
    }

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..200), head in 0..3_usize) {
        let bytes = [[&[][..], &[1, 0, 0, 1], &[0x80, 1, 0, 0, 1]][head], &bytes].concat();
        let _ = decode(&bytes);
    }
}

fn decode(bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    let cluster = CLUSTER.parse().unwrap();
    Solana.decode(&Payload::new(Encoding::Binary, bytes).on_chain(&cluster))
}

fn signer(secret: &[u8; 32]) -> ChainSigner {
    ChainSigner::new(Arc::new(Solana), SigningKey::from_secret_bytes(Curve::Ed25519, secret).unwrap()).unwrap()
}

fn payer() -> VerifyingKey {
    *signer(&sdk::SECRET).verifying_key()
}

fn payer_key() -> Pubkey {
    Pubkey::new_from_array(payer().to_bytes().try_into().unwrap())
}

/// A message that the SDK's key pays for.
fn message(instructions: &[Instruction]) -> Message {
    Message::new_with_blockhash(instructions, Some(&payer_key()), &Hash::new_from_array([3; 32]))
}

/// The actions and the text of such a message.
fn summary(instructions: &[Instruction]) -> Result<(Vec<Action>, String), DecodeError> {
    let transaction = decode(&message(instructions).serialize())?;
    Ok((transaction.summary().actions.clone(), transaction.summary().text.clone()))
}

fn program(name: &str) -> Pubkey {
    Pubkey::new_from_array(bs58::decode(name).into_vec().unwrap().try_into().unwrap())
}

fn base58(bytes: [u8; 32]) -> String {
    bs58::encode(bytes).into_string()
}

/// System program instruction 2: a little-endian u32 and the lamports.
fn transfer(lamports: u64) -> Instruction {
    Instruction {
        program_id: SYSTEM,
        accounts: vec![AccountMeta::new(payer_key(), true), AccountMeta::new(RECEIVER.into(), false)],
        data: [&[2, 0, 0, 0][..], &lamports.to_le_bytes()].concat(),
    }
}
