//! `tx`, `policy check` and `keys address`: everything that needs neither parent nor enclave.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use support::{Run, run_with};
use tempfile::TempDir;

/// EIP-155's example.
const TRANSACTION: &str = r#"{"to": "0x3535353535353535353535353535353535353535", "value": 1, "nonce": 9, "chainId": 1,
    "gas": 21000, "gasPrice": 20000000000}"#;
const SIGNED: &str = "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080\
    25a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc\
    64214b297fb1966a3b6d83";
const SECRET: &str = "4646464646464646464646464646464646464646464646464646464646464646"; // of the example: not a secret
const ADDRESS: &str = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F";
const POLICY: &str = r#"{"version": 1, "rules": [{"name": "payroll", "effect": "allow", "chains": ["eip155:1"],
    "destinations": ["0x3535353535353535353535353535353535353535"], "max_amount": "1000000000000000000",
    "max_fee": "420000000000000", "limits": [{"seconds": 60, "signatures": 1}]}]}"#;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, content) in [("tx.json", TRANSACTION), ("policy.json", POLICY)] {
            folder.write(name, content);
        }
        folder.write_private("key", &format!("0x{SECRET}\n"));
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).into_os_string().into_string().unwrap()
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn write_private(&self, name: &str, content: &str) {
        self.write(name, content);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Words that begin with `@` are files of the folder.
    async fn run(&self, line: &str) -> Run {
        let words = line.split(' ').map(|word| match word.strip_prefix('@') {
            Some(name) => self.path(name),
            None => word.to_owned(),
        });
        run_with(&words.collect::<Vec<_>>(), io::empty()).await
    }
}

#[tokio::test]
async fn a_transaction_is_decoded_into_words_and_actions() {
    let folder = Folder::new();
    let run = folder.run("tx decode --chain eip155 @tx.json").await;
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.starts_with("transfer 1 to 0x3535353535353535353535353535353535353535 on eip155:1"), "{run:?}");
    let object = folder.run("tx decode --chain eip155:1 --json @tx.json").await.json();
    assert_eq!(object["chain_id"], "eip155:1");
    assert_eq!(object["fee_ceiling"], "420000000000000");
    let to = "0x3535353535353535353535353535353535353535";
    assert_eq!(object["actions"], json!([{"kind": "transfer", "to": to, "amount": "1000000000000000000"}]));
    // The unsigned transaction that EIP-155 gives is the canonical encoding, and is read in both spellings.
    let bytes = "0xec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080";
    assert_eq!(object["bytes"], bytes);
    folder.write("tx.hex", bytes);
    let again = folder.run("tx decode --chain eip155 --encoding binary --json @tx.hex").await.json();
    assert_eq!(again, object);
}

#[tokio::test]
async fn nothing_that_a_transaction_does_is_cut_short_in_text() {
    let folder = Folder::new();
    folder.write("mail.json", MAIL);
    for line in [
        "tx decode --chain eip155 --encoding typed-data @mail.json",
        "tx sign --chain eip155 --encoding typed_data --key-file @key @mail.json",
    ] {
        let text = folder.run(line).await;
        let object = folder.run(&format!("{line} --json")).await.json();
        let summary = object.get("text").or_else(|| object.get("summary")).unwrap().as_str().unwrap();
        assert!(summary.len() > 256 && text.stdout.contains(summary), "{text:?}");
    }
}

#[tokio::test]
async fn a_development_key_signs_what_eip_155_says() {
    let folder = Folder::new();
    let object = folder.run("tx sign --chain eip155 --key-file @key --json @tx.json").await.json();
    assert_eq!(object["signed_transaction"], SIGNED);
    assert_eq!(object["address"], ADDRESS);
    let text = folder.run("tx sign --chain eip155:1 --key-file @key @tx.json").await;
    assert!(text.stdout.contains(SIGNED) && text.stdout.contains(ADDRESS), "{text:?}");
    assert!(!text.stdout.contains(SECRET));
}

