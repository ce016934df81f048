"""What training on a mixture reads: shares, epochs, tokens, how rows are filled."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.data.features import Lengths
    from xtl_jax.data.mixture import MixtureConfig
    from xtl_jax.data.store import Store
    from xtl_jax.data.varying import Varying

SAMPLE = 8 * 4096  # enough for the fill to three digits
_PARTS = 8  # of a line between two stated steps


class Training(NamedTuple):
    """The settings of a run that decide how much of a mixture it reads."""

    lengths: Lengths | None
    batch_size: int
    steps: int | None
    pack: bool
    seed: int


class Reading(NamedTuple):
    """What a run reads in its mean step."""

    examples: Mapping[str, float]  # of each task
    tokens: Mapping[str, float]  # of each feature, padding left out


def measure(
    mixture: MixtureConfig,
    *,
    sizes: Mapping[str, int],
    stores: Mapping[str, Store],
    training: Training,
    sample: int = SAMPLE,
) -> dict[str, Any]:
    """A mixture in numbers, as JSON values.

    Args:
        mixture: names tasks, no families.
        sizes: examples of each task.
        stores: those that are here; what needs the others is None.
        training: settings of the run.
        sample: examples that are packed to see how rows are filled.

    Raises:
        UserError: the rates cannot be had from these sizes.
    """
    rates = mixture.resolve(sizes)
    shares = mean_shares(rates, steps=training.steps)
    reading = None
    if all(task in stores for task in mixture.members) and training.lengths:
        reading = _reading(
            mixture, rates, stores=stores, training=training, sample=sample
        )
    tasks = {
        task: _of_task(
            share=shares[task],
            examples=min(sizes[task], mixture.examples.get(task, sizes[task]))
            if task in sizes
            else None,
            store=stores.get(task),
            reading=reading.examples[task] if reading else None,
            training=training,
        )
        for task in mixture.members
    }
    found: dict[str, Any] = {
        "mixture": mixture.name,
        "rule": mixture.summary(),
        "steps": training.steps,
        "batch_size": training.batch_size,
        "pack": training.pack,
        "lengths": dict(training.lengths.items()) if training.lengths else None,
        "tasks": tasks,
    }
    if not mixture.is_static:
        found["rates"] = rates.to_json()  # type: ignore[union-attr]
    return found | _of_rows(reading, tasks=tasks, training=training)


def lines(found: Mapping[str, Any]) -> list[str]:
    """What a person is told of a mixture before it is trained on, from `measure`."""
    told = [f"{found['mixture']}: rates {found['rule']}"]
    for task, values in found["tasks"].items():
        epochs = "" if values["epochs"] is None else f", {values['epochs']:.2f} epochs"
        told.append(
            f"  {task}: {values['share_percent']:.2f}% of {values['examples']:,} "
            f"examples{epochs}"
        )
    return told


def mean_shares(
    rates: Mapping[str, float] | Varying, *, steps: int | None
) -> dict[str, float]:
    """The share of each task, over so many steps where it changes.

    Raises:
        UserError: the rates change and the number of steps is not known.
    """
    from xtl_jax.data.varying import Varying

    if not isinstance(rates, Varying):
        return dict(rates)
    if steps is None:
        raise UserError(
            "the rates of this mixture change while training; say for how many steps "
            "with --steps"
        )
    return rates.mean(steps)


def _of_task(
    *,
    share: float,
    examples: int | None,
    store: Store | None,
    reading: float | None,
    training: Training,
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "share_percent": 100.0 * share,
        "examples": examples,
        "here": store is not None,
        "drawn": None,
        "epochs": None,
        "tokens": None,
        "truncated_percent": None,
    }
    if store is not None:
        card = store.card
        found["tokens"] = {n: card["lengths"][n]["tokens"] for n in card["lengths"]}
        if training.lengths and not card.get("transform"):  # texts are cut when drawn
            found["truncated_percent"] = {
                name: 100.0 * float((store.lengths[name] > limit).mean())
                for name, limit in training.lengths.items()
            }
    if reading is not None and training.steps is not None and examples:
        found["drawn"] = round(reading * training.steps)
        found["epochs"] = reading * training.steps / examples
    return found


def _of_rows(
    reading: Reading | None, *, tasks: Mapping[str, Any], training: Training
) -> dict[str, Any]:
    """How the rows of a step are filled, and which share of what is drawn is cut."""
    if reading is None or training.lengths is None:
        return dict.fromkeys(
            ("examples_per_step", "tokens_per_step", "fill_percent"), None
        ) | {"truncated_percent": None}
    cut = {
        name: sum(
            each["share_percent"] / 100.0 * each["truncated_percent"][name]
            for each in tasks.values()
            if each["truncated_percent"]
        )
        for name, _ in training.lengths.items()
    }
    return {
        "examples_per_step": sum(reading.examples.values()),
        "tokens_per_step": dict(reading.tokens),
        "fill_percent": {
            name: 100.0 * reading.tokens[name] / (training.batch_size * limit)
            for name, limit in training.lengths.items()
        },
        "truncated_percent": cut,
    }


def _reading(
    mixture: MixtureConfig,
    rates: Mapping[str, float] | Varying,
    *,
    stores: Mapping[str, Store],
    training: Training,
    sample: int,
) -> Reading:
    """Measured on windows planned as training plans them."""
    from xtl_jax.data import varying, window
    from xtl_jax.data.features import TASK_FEATURES
    from xtl_jax.data.pipeline import Feed

    assert training.lengths is not None
    examples = dict.fromkeys(mixture.members, 0.0)
    tokens: dict[str, float] = dict.fromkeys(TASK_FEATURES, 0.0)
    stretches = list(_stretches(rates, steps=training.steps))
    whole = sum(length for length, _ in stretches)
    size = window.WINDOW if mixture.is_static else varying.WINDOW
    windows = max(1, sample // size // len(stretches))
    for length, shares in stretches:
        drawn = {task: share for task, share in shares.items() if share > 1e-4}
        feed = Feed(
            {task: stores[task] for task in drawn},
            rates=drawn,
            lengths=training.lengths,
            batch_size=1,
            seed=training.seed,
            pack=training.pack,
            budgets={t: n for t, n in mixture.examples.items() if t in drawn},
            slots_per_window=size,
        )
        plans = [feed.window(number) for number in range(windows)]
        rows = sum(plan.rows for plan in plans)
        # What a step reads of this stretch, and the stretch's part in the run.
        weight = training.batch_size / rows * length / whole
        slots = sum(len(plan.slot) for plan in plans)
        for task, share in drawn.items():
            examples[task] += weight * slots * share
        for name in tokens:
            read = sum(int(plan.parts[name].length.sum()) for plan in plans)
            tokens[name] += weight * read
    return Reading(examples=examples, tokens=tokens)


def _stretches(
    rates: Mapping[str, float] | Varying, *, steps: int | None
) -> Iterator[tuple[float, Mapping[str, float]]]:
    """Stretches of a run, as long as their number of steps, in which rates are alike.

    A line is cut into parts with the rates of their middles.
    """
    from xtl_jax.data.varying import Varying

    if not isinstance(rates, Varying) or not steps:
        yield 1.0, rates if not isinstance(rates, Varying) else rates.at(0)
        return
    borders = sorted({*(step for step in rates.steps if step < steps), steps})
    for begin, end in itertools.pairwise(borders):
        alike = rates.between == "hold" or begin >= rates.last
        parts = 1 if alike else _PARTS
        length = (end - begin) / parts
        for part in range(parts):
            yield length, rates.at(begin + (part + 0.5) * length)
