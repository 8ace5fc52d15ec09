//! Keys from elsewhere against published ones, and what is refused.
#![cfg(feature = "import")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::convert::Infallible;

use chain_signers::{
    Curve, KeyError, SigningKey,
    import::{self, ImportError, Kdf, Keystore, SealError, WifNetwork},
};
use proptest::{collection::vec, prelude::*};
use rand_core::{TryCryptoRng, TryRng};

/// The example of <https://en.bitcoin.it/wiki/Wallet_import_format>; the other three spellings of that key as btclib,
/// bitcoinjs-lib and others test them.
const WIF_SECRET: &str = "0c28fca386c7a227600b2fe50b7cae11ec86d3bf1fbe471be89827e19d72aa1d";
const WIF: [(&str, WifNetwork, bool); 4] = [
    ("5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ", WifNetwork::Main, false),
    ("KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617", WifNetwork::Main, true),
    ("91gGn1HgSap6CbU12F6z3pJri26xzp7Ay1VW6NHCoEayNXwRpu2", WifNetwork::Test, false),
    ("cMzLdeGd5vEqxB8B6VFQoRopQ3sLAAvEzDAoQgvX54xwofSWj1fx", WifNetwork::Test, true),
];

/// The two key pairs of Solana's cookbook, <https://solana.com/developers/cookbook/wallets/restore-keypair>. The address of
/// the first is on the page about verifying key pairs beside it, that of the second in the manual of solders.
const SOLANA_JSON: &str = "[174,47,154,16,202,193,206,113,199,190,53,133,169,175,31,56,222,53,138,189,224,216,117,173,10,\
    149,53,45,73,251,237,246,15,185,186,82,177,240,148,69,241,227,167,80,141,89,240,121,121,35,172,247,68,251,226,218,48,\
    63,176,109,168,89,238,135]";
const SOLANA_BASE58: &str = "5MaiiCavjCmn9Hs1o3eznqDEhRwxo7pXiAYez7keQUviUkauRiTMD8DrESdrNjN8zd9mTmVhRvBJeg5vhyvgrAhG";
const SOLANA_JSON_ADDRESS: &str = "24PNhTaNtomHhoy3fTRaMhAFCRj4uHqhZEEoWrKDbR5p";
const SOLANA_BASE58_ADDRESS: &str = "5pVyoAeURQHNMVU7DmfMHvCDNmTEYXWfEwc136GYhTKG";

/// The two test vectors of the Web3 Secret Storage Definition in the Ethereum wiki, which go-ethereum tests
/// (`accounts/keystore/testdata/v3_test_vector.json`): the same key, password and address. The definition has since moved to
/// ethereum.org and got another vector for scrypt there, whose derived key is not what scrypt, OpenSSL's or any other, makes
/// of its password and salt.
const KEYSTORE_SECRET: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
const KEYSTORE_ADDRESS: &str = "008aeeda4d805471df9b2a5b0f38a0c3bcba786b";
const PASSWORD: &str = "testpassword";
const PBKDF2: &str = r#"{"crypto": {"cipher": "aes-128-ctr", "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
    "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46", "kdf": "pbkdf2", "kdfparams":
    {"c": 262144, "dklen": 32, "prf": "hmac-sha256", "salt":
    "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
    "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}"#;
const SCRYPT: &str = r#"{"crypto": {"cipher": "aes-128-ctr", "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
    "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c", "kdf": "scrypt", "kdfparams":
    {"dklen": 32, "n": 262144, "r": 1, "p": 8, "salt":
    "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},
    "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}"#;

/// `accounts/keystore/testdata/keystore/aaa` of go-ethereum, whose password is `foobar`.
const GO_ETHEREUM: &str = r#"{"address":"f466859ead1932d743d622cb74fc058882e8648a","crypto":{"cipher":"aes-128-ctr",
    "ciphertext":"cb664472deacb41a2e995fa7f96fe29ce744471deb8d146a0e43c7898c9ddd4d",
    "cipherparams":{"iv":"dfd9ee70812add5f4b8f89d0811c9158"},"kdf":"scrypt","kdfparams":{"dklen":32,"n":8,"p":16,"r":8,
    "salt":"0d6769bf016d45c479213990d6a08d938469c4adad8a02ce507b4a4e7b7739f1"},
    "mac":"bac9af994b15a45dd39669fc66f9aa8a3b9dd8c22cb16e4d8d7ea089d0f1a1a9"},
    "id":"472e8b3d-afb6-45b5-8111-72c89895099a","version":3}"#;

