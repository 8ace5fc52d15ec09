"""Asks one chain's library for random transactions, and judges what came of them: see chain-signers/tests/peers.rs.

usage: peer.py CHAIN SEED COUNT

CHAIN.py beside this file has `case(random, index)`, which returns what to sign and a function that judges the answer.
Both know nothing of this project but how it wants transactions to be written. A line of JSON each way a step:

    -> {"kind": ..., "secret": hex, "address": ..., "chain_id": ... or null, "encoding": ..., "payload": hex}
    <- {"signed": hex, "id": ..., "actions": [...]}
    -> null, or a text that says what is wrong
"""

import json
import pathlib
import random
import runpy
import sys
import traceback

chain, seed, count = sys.argv[1:]
# A chain's file is no module: its name may be that of a library.
case = runpy.run_path(str(pathlib.Path(__file__).with_name(f"{chain}.py")))["case"]


def verdict(judge, answer):
    try:
        judge(bytes.fromhex(answer["signed"]), answer["id"], answer["actions"])
    except Exception:
        return traceback.format_exc()
    return None


for index in range(int(count)):
    question, judge = case(random.Random(f"{seed} {chain} {index}"), index)
    print(json.dumps(question), flush=True)
    answer = sys.stdin.readline()
    if not answer:
        sys.exit("no answer")
    print(json.dumps(verdict(judge, json.loads(answer))), flush=True)
