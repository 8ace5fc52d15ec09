"""cosmpy: transactions of the Cosmos SDK in direct mode and, of messages that have a JSON form here, in amino mode."""

import hashlib
import json

from cosmpy.aerial.coins import Coin
from cosmpy.aerial.tx import SigningCfg, Transaction, TxFee
from cosmpy.crypto.address import Address
from cosmpy.crypto.keypairs import PrivateKey
from cosmpy.protos.cosmos.authz.v1beta1.tx_pb2 import MsgExec
from cosmpy.protos.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from cosmpy.protos.cosmos.gov.v1beta1.tx_pb2 import MsgVote
from cosmpy.protos.cosmos.staking.v1beta1.tx_pb2 import MsgDelegate
from cosmpy.protos.cosmos.tx.v1beta1.tx_pb2 import SignDoc, TxRaw
from cosmpy.protos.cosmwasm.wasm.v1.tx_pb2 import MsgExecuteContract
from cosmpy.protos.ibc.applications.transfer.v1.tx_pb2 import MsgTransfer

# The first is any chain: its addresses may have any prefix.
CHAINS = {"": None, "cosmoshub-4": "cosmos", "osmosis-1": "osmo", "kava_2222-10": "kava", "celestia": "celestia"}
DENOMS = ["uatom", "uosmo", "ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2", "factory/osmo1x/y"]
SIGN_MODE_LEGACY_AMINO_JSON = 127


def case(random, index):
    key = PrivateKey(random.randbytes(32))
    chain = random.choice(list(CHAINS))
    prefix = CHAINS[chain] or random.choice(["cosmos", "fetch", "x"])
    native = chain or f"test-{random.randrange(10**6)}"
    understood = [send, delegate, transfer]
    makers = understood if index % 2 else [*understood, vote, execute, run]
    # At least one that says who sends it, which amino mode needs.
    chosen = [random.choice(understood)] + random.choices(makers, k=random.randrange(4))
    random.shuffle(chosen)
    own = Address(key.public_key, prefix)
    messages = [maker(random, own, prefix) for maker in chosen]
    sequence, account_number = random.randrange(10**6), random.choice([0, random.randrange(2**64)])
    memo = random.choice(["", "", "103", 'a "memo" <&> \u4e16\\'])
    timeout_height = random.choice([0, random.randrange(2**63)])
    payer = random.choice([None, None, own])
    fee = TxFee(coins(random, random.randrange(3)), random.randrange(10**7), random.choice([None, None, own]), payer)

    tx = Transaction()
    for message in messages:
        tx.add_message(message)
    tx.seal(SigningCfg.direct(key.public_key, sequence), fee, memo, timeout_height)
    tx.sign(key, native, account_number, deterministic=True)
    expected = tx.complete().tx
    if index % 2:
        document = amino(native, account_number, sequence, fee, memo, messages, timeout_height)
        payload = json.dumps(shuffled(random, document), indent=random.choice([None, 1])).encode()
        expected.auth_info.signer_infos[0].mode_info.single.mode = SIGN_MODE_LEGACY_AMINO_JSON
        signed_bytes = canonical(document)
    else:
        doc = SignDoc(
            body_bytes=expected.body.SerializeToString(),
            auth_info_bytes=expected.auth_info.SerializeToString(),
            chain_id=native,
            account_number=account_number,
        )
        payload = signed_bytes = doc.SerializeToString()
    del expected.signatures[:]
    expected.signatures.append(key.sign(signed_bytes, deterministic=True))

    def judge(signed, id, actions):
        assert signed == expected.SerializeToString(), f"not {expected.SerializeToString().hex()}"
        assert key.public_key.verify(signed_bytes, TxRaw.FromString(signed).signatures[0])
        assert id == hashlib.sha256(signed).hexdigest().upper(), id
        expected_actions = [it for message in messages for it in does(message)]
        assert [it for it in actions if it["kind"] != "exception"] == expected_actions, actions

    return {
        "kind": ("amino " if index % 2 else "direct ") + ", ".join(type(it).__name__ for it in messages),
        "secret": key.private_key_bytes.hex(),
        "address": str(Address(key.public_key, CHAINS[chain] or "cosmos")),
        "chain_id": chain and f"cosmos:{reference(chain)}" or None,
        "encoding": "json" if index % 2 else "binary",
        "payload": payload.hex(),
    }, judge


def reference(chain):
    """As the namespace's page of CAIP-2 says."""
    plain = chain.replace("-", "").isalnum()
    return chain if plain else "hashed-" + hashlib.sha256(chain.encode()).hexdigest()[:16]