#[test]
fn reads_the_bitcoin_wikis_key() {
    for (text, network, is_compressed) in WIF {
        let wif = import::wif(text).unwrap();
        assert_eq!(hex::encode(*wif.key.secret_bytes()), WIF_SECRET);
        assert_eq!((wif.network, wif.is_compressed), (network, is_compressed));
    }
}

#[test]
fn refuses_what_is_no_wif() {
    let payload = |prefix: u8, secret: &[u8], suffix: &[u8]| {
        use sha2::{Digest, Sha256};
        let payload = [&[prefix], secret, suffix].concat();
        let checksum = Sha256::digest(Sha256::digest(&payload));
        bs58::encode([&payload[..], &checksum[..4]].concat()).into_string()
    };
    assert!(import::wif(&payload(0x80, &[1; 32], &[1])).is_ok());
    let invalid = ImportError::Key(KeyError::InvalidSecret { curve: Curve::Secp256k1 });
    for (text, error) in [
        (WIF[0].0.replace("TJ", "TK"), ImportError::Checksum),
        (payload(0xb0, &[1; 32], &[]), ImportError::UnknownNetwork), // Litecoin's
        (payload(0x80, &[0; 32], &[]), invalid.clone()),
        (payload(0x80, &[0xff; 32], &[1]), invalid),
        (payload(0x80, &[1; 32], &[0]), ImportError::Malformed { format: "a key in wallet import format" }),
        (format!(" {}", WIF[0].0), ImportError::Malformed { format: "a key in wallet import format" }),
        ("0OIl".to_owned(), ImportError::Malformed { format: "a key in wallet import format" }),
    ] {
        assert_eq!(import::wif(&text).unwrap_err(), error, "{text}");
    }
    for text in
        ["", "1", WIF_SECRET, SOLANA_BASE58, &payload(0x80, &[1; 31], &[]), &"1".repeat(38), &"z".repeat(100_000)]
    {
        assert!(import::wif(text).is_err(), "{text}");
    }
}

#[test]
fn reads_solanas_cookbook() {
    let seed = bs58::encode(&bs58::decode(SOLANA_BASE58).into_vec().unwrap()[..32]).into_string();
    for (key, address) in [
        (import::solana_json(SOLANA_JSON), SOLANA_JSON_ADDRESS),
        (import::solana_base58(SOLANA_BASE58), SOLANA_BASE58_ADDRESS),
        (import::solana_base58(&seed), SOLANA_BASE58_ADDRESS),
    ] {
        assert_eq!(bs58::encode(key.unwrap().verifying_key().to_bytes()).into_string(), address);
    }
}

#[test]
fn refuses_what_is_no_solana_key() {
    let public = SOLANA_JSON.replace("135]", "134]");
    assert_eq!(import::solana_json(&public).unwrap_err(), ImportError::PublicKeyMismatch);
    let secret = SOLANA_JSON.replace("[174", "[175");
    assert_eq!(import::solana_json(&secret).unwrap_err(), ImportError::PublicKeyMismatch);
    for text in [
        "",
        "[]",
        "{}",
        "[174]",
        &SOLANA_JSON.replace(']', ",1]"),
        &SOLANA_JSON.replace("174", "430"),
        &SOLANA_JSON.replace("174", "174.0"),
        &SOLANA_JSON.replace("174", "\"174\""),
        &format!("{SOLANA_JSON}1"),
        &" ".repeat(2000),
    ] {
        assert!(import::solana_json(text).is_err(), "{text}");
    }
    for text in ["", SOLANA_JSON, &SOLANA_BASE58[1..], &SOLANA_BASE58.replace("AhG", "AhH"), &"z".repeat(88), WIF[0].0]
    {
        assert!(import::solana_base58(text).is_err(), "{text}");
    }
}

#[test]
fn opens_the_published_keystores() {
    for json in [PBKDF2, SCRYPT] {
        let with_address = json.replacen('{', &format!("{{\"address\": \"{KEYSTORE_ADDRESS}\", "), 1);
        let keystore = Keystore::from_json(&with_address).unwrap();
        let key = keystore.open(PASSWORD).unwrap();
        assert_eq!(hex::encode(*key.secret_bytes()), KEYSTORE_SECRET);
        assert_eq!(Keystore::from_json(&keystore.to_json()).unwrap(), keystore);
    }
    let keystore = Keystore::from_json(GO_ETHEREUM).unwrap();
    assert!(keystore.open("foobar").is_ok(), "the key of its address");
}

