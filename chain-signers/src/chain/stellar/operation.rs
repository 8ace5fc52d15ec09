//! Operations: each is a type, and fields whose kinds the type decides.

use super::{
    wire::Account,
    xdr::{Reader, Writer, malformed},
};
use crate::DecodeError;
use Kind::{Account as Id, Amount, Asset as Of, BalanceId, Hash, Multiplexed, Number, Path, Price, Word};

/// An operation of the transaction's own account.
#[derive(Debug)]
pub(super) struct Operation {
    source: Option<Account>,
    kind: u32,
    /// As in `manage_sell_offer`.
    pub(super) name: &'static str,
    pub(super) fields: Vec<Field>,
}

pub(super) fn read(reader: &mut Reader<'_>, transaction_source: &Account) -> Result<Operation, DecodeError> {
    let source = reader.option(Account::read)?;
    if source.is_some_and(|source| source.key != transaction_source.key) {
        let expected = "the transaction's own account, whose signature is enough";
        return Err(DecodeError::invalid("an operation's source", expected, "another account"));
    }
    let kind = reader.u32()?;
    let layout = usize::try_from(kind).ok().and_then(|kind| LAYOUTS.get(kind));
    let (name, kinds) = layout.ok_or_else(|| DecodeError::invalid("an operation's type", "0 to 26", kind))?;
    let kinds = kinds.ok_or_else(|| DecodeError::UnsupportedType { found: format!("the operation {name}").into() })?;
    let fields = kinds.iter().map(|kind| Field::read(reader, kind)).collect::<Result<_, _>>()?;
    Ok(Operation { source, kind, name, fields })
}

impl Operation {
    pub(super) fn write(&self, writer: &mut Writer) {
        write_option(writer, self.source.as_ref(), |writer, source| source.write(writer));
        writer.u32(self.kind);
        self.fields.iter().for_each(|field| field.write(writer));
    }

    /// How many bytes the fields have.
    pub(super) fn len(&self) -> usize {
        let mut writer = Writer::default();
        self.fields.iter().for_each(|field| field.write(&mut writer));
        writer.0.len()
    }
}

#[derive(Debug)]
pub(super) enum Field {
    Account(Account),
    Asset(Asset),
    BalanceId([u8; 32]),
    /// A code without an issuer: the transaction's own account.
    Code(Code),
    Data(Option<Vec<u8>>),
    Hash([u8; 32]),
    /// An amount is one that is not negative.
    Number(i64),
    Option(Option<Box<Field>>),
    Path(Vec<Asset>),
    Price(u32, u32),
    Signer(Signer),
    Text(Vec<u8>),
    Word(u32),
}

impl Field {
    fn read(reader: &mut Reader<'_>, kind: &Kind) -> Result<Self, DecodeError> {
        Ok(match kind {
            Kind::Account => match Account::read(reader)? {
                account @ Account { id: None, .. } => Self::Account(account),
                _ => return Err(malformed("an account is multiplexed where none can be")),
            },
            Kind::Amount => match reader.i64()? {
                amount @ 0.. => Self::Number(amount),
                negative => return Err(DecodeError::invalid("an amount", "0 or more", negative)),
            },
            Kind::Asset => Self::Asset(Asset::read(reader)?),
            Kind::BalanceId => match reader.u32()? {
                0 => Self::BalanceId(reader.array()?),
                _ => return Err(malformed("a claimable balance is of no known type")),
            },
            Kind::Code => {
                let kind = reader.u32()?;
                Self::Code(Code::read(reader, kind)?)
            }
            Kind::Data => Self::Data(reader.option(|reader| reader.bytes(MAX_DATA_LEN))?),
            Kind::Hash => Self::Hash(reader.array()?),
            Kind::Multiplexed => Self::Account(Account::read(reader)?),
            Kind::Number => Self::Number(reader.i64()?),
            Kind::Option(kind) => Self::Option(reader.option(|reader| Self::read(reader, kind).map(Box::new))?),
            Kind::Path => Self::Path(reader.list(MAX_PATH_LEN, Asset::read)?),
            Kind::Price => Self::Price(reader.u32()?, reader.u32()?),
            Kind::Signer => Self::Signer(Signer::read(reader)?),
            Kind::Text(max) => Self::Text(reader.bytes(*max)?),
            Kind::Word => Self::Word(reader.u32()?),
        })
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Account(account) => account.write(writer),
            Self::Asset(asset) => asset.write(writer),
            Self::BalanceId(hash) => {
                writer.u32(0);
                writer.raw(hash);
            }
            Self::Code(code) => code.write(writer),
            Self::Data(data) => write_option(writer, data.as_ref(), |writer, data| writer.bytes(data)),
            Self::Hash(hash) => writer.raw(hash),
            Self::Number(number) => writer.i64(*number),
            Self::Option(field) => write_option(writer, field.as_ref(), |writer, field| field.write(writer)),
            Self::Path(assets) => {
                writer.len(assets.len());
                assets.iter().for_each(|asset| asset.write(writer));
            }
            Self::Price(n, d) => {
                writer.u32(*n);
                writer.u32(*d);
            }
            Self::Signer(signer) => signer.write(writer),
            Self::Text(text) => writer.bytes(text),
            Self::Word(word) => writer.u32(*word),
        }
    }
}

fn write_option<T>(writer: &mut Writer, value: Option<&T>, write: impl Fn(&mut Writer, &T)) {
    writer.u32(u32::from(value.is_some()));
    if let Some(value) = value {
        write(writer, value);
    }
}

/// Lumens if there is no code and issuer.
#[derive(Debug)]
pub(super) struct Asset(pub(super) Option<(Code, [u8; 32])>);

