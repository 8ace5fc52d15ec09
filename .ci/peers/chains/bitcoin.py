"""embit: version 0 PSBTs that spend all four kinds of output, and BIP-322 messages."""

from embit import ec, hashes, script
from embit.networks import NETWORKS
from embit.psbt import PSBT, DerivationPath, InputScope
from embit.transaction import Transaction, TransactionInput, TransactionOutput

CHAINS = {
    "000000000019d6689c085ae165831e93": "main",
    "000000000933ea01ad0ee984209779ba": "test",
    "00000000da84f2bafbbc53dee25a72ae": "test",
    "00000008819873e925422c1ff0f99f7c": "signet",
    "0f9188f13cb7b2c71f2a335e3a4fc328": "regtest",
}
ADDRESS_TYPES = ["p2pkh", "p2sh_p2wpkh", "p2wpkh", "p2tr"]
# One of each kind alone, twice all kinds together, a message.
KINDS = [[it] for it in ADDRESS_TYPES] + [ADDRESS_TYPES, ADDRESS_TYPES, None]
ALL, NONE, SINGLE, ANYONECANPAY = 1, 2, 3, 0x80


def case(random, index):
    spends = KINDS[index % len(KINDS)]
    chain = random.choice(list(CHAINS))
    network = NETWORKS[CHAINS[chain]]
    key = ec.PrivateKey(random.randbytes(32))
    address_type = random.choice(ADDRESS_TYPES)
    if spends:
        kind, encoding = f"PSBT of {', '.join(spends)}", "binary"
        payload, judge = psbt(random, key, spends, network)
    else:
        address_type = random.choice(["p2wpkh", "p2tr"])
        kind, encoding = f"message as {address_type}", "message"
        payload, judge = message(random, key, address_type)
    return {
        "kind": kind,
        "secret": key.secret.hex(),
        "address": output_script(key, address_type).address(network),
        "address_type": address_type,
        "chain_id": f"bip122:{chain}",
        "encoding": encoding,
        "payload": payload.hex(),
    }, judge


def output_script(key, address_type):
    public = key.get_public_key()
    if address_type == "p2sh_p2wpkh":
        return script.p2sh(script.p2wpkh(public))
    return {"p2pkh": script.p2pkh, "p2wpkh": script.p2wpkh, "p2tr": script.p2tr}[address_type](public)


def psbt(random, key, spends, network):
    count = random.randrange(len(spends), len(spends) + 4)
    kinds = spends + random.choices(spends, k=count - len(spends))
    random.shuffle(kinds)
    previous = [funding(random, output_script(key, kind)) for kind in kinds]
    total = sum(tx.vout[vout].value for tx, vout in previous)
    outputs = [TransactionOutput(*it) for it in random_outputs(random, key, total)]
    # embit takes a sequence of 0 for none.
    sequences = [0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, random.randrange(1, 2**32)]
    inputs = [TransactionInput(tx.txid(), vout, sequence=random.choice(sequences)) for tx, vout in previous]
    locktime = random.choice([0, random.randrange(10**6), random.randrange(2**32)])
    psbt = PSBT(Transaction(random.choice([1, 2]), inputs, outputs, locktime))
    # Every signature covers all amounts, so that the transactions spent from are not needed.
    proven = kinds[0] != "p2tr" or len(set(kinds)) > 1 or random.randrange(2)
    for index, (kind, scope, (tx, vout)) in enumerate(zip(kinds, psbt.inputs, previous)):
        describe(random, key, kind, scope, tx, vout, proven)
        if proven or random.randrange(2):
            sighash = random.choice(sighash_types(kind, index, len(outputs)) if proven else [0, ALL])
            # Left out, it is the default.
            scope.sighash_type = None if sighash == default_type(kind) and random.randrange(2) else sighash
    if random.randrange(2):
        own = key.get_public_key()
        psbt.outputs[0].bip32_derivations[own] = DerivationPath(random.randbytes(4), [84 + 2**31, 0])
    # Read again: embit must take what it wrote.
    return psbt.serialize(), lambda *answer: judge_psbt(key, kinds, network, PSBT.parse(psbt.serialize()), *answer)


def funding(random, output):
    """A transaction that pays to a script, and where."""
    size = random.randrange(1, 4)
    inputs = [
        TransactionInput(
            random.randbytes(32),
            random.randrange(100),
            script.Script(random.randbytes(random.randrange(110))),
            witness=script.Witness([random.randbytes(72), random.randbytes(33)] if random.randrange(2) else []),
        )
        for _ in range(size)
    ]
    outputs = [TransactionOutput(random.randrange(10**4, 10**9), stranger(random)) for _ in range(size)]
    vout = random.randrange(size)
    outputs[vout] = TransactionOutput(random.randrange(10**5, 10**10), output)
    return Transaction(2, inputs, outputs, random.randrange(10**6)), vout


def stranger(random):
    key = ec.PrivateKey(random.randbytes(32))
    choices = [output_script(key, it) for it in ADDRESS_TYPES]
    anything = script.Script(random.randbytes(40))
    return random.choice([*choices, script.p2wsh(anything), script.p2sh(anything)])


def random_outputs(random, key, total):
    rest = total - random.randrange(min(total, 50_000))
    for _ in range(random.randrange(1, 5)):
        value = random.randrange(rest + 1)
        rest -= value
        yield value, stranger(random)
    if random.randrange(2):
        yield 0, script.Script(b"\x6a" + bytes([size := random.randrange(1, 76)]) + random.randbytes(size))
    if random.randrange(4):
        yield rest, output_script(key, random.choice(ADDRESS_TYPES))
    else:
        yield rest, stranger(random)