#[tokio::test]
async fn an_address_is_that_of_a_public_or_a_secret_key() {
    let folder = Folder::new();
    let run = folder.run("keys address --chain eip155 --key-file @key").await;
    assert_eq!((run.code, run.stdout.trim_end()), (0, ADDRESS));
    let object = folder.run("keys address --chain eip155:1 --key-file @key --json").await.json();
    let public_key = object["public_key"].as_str().unwrap();
    let run = folder.run(&format!("keys address --chain eip155 --public-key {public_key}")).await;
    assert_eq!(run.stdout.trim_end(), ADDRESS);
    // The first of the accounts that development networks start with.
    folder.write_private("words", "test test test test test test test test test test test junk\n");
    let line = "keys address --chain eip155 --key-file @words --key-format mnemonic --path m/44'/60'/0'/0/0";
    assert_eq!(folder.run(line).await.stdout.trim_end(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    // BIP-84's first receiving address, and the same key's on a test network.
    folder.write_private("abandon", ABANDON);
    let bitcoin = |chain: &str| {
        format!("keys address --chain {chain} --key-file @abandon --key-format mnemonic --path m/84'/0'/0'/0/0")
    };
    let main = folder.run(&bitcoin("bip122:000000000019d6689c085ae165831e93")).await;
    assert_eq!(main.stdout.trim_end(), "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "{main:?}");
    assert_eq!(folder.run(&bitcoin("bip122")).await.stdout, main.stdout);
    let regtest = folder.run(&bitcoin("bip122:0f9188f13cb7b2c71f2a335e3a4fc328")).await;
    assert!(regtest.stdout.starts_with("bcrt1qcr8te4kr609gcawutmrza0j4xv80jy8z"), "{regtest:?}");
    folder.write_private("passphrase", "TREZOR\n");
    let other = folder.run(&format!("{line} --passphrase-file @passphrase")).await;
    assert!(other.code == 0 && !other.stdout.contains("f39Fd6e5"), "{other:?}");
}

#[tokio::test]
async fn keys_of_other_programs_are_read() {
    let folder = Folder::new();
    // The Bitcoin wiki's WIF, whose public key Ethereum would know by this address; Web3 Secret Storage's test vector.
    folder.write_private("wif", "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ\n");
    let secret = "0C28FCA386C7A227600B2FE50B7CAE11EC86D3BF1FBE471BE89827E19D72AA1D";
    folder.write_private("hex", secret);
    let address = folder.run("keys address --chain eip155 --key-file @hex").await.stdout;
    assert!(address.starts_with("0x"), "{address}");
    assert_eq!(folder.run("keys address --chain eip155 --key-file @wif --key-format wif").await.stdout, address);
    folder.write_private("keystore", KEYSTORE);
    folder.write_private("password", "testpassword\n");
    let line = "keys address --chain eip155 --key-file @keystore --key-format keystore";
    let opened = folder.run(&format!("{line} --passphrase-file @password")).await;
    assert_eq!(opened.stdout.trim_end(), "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b", "{opened:?}");
    let refused = folder.run(line).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    let other_curve = folder.run("keys address --chain solana --key-file @wif --key-format wif").await;
    assert!(other_curve.code == 2 && other_curve.stderr.contains("ed25519"), "{other_curve:?}");
}

#[tokio::test]
async fn a_policy_permits_denies_and_is_warned_about() {
    let folder = Folder::new();
    let run = folder.run("policy check --policy @policy.json --chain eip155 @tx.json").await;
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.starts_with("rule payroll allows a transfer of 1000000000000000000 to 0x3535"), "{run:?}");
    let object = folder.run("policy check --policy @policy.json --chain eip155 --json @tx.json").await.json();
    assert_eq!(
        (&object["allowed"], &object["rule"], &object["warnings"]),
        (&json!(true), &json!("payroll"), &json!([]))
    );

    folder.write("dear.json", &TRANSACTION.replace("20000000000", "20000000001"));
    let run = folder.run("policy check --policy @policy.json --chain eip155 --json @dear.json").await;
    assert_eq!(run.code, 1);
    assert_eq!(run.error()["kind"], "refused");
    let message = run.error()["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with("but the fee is 420000000021000, more than 420000000000000"), "{message}");

    assert_eq!(run.error().get("rule"), None, "no rule denies it");

    let deny =
        r#"{"version": 1, "rules": [{"name": "nobody", "effect": "deny", "chains": ["*"], "destinations": ["*"]}]}"#;
    folder.write("deny.json", deny);
    let run = folder.run("policy check --policy @deny.json --chain eip155 --json @tx.json").await;
    assert_eq!((run.code, &run.error()["rule"]), (1, &json!("nobody")));

    folder.write("loose.json", &POLICY.replace(r#""max_fee": "420000000000000","#, ""));
    let run = folder.run("policy check --policy @loose.json").await;
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("warning: rule payroll: no max_fee"), "{run:?}");
    let object = folder.run("policy check --policy @loose.json --json").await.json();
    assert_eq!(object["warnings"][0]["rule"], "payroll");
    assert_eq!(object.get("allowed"), None);
}

#[tokio::test]
async fn a_hash_is_signed_by_development_keys_and_denied_by_policies() {
    let folder = Folder::new();
    folder.write("hash", &format!("0x{}", "5a".repeat(32)));
    let object = folder.run("tx sign --chain eip155:1 --encoding prehash --key-file @key --json @hash").await.json();
    assert_eq!(object["signed_transaction"].as_str().unwrap().len(), 2 + 2 * 65);
    let run = folder.run("policy check --policy @policy.json --chain eip155:1 --encoding prehash @hash").await;
    assert_eq!(run.code, 1, "{run:?}");
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let folder = Folder::new();
    folder.write("open", SECRET);
    folder.write_private("short", "46");
    folder.write_private("words", "test test");
    folder.write("bad.json", "{}");
    folder.write("solana.json", &POLICY.replace("eip155:1", "own:1"));
    for (line, code, said) in [
        ("tx decode --chain eip155 @bad.json", 2, "missing"),
        ("tx decode --chain eip155:2 @tx.json", 2, "eip155:2"),
        ("tx decode --chain eip155 --encoding message @tx.json", 2, "--chain eip155:REFERENCE"),
        ("tx decode --chain bip122:000000000019d6689c085ae165831e93 --encoding message @open", 2, "--public-key HEX"),
        ("tx decode --chain eip155:1 --encoding prehash @open", 2, "hex begins with 0x"),
        ("tx decode --chain eip155 --encoding typed-data @tx.json", 2, "--encoding"),
        ("tx decode --chain solana:x @tx.json", 2, "(read as json; see --encoding)"),
        ("tx decode --chain unheard @tx.json", 2, "known namespaces are"),
        ("tx decode --chain eip155:01 @tx.json", 2, "eip155:01"),
        ("tx decode --chain eip155 --public-key 00 @tx.json", 2, "public key"),
        ("tx decode --chain eip155 @absent", 3, "absent"),
        ("tx sign --chain eip155 --key-file @open @tx.json", 3, "chmod 600"),
        ("tx sign --chain eip155 --key-file @short @tx.json", 2, "64 hexadecimal digits"),
        ("tx sign --chain eip155 --key-file - -", 64, "only one file"),
        ("tx sign --chain eip155 --key-file @key --path m/0 @tx.json", 64, "--path"),
        ("keys address --chain eip155", 64, "--public-key"),
        ("keys address --chain eip155 --key-file @words --key-format mnemonic", 64, "--path"),
        ("keys address --chain eip155 --key-file @words --key-format mnemonic --path m/0", 2, "words"),
        ("policy check --policy @bad.json", 2, "version is missing"),
        ("policy check --policy @solana.json --chain eip155 @tx.json", 2, "expected chains of eip155"),
        ("policy check --policy @policy.json @tx.json", 64, "--chain"),
    ] {
        let run = folder.run(line).await;
        assert_eq!(run.code, code, "{line}: {run:?}");
        assert!(run.stderr.contains(said), "{line}: {run:?}");
        assert!(!run.stderr.contains("4646"), "{line} shows the key");
    }
}

const ABANDON: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about\n";

/// EIP-712's example.
const MAIL: &str = r#"{"types": {
    "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}],
    "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
    "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person"}, {"name": "contents", "type": "string"}]},
    "primaryType": "Mail", "domain": {"name": "Ether Mail", "version": "1", "chainId": 1,
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"},
    "message": {"from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"}, "contents": "Hello, Bob!"}}"#;

/// Of the Web3 Secret Storage definition.
const KEYSTORE: &str = r#"{"crypto": {"cipher": "aes-128-ctr", "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
    "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46", "kdf": "pbkdf2",
    "kdfparams": {"c": 262144, "dklen": 32, "prf": "hmac-sha256",
    "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
    "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}"#;