impl Asset {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = reader.u32()?;
        if kind == 0 {
            return Ok(Self(None));
        }
        let code = Code::read(reader, kind)?;
        match Account::read(reader)? {
            Account { key, id: None } => Ok(Self(Some((code, key)))),
            _ => Err(malformed("an issuer is multiplexed")),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match &self.0 {
            None => writer.u32(0),
            Some((code, key)) => {
                code.write(writer);
                Account { key: *key, id: None }.write(writer);
            }
        }
    }
}

/// Up to four letters and digits, or five to twelve.
#[derive(Debug)]
pub(super) struct Code(pub(super) String);

impl Code {
    fn read(reader: &mut Reader<'_>, kind: u32) -> Result<Self, DecodeError> {
        let (padded, lengths) = match kind {
            1 => (reader.array::<4>()?.to_vec(), 1..=4),
            2 => (reader.array::<12>()?.to_vec(), 5..=12),
            other => return Err(DecodeError::invalid("an asset's type", "0, 1 or 2", other)),
        };
        let len = padded.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let code = &padded[..len];
        if lengths.contains(&len) && code.iter().all(u8::is_ascii_alphanumeric) {
            Ok(Self(String::from_utf8_lossy(code).into_owned()))
        } else {
            Err(DecodeError::invalid(
                "an asset's code",
                "letters and digits as many as its type has",
                hex::encode(padded),
            ))
        }
    }

    fn write(&self, writer: &mut Writer) {
        let (kind, len) = if self.0.len() <= 4 { (1, 4) } else { (2, 12) };
        writer.u32(kind);
        writer.raw(self.0.as_bytes());
        writer.raw(&[0; 12][..len - self.0.len()]);
    }
}

/// Who may sign for an account, and with what weight.
#[derive(Debug)]
pub(super) struct Signer {
    /// A key, the hash of a transaction, a hash, or a key and a payload.
    kind: u32,
    pub(super) key: [u8; 32],
    payload: Option<Vec<u8>>,
    pub(super) weight: u32,
}

impl Signer {
    /// Whether it is an account's key, alone or for a payload.
    pub(super) fn is_account(&self) -> bool {
        [ED25519, SIGNED_PAYLOAD].contains(&self.kind)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = reader.u32()?;
        if kind > SIGNED_PAYLOAD {
            return Err(malformed("a signer is of no known type"));
        }
        let key = reader.array()?;
        let payload = (kind == SIGNED_PAYLOAD).then(|| reader.bytes(MAX_DATA_LEN)).transpose()?;
        Ok(Self { kind, key, payload, weight: reader.u32()? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.kind);
        writer.raw(&self.key);
        if let Some(payload) = &self.payload {
            writer.bytes(payload);
        }
        writer.u32(self.weight);
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Account,
    Amount,
    Asset,
    BalanceId,
    Code,
    Data,
    Hash,
    Multiplexed,
    Number,
    Option(&'static Kind),
    Path,
    Price,
    Signer,
    Text(usize),
    Word,
}

const OPTIONAL_WORD: Kind = Kind::Option(&Word);
/// In the order of the types' numbers; `None` are those that are not read.
const LAYOUTS: [(&str, Option<&[Kind]>); 27] = [
    ("create_account", Some(&[Id, Amount])),
    ("payment", Some(&[Multiplexed, Of, Amount])),
    ("path_payment_strict_receive", Some(&[Of, Amount, Multiplexed, Of, Amount, Path])),
    ("manage_sell_offer", Some(&[Of, Of, Amount, Price, Number])),
    ("create_passive_sell_offer", Some(&[Of, Of, Amount, Price])),
    (
        "set_options",
        Some(&[
            Kind::Option(&Id),
            OPTIONAL_WORD,
            OPTIONAL_WORD,
            OPTIONAL_WORD,
            OPTIONAL_WORD,
            OPTIONAL_WORD,
            OPTIONAL_WORD,
            Kind::Option(&Kind::Text(32)),
            Kind::Option(&Kind::Signer),
        ]),
    ),
    ("change_trust", Some(&[Of, Amount])),
    ("allow_trust", Some(&[Id, Kind::Code, Word])),
    ("account_merge", Some(&[Multiplexed])),
    ("inflation", Some(&[])),
    ("manage_data", Some(&[Kind::Text(64), Kind::Data])),
    ("bump_sequence", Some(&[Number])),
    ("manage_buy_offer", Some(&[Of, Of, Amount, Price, Number])),
    ("path_payment_strict_send", Some(&[Of, Amount, Multiplexed, Of, Amount, Path])),
    ("create_claimable_balance", None),
    ("claim_claimable_balance", Some(&[BalanceId])),
    ("begin_sponsoring_future_reserves", Some(&[Id])),
    ("end_sponsoring_future_reserves", Some(&[])),
    ("revoke_sponsorship", None),
    ("clawback", Some(&[Of, Multiplexed, Amount])),
    ("clawback_claimable_balance", Some(&[BalanceId])),
    ("set_trust_line_flags", Some(&[Id, Of, Word, Word])),
    ("liquidity_pool_deposit", Some(&[Hash, Amount, Amount, Price, Price])),
    ("liquidity_pool_withdraw", Some(&[Hash, Amount, Amount, Amount])),
    ("invoke_host_function", None),
    ("extend_footprint_ttl", None),
    ("restore_footprint", None),
];
/// The types of a signer that is a key, and of one that has a payload.
const ED25519: u32 = 0;
const SIGNED_PAYLOAD: u32 = 3;
const MAX_DATA_LEN: usize = 64;
const MAX_PATH_LEN: usize = 5;
