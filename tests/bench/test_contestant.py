"""A contestant answers line by line, whatever its libraries print."""

from __future__ import annotations

import json
import subprocess
import sys

from xtl_jax.bench import contest

MADE = """
import sys, types
from xtl_jax.bench import contestant
def make(setting):
    print("a library talks")
    blocks = []
    def work():
        print("and talks")
        blocks.append(bytearray(60_000_000) if not blocks else bytearray(10))
        blocks[:] = [b""]  # what it took is given back
    def product(size):
        return lambda: sum(range(1000))
    return contestant.Contestant({"units": 4}, work, product)
module = types.ModuleType("xtl_jax.bench.step_made")
module.make = make
sys.modules["xtl_jax.bench.step_made"] = module
contestant.serve()
"""


def test_answers_are_json_lines():
    asked = [
        json.dumps({"make": "step_made:make", "setting": {}}),
        *("turn", "memory", "matmul", "turn", "memory"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", MADE],
        input="\n".join(asked) + "\n",
        capture_output=True,
        text=True,
        check=True,
        env=None,
        cwd=contest._ROOT,
    )
    facts, turn, after, matmul, again, _ = map(json.loads, done.stdout.splitlines())
    assert facts == {"facts": {"units": 4}}
    assert set(turn) == set(again) == {"seconds", "cpu_seconds"}
    assert matmul["flops"] > 0
    assert "a library talks" in done.stderr
    # The first turn's 60 MB are not counted: it is the one that compiles.
    assert after["peak_bytes"] is None or after["peak_bytes"] < 60_000_000
