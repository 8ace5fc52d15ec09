"""stellar-sdk: classic transactions of every operation that is read here."""

import stellar_sdk as sdk
from stellar_sdk import Asset, Keypair, MuxedAccount, Network, Price, TransactionEnvelope

PASSPHRASES = {
    "stellar:pubnet": Network.PUBLIC_NETWORK_PASSPHRASE,
    "stellar:testnet": Network.TESTNET_NETWORK_PASSPHRASE,
}


def case(random, index):
    network = random.choice(list(PASSPHRASES))
    key = Keypair.from_raw_ed25519_seed(random.randbytes(32))
    # The old form has no multiplexed source.
    old = random.randrange(4) == 0
    source = key.public_key if old else muxed(random, key.public_key)
    made = [random.choice(MAKERS)(random, random.choice([None, source])) for _ in range(random.randrange(1, 6))]
    memo = random.choice(MEMOS)(random)
    transaction = sdk.Transaction(
        source=source,
        sequence=random.randrange(2**63),
        fee=random.randrange(2**32),
        operations=made,
        memo=memo,
        preconditions=time_bounds(random),
        v1=not old,
    )
    envelope = TransactionEnvelope(transaction, PASSPHRASES[network])
    payload = envelope.to_xdr_object().to_xdr_bytes()
    envelope.sign(key)
    expected = [action(it) for it in made]
    if not isinstance(memo, sdk.NoneMemo):
        expected.append({"kind": "exception", "name": "memo"})

    def judge(signed, id, actions):
        assert signed == envelope.to_xdr_object().to_xdr_bytes(), f"not {envelope.to_xdr()}"
        [signature] = envelope.signatures
        key.verify(envelope.hash(), signature.signature)
        assert id == envelope.hash_hex()
        # Which accounts an operation names is not told by the library.
        assert [it | ({"accounts": None} if "accounts" in it else {}) for it in actions] == expected, actions

    return {
        "kind": ", ".join(type(it).__name__ for it in made),
        "secret": key.raw_secret_key().hex(),
        "address": key.public_key,
        "chain_id": network,
        "encoding": "binary",
        "payload": payload.hex(),
    }, judge


def time_bounds(random):
    if random.randrange(2):
        return None
    start = random.choice([0, random.randrange(2**40)])
    return sdk.Preconditions(sdk.TimeBounds(start, random.choice([0, start + random.randrange(10**6)])))


def stranger(random):
    return Keypair.from_raw_ed25519_seed(random.randbytes(32)).public_key


def muxed(random, account):
    return random.choice([MuxedAccount(account), MuxedAccount(account, random.randrange(2**64))])


def someone(random):
    return muxed(random, stranger(random))


def issued(random):
    size = random.randrange(1, 13)
    return Asset("".join(random.choices("ABCXYZabc019", k=size)), stranger(random))


def asset(random):
    return random.choice([Asset.native(), issued(random), issued(random)])


def amount(random):
    stroops = random.randrange(1, 2 ** random.randrange(1, 64))
    return f"{stroops // 10**7}.{stroops % 10**7:07}"


def price(random):
    return Price(random.randrange(1, 2**31), random.randrange(1, 2**31))


def path(random):
    return [asset(random) for _ in range(random.randrange(6))]


def balance(random):
    return "00000000" + random.randbytes(32).hex()


def pool(random):
    return random.randbytes(32).hex()


def signer(random):
    key = random.choice([sdk.SignerKey.pre_auth_tx, sdk.SignerKey.sha256_hash])(random.randbytes(32))
    payload = sdk.SignedPayloadSigner(stranger(random), random.randbytes(random.randrange(1, 65)))
    choices = [key, sdk.SignerKey.ed25519_public_key(stranger(random)), sdk.SignerKey.ed25519_signed_payload(payload)]
    return sdk.Signer(random.choice(choices), random.randrange(256))


