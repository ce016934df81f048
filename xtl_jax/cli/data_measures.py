"""What a token store holds, and how it fits rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtl_jax.data.features import Lengths
    from xtl_jax.data.store import Store

_MULTIPLE = 8  # recommended lengths are rounded up to it: TPU tiles are 8 deep
_SAMPLED_WINDOWS = 8  # enough for the fill to three digits


def recommended(card: Mapping[str, Any]) -> dict[str, int]:
    """Lengths that 99 of 100 examples fit, rounded up to a multiple of 8.

    Example:
        >>> spans = {"inputs": {"percentiles": {"99": 481}},
        ...          "targets": {"percentiles": {"99": 30}}}
        >>> recommended({"lengths": spans})
        {'inputs': 488, 'targets': 32}
    """
    return {
        name: math.ceil(summary["percentiles"]["99"] / _MULTIPLE) * _MULTIPLE
        for name, summary in card["lengths"].items()
    }


def measures(
    store: Store, *, lengths: Lengths | None, seconds: float
) -> dict[str, Any]:
    """What one store holds, and how it fits rows of some lengths."""
    from xtl_jax.data.features import Lengths

    card = store.card
    found: dict[str, Any] = {
        "task": card["task"],
        "split": card["split"],
        "examples": store.num_examples,
        "tokens": {n: card["lengths"][n]["tokens"] for n in ("inputs", "targets")},
        "bytes": sum(card["files"].values()),
        "seconds": round(seconds, 2),
        "folder": str(store.folder),
    }
    if card.get("transform"):  # cut to any length when drawn
        return found | {"recommended_lengths": None, "left_out": card["left_out"]}
    best = recommended(card)
    found["recommended_lengths"] = best
    lengths = lengths or Lengths.of(best)
    found["lengths"] = dict(lengths.items())
    found["truncated_percent"] = {
        name: round(100 * float((store.lengths[name] > limit).mean()), 3)
        for name, limit in lengths.items()
    }
    found["fill_percent"] = _fill(store, lengths)
    return found


def _fill(store: Store, lengths: Lengths) -> dict[str, float]:
    """Share of positions in packed rows that hold a token."""
    from xtl_jax.data import window
    from xtl_jax.data.pipeline import Feed

    feed = Feed(
        {"it": store},
        rates={"it": 1.0},
        lengths=lengths,
        batch_size=1,
        seed=0,
        pack=True,
        slots_per_window=min(window.WINDOW, max(store.num_examples, 1)),
    )
    windows = min(_SAMPLED_WINDOWS, -(-store.num_examples // window.WINDOW))
    plans = [feed.window(number) for number in range(windows)]
    rows = sum(plan.rows for plan in plans)
    return {
        name: round(
            100 * sum(int(p.parts[name].length.sum()) for p in plans) / (rows * limit),
            2,
        )
        for name, limit in lengths.items()
    }
