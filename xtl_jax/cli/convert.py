"""`xtl convert SRC DST`: a checkpoint in another format, array by array.

SRC is anything that `xtl_jax.load` takes: a run directory, a checkpoint of T5X, a
folder of Hugging Face, the id of a model in its local cache. The memory of a few arrays
is enough for any size. A conversion that was stopped goes on when the same command is
given again.
"""

from __future__ import annotations

import argparse
import gc
import json
import pathlib
import re
import time
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import progress
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from xtl_jax.checkpoint.convert import Plan

EXAMPLE = """examples:
  xtl convert runs/squad exported/squad                     for transformers
  xtl convert MT5/checkpoint_1000000 mt5 --vocabulary sentencepiece.model
  xtl convert google/mt5-small mt5_small/checkpoint_1000000       for T5X
  xtl convert google/mt5-small runs/mt5_small --to xtl
  xtl convert runs/nine_tasks exported/xnli --head xnli      one head of an encoder
"""

# A model in memory for the probe: its arrays, jax's copies of them, and what else runs.
_PROBE_BYTES_PER_PARAMETER = 8
_PROBE_BYTES = 1.2e9
_PARITY_GB = 5.0


def add_parser(commands: Any) -> None:
    """Register `xtl convert`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "convert",
        help="turn a checkpoint into T5X's, Hugging Face's or our format",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SRC", help="checkpoint, or id owner/name")
    parser.add_argument("destination", metavar="DST", help="folder to make")
    parser.add_argument(
        "--to",
        choices=("t5x", "huggingface", "xtl"),
        help="format; default: t5x where DST is called checkpoint_N, else huggingface",
    )
    parser.add_argument(
        "--vocabulary",
        metavar="FILE",
        help="SentencePiece model to write beside it; default: the source's own",
    )
    parser.add_argument(
        "--step", type=int, help="which checkpoint; default: a run's best, T5X's newest"
    )
    parser.add_argument(
        "--head",
        metavar="NAME",
        help="of an encoder: the head to take along, or none; default: all of them "
        "(Hugging Face's format holds one)",
    )
    parser.add_argument(
        "--parity_gb",
        type=float,
        default=_PARITY_GB,
        metavar="GB",
        help="memory that comparing logits may take; models that need more are not "
        "compared (default: %(default)s, enough for Small)",
    )
    parser.add_argument(
        "--no_parity", action="store_true", help="do not compare logits"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert, compare, tell."""
    from xtl_jax.checkpoint import convert

    to = arguments.to or _format(arguments.destination)
    plan = convert.plan(
        arguments.source,
        arguments.destination,
        to=to,
        vocabulary=arguments.vocabulary,
        step=arguments.step,
        head=arguments.head,
    )
    probe = _Probe(plan, limit=0.0 if arguments.no_parity else arguments.parity_gb)
    went_on = plan.partial.is_dir()
    began = time.monotonic()
    lines = progress.Lines(total=plan.bytes)
    with progress.bytes_bar() as display:
        task = display.add_task("converting", total=plan.bytes)
        written = 0

        def done(name: str, size: int) -> None:
            nonlocal written
            written += size
            display.update(task, completed=written, description=name)
            lines.say(f"converting, {name}", done=written)

        convert.run(plan, done=done, check=probe.compare)
    counts = convert.parts(plan.source.config)
    document = {
        "source": str(plan.found.folder),
        "source_format": plan.found.kind,
        "destination": str(plan.destination),
        "format": plan.to,
        "step": plan.source.step,
        "parameters": {"total": sum(counts.values()), **counts},
        "vocabulary": plan.vocabulary.path,
        "vocabulary_size": plan.vocabulary.size,
        "largest_logit_difference": probe.difference,
        "went_on": went_on,
        "seconds": round(time.monotonic() - began, 1),
    }
    if arguments.json:
        print(json.dumps(document, ensure_ascii=False))
    else:
        _print(document, plan, why_not=probe.why_not)
    return 0


def _format(destination: str) -> Any:
    numbered = re.fullmatch(r"checkpoint_\d+", pathlib.Path(destination).name)
    return "t5x" if numbered else "huggingface"


