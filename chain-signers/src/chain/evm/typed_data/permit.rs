//! Typed data that lets somebody take tokens, known by its whole `encodeType`.

use crate::{Action, Amount};

/// What the permission does beside being typed data: an action for each token. None if it is not known here.
pub(super) fn actions(encoded: &str, fields: &[(String, String)], contract: Option<&str>) -> Vec<Action> {
    let Some(permission) = Permission::of(encoded) else { return Vec::new() };
    let nameless = || vec![Action::Unknown { description: "a permission for tokens of no contract".to_owned() }];
    permission.actions(&Values(fields), contract).unwrap_or_else(nameless)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    Dai,
    Eip2612,
    Eip3009,
    /// Permit2's allowances, which `details` lists or is.
    Permit2Allowance {
        is_batch: bool,
    },
    /// Permit2's transfers, which `permitted` lists or is.
    Permit2Transfer {
        is_batch: bool,
    },
}

impl Permission {
    fn of(encoded: &str) -> Option<Self> {
        match encoded {
            DAI => Some(Self::Dai),
            EIP_2612 => Some(Self::Eip2612),
            RECEIVE_WITH_AUTHORIZATION | TRANSFER_WITH_AUTHORIZATION => Some(Self::Eip3009),
            PERMIT_BATCH => Some(Self::Permit2Allowance { is_batch: true }),
            PERMIT_SINGLE => Some(Self::Permit2Allowance { is_batch: false }),
            PERMIT_BATCH_TRANSFER_FROM => Some(Self::Permit2Transfer { is_batch: true }),
            PERMIT_TRANSFER_FROM => Some(Self::Permit2Transfer { is_batch: false }),
            _ => Self::with_witness(encoded),
        }
    }

    /// Permit2 makes the type of a permission with a witness of a stub and of whatever the spender says.
    fn with_witness(encoded: &str) -> Option<Self> {
        let is_batch = if encoded.starts_with(PERMIT_BATCH_WITNESS_STUB) {
            true
        } else if encoded.starts_with(PERMIT_WITNESS_STUB) {
            false
        } else {
            return None;
        };
        let (_, after) = encoded.split_once(')')?;
        after.split_inclusive(')').any(|it| it == TOKEN_PERMISSIONS).then_some(Self::Permit2Transfer { is_batch })
    }

    /// `None` if the token is the contract that the data is for, and it is for none.
    fn actions(self, values: &Values<'_>, contract: Option<&str>) -> Option<Vec<Action>> {
        match self {
            Self::Dai => {
                let amount = if values.text("allowed")? == "true" { EVERYTHING } else { Amount::ZERO };
                Some(vec![approval(contract?, values.text("spender")?, amount)])
            }
            Self::Eip2612 => Some(vec![approval(contract?, values.text("spender")?, values.amount("value")?)]),
            Self::Eip3009 => Some(vec![Action::TokenTransfer {
                token: contract?.to_owned(),
                to: values.text("to")?.to_owned(),
                amount: values.amount("value")?,
                selector: None,
            }]),
            Self::Permit2Allowance { is_batch } => values.approvals("details", is_batch),
            Self::Permit2Transfer { is_batch } => values.approvals("permitted", is_batch),
        }
    }
}

struct Values<'a>(&'a [(String, String)]);

impl<'a> Values<'a> {
    fn text(&self, path: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| name == path).map(|(_, text)| text.as_str())
    }

    fn amount(&self, path: &str) -> Option<Amount> {
        self.text(path)?.parse().ok()
    }

    fn approvals(&self, name: &str, is_batch: bool) -> Option<Vec<Action>> {
        if !is_batch {
            return Some(vec![self.approval(name)?]);
        }
        let places = (0..).map(|i| format!("{name}[{i}]"));
        let present = places.take_while(|place| self.text(&format!("{place}.token")).is_some());
        present.map(|place| self.approval(&place)).collect()
    }

    /// An allowance of 160 bits that are all set never runs out.
    fn approval(&self, place: &str) -> Option<Action> {
        let amount = self.amount(&format!("{place}.amount"))?;
        let is_endless = self.text(&format!("{place}.expiration")).is_some() && amount == MAX_ALLOWANCE;
        let amount = if is_endless { EVERYTHING } else { amount };
        Some(approval(self.text(&format!("{place}.token"))?, self.text("spender")?, amount))
    }
}

fn approval(token: &str, spender: &str, amount: Amount) -> Action {
    Action::TokenApproval { token: token.to_owned(), spender: spender.to_owned(), amount, selector: None }
}

