"""aptos-sdk: transactions that transfer APT, coins and assets, or call any function with arguments of any type."""

import hashlib

from aptos_sdk.account_address import AccountAddress
from aptos_sdk.bcs import Serializer
from aptos_sdk.ed25519 import PrivateKey
from aptos_sdk.transactions import (
    EntryFunction,
    RawTransaction,
    SignedTransaction,
    TransactionArgument,
    TransactionPayload,
)
from aptos_sdk.type_tag import (
    AccountAddressTag,
    BoolTag,
    StructTag,
    TypeTag,
    U8Tag,
    U16Tag,
    U32Tag,
    U64Tag,
    U128Tag,
    U256Tag,
)

APT = "0x1::aptos_coin::AptosCoin"
METADATA = TypeTag(StructTag.from_str("0x1::fungible_asset::Metadata"))


def case(random, index):
    key = PrivateKey.from_str(random.randbytes(32).hex(), False)
    sender = AccountAddress.from_key(key.public_key())
    function, action = random.choice(MAKERS)(random)
    chain_id = random.randrange(1, 256)
    numbers = [random.randrange(2 ** random.randrange(65)) for _ in range(4)]
    transaction = RawTransaction(sender, numbers[0], TransactionPayload(function), *numbers[1:], chain_id)
    expected = SignedTransaction(transaction, transaction.sign(key))
    payload = encoded(transaction)

    def judge(signed, id, actions):
        assert signed == expected.bytes(), f"not {expected.bytes().hex()}"
        assert expected.verify()
        prefix = hashlib.sha3_256(b"APTOS::Transaction").digest()
        assert id == "0x" + hashlib.sha3_256(prefix + b"\x00" + signed).hexdigest(), id
        assert actions == [action], actions

    return {
        "kind": f"{function.module}::{function.function}",
        "secret": key.key.encode().hex(),
        "address": str(sender),
        "chain_id": random.choice([None, f"aptos:{chain_id}"]),
        "encoding": "binary",
        "payload": payload.hex(),
    }, judge


def encoded(value):
    serializer = Serializer()
    value.serialize(serializer)
    return serializer.output()


def address(random):
    low = AccountAddress(bytes(31) + bytes([random.randrange(256)]))
    return random.choice([low, AccountAddress(random.randbytes(32)), AccountAddress(random.randbytes(32))])


def transfer(random):
    to, amount = address(random), random.randrange(2**64)
    arguments = [TransactionArgument(to, Serializer.struct), TransactionArgument(amount, Serializer.u64)]
    coin = random.choice([APT, struct(random, 0)])
    types = [TypeTag(StructTag.from_str(APT) if coin is APT else coin)]
    functions = [("0x1::aptos_account", "transfer", [])]
    functions += [("0x1::aptos_account", "transfer_coins", types), ("0x1::coin", "transfer", types)]
    module, name, types = random.choice(functions)
    return EntryFunction.natural(module, name, types, arguments), moved(APT if not types else str(coin), to, amount)


def asset_transfer(random):
    asset = random.choice([AccountAddress.from_str("0xa"), address(random)])
    to, amount = address(random), random.randrange(2**64)
    arguments = [TransactionArgument(it, Serializer.struct) for it in [asset, to]]
    arguments.append(TransactionArgument(amount, Serializer.u64))
    function = EntryFunction.natural("0x1::primary_fungible_store", "transfer", [METADATA], arguments)
    return function, moved(str(asset), to, amount)


def moved(token, to, amount):
    action = {"to": str(to), "amount": str(amount)}
    if token in [APT, "0xa"]:
        return {"kind": "transfer"} | action
    return {"kind": "token_transfer", "token": token, "selector": None} | action


def call(random):
    named = f"{address(random)}::{random.choice(['market', '_m1'])}"
    types = [tag(random, 2) for _ in range(random.randrange(4))]
    arguments = [argument(random) for _ in range(random.randrange(5))]
    function = EntryFunction.natural(named, "buy", types, arguments)
    accounts = [str(AccountAddress(it)) for it in function.args if len(it) == 32]
    action = {"kind": "program_call", "program": f"{named}::buy", "accounts": accounts}
    return function, action | {"data_len": sum(map(len, function.args))}


def argument(random):
    bits = random.choice([8, 16, 32, 64, 128, 256])
    number = TransactionArgument(random.randrange(2**bits), getattr(Serializer, f"u{bits}"))
    text = TransactionArgument(random.choice(["", "\u4e16\u754c"]), Serializer.str)
    flag = TransactionArgument(bool(random.randrange(2)), Serializer.bool)
    several = [address(random) for _ in range(random.randrange(4))]
    listed = TransactionArgument(several, Serializer.sequence_serializer(Serializer.struct))
    return random.choice([number, text, flag, listed, TransactionArgument(address(random), Serializer.struct)])


def tag(random, depth):
    kinds = [U8Tag, U16Tag, U32Tag, U64Tag, U128Tag, U256Tag, BoolTag, AccountAddressTag]
    return TypeTag(struct(random, depth) if random.randrange(2) else Bare(random.choice(kinds)))


class Bare:
    """A type without fields: the library's own tags of such types write a value as well, which a type does not have."""

    def __init__(self, kind):
        self.kind = kind

    def variant(self):
        return self.kind.variant(self)

    def serialize(self, serializer):
        pass


def struct(random, depth):
    inner = [tag(random, depth - 1) for _ in range(random.randrange(3))] if depth else []
    return StructTag(address(random), "coins", random.choice(["Coin", "Wrapped_1"]), inner)


MAKERS = [transfer, transfer, asset_transfer, call, call]