#[test]
fn the_file_of_a_wallet_may_say_more() {
    let key = key();
    let json = sealed(&key).to_json();
    let address = json.split("\"address\":\"").nth(1).unwrap().split('"').next().unwrap();
    for other in [
        json.replace("\"version\":3", "\"version\":3,\"x-ethers\":{\"client\":\"ethers.js\"},\"name\":\"mine\""),
        json.replace("\"crypto\"", "\"Crypto\""),
        json.replace(address, &format!("0x{}", address.to_uppercase())),
    ] {
        assert_eq!(Keystore::from_json(&other).unwrap().open(PASSWORD).unwrap(), key, "{other}");
    }
}

#[test]
fn refuses_what_is_no_keystore() {
    let json = sealed(&key()).to_json();
    for (from, to) in [
        ("aes-128-ctr", "aes-128-cbc"),
        ("\"version\":3", "\"version\":1"),
        ("\"version\":3", "\"version\":\"3\""),
        ("\"kdf\":\"scrypt\"", "\"kdf\":\"bcrypt\""),
        ("\"kdf\":\"scrypt\"", "\"kdf\":\"pbkdf2\""),
        ("\"dklen\":32", "\"dklen\":16"),
        ("\"dklen\":32,", ""),
        ("\"n\":2", "\"n\":3"),
        ("\"n\":2", "\"n\":-2"),
        ("\"n\":2", "\"n\":0"),
        ("\"n\":2", "\"n\":1"),
        ("\"n\":2", "\"n\":18446744073709551615"),
        ("\"n\":2", "\"n\":9223372036854775808"),
        ("\"n\":2", "\"n\":8388608"),
        ("\"r\":1", "\"r\":0"),
        ("\"r\":1", "\"r\":4294967295"),
        ("\"r\":1", "\"r\":4194304"),
        ("\"p\":1", "\"p\":0"),
        ("\"p\":1", "\"p\":17"),
        ("\"p\":1", "\"p\":1,\"p\":1"),
        ("\"p\":1", "\"p\":1,\"q\":1"),
        ("\"iv\":\"", "\"iv\":\"00"),
        ("\"mac\":\"", "\"mac\":\"0x"),
        ("\"ciphertext\":\"", "\"ciphertext\":\"0"),
        ("\"salt\":\"", "\"salt\":\"z"),
        ("\"address\":\"", "\"address\":\"00"),
        ("\"id\"", "\"version\":3,\"id\""),
    ] {
        assert!(json.contains(from), "{from}");
        assert!(Keystore::from_json(&json.replacen(from, to, 1)).is_err(), "{to}");
    }
    for text in ["", "{}", "[]", "null", &json[1..], &" ".repeat(20_000)] {
        assert!(Keystore::from_json(text).is_err());
    }
    for (c, fits) in [(0, false), (1, true), (10_000_000, true), (10_000_001, false), (u64::MAX, false)] {
        assert_eq!(Kdf::pbkdf2(c).is_ok(), fits, "{c}");
        let json = PBKDF2.replace("262144", &c.to_string());
        assert_eq!(Keystore::from_json(&json).is_ok(), fits, "{c}");
    }
    assert!(Keystore::from_json(&PBKDF2.replace("hmac-sha256", "hmac-sha512")).is_err());
}

#[test]
fn a_wrong_password_or_a_changed_file_opens_nothing() {
    let keystore = sealed(&key());
    for password in ["", "testpasswor", "testpassword ", "Testpassword"] {
        assert_eq!(keystore.open(password).unwrap_err(), ImportError::WrongPassword);
    }
    let json = keystore.to_json();
    for field in ["ciphertext", "mac", "salt"] {
        let changed = flip_digit(&json, field);
        let error = Keystore::from_json(&changed).unwrap().open(PASSWORD).unwrap_err();
        assert_eq!(error, ImportError::WrongPassword, "{field}");
    }
    // The standard's MAC does not cover the iv; the address does.
    let error = Keystore::from_json(&flip_digit(&json, "iv")).unwrap().open(PASSWORD).unwrap_err();
    assert_eq!(error, ImportError::AddressMismatch);
    let error = Keystore::from_json(&flip_digit(&json, "address")).unwrap().open(PASSWORD).unwrap_err();
    assert_eq!(error, ImportError::AddressMismatch);
}