const EVERYTHING: Amount = Amount::from_be_bytes([0xff; 32]);
const MAX_ALLOWANCE: Amount = {
    let mut bytes = [0; 32];
    let mut i = 12;
    while i < 32 {
        bytes[i] = 0xff;
        i += 1;
    }
    Amount::from_be_bytes(bytes)
};

const DAI: &str = "Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)";
const EIP_2612: &str = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";
const RECEIVE_WITH_AUTHORIZATION: &str = "ReceiveWithAuthorization(address from,address to,uint256 value,\
    uint256 validAfter,uint256 validBefore,bytes32 nonce)";
const TRANSFER_WITH_AUTHORIZATION: &str = "TransferWithAuthorization(address from,address to,uint256 value,\
    uint256 validAfter,uint256 validBefore,bytes32 nonce)";
const PERMIT_BATCH: &str = "PermitBatch(PermitDetails[] details,address spender,uint256 sigDeadline)\
    PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)";
const PERMIT_SINGLE: &str = "PermitSingle(PermitDetails details,address spender,uint256 sigDeadline)\
    PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)";
const PERMIT_BATCH_TRANSFER_FROM: &str = "PermitBatchTransferFrom(TokenPermissions[] permitted,address spender,\
    uint256 nonce,uint256 deadline)TokenPermissions(address token,uint256 amount)";
const PERMIT_TRANSFER_FROM: &str = "PermitTransferFrom(TokenPermissions permitted,address spender,\
    uint256 nonce,uint256 deadline)TokenPermissions(address token,uint256 amount)";
const PERMIT_BATCH_WITNESS_STUB: &str = "PermitBatchWitnessTransferFrom(TokenPermissions[] permitted,address spender,\
    uint256 nonce,uint256 deadline,";
const PERMIT_WITNESS_STUB: &str = "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,\
    uint256 nonce,uint256 deadline,";
const TOKEN_PERMISSIONS: &str = "TokenPermissions(address token,uint256 amount)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keccak::keccak256;

    /// EIP-2612; `PERMIT_TYPEHASH` of DAI's contract; EIP-3009, as Circle's `EIP3009.sol` has them; `PermitHash.sol` of
    /// Uniswap's permit2, as its SDK and its deployed contract spell the hashes.
    #[test]
    fn types_have_their_published_hashes() {
        for (encoded, hash) in [
            (EIP_2612, "6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9"),
            (DAI, "ea2aa0a1be11a07ed86d755c93467f4f82362b452371d1ba94d1715123511acb"),
            (TRANSFER_WITH_AUTHORIZATION, "7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267"),
            (RECEIVE_WITH_AUTHORIZATION, "d099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8"),
            (PERMIT_SINGLE, "f3841cd1ff0085026a6327b620b67997ce40f282c88a8e905a7a5626e310f3d0"),
            (PERMIT_BATCH, "af1b0d30d2cab0380e68f0689007e3254993c596f2fdd0aaa7f4d04f79440863"),
            (TOKEN_PERMISSIONS, "618358ac3db8dc274f0cd8829da7e234bd48cd73c4a740aede1adec9846d06a1"),
            (PERMIT_TRANSFER_FROM, "939c21a48a8dbe3a9a2404a1d46691e4d39f6583d6ec6b35714604c986d80106"),
        ] {
            assert_eq!(hex::encode(keccak256(encoded.as_bytes())), hash, "{encoded}");
        }
    }

    #[test]
    fn a_witness_may_be_anything_but_what_is_taken_may_not() {
        let with = |rest: &str| Permission::of(&format!("{PERMIT_WITNESS_STUB}{rest}"));
        let known = Some(Permission::Permit2Transfer { is_batch: false });
        assert_eq!(with("Order witness)Order(address to)TokenPermissions(address token,uint256 amount)"), known);
        assert_eq!(
            with("Order witness)Aa(bool b)Order(Aa a)TokenPermissions(address token,uint256 amount)Z(bool b)"),
            known
        );
        assert_eq!(with("Order witness)Order(address to)TokenPermissions(address token,uint128 amount)"), None);
        assert_eq!(with("Order witness)Order(address to)XTokenPermissions(address token,uint256 amount)"), None);
        let batch = format!("{PERMIT_BATCH_WITNESS_STUB}O witness)O(bool b){TOKEN_PERMISSIONS}");
        assert_eq!(Permission::of(&batch), Some(Permission::Permit2Transfer { is_batch: true }));
    }
}
