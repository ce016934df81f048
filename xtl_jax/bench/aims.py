"""What was aimed at, and what was measured.

The measurements are JSON documents by kind, as the commands write them; a kind that is
not there was not measured. Each aim becomes a row. A `share` is how far it was reached:
at least 1 where it is met, whether more or less of it is better.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from xtl_jax.bench import rank, seq2seq

Documents = Mapping[str, Any]
GIB = 2.0**30
SHAPES = ("tiny", "mt5_small")
# T5X's step on two other cores, at commit cc342d4 with jax 0.10.2: CPU-seconds of the
# compiled step of its own trainer, dropout 0.1, float32, unpacked 256/64.
T5X_CPU_SECONDS = {
    seq2seq.T5X: {"tiny": 6.1, "mt5_small": 17.5},
    seq2seq.GATHERED: {"tiny": 4.2, "mt5_small": 9.3},
}
T5X_PEAK_GIB = 6.5  # of mT5-Small, likewise


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One aim.

    Attributes:
        what: is measured.
        aim: in words.
        measured: in words; "" where it was not.
        share: of the aim that was reached; None where it was not measured.
        why: it was not measured; "" where it was.
    """

    what: str
    aim: str
    measured: str = ""
    share: float | None = None
    why: str = ""

    @property
    def state(self) -> str:
        """Whether it is met."""
        if self.share is None:
            return f"not measured: {self.why}"
        return "met" if self.share >= 1.0 else "**not met**"


def rows(documents: Documents) -> list[Row]:
    """All aims, in their order."""
    return [
        *_training(documents.get("train", {})),
        *_answering(documents.get("infer", {})),
        _feed(documents.get("data")),
        _start(documents.get("start")),
        *_plans(documents.get("plan", {})),
    ]


def markdown(found: list[Row]) -> str:
    """The table."""
    lines = ["| what | aim | measured | |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row.what} | {row.aim} | {row.measured or '–'} | {row.state} |"
        for row in found
    ]
    return "\n".join(lines)


def _training(documents: Documents) -> Iterator[Row]:
    for peer, factor in (
        (seq2seq.T5X, 2.5),
        (seq2seq.GATHERED, 1.5),
        (seq2seq.TRANSFORMERS, 1.5),
    ):
        for shape in SHAPES:
            what = f"training step, {shape}, against {peer}"
            aim = f"≥ {factor} ×"
            document = documents.get(shape)
            yield _ratio(
                document and document["figures"],
                peer=peer,
                what=what,
                aim=aim,
                factor=factor,
                elsewhere=T5X_CPU_SECONDS.get(peer, {}).get(shape),
            )
    yield _memory(documents.get("mt5_small"))
    what, aim = "training step, tiny: useful FLOP/s over the best product", "≥ 60 %"
    document = documents.get("tiny")
    if document is None:
        yield Row(what=what, aim=aim, why="left out")
    else:
        reached = document["figures"][0]["mfu_percent"]
        yield Row(
            what=what,
            aim=aim,
            measured=f"{reached:.0f} % of {document['ceiling_flops'] / 1e9:.0f} "
            "GFLOP/s",
            share=reached / 60,
        )


def _ratio(
    figures: Any,
    *,
    peer: str,
    what: str,
    aim: str,
    factor: float,
    elsewhere: float | None = None,
) -> Row:
    """How many times as fast as a peer."""
    if not figures:
        return Row(what=what, aim=aim, why="left out")
    (theirs,) = (each for each in figures if each["name"] == peer)
    if theirs["missing"]:
        own = figures[0]["cpu_seconds"]
        why = theirs["missing"]
        if elsewhere:
            why += (
                f"; on two other cores it took {elsewhere:g} CPU-seconds, ours here "
                f"takes {own:.2f}"
            )
        return Row(what=what, aim=aim, why=why)
    low, high = theirs["ratio_spread"]
    return Row(
        what=what,
        aim=aim,
        measured=f"{theirs['ratio']:.2f} × ({low:.2f} to {high:.2f}); "
        f"CPU {theirs['cpu_ratio']:.2f} ×",
        share=theirs["ratio"] / factor,
    )