#[test]
fn a_new_keystore_is_as_wallets_write_it() {
    let json: serde_json::Value = serde_json::from_str(&sealed(&key()).to_json()).unwrap();
    assert_eq!(json["version"], 3);
    assert_eq!(json["address"], "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"); // of EIP-155's example
    assert_eq!(json["crypto"]["kdf"], "scrypt");
    let id = json["id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!((&id[14..15], &id[8..9]), ("4", "-"), "{id}");

    let ed25519 = SigningKey::from_secret_bytes(Curve::Ed25519, &[1; 32]).unwrap();
    let error = Keystore::seal(&ed25519, PASSWORD, light(), &mut Counter(0)).unwrap_err();
    assert!(matches!(error, SealError::Key(KeyError::CurveMismatch { .. })));
}

#[test]
fn nothing_secret_is_printed() {
    let wif = import::wif(WIF[0].0).unwrap();
    assert_eq!(
        format!("{wif:?}"),
        "WifKey { key: SigningKey { curve: Secp256k1, .. }, network: Main, is_compressed: false }"
    );
    // What is pasted in the wrong place is a secret too.
    let secrets =
        [WIF[0].0, WIF[1].0, SOLANA_JSON, SOLANA_BASE58, WIF_SECRET, "\"hunter2\"", "174", "{\"version\": 174}"];
    for text in secrets {
        let errors = [
            import::wif(text).map(drop),
            import::solana_json(text).map(drop),
            import::solana_base58(text).map(drop),
            Keystore::from_json(text).map(drop),
        ];
        for error in errors.into_iter().filter_map(Result::err) {
            let shown = format!("{error} {error:?}");
            for part in [&text[..text.len().min(8)], "174", "hunter2"] {
                assert!(!shown.contains(part), "{shown}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens(secret: [u8; 32], password in "\\PC{0,20}", seed: u8, is_scrypt: bool) {
        let Ok(key) = SigningKey::from_secret_bytes(Curve::Secp256k1, &secret) else { return Ok(()) };
        let kdf = if is_scrypt { light() } else { Kdf::pbkdf2(2).unwrap() };
        let keystore = Keystore::seal(&key, &password, kdf, &mut Counter(seed)).unwrap();
        prop_assert_eq!(keystore.open(&password).unwrap(), key);
        let again = Keystore::from_json(&keystore.to_json()).unwrap();
        prop_assert_eq!(&again, &keystore);
        prop_assert!(!keystore.to_json().contains(&hex::encode(secret)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn reading_anything_never_panics(bytes in vec(any::<u8>(), 0..100), text in "[1-9A-HJ-NP-Za-km-z]{0,90}") {
        let arbitrary = String::from_utf8_lossy(&bytes);
        for text in [&arbitrary, text.as_str()] {
            let _ = import::wif(text);
            let _ = import::solana_json(text);
            let _ = import::solana_base58(text);
            let _ = Keystore::from_json(text);
        }
    }

    #[test]
    fn a_changed_key_is_refused(at in any::<prop::sample::Index>(), byte in 32..127_u8, which in 0..3_usize) {
        let good = [WIF[0].0, WIF[1].0, SOLANA_BASE58][which];
        let mut bytes = good.as_bytes().to_vec();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let text = String::from_utf8(bytes).unwrap();
        let refused = if which < 2 { import::wif(&text).is_err() } else { import::solana_base58(&text).is_err() };
        prop_assert!(refused, "{}", text);
    }
}

fn key() -> SigningKey {
    SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32]).unwrap()
}

fn sealed(key: &SigningKey) -> Keystore {
    Keystore::seal(key, PASSWORD, light(), &mut Counter(0)).unwrap()
}

/// As fast as it gets.
fn light() -> Kdf {
    Kdf::scrypt(2, 1, 1).unwrap()
}

/// Changes the first hex digit of a value.
fn flip_digit(json: &str, field: &str) -> String {
    let at = json.find(&format!("\"{field}\":\"")).unwrap() + field.len() + 4;
    let flipped = if &json[at..=at] == "0" { "1" } else { "0" };
    format!("{}{flipped}{}", &json[..at], &json[at + 1..])
}

/// Not random at all.
struct Counter(u8);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}
