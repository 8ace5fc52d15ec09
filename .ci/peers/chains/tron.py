"""tronpy: transfers of TRX and TRC-10 tokens, calls of contracts, the making of accounts."""

import hashlib

from google.protobuf.any_pb2 import Any
from tronpy.abi import trx_abi
from tronpy.keys import PrivateKey, Signature, keccak256, to_base58check_address
from tronpy.proto import tron_pb2

KINDS = ["TransferContract", "TransferAssetContract", "AccountCreateContract"] + ["TriggerSmartContract"] * 2
TOKEN_FUNCTIONS = {
    "transfer": ["address", "uint256"],
    "approve": ["address", "uint256"],
    "transferFrom": ["address", "address", "uint256"],
}


def case(random, index):
    kind = KINDS[index % len(KINDS)]
    key = PrivateKey(random.randbytes(32))
    owner = key.public_key.to_address()
    contract, actions = {
        "TransferContract": transfer,
        "TransferAssetContract": transfer_asset,
        "TriggerSmartContract": trigger,
        "AccountCreateContract": create,
    }[kind](random, owner)
    memo = random.choice([b"", b"", b"103", random.randbytes(20)])
    if memo:
        actions.append({"kind": "exception", "name": "memo"})
    timestamp = random.randrange(2**41)
    raw = tron_pb2.Transaction.raw(
        ref_block_bytes=random.randbytes(2),
        ref_block_hash=random.randbytes(8),
        expiration=timestamp + 60_000,
        data=memo,
        contract=[
            tron_pb2.Transaction.Contract(
                type=getattr(tron_pb2.Transaction.Contract.ContractType, kind),
                parameter=packed(contract),
            )
        ],
        timestamp=timestamp,
        fee_limit=random.choice([0, random.randrange(10**10)]),
    )
    hash = hashlib.sha256(raw.SerializeToString()).digest()
    expected = tron_pb2.Transaction(raw_data=raw, signature=[key.sign_msg_hash(hash).to_bytes()]).SerializeToString()

    def judge(signed, id, decoded):
        assert signed == expected, f"not {expected.hex()}"
        [signature] = tron_pb2.Transaction.FromString(signed).signature
        assert Signature(signature).recover_public_key_from_msg_hash(hash) == key.public_key
        assert id == hash.hex()
        assert decoded == actions, decoded

    return {
        "kind": kind,
        "secret": key.hex(),
        "address": key.public_key.to_base58check_address(),
        "chain_id": "tron:728126428",
        "encoding": "binary",
        "payload": raw.SerializeToString().hex(),
    }, judge


def packed(contract):
    parameter = Any()
    parameter.Pack(contract)
    return parameter


def address(random):
    return b"\x41" + random.randbytes(20)


def amount(random):
    return random.randrange(1, 2 ** random.randrange(1, 64))


def transfer(random, owner):
    contract = tron_pb2.TransferContract(owner_address=owner, to_address=address(random), amount=amount(random))
    to = to_base58check_address(contract.to_address)
    return contract, [{"kind": "transfer", "to": to, "amount": str(contract.amount)}]


def transfer_asset(random, owner):
    token = str(random.randrange(1_000_001, 1_005_000))
    contract = tron_pb2.TransferAssetContract(
        asset_name=token.encode(), owner_address=owner, to_address=address(random), amount=amount(random)
    )
    return contract, [moved(token, contract.to_address, contract.amount)]


def moved(token, to, amount, selector=None):
    to = to_base58check_address(to)
    return {"kind": "token_transfer", "token": token, "to": to, "amount": str(amount), "selector": selector}


def trigger(random, owner):
    contract = tron_pb2.TriggerSmartContract(owner_address=owner, contract_address=address(random))
    called = to_base58check_address(contract.contract_address)
    if random.randrange(2):
        contract.data, action = token_function(random, called)
        return contract, [action]
    contract.call_value = random.choice([0, amount(random)])
    contract.data = random.randbytes(random.choice([0, 3, random.randrange(4, 200)]))
    selector = "0x" + contract.data[:4].hex() if len(contract.data) >= 4 else None
    action = {"kind": "contract_call", "to": called, "selector": selector, "amount": str(contract.call_value)}
    actions = [action | {"data_len": len(contract.data)}]
    if random.randrange(2):
        contract.token_id, contract.call_token_value = random.randrange(1_000_001, 1_005_000), amount(random)
        actions.append(moved(str(contract.token_id), contract.contract_address, contract.call_token_value))
    return contract, actions


def token_function(random, called):
    name = random.choice(list(TOKEN_FUNCTIONS))
    types = TOKEN_FUNCTIONS[name]
    *addresses, number = [address(random) for _ in types[1:]] + [random.randrange(2**256)]
    arguments = trx_abi.encode(types, [to_base58check_address(it) for it in addresses] + [number])
    selector = keccak256(f"{name}({','.join(types)})".encode())[:4]
    spelled = "0x" + selector.hex()
    action = moved(called, addresses[-1], number, spelled)
    if name == "approve":
        action["spender"] = action.pop("to")
        action["kind"] = "token_approval"
    return selector + arguments, action


def create(random, owner):
    contract = tron_pb2.AccountCreateContract(owner_address=owner, account_address=address(random))
    length = len(contract.SerializeToString())
    return contract, [{"kind": "program_call", "program": "AccountCreateContract", "accounts": [], "data_len": length}]
