"""eth-account: transactions of every type, in three encodings, authorizations, messages and typed data."""

import decimal
import json

import eth_abi
import rlp
from eth_account import Account
from eth_account._utils.legacy_transactions import serializable_unsigned_transaction_from_dict
from eth_account._utils.transaction_utils import transaction_rpc_to_rlp_structure
from eth_account.messages import _hash_eip191_message, encode_defunct, encode_typed_data
from eth_account.typed_transactions.set_code_transaction import Authorization, SignedAuthorization
from eth_utils import keccak, to_checksum_address

TYPES = {"legacy": 0, "EIP-2930": 1, "EIP-1559": 2, "EIP-4844": 3, "EIP-7702": 4}
STYLES = ["binary", "JSON-RPC", "reference"]
KINDS = [(name, style) for name in [*TYPES, "authorization"] for style in STYLES]
KINDS += [("message", ""), ("typed data", ""), ("typed data", "")]

TOKEN_FUNCTIONS = [
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "approve(address,uint256)",
    "setApprovalForAll(address,bool)",
]


def case(random, index):
    name, style = KINDS[index % len(KINDS)]
    account = Account.from_key(random.randbytes(32))
    if name == "authorization":
        chain_id, encoding, payload, judge = authorization(random, account, style)
    elif name == "message":
        chain_id, encoding, payload, judge = message(random, account)
    elif name == "typed data":
        chain_id, encoding, payload, judge = typed_data(random, account)
    else:
        chain_id, encoding, payload, judge = transaction(random, account, TYPES[name], style)
    return {
        "kind": f"{name} {style}".strip(),
        "secret": account.key.hex(),
        "address": account.address,
        "chain_id": chain_id and f"eip155:{chain_id}",
        "encoding": encoding,
        "payload": payload.hex(),
    }, judge


def transaction(random, account, number, style):
    fields = random_fields(random, number)
    encoding, payload = written(random, number, fields, style)
    expected = account.sign_transaction(fields)

    def judge(signed, id, actions):
        assert signed == expected.raw_transaction, f"not {expected.raw_transaction.hex()}"
        assert Account.recover_transaction(signed) == account.address
        assert id == "0x" + expected.hash.hex().removeprefix("0x"), id
        assert actions == does(number, fields), actions

    return random.choice([None, fields["chainId"]]), encoding, payload, judge


def random_fields(random, number):
    fields = {
        "chainId": random.choice([1, 10, 137, 11155111, random.randrange(1, 2**62)]),
        "nonce": random.choice([0, random.randrange(200), random.randrange(2**64 - 1)]),
        "gas": random.choice([21_000, random.randrange(2**24), random.randrange(2**64)]),
        "value": random.choice([0, random.randrange(10**18), random.randrange(2**96)]),
        "data": data(random),
    }
    # Only these three may create a contract.
    if number > 2 or random.randrange(8):
        fields["to"] = address(random)
    else:
        fields["data"] = random.randbytes(random.randrange(1, 300))
    fee = random.choice([random.randrange(10**12), random.randrange(2**64)])
    if number:
        fields["type"] = number
        fields["accessList"] = [access(random) for _ in range(random.randrange(4))]
    if number < 2:
        fields["gasPrice"] = fee
    else:
        fields["maxFeePerGas"] = fee
        fields["maxPriorityFeePerGas"] = random.randrange(fee + 1)
    if number == 3:
        fields["maxFeePerBlobGas"] = random.randrange(10**12)
        fields["blobVersionedHashes"] = [b"\x01" + random.randbytes(31) for _ in range(random.randrange(1, 7))]
    if number == 4:
        fields["authorizationList"] = [authorized(random, fields["chainId"]) for _ in range(random.randrange(1, 4))]
    return fields


def address(random):
    return to_checksum_address(random.randbytes(20))


def data(random):
    signature = random.choice(TOKEN_FUNCTIONS)
    values = {"address": address(random), "uint256": random.randrange(2**256), "bool": bool(random.randrange(2))}
    types = parameters(signature)
    call = keccak(text=signature)[:4] + eth_abi.encode(types, [values[it] for it in types])
    return random.choice([b"", random.randbytes(random.randrange(1, 300)), call])


def parameters(signature):
    return signature[signature.index("(") + 1 : -1].split(",")


def does(number, fields):
    """In the words of a policy."""
    signed = fields.get("authorizationList", [])
    return [delegation(it) for it in signed] + [call(number, fields)]