def options(random, source):
    def maybe(value):
        return random.choice([None, value])

    weights = [maybe(random.randrange(256)) for _ in range(4)]
    flags = [maybe(random.randrange(16)) for _ in range(2)]
    domain = maybe("example.org")
    return sdk.SetOptions(maybe(stranger(random)), *flags, *weights, maybe(signer(random)), domain, source)


MAKERS = [
    lambda r, s: sdk.CreateAccount(stranger(r), amount(r), s),
    lambda r, s: sdk.Payment(someone(r), Asset.native(), amount(r), s),
    lambda r, s: sdk.Payment(someone(r), Asset.native(), amount(r), s),
    lambda r, s: sdk.Payment(someone(r), issued(r), amount(r), s),
    lambda r, s: sdk.Payment(someone(r), issued(r), amount(r), s),
    lambda r, s: sdk.PathPaymentStrictReceive(someone(r), asset(r), amount(r), asset(r), amount(r), path(r), s),
    lambda r, s: sdk.PathPaymentStrictSend(someone(r), asset(r), amount(r), asset(r), amount(r), path(r), s),
    lambda r, s: sdk.ManageSellOffer(asset(r), asset(r), amount(r), price(r), r.randrange(2**63), s),
    lambda r, s: sdk.ManageBuyOffer(asset(r), asset(r), amount(r), price(r), r.randrange(2**63), s),
    lambda r, s: sdk.CreatePassiveSellOffer(asset(r), asset(r), amount(r), price(r), s),
    options,
    options,
    lambda r, s: sdk.ChangeTrust(issued(r), amount(r), s),
    lambda r, s: sdk.AccountMerge(someone(r), s),
    lambda r, s: sdk.Inflation(s),
    lambda r, s: sdk.ManageData("name", r.choice([None, r.randbytes(r.randrange(1, 65))]), s),
    lambda r, s: sdk.BumpSequence(r.randrange(2**63), s),
    lambda r, s: sdk.ClaimClaimableBalance(balance(r), s),
    lambda r, s: sdk.ClawbackClaimableBalance(balance(r), s),
    lambda r, s: sdk.BeginSponsoringFutureReserves(stranger(r), s),
    lambda r, s: sdk.EndSponsoringFutureReserves(s),
    lambda r, s: sdk.Clawback(issued(r), someone(r), amount(r), s),
    lambda r, s: sdk.SetTrustLineFlags(stranger(r), issued(r), sdk.TrustLineFlags(1), sdk.TrustLineFlags(2), s),
    lambda r, s: sdk.AllowTrust(stranger(r), issued(r).code, bool(r.randrange(2)), s),
    lambda r, s: sdk.LiquidityPoolDeposit(pool(r), amount(r), amount(r), price(r), price(r), s),
    lambda r, s: sdk.LiquidityPoolWithdraw(pool(r), amount(r), amount(r), amount(r), s),
]
MEMOS = [
    lambda r: sdk.NoneMemo(),
    lambda r: sdk.NoneMemo(),
    lambda r: sdk.TextMemo(r.choice(["", "103", "\u4e16\u754c", r.randbytes(28)])),
    lambda r: sdk.IdMemo(r.randrange(2**64)),
    lambda r: sdk.HashMemo(r.randbytes(32)),
    lambda r: sdk.ReturnHashMemo(r.randbytes(32)),
]


def action(operation):
    if isinstance(operation, sdk.CreateAccount):
        return moved({"kind": "transfer"}, operation.destination, operation.starting_balance)
    if isinstance(operation, sdk.Payment):
        to = operation.destination.universal_account_id
        if operation.asset.is_native():
            return moved({"kind": "transfer"}, to, operation.amount)
        token = f"{operation.asset.code}:{operation.asset.issuer}"
        return moved({"kind": "token_transfer", "token": token, "selector": None}, to, operation.amount)
    body = operation.to_xdr_object().body
    name = body.type.name.lower()
    return {"kind": "program_call", "program": name, "accounts": None, "data_len": len(body.to_xdr_bytes()) - 4}


def moved(action, to, amount):
    return action | {"to": to, "amount": str(sdk.Operation.to_xdr_amount(amount))}