def describe(random, key, kind, scope, tx, vout, proven):
    public = key.get_public_key()
    if proven:
        scope.non_witness_utxo = tx
    # embit takes an input with this field for a segregated witness.
    if not proven or (kind != "p2pkh" and random.randrange(2)):
        scope.witness_utxo = tx.vout[vout]
    if kind == "p2sh_p2wpkh":
        scope.redeem_script = script.p2wpkh(public)
    path = DerivationPath(random.randbytes(4), [random.randrange(2**32) for _ in range(random.randrange(6))])
    if kind == "p2tr":
        if random.randrange(2):
            scope.taproot_internal_key = ec.PublicKey.from_xonly(public.xonly())
        if random.randrange(2):
            scope.taproot_bip32_derivations[ec.PublicKey.from_xonly(public.xonly())] = ([], path)
    elif random.randrange(2):
        scope.bip32_derivations[public] = path


def default_type(kind):
    return 0 if kind == "p2tr" else ALL


def sighash_types(kind, index, outputs):
    """Mostly what covers everything. embit 0.8.0 does not hash as BIP-341 says what Taproot's SINGLE and ANYONECANPAY
    cover, and the original SINGLE is right at the first input alone."""
    if kind == "p2tr":
        return [0, 0, 0, ALL, ALL, NONE]
    types = [ALL] * 8 + [NONE, ALL | ANYONECANPAY, NONE | ANYONECANPAY]
    if index < outputs and (kind != "p2pkh" or index == 0):
        types += [SINGLE, SINGLE | ANYONECANPAY]
    return types


def judge_psbt(key, kinds, network, psbt, signed, id, actions):
    result = PSBT.parse(signed)
    assert result.tx.serialize() == psbt.tx.serialize()
    final = psbt.tx
    for index, kind in enumerate(kinds):
        before, after = psbt.inputs[index], result.inputs[index]
        script_sig, witness = spending(key, kind, psbt, index, after)
        scope = InputScope({}, final.vin[index])
        scope.non_witness_utxo, scope.witness_utxo = before.non_witness_utxo, before.witness_utxo
        scope.final_scriptsig, scope.final_scriptwitness = script_sig, witness
        psbt.inputs[index] = scope
        final.vin[index].script_sig = script_sig or script.Script()
        final.vin[index].witness = witness or script.Witness()
    assert psbt.serialize() == signed, f"not {psbt.serialize().hex()}"
    assert final.txid().hex() == id
    assert transfers(actions) == payments(key, network, psbt.tx.vout), actions


def spending(key, kind, psbt, index, after):
    """The final script and witness as they should be; a Schnorr signature, which has a random part, as it is."""
    sighash = psbt.inputs[index].sighash_type
    sighash = default_type(kind) if sighash is None else sighash
    hash = psbt.sighash(index, sighash=sighash)
    public = key.get_public_key()
    if kind == "p2tr":
        [signature] = after.final_scriptwitness.items
        assert signature[64:] == (bytes([sighash]) if sighash else b""), signature.hex()
        assert public.taproot_tweak().schnorr_verify(ec.SchnorrSig(signature[:64]), hash)
        return None, script.Witness([signature])
    signature = key.sign(hash, grind=False)
    assert public.verify(signature, hash)
    if kind == "p2pkh":
        return script.script_sig_p2pkh(signature, public, sighash), None
    witness = script.witness_p2wpkh(signature, public, sighash)
    return script.script_sig_p2sh(script.p2wpkh(public)) if kind == "p2sh_p2wpkh" else None, witness


def transfers(actions):
    return [(it["to"], int(it["amount"])) for it in actions if it["kind"] == "transfer"]


def payments(key, network, outputs):
    """To others, or if there are none, to the signer."""
    own = [output_script(key, it) for it in ADDRESS_TYPES]
    outputs = [it for it in outputs if it.script_pubkey.data[:1] != b"\x6a"]
    to_others = [it for it in outputs if it.script_pubkey not in own]
    return [(it.script_pubkey.address(network), it.value) for it in to_others or outputs]


def message(random, key, address_type):
    text = random.choice([b"", b"Hello World", random.randbytes(random.randrange(1, 300)), "\u4e16\u754c".encode()])
    challenge = output_script(key, address_type)
    hash = hashes.tagged_hash("BIP0322-signed-message", text)
    to_spend = virtual(TransactionInput(bytes(32), 0xFFFFFFFF, script.Script(b"\x00\x20" + hash), 0), challenge)
    to_sign = virtual(TransactionInput(to_spend.txid(), 0, sequence=0), script.Script(b"\x6a"))

    def judge(signed, id, actions):
        assert to_sign.txid().hex() == id
        public, witness = key.get_public_key(), script.Witness.parse(signed)
        if address_type == "p2tr":
            [signature] = witness.items
            sighash = to_sign.sighash_taproot(0, [challenge], [0])
            assert public.taproot_tweak().schnorr_verify(ec.SchnorrSig(signature), sighash)
        else:
            signature = key.sign(to_sign.sighash_segwit(0, script.p2pkh(public), 0), grind=False)
            assert witness == script.witness_p2wpkh(signature, public), witness

    return text, judge


def virtual(spends, output):
    return Transaction(0, [spends], [TransactionOutput(0, output)], 0)