def delegation(signed):
    every, authority = signed.chain_id == 0, to_checksum_address(signed.authority)
    delegate = to_checksum_address(signed.address)
    return {"kind": "delegation", "delegate": delegate, "authority": authority, "on_every_chain": every}


def call(number, fields):
    data, amount = fields["data"], str(fields["value"])
    if "to" not in fields:
        return {"kind": "contract_creation", "amount": amount, "init_code_len": len(data)}
    to, selector = fields["to"], "0x" + data[:4].hex() if len(data) >= 4 else None
    if number != 3 and not data:
        return {"kind": "transfer", "to": to, "amount": amount}
    signature = [it for it in TOKEN_FUNCTIONS if data[:4] == keccak(text=it)[:4]]
    if number == 3 or amount != "0" or not signature:
        return {"kind": "contract_call", "to": to, "selector": selector, "amount": amount, "data_len": len(data)}
    *_, who, what = eth_abi.decode(parameters(signature[0]), data[4:])
    # All there are and will be, or none.
    what = (2**256 - 1) * what if isinstance(what, bool) else what
    kind, role = ("token_transfer", "to") if "transfer" in signature[0] else ("token_approval", "spender")
    return {"kind": kind, "token": to, role: to_checksum_address(who), "amount": str(what), "selector": selector}


def access(random):
    keys = ["0x" + random.randbytes(32).hex() for _ in range(random.randrange(4))]
    return {"address": address(random), "storageKeys": keys}


def authorized(random, chain_id):
    unsigned = {
        "chainId": random.choice([0, chain_id]),
        "address": address(random),
        "nonce": random.randrange(2**64 - 1),
    }
    return Account.from_key(random.randbytes(32)).sign_authorization(unsigned)


def written(random, number, fields, style):
    if style == "binary":
        return "binary", binary(number, fields)
    names = ["nonce", "gas", "chainId", "type", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "maxFeePerBlobGas"]
    quantities = {name: fields[name] for name in names if name in fields}
    if random.randrange(2):
        quantities["type"] = number
    rest = {"to": fields.get("to")}
    if fields["data"] or random.randrange(2):
        rest["input" if style == "JSON-RPC" and random.randrange(2) else "data"] = "0x" + fields["data"].hex()
    if "accessList" in fields:
        rest["accessList"] = fields["accessList"]
    if "blobVersionedHashes" in fields:
        rest["blobVersionedHashes"] = ["0x" + it.hex() for it in fields["blobVersionedHashes"]]
    if "authorizationList" in fields:
        rest["authorizationList"] = [in_json(it) for it in fields["authorizationList"]]
    return "json", in_style(style, quantities, rest, fields["value"])


def binary(number, fields):
    """What eth-account hashes, which it does not hand out."""
    unsigned = serializable_unsigned_transaction_from_dict(fields)
    if number == 0:
        encoded = rlp.encode(unsigned)
    else:
        inner = unsigned.transaction
        structure = transaction_rpc_to_rlp_structure(inner.dictionary)
        encoded = bytes([number]) + rlp.encode(inner._unsigned_transaction_serializer.from_dict(structure))
    assert keccak(encoded) == unsigned.hash(), "this is not how eth-account encodes it"
    return encoded


def in_json(signed):
    numbers = {"chainId": signed.chain_id, "nonce": signed.nonce, "yParity": signed.y_parity}
    numbers |= {"r": signed.r, "s": signed.s}
    return {"address": to_checksum_address(signed.address)} | {name: hex(it) for name, it in numbers.items()}


def in_style(style, quantities, rest, wei=None):
    if style == "JSON-RPC":
        value = {} if wei is None else {"value": hex(wei)}
        return json.dumps({name: hex(it) for name, it in quantities.items()} | value | rest).encode()
    text = json.dumps(quantities | rest)
    if wei is not None:
        with decimal.localcontext(prec=100):
            ether = decimal.Decimal(wei) / 10**18
        text = f'{{"value": {ether}, {text[1:]}'
    return text.encode()


