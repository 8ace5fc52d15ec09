"""py-near-primitives: NEAR's own code, for transactions of every action that is read here."""

import hashlib

import base58
from nacl.signing import SigningKey
from py_near_primitives import (
    AccessKey,
    AccessKeyPermissionFieldless,
    AddKeyAction,
    CreateAccountAction,
    DeleteAccountAction,
    DeleteKeyAction,
    DeployContractAction,
    FunctionCallAction,
    FunctionCallPermission,
    StakeAction,
    Transaction,
    TransferAction,
)


def case(random, index):
    key = SigningKey(random.randbytes(32))
    public = key.verify_key.encode()
    receiver = account(random)
    made = [random.choice(MAKERS)(random, receiver) for _ in range(random.randrange(1, 6))]
    # An implicit account's name is its key; a key may act for others as well.
    signer = random.choice([public.hex(), account(random)])
    nonce, block_hash = random.randrange(2**64), random.randbytes(32)
    transaction = Transaction(signer, public, nonce, receiver, block_hash, [it for it, _ in made])
    payload = bytes(transaction.serialize())
    expected = bytes(transaction.to_vec(key.encode() + public))

    def judge(signed, id, actions):
        assert signed == expected, f"not {expected.hex()}"
        key.verify_key.verify(hashlib.sha256(payload).digest(), signed[-64:])
        assert id == base58.b58encode(bytes(transaction.get_hash())).decode()
        assert actions == [it for _, done in made for it in done], actions

    return {
        "kind": ", ".join(type(it).__name__ for it, _ in made),
        "secret": key.encode().hex(),
        "address": public.hex(),
        "chain_id": random.choice(["near:mainnet", "near:testnet"]),
        "encoding": "binary",
        "payload": payload.hex(),
    }, judge


def account(random):
    name = random.choice(["alice", "a-b_c", "x.y", "0"])
    return random.choice([f"{name}.near", f"{random.randrange(10**6)}.testnet", random.randbytes(32).hex()])


def exception(name):
    return [{"kind": "exception", "name": name}]


def transferred(receiver, amount):
    return [{"kind": "transfer", "to": receiver, "amount": str(amount)}]


def transfer(random, receiver):
    amount = random.randrange(2 ** random.randrange(129))
    return TransferAction(amount), transferred(receiver, amount)


def call(random, receiver):
    method, arguments = random.choice(["ft_transfer", "mint"]), random.choice([b"{}", random.randbytes(50), b""])
    deposit = random.choice([0, 1, random.randrange(1, 2**100)])
    action = FunctionCallAction(method, arguments, random.randrange(2**64), deposit)
    called = {"kind": "program_call", "program": f"{receiver}#{method}", "accounts": [], "data_len": len(arguments)}
    return action, (transferred(receiver, deposit) if deposit else []) + [called]


def add_key(random, receiver):
    key, nonce = random.randbytes(32), random.randrange(2**64)
    if random.randrange(2):
        permission = AccessKeyPermissionFieldless.FullAccess
        return AddKeyAction(key, AccessKey(nonce, permission)), exception("add_full_access_key")
    allowance = random.choice([None, random.randrange(2**128)])
    permission = FunctionCallPermission(account(random), random.choice([[], ["mint", "burn"]]), allowance)
    return AddKeyAction(key, AccessKey(nonce, permission)), exception("add_function_call_key")


MAKERS = [
    transfer,
    transfer,
    call,
    call,
    add_key,
    lambda random, receiver: (CreateAccountAction(), exception("create_account")),
    lambda random, receiver: (DeleteAccountAction(account(random)), exception("delete_account")),
    lambda random, receiver: (DeleteKeyAction(random.randbytes(32)), exception("delete_key")),
    lambda random, receiver: (DeployContractAction(random.randbytes(500)), exception("deploy_contract")),
    lambda random, receiver: (StakeAction(random.randrange(2**100), random.randbytes(32)), exception("stake")),
]
