"""pysui: programmable transactions that split and transfer coins, or run commands of every kind."""

import base64
import hashlib

import base58
from pysui.sui.sui_bcs import bcs
from pysui.sui.sui_crypto import SuiKeyPair

ED25519 = b"\x00"


def case(random, index):
    secret = random.randbytes(32)
    key = SuiKeyPair.from_b64(base64.b64encode(ED25519 + secret).decode())
    sender = hashlib.blake2b(key.public_key.scheme_and_key(), digest_size=32).digest()
    program = Program(random)
    expected = program.transfers() if index % 2 else program.calls()
    gas = bcs.GasData(
        [reference(random) for _ in range(random.randrange(1, 4))],
        address(sender),
        random.randrange(2**64),
        random.randrange(2**64),
    )
    expiration = random.choice([("None",), ("Epoch", random.randrange(2**64))])
    kind = bcs.TransactionKind(
        "ProgrammableTransaction", bcs.ProgrammableTransaction(program.inputs, program.commands)
    )
    data = bcs.TransactionDataV1(kind, address(sender), gas, bcs.TransactionExpiration(*expiration))
    payload = bcs.TransactionData("V1", data).serialize()

    def judge(signed, id, actions):
        signature = base64.b64decode(key.new_sign_secure(base64.b64encode(payload).decode()))
        # One transaction, its intent, and one signature.
        assert signed == b"\x01\x00\x00\x00" + payload + b"\x01\x61" + signature, f"not with {signature.hex()}"
        digest = hashlib.blake2b(b"TransactionData::" + payload, digest_size=32).digest()
        assert id == base58.b58encode(digest).decode(), id
        assert [said(it) for it in actions] == expected, actions

    return {
        "kind": "transfers" if index % 2 else "calls",
        "secret": secret.hex(),
        "address": "0x" + sender.hex(),
        "chain_id": random.choice(["sui:mainnet", "sui:testnet", "sui:devnet"]),
        "encoding": "binary",
        "payload": payload.hex(),
    }, judge


def said(action):
    """What is compared: all of a transfer, the name of a call."""
    return (action["to"], action["amount"]) if action["kind"] == "transfer" else action["program"]


def address(data):
    return bcs.Address(list(data))


def reference(random):
    digest = bcs.Digest.from_bytes(random.randbytes(32))
    return bcs.ObjectReference(address(random.randbytes(32)), random.randrange(2**64), digest)


class Program:
    """Inputs, and commands that take them."""

    def __init__(self, random):
        self.random = random
        self.inputs = []
        self.commands = []

    def transfers(self):
        """Coins split off the gas coin and sent, and objects sent; what a policy is told of them."""
        expected = []
        for _ in range(self.random.randrange(1, 4)):
            count = self.random.randrange(1, 4)
            amounts = [self.random.randrange(2 ** self.random.randrange(65)) for _ in range(count)]
            at = self.add("SplitCoin", bcs.SplitCoin(bcs.Argument("GasCoin"), [self.u64(it) for it in amounts]))
            coins = [(bcs.Argument("NestedResult", (at, i)), amount) for i, amount in enumerate(amounts)]
            if len(coins) == 1:
                coins.append((bcs.Argument("Result", at), amounts[0]))
            self.random.shuffle(coins)
            sent = coins[: self.random.randrange(1, len(coins) + 1)]
            to = self.random.randbytes(32)
            objects = [it for it, _ in sent]
            described = [("0x" + to.hex(), str(amount)) for _, amount in sent]
            if self.random.randrange(3) == 0:
                objects.append(self.object())
                described.append("transfer_objects")
            self.add("TransferObjects", bcs.TransferObjects(objects, self.pure(to)))
            expected += described
        return expected

    def calls(self):
        """Commands of every kind, the first a call, so that all are named; their names."""
        return [self.move_call()] + [self.random.choice(self.makers)() for _ in range(self.random.randrange(4))]

    def add(self, name, command):
        self.commands.append(bcs.Command(name, command))
        return len(self.commands) - 1

    def pure(self, data):
        self.inputs.append(bcs.CallArg("Pure", list(data)))
        return bcs.Argument("Input", len(self.inputs) - 1)

    def u64(self, number):
        return self.pure(number.to_bytes(8, "little"))

    def object(self):
        shared = bcs.SharedObjectReference(
            address(self.random.randbytes(32)), self.random.randrange(2**64), bool(self.random.randrange(2))
        )
        choices = [
            ("ImmOrOwnedObject", reference(self.random)),
            ("SharedObject", shared),
            ("Receiving", reference(self.random)),
        ]
        self.inputs.append(bcs.CallArg("Object", bcs.ObjectArg(*self.random.choice(choices))))
        return bcs.Argument("Input", len(self.inputs) - 1)

    def argument(self):
        choices = [self.object, lambda: self.pure(self.random.randbytes(self.random.randrange(40)))]
        if self.commands:
            choices.append(lambda: bcs.Argument("Result", len(self.commands) - 1))
        return self.random.choice(choices)()

    def arguments(self):
        return [self.argument() for _ in range(self.random.randrange(1, 4))]

    def type_tag(self):
        # No vectors: pysui 1.5.1 writes a length before the type of their items.
        names = ["bool", "u8", "u16", "u32", "u64", "u128", "u256"]
        coin = f"0x{self.random.randbytes(32).hex()}::coins::Coin"
        names += [coin, f"{coin}<0x2::sui::SUI>", f"{coin}<0x2::sui::SUI,{coin}>"]
        return bcs.TypeTag.type_tag_from(self.random.choice(names))

    def move_call(self):
        package = self.random.randbytes(32)
        types = [self.type_tag() for _ in range(self.random.randrange(3))]
        call = bcs.ProgrammableMoveCall(address(package), "market", "buy_1", types, self.arguments())
        self.add("MoveCall", call)
        return f"0x{package.hex()}::market::buy_1"

    def transfer_objects(self):
        self.add("TransferObjects", bcs.TransferObjects(self.arguments(), self.pure(self.random.randbytes(32))))
        return "transfer_objects"

    def split_coins(self):
        self.add("SplitCoin", bcs.SplitCoin(self.object(), self.arguments()))
        return "split_coins"

    def merge_coins(self):
        self.add("MergeCoins", bcs.MergeCoins(bcs.Argument("GasCoin"), self.arguments()))
        return "merge_coins"

    def make_move_vec(self):
        item = self.random.choice([None, self.type_tag()])
        self.add("MakeMoveVec", bcs.MakeMoveVec(bcs.OptionalTypeTag(item), self.arguments()))
        return "make_move_vec"

    def package(self):
        modules = [list(self.random.randbytes(self.random.randrange(1, 100))) for _ in range(2)]
        return modules, [address(self.random.randbytes(32)) for _ in range(self.random.randrange(3))]

    def publish(self):
        self.add("Publish", bcs.Publish(*self.package()))
        return "publish"

    def upgrade(self):
        package = address(self.random.randbytes(32))
        self.add("Upgrade", bcs.Upgrade(*self.package(), package, self.argument()))
        return "upgrade"

    @property
    def makers(self):
        simple = [self.move_call, self.transfer_objects, self.split_coins, self.merge_coins]
        return [*simple, self.make_move_vec, self.publish, self.upgrade]