class _Probe:
    """Logits of source and destination on the same ids, one model in memory at a time.

    Attributes:
        difference: the largest, after `compare`; None where it was not computed.
        why_not: why it will not be computed; empty if it will.
    """

    def __init__(self, plan: Plan, *, limit: float) -> None:
        self._plan = plan
        self.difference: float | None = None
        self.why_not = ""
        parameters = plan.source.config.parameters
        needed = (_PROBE_BYTES_PER_PARAMETER * parameters + _PROBE_BYTES) / 1e9
        if limit <= 0:
            self.why_not = "not asked for"
        elif needed > limit:
            self.why_not = f"needs {needed:.1f} GB of memory; --parity_gb is {limit:g}"

    def compare(self, folder: pathlib.Path) -> None:
        """Compute the difference.

        Raises:
            UserError: the destination does not say what the source says.
        """
        import numpy as np

        if self.why_not:
            return
        found = self._plan.found
        before = self._logits(str(found.folder), step=found.step)
        after = self._logits(str(folder), step=None)
        self.difference = float(np.abs(before - after).max())
        # The arrays are the same: more than another order of a sum is a defect.
        if self.difference > 1e-5 * float(np.abs(before).max()):
            raise UserError(
                f"what was written does not answer as {found.folder} does (largest "
                f"difference of logits {self.difference:g}): check the disk and "
                "convert again"
            )

    def _logits(self, path: str, *, step: int | None) -> np.ndarray:
        from xtl_jax.infer import model as models

        model = models.load(path, step=step)
        if isinstance(model, models.LoadedModel):
            found = _of_mt5(model)
        else:
            config: Any = self._plan.source.config
            found = _of_encoder(model, [head.name for head in config.task_heads])
        del model
        gc.collect()
        return found


def _of_mt5(model: Any) -> np.ndarray:
    """Logits of a `LoadedModel`."""
    import numpy as np

    rng = np.random.default_rng(0)
    high = model.config.vocab
    inputs = rng.integers(1, high, (2, 24), np.int32)
    inputs[1, 17:] = 0
    decoder = rng.integers(1, high, (2, 8), np.int32)
    decoder[:, 0] = 0
    return model.logits(inputs=inputs, decoder_inputs=decoder)


def _of_encoder(model: Any, heads: Sequence[str]) -> np.ndarray:
    """Last states of real tokens, and logits of heads, of a `LoadedEncoder`."""
    import numpy as np

    rng = np.random.default_rng(0)
    length = min(24, model.config.longest)
    inputs = rng.integers(0, model.config.vocab, (2, length), np.int32)
    mask = np.ones_like(inputs)
    mask[1, length * 2 // 3 :] = 0
    found = [model.hidden_states(inputs=inputs, mask=mask)[-1][mask == 1]]
    for name in heads:
        one = model.config.head(name).kind == "choice"
        rows = [x[:, None] if one else x for x in (inputs, mask)]
        found.append(model.logits(inputs=rows[0], mask=rows[1], head=name))
    return np.concatenate([array.ravel() for array in found])


def _print(document: dict[str, Any], plan: Plan, *, why_not: str) -> None:
    from rich.table import Table

    from xtl_jax.cli.screen import Console

    console = Console()
    table = Table(show_header=False, box=None)
    for part, count in document["parameters"].items():
        table.add_row(part, f"{count:,}")
    console.print(f"{plan.destination}", markup=False, soft_wrap=True)
    console.print(table)
    difference = document["largest_logit_difference"]
    console.print(
        f"largest difference of logits on a probe: {difference:g}"
        if difference is not None
        else f"logits were not compared: {why_not}",
        markup=False,
        soft_wrap=True,
    )
    ids, rows = plan.vocabulary, plan.source.config.vocab
    told = f"{ids.size:,} ids"
    generates = hasattr(plan.source.config, "decoder_layers")
    if ids.size < rows and plan.to != "t5x" and generates:
        told += f", the other {rows - ids.size:,} rows are never generated"
    if ids.path:
        told = f"vocabulary {ids.path}: {told}"
    elif plan.to == "huggingface":
        told = f"{told}; no tokenizer was written: give its file with --vocabulary"
    console.print(told, markup=False, soft_wrap=True)