def send(random, own, prefix):
    amount = [it.to_proto() for it in coins(random, random.randrange(1, 4))]
    return MsgSend(from_address=str(own), to_address=someone(random, prefix), amount=amount)


def delegate(random, own, prefix):
    [coin] = coins(random, 1)
    validator = someone(random, prefix + "valoper")
    return MsgDelegate(delegator_address=str(own), validator_address=validator, amount=coin.to_proto())


def transfer(random, own, prefix):
    [coin] = coins(random, 1)
    message = MsgTransfer(
        source_port="transfer",
        source_channel=f"channel-{random.randrange(1000)}",
        token=coin.to_proto(),
        sender=str(own),
        receiver=someone(random, "osmo"),
        timeout_timestamp=random.choice([0, random.randrange(2**63)]),
        memo=random.choice(["", '{"forward": {}}']),
    )
    # The SDK in Go always writes it.
    message.timeout_height.SetInParent()
    if random.randrange(2):
        message.timeout_height.revision_number = random.randrange(10)
        message.timeout_height.revision_height = random.randrange(10**9)
    return message


def vote(random, own, prefix):
    return MsgVote(proposal_id=random.randrange(1, 1000), voter=str(own), option=random.randrange(1, 5))


def execute(random, own, prefix):
    return MsgExecuteContract(sender=str(own), contract=someone(random, prefix), msg=b'{"withdraw": {}}')


def run(random, own, prefix):
    return MsgExec(grantee=str(own))


def someone(random, prefix):
    return str(Address(random.randbytes(20), prefix))


def coins(random, count):
    """Sorted, as the SDK demands, and cosmpy does not do for all denominations."""
    denoms = sorted(random.sample(DENOMS, count))
    return [Coin(random.randrange(1, 2 ** random.randrange(1, 128)), denom) for denom in denoms]


def does(message):
    """In the words of a policy."""
    name = type(message).__name__
    if name == "MsgSend":
        return [moved(coin, message.to_address) for coin in message.amount]
    if name == "MsgTransfer":
        to = f"{message.source_port}/{message.source_channel}/{message.receiver}"
        return [moved(message.token, to)]
    if name == "MsgDelegate":
        coin = message.amount
        return [{"kind": "stake", "validator": message.validator_address, "token": coin.denom, "amount": coin.amount}]
    length = len(message.SerializeToString())
    return [{"kind": "program_call", "program": f"/{message.DESCRIPTOR.full_name}", "accounts": [], "data_len": length}]


def moved(coin, to):
    return {"kind": "token_transfer", "token": coin.denom, "to": to, "amount": coin.amount, "selector": None}


def amino(chain, account_number, sequence, fee, memo, messages, timeout_height):
    """The JSON of legacy amino: numbers are strings, and what is zero or empty is left out."""
    proto = fee.to_proto()
    payers = filled(granter=proto.granter, payer=proto.payer)
    document = {
        "account_number": str(account_number),
        "chain_id": chain,
        "fee": {"amount": listed(proto.amount), "gas": str(proto.gas_limit)} | payers,
        "memo": memo,
        "msgs": [{"type": f"cosmos-sdk/{type(it).__name__}", "value": amino_value(it)} for it in messages],
        "sequence": str(sequence),
    }
    return document | filled(timeout_height=timeout_height)


def amino_value(message):
    if isinstance(message, MsgSend):
        addresses = {"from_address": message.from_address, "to_address": message.to_address}
        return addresses | {"amount": listed(message.amount)}
    if isinstance(message, MsgDelegate):
        addresses = {"delegator_address": message.delegator_address, "validator_address": message.validator_address}
        return addresses | {"amount": listed([message.amount])[0]}
    height = message.timeout_height
    return {
        "source_port": message.source_port,
        "source_channel": message.source_channel,
        "token": listed([message.token])[0],
        "sender": message.sender,
        "receiver": message.receiver,
        "timeout_height": filled(revision_number=height.revision_number, revision_height=height.revision_height),
    } | filled(timeout_timestamp=message.timeout_timestamp, memo=message.memo)


def listed(coins):
    return [{"denom": coin.denom, "amount": coin.amount} for coin in coins]


def filled(**fields):
    return {name: str(it) for name, it in fields.items() if it}


def shuffled(random, value):
    """The same with its keys in another order."""
    if isinstance(value, list):
        return [shuffled(random, it) for it in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    random.shuffle(keys)
    return {key: shuffled(random, value[key]) for key in keys}


def canonical(document):
    """What is signed: sorted, without white space, and with the escapes of Go's encoder."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()
