//! The JSON of a keystore.

use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

use super::{super::kdf::Parameters, ImportError, Kdf, Keystore};

#[derive(Deserialize)]
struct File<'a> {
    address: Option<String>,
    #[serde(borrow, alias = "Crypto")]
    crypto: Crypto<'a>,
    id: Option<String>,
    version: u64,
}

#[derive(Deserialize)]
struct Crypto<'a> {
    cipher: String,
    cipherparams: CipherParameters,
    ciphertext: String,
    kdf: String,
    #[serde(borrow)]
    kdfparams: &'a RawValue,
    mac: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CipherParameters {
    iv: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pbkdf2Parameters {
    c: u64,
    dklen: u64,
    prf: String,
    salt: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScryptParameters {
    dklen: u64,
    n: u64,
    p: u64,
    r: u64,
    salt: String,
}

pub(super) fn read(json: &str) -> Result<Keystore, ImportError> {
    if json.len() > MAX_LEN {
        return Err(ImportError::Length { format: FORMAT, expected: "at most 16384 characters", actual: json.len() });
    }
    let File { address, crypto, id, version } = from_str(json)?;
    if version != 3 {
        return Err(ImportError::Unsupported { field: "version", expected: "3" });
    }
    require("crypto.cipher", "aes-128-ctr", &crypto.cipher)?;
    let (kdf, salt) = read_kdf(&crypto)?;
    let address = address.map(|text| fixed(text.strip_prefix("0x").unwrap_or(&text), "20 bytes of hex for an address"));
    Ok(Keystore {
        kdf,
        salt: read_salt(&salt)?,
        iv: fixed(&crypto.cipherparams.iv, "16 bytes of hex for an iv")?,
        ciphertext: fixed(&crypto.ciphertext, "32 bytes of hex for a ciphertext")?,
        mac: fixed(&crypto.mac, "32 bytes of hex for a mac")?,
        id,
        address: address.transpose()?,
    })
}

pub(super) fn write(keystore: &Keystore) -> String {
    let salt = hex::encode(&keystore.salt);
    let (kdf, parameters) = match keystore.kdf.0 {
        Parameters::Pbkdf2 { iterations } => {
            ("pbkdf2", json!(Pbkdf2Parameters { c: iterations.into(), dklen: KEY_LEN, prf: PRF.to_owned(), salt }))
        }
        Parameters::Scrypt { log_n, r, p } => {
            ("scrypt", json!(ScryptParameters { dklen: KEY_LEN, n: 1 << log_n, p: p.into(), r: r.into(), salt }))
        }
    };
    let mut file = json!({
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": hex::encode(keystore.iv) },
            "ciphertext": hex::encode(keystore.ciphertext),
            "kdf": kdf,
            "kdfparams": parameters,
            "mac": hex::encode(keystore.mac),
        },
        "version": 3,
    });
    if let Some(address) = &keystore.address {
        file["address"] = json!(hex::encode(address));
    }
    if let Some(id) = &keystore.id {
        file["id"] = json!(id);
    }
    file.to_string()
}

fn read_kdf(crypto: &Crypto<'_>) -> Result<(Kdf, String), ImportError> {
    let (kdf, dklen, salt) = match crypto.kdf.as_str() {
        "pbkdf2" => {
            let Pbkdf2Parameters { c, dklen, prf, salt } = from_str(crypto.kdfparams.get())?;
            require("crypto.kdfparams.prf", PRF, &prf)?;
            (Kdf::pbkdf2(c)?, dklen, salt)
        }
        "scrypt" => {
            let ScryptParameters { dklen, n, p, r, salt } = from_str(crypto.kdfparams.get())?;
            (Kdf::scrypt(n, r, p)?, dklen, salt)
        }
        _ => return Err(ImportError::Unsupported { field: "crypto.kdf", expected: "scrypt or pbkdf2" }),
    };
    if dklen != KEY_LEN {
        return Err(ImportError::Parameter { parameter: "kdfparams.dklen", expected: "32", actual: dklen });
    }
    Ok((kdf, salt))
}

fn read_salt(digits: &str) -> Result<Vec<u8>, ImportError> {
    match hex::decode(digits) {
        Ok(salt) if salt.len() <= MAX_SALT_LEN => Ok(salt),
        _ => Err(ImportError::Malformed { format: "at most 1024 bytes of hex for a salt" }),
    }
}

fn fixed<const N: usize>(digits: &str, format: &'static str) -> Result<[u8; N], ImportError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| ImportError::Malformed { format })?;
    Ok(bytes)
}

fn require(field: &'static str, expected: &'static str, actual: &str) -> Result<(), ImportError> {
    if actual == expected { Ok(()) } else { Err(ImportError::Unsupported { field, expected }) }
}

fn from_str<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, ImportError> {
    serde_json::from_str(json).map_err(|error| ImportError::json(FORMAT, &error))
}

const FORMAT: &str = "a keystore";
const PRF: &str = "hmac-sha256";
const KEY_LEN: u64 = 32;
const MAX_LEN: usize = 16 * 1024;
const MAX_SALT_LEN: usize = 1024;
