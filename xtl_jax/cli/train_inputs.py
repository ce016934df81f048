"""What a training run needs: vocabulary, caches, feed and English dev data.

All of it is found and checked before anything is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xtl_jax.cli.config import Config
from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError, near

if TYPE_CHECKING:
    from xtl_jax.data.pipeline import Feed
    from xtl_jax.data.store import Store
    from xtl_jax.data.vocabulary import Vocabulary


class Inputs(NamedTuple):
    """What a config names, found and checked, before anything is computed."""

    config: Config  # vocabulary rows filled in
    vocabulary: Vocabulary
    feed: Feed
    dev: Dev | None


class Dev(NamedTuple):
    """English validation data: the only scores that may choose a checkpoint."""

    task: str
    store: Store


def find_inputs(config: Config) -> Inputs:
    """Vocabulary, caches (made if need be), feed and dev set of a run.

    Raises:
        UserError: whatever is missing or does not fit.
    """
    from xtl_jax.cli import caching
    from xtl_jax.data import vocabulary as vocabularies
    from xtl_jax.data.features import Lengths
    from xtl_jax.data.pipeline import Feed

    run = config.run
    vocabulary = vocabularies.load(run.vocabulary, extra_ids=run.extra_ids)
    model = config.model.with_vocabulary(vocabulary.size)
    if run.lengths["targets"] % model.loss_chunks:
        raise UserError(
            f"ModelConfig.loss_chunks={model.loss_chunks} does not divide the target "
            f"length {run.lengths['targets']}"
        )
    rates = training_rates(run.task)
    dev_task = _dev_task(config)
    wanted = [(task, "train") for task in rates]
    stores = caching.ensure_cached(wanted, run=run, vocabulary=vocabulary)
    dev = None
    if dev_task is not None:
        try:
            found = caching.ensure_cached(
                [(dev_task, "validation")], run=run, vocabulary=vocabulary
            )
            dev = Dev(dev_task, found[dev_task, "validation"])
        except UserError as error:
            if run.dev_task:
                raise
            tell(f"no English dev evaluation: {error}")
    feed = Feed(
        {task: stores[task, "train"] for task in rates},
        rates=rates,
        lengths=Lengths(**run.lengths),
        batch_size=run.batch_size,
        seed=run.seed,
        pack=run.pack,
        shard=shard(),
    )
    return Inputs(config._replace(model=model), vocabulary, feed, dev)


def shard() -> tuple[int, int]:
    """Number of this host, and of hosts."""
    import jax

    return jax.process_index(), jax.process_count()


def training_rates(name: str) -> dict[str, float]:
    """Tasks of a task or mixture, each with its rate.

    Raises:
        UserError: there is neither a task nor a mixture of that name.
    """
    from xtl_tasks import catalog, mixtures

    for mixture in mixtures.MIXTURES:
        if mixture.name == name:
            return dict(mixture.rates)
    known = [mixture.name for mixture in mixtures.MIXTURES] + catalog.task_names()
    try:
        family, language = catalog.find(name)
    except UserError as error:
        if name.partition(".")[0] in {family.name for family in catalog.FAMILIES}:
            raise
        raise UserError(
            f"no task or mixture named {name!r}; near: {near(name, known)}; see "
            "`xtl tasks`"
        ) from error
    return {family.task_name(language): 1.0}


def _dev_task(config: Config) -> str | None:
    """Whose English validation split is watched; None: nothing is."""
    from xtl_tasks import catalog, mixtures

    name = config.run.dev_task or config.run.task
    is_mixture = name in {mixture.name for mixture in mixtures.MIXTURES}
    if name == "none" or (is_mixture and not config.run.dev_task):
        return None
    family, language = catalog.find(name)
    if language != "en" and family.kind != "text":
        raise UserError(
            f"RunConfig.dev_task={name!r} is not English: zero-shot means that no "
            "label of a scored language chooses a checkpoint; give an English task or "
            "'none'"
        )
    if not config.run.dev_task and "validation" not in family.splits_of(language):
        return None
    family.check_split("validation", language=language)
    return family.task_name(language)