def _memory(document: Any) -> Row:
    what, aim = "peak memory of the step, mt5_small", "≤ 60 % of T5X's"
    if document is None:
        return Row(what=what, aim=aim, why="left out")
    own, *others = document["figures"]
    if own["peak_bytes"] is None:
        return Row(what=what, aim=aim, why="the system does not say")
    peak = own["peak_bytes"] / GIB
    theirs, of = T5X_PEAK_GIB, "that it took elsewhere"
    for each in others:
        if each["name"] == seq2seq.T5X and each["peak_bytes"]:
            theirs, of = each["peak_bytes"] / GIB, "in the same run"
    return Row(
        what=what,
        aim=aim,
        measured=f"{peak:.2f} GiB, {100 * peak / theirs:.0f} % of the {theirs:.2f} "
        f"{of}",
        share=0.6 * theirs / peak,
    )


def _answering(documents: Documents) -> Iterator[Row]:
    what, aim = "greedy generation, mt5_small, 8 × 256 → 32", "≥ 2 ×"
    what += f", against {seq2seq.TRANSFORMERS}"
    found = documents.get("generate")
    if found is None:
        yield Row(what=what, aim=aim, why="left out")
    elif found["ratio"] is None:
        yield Row(what=what, aim=aim, why="transformers with torch is not importable")
    else:
        low, high = found["ratio_spread"]
        yield Row(
            what=what,
            aim=aim,
            measured=f"{found['ratio']:.2f} × ({low:.2f} to {high:.2f})",
            share=found["ratio"] / 2,
        )
    figures = documents.get("rank")
    peer, of = seq2seq.T5X, "T5X"
    if figures and any(each["missing"] for each in figures if each["name"] == peer):
        peer, of = rank.IN_ITS_WAY, "our own decoder in T5X's way"
    what = f"XNLI by rank, mt5_small, examples/s, against {of} generating"
    yield _ratio(figures, peer=peer, what=what, aim="≥ 5 ×", factor=5.0)


def _feed(document: Any) -> Row:
    what = "feed, packed examples/s of one core"
    aim = "≥ 500,000, fill ≥ 90 %"
    if document is None:
        return Row(what=what, aim=aim, why="left out")
    (found,) = (each for each in document["results"] if each["kind"] == "varied")
    rate, fill = found["examples_per_second"], found["fill_percent"]
    return Row(
        what=what,
        aim=aim,
        measured=f"{rate:,}, fill {fill:.1f} %",
        share=min(rate / 500_000, fill / 90),
    )


def _start(document: Any) -> Row:
    what, aim = "command to first step, tiny, compiled before", "< 15 s"
    if document is None:
        return Row(what=what, aim=aim, why="left out")
    measured = (
        f"{document['seconds']:.1f} s (imports {document['imports']:.1f}; "
        f"{document['found_compiled']} programs found compiled; the first time "
        f"{document['cold_seconds']:.1f})"
    )
    return Row(what=what, aim=aim, measured=measured, share=15.0 / document["seconds"])


def _plans(documents: Documents) -> Iterator[Row]:
    for name, (what, aim, gib, executed) in PLANS.items():
        found = documents.get(name)
        if found is None:
            yield Row(what=what, aim=aim, why=documents.get("why", "left out"))
            continue
        if not found["fits"]:
            yield Row(what=what, aim=aim, measured=found["why"], share=0.0)
            continue
        peak = found["peak"] / GIB
        factor = found["executed_flops"] / found["useful_flops"]
        share = gib / peak
        if executed is not None:
            share = min(share, executed / factor)
        yield Row(
            what=what,
            aim=aim,
            measured=f"{peak:.2f} GiB, executed/useful {factor:.2f}",
            share=share,
        )
    yield Row(
        what="H100/H200: mT5-Large and XL, bfloat16, packed 512/128",
        aim="≥ 45 % MFU",
        why="no such GPU here",
    )


# By name of the plan: what, aim, GiB of a chip, executed over useful FLOPs.
PLANS: dict[str, tuple[str, str, float, float | None]] = {
    "small": (
        "compiled for v5e 2x4: mT5-Small, 128 rows of 512/128 a chip",
        "≤ 3.2 GiB",
        3.2,
        None,
    ),
    "xxl, little memory": (
        "compiled for v4 4x4x4: mT5-XXL, 1024 rows of 1024/256",
        "≤ 12 GiB, executed/useful ≤ 1.35",
        12.0,
        1.35,
    ),
    "xxl, little twice": (
        "the same, with more memory",
        "≤ 28 GiB, executed/useful ≤ 1.15",
        28.0,
        1.15,
    ),
}
