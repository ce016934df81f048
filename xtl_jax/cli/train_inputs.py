"""What a training run needs: vocabulary, caches, feed and English dev data.

All of it is found and checked before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from xtl_jax.cli import mixture_measures
from xtl_jax.cli.config import Config
from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.data.store import Store


_SAMPLE = 4096  # examples that are packed to tell epochs


class Inputs(NamedTuple):
    """What a config names, found and checked, before anything is computed."""

    config: Config  # vocabulary rows filled in
    vocabulary: Any  # `Vocabulary`, of encoders `EncoderVocabulary`
    feed: Any  # `Feed`, of encoders `LabelledFeed`
    dev: Dev | None
    reading: dict[str, Any]  # shares, epochs and tokens: see `mixture_measures`


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
    model: Any = config.model  # an mT5's: encoders are in `train_labels`
    model = model.with_vocabulary(vocabulary.size)
    if run.lengths["targets"] % model.loss_chunks:
        raise UserError(
            f"ModelConfig.loss_chunks={model.loss_chunks} does not divide the target "
            f"length {run.lengths['targets']}; give a number that does, such as 1"
        )
    mixture = config.mixture
    watched = dev_task(config)
    _check_texts(mixture.members)
    wanted = [(task, "train") for task in mixture.members]
    stores = caching.ensure_cached(wanted, run=run, vocabulary=vocabulary)
    dev = None
    if watched is not None:
        try:
            found = caching.ensure_cached(
                [(watched, "validation")], run=run, vocabulary=vocabulary
            )
            dev = Dev(watched, found[watched, "validation"])
        except UserError as error:
            if run.dev_task:
                raise
            tell(f"no English dev evaluation: {error}")
    training = {task: stores[task, "train"] for task in mixture.members}
    sizes = {task: store.num_examples for task, store in training.items()}
    feed = Feed(
        training,
        rates=mixture.resolve(sizes),
        budgets=mixture.examples,
        lengths=Lengths(**run.lengths),
        batch_size=run.batch_size,
        seed=run.seed,
        pack=run.pack,
    )
    found = mixture_measures.measure(
        mixture,
        sizes=sizes,
        stores=training,
        training=mixture_measures.Training(
            lengths=feed.lengths,
            batch_size=run.batch_size,
            steps=run.steps,
            pack=run.pack,
            seed=run.seed,
        ),
        sample=_SAMPLE,
    )
    if len(training) > 1 or mixture.examples:
        for line in mixture_measures.lines(found):
            tell(line)
    return Inputs(config._replace(model=model), vocabulary, feed, dev, found)


def _check_texts(tasks: Iterable[str]) -> None:
    """Refuse what only encoders learn from."""
    from xtl_tasks import catalog

    for task in tasks:
        if catalog.find(task)[0].kind == "parallel":
            raise UserError(
                f"{task} is parallel text, from which encoders learn vectors; an mT5 "
                "has nothing to learn from it: give an encoder (models/xlmr_base.gin), "
                "or leave it out of the mixture"
            )


def dev_task(config: Config) -> str | None:
    """Whose English validation split is watched; None: nothing is."""
    from xtl_tasks import catalog

    if config.run.dev_task == "none":
        return None
    name = config.run.dev_task
    if not name:
        name, *others = config.mixture.members
        if others:
            return None
    family, language = catalog.find(name)
    if family.kind == "retrieval":
        raise UserError(
            f"RunConfig.dev_task={name!r} is retrieval: it trains nothing and has no "
            "English labels to choose a checkpoint by; give the English task that is "
            "trained, or 'none'"
        )
    if family.kind == "parallel":
        if not config.run.dev_task:
            return None
        raise UserError(
            f"RunConfig.dev_task={name!r} is parallel text, which is only trained on; "
            "give an English task or 'none'"
        )
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
