"""solders: legacy and version 0 messages of transfers, tokens, memos, durable nonces, fees and calls of any program."""

import struct

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import AdvanceNonceAccountParams, TransferParams, advance_nonce_account, transfer
from solders.transaction import VersionedTransaction

TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
CLUSTER = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
# A packet of 1232 bytes, less the count of signatures and one signature.
MAX_MESSAGE = 1232 - 65


def case(random, index):
    version_0 = index % 2 == 1
    key = Keypair.from_seed(random.randbytes(32))
    message, expected = fitting(random, key, version_0)
    payload = to_bytes_versioned(message)

    def judge(signed, id, actions):
        transaction = VersionedTransaction.from_bytes(signed)
        assert transaction.verify_with_results() == [True]
        # ed25519 has one signature for a message.
        assert signed == bytes(VersionedTransaction(message, [key]))
        assert Signature.from_string(id) == transaction.signatures[0]
        assert actions == expected, actions

    return {
        "kind": f"{'version 0' if version_0 else 'legacy'} message",
        "secret": key.secret().hex(),
        "address": str(key.pubkey()),
        "chain_id": f"solana:{CLUSTER}",
        "encoding": "binary",
        "payload": payload.hex(),
    }, judge


def fitting(random, key, version_0):
    """A message that fits a packet, and its actions."""
    while True:
        tables = [table(random) for _ in range(random.randrange(3))] if version_0 else []
        instructions, actions = some(random, key.pubkey(), tables)
        blockhash = Hash(random.randbytes(32))
        if version_0:
            message = MessageV0.try_compile(key.pubkey(), instructions, tables, blockhash)
        else:
            message = Message.new_with_blockhash(instructions, key.pubkey(), blockhash)
        if len(to_bytes_versioned(message)) <= MAX_MESSAGE:
            return message, actions


def table(random):
    return AddressLookupTableAccount(account(random), [account(random) for _ in range(random.randrange(1, 9))])


def account(random):
    return Pubkey(random.randbytes(32))


def some(random, signer, tables):
    made = []
    if random.randrange(4) == 0:
        params = AdvanceNonceAccountParams(nonce_pubkey=account(random), authorized_pubkey=signer)
        made.append((advance_nonce_account(params), {"kind": "exception", "name": "durable_nonce"}))
    if random.randrange(2):
        made.append((set_compute_unit_limit(random.randrange(2**32)), None))
    if random.randrange(2):
        made.append((set_compute_unit_price(random.randrange(2**64)), None))
    makers = [lamports, lamports, token_transfer, token_approval, memo, call]
    made += [random.choice(makers)(random, signer, tables) for _ in range(random.randrange(1, 6))]
    return [it for it, _ in made], [action for _, action in made if action]


def lamports(random, signer, tables):
    to, amount = random.choice([account(random), account(random), signer]), random.randrange(2**64)
    instruction = transfer(TransferParams(from_pubkey=signer, to_pubkey=to, lamports=amount))
    return instruction, {"kind": "transfer", "to": str(to), "amount": str(amount)}


def token_transfer(random, signer, tables):
    program, mint, to = random.choice([TOKEN, TOKEN_2022]), account(random), account(random)
    amount = random.randrange(2**64)
    data = struct.pack("<BQB", 12, amount, random.randrange(10))
    if program == TOKEN_2022 and random.randrange(2):
        data = struct.pack("<BBQBQ", 26, 1, amount, random.randrange(10), random.randrange(amount + 1))
    accounts = [written(held(random, tables)), read(mint), written(to), AccountMeta(signer, True, False)]
    action = {"kind": "token_transfer", "token": str(mint), "to": str(to), "amount": str(amount), "selector": None}
    return Instruction(program, data, accounts), action


def token_approval(random, signer, tables):
    mint, spender, amount = account(random), account(random), random.randrange(2**64)
    accounts = [written(held(random, tables)), read(mint), read(spender), AccountMeta(signer, True, False)]
    data = struct.pack("<BQB", 13, amount, random.randrange(10))
    action = {"kind": "token_approval", "token": str(mint), "spender": str(spender), "amount": str(amount)}
    return Instruction(random.choice([TOKEN, TOKEN_2022]), data, accounts), action | {"selector": None}


def memo(random, signer, tables):
    accounts = random.choice([[], [AccountMeta(signer, True, True)]])
    text = random.choice(["", "invoice 103", "\u4e16\u754c\n"])
    return Instruction(MEMO, text.encode(), accounts), {"kind": "exception", "name": "memo"}


def call(random, signer, tables):
    program = account(random)
    accounts = [random.choice([written, read])(held(random, tables)) for _ in range(random.randrange(5))]
    accounts += random.choice([[], [AccountMeta(signer, True, True)]])
    data = random.randbytes(random.randrange(100))
    names = [name(it.pubkey, tables) for it in accounts]
    action = {"kind": "program_call", "program": str(program), "accounts": names, "data_len": len(data)}
    return Instruction(program, data, accounts), action


def held(random, tables):
    """An account of a table, if there is one, or any other."""
    choices = [it for table in tables for it in table.addresses]
    return random.choice(choices) if choices and random.randrange(3) else account(random)


def name(key, tables):
    for table in tables:
        if key in table.addresses:
            return f"lookup:{table.key}[{table.addresses.index(key)}]"
    return str(key)


def written(key):
    return AccountMeta(key, False, True)


def read(key):
    return AccountMeta(key, False, False)