def authorization(random, account, style):
    chain_id = random.choice([0, 1, random.randrange(1, 2**62)])
    fields = {"chainId": chain_id, "address": address(random), "nonce": random.randrange(2**64 - 1)}
    unsigned = Authorization(chain_id, bytes.fromhex(fields["address"][2:]), fields["nonce"])
    if style == "binary":
        encoding, payload = "binary", bytes([Authorization.magic]) + rlp.encode(unsigned)
    else:
        rest = {"address": fields["address"]}
        quantities = {"chainId": chain_id, "nonce": fields["nonce"]}
        encoding, payload = "json", in_style(style, quantities, rest)
    expected = account.sign_authorization(fields)

    def judge(signed, id, actions):
        read = rlp.decode(signed, SignedAuthorization)
        assert (read.chainId, read.nonce) == (chain_id, fields["nonce"])
        assert to_checksum_address(read.address) == fields["address"]
        assert (read.yParity, read.r, read.s) == (expected.y_parity, expected.r, expected.s)
        assert id == "0x" + unsigned.hash().hex().removeprefix("0x"), id
        [delegation] = actions
        assert delegation["delegate"] == fields["address"] and delegation["authority"] == account.address, delegation

    return chain_id or 1, encoding, payload, judge


def message(random, account):
    text = random_text(random, [random.randrange(32, 127), 0xE9, 0x4E16, 0x1F511])
    payload = random.choice([text.encode(), random.randbytes(random.randrange(200))])
    return 1, "message", payload, signed_as(account, encode_defunct(payload))


def random_text(random, characters):
    return "".join(chr(random.choice(characters)) for _ in range(random.randrange(100)))


def signed_as(account, signable):
    expected = account.sign_message(signable)

    def judge(signed, id, actions):
        assert signed == expected.signature, f"not {expected.signature.hex()}"
        assert Account.recover_message(signable, signature=signed) == account.address
        assert id == "0x" + _hash_eip191_message(signable).hex(), id

    return judge


def typed_data(random, account):
    structs = [f"Struct{i}" for i in range(random.randrange(1, 5))]
    # The first has the second and so on, so that each is reached; what is further down has no way back up.
    types = {name: members(random, structs[i + 1 :]) for i, name in enumerate(structs)}
    domain_types, domain = random_domain(random)
    data = {
        "types": {"EIP712Domain": domain_types} | types,
        "primaryType": structs[0],
        "domain": domain,
        "message": struct(random, types, structs[0]),
    }
    judge = signed_as(account, encode_typed_data(full_message=data))
    return domain["chainId"], "typed_data", json.dumps(data).encode(), judge


def members(random, further):
    types = [atom(random) for _ in range(random.randrange(1, 6))]
    if further:
        types.append(further[0])
        types += random.choices(further, k=random.randrange(2))
    random.shuffle(types)
    types = [it + random.choice(["", "", "[]", "[2]", "[2][]"]) for it in types]
    return [{"name": f"field{i}", "type": it} for i, it in enumerate(types)]


def atom(random):
    bits, size = random.randrange(8, 257, 8), random.randrange(1, 33)
    return random.choice(["address", "bool", "string", "bytes", f"uint{bits}", f"int{bits}", f"bytes{size}"])


def struct(random, types, name):
    return {member["name"]: value(random, types, member["type"]) for member in types[name]}


def value(random, types, name):
    if name.endswith("]"):
        inner, _, length = name[:-1].rpartition("[")
        return [value(random, types, inner) for _ in range(int(length) if length else random.randrange(3))]
    if name in types:
        return struct(random, types, name)
    if name == "address":
        return address(random)
    if name == "bool":
        return bool(random.randrange(2))
    if name == "string":
        return random_text(random, [34, 92, 10, 0x20, 0x61, 0xE9, 0x1F511])
    if name.startswith("bytes"):
        return "0x" + random.randbytes(int(name[5:] or random.randrange(70))).hex()
    if name.startswith("uint"):
        number = random.randrange(2 ** random.randrange(1, int(name[4:]) + 1))
        return random.choice([number, str(number)])
    half = 2 ** (int(name[3:]) - 1)
    number = random.randrange(-half, half)
    return random.choice([number, str(number)])


def random_domain(random):
    fields = [
        ("name", "string", value(random, {}, "string")),
        ("version", "string", str(random.randrange(9))),
        ("chainId", "uint256", random.choice([1, random.randrange(1, 2**62)])),
        ("verifyingContract", "address", address(random)),
        ("salt", "bytes32", "0x" + random.randbytes(32).hex()),
    ]
    fields = [it for it in fields if it[0] == "chainId" or random.randrange(2)]
    return [{"name": name, "type": kind} for name, kind, _ in fields], {name: it for name, _, it in fields}
