"""What training an encoder needs: vocabulary, heads, caches, feed, initial parameters.

What `train_inputs.py` finds for mT5 is found here for encoders. Each family of the
mixture gets a head; a checkpoint's head of the same name and labels goes on, others
start anew: a new stage keeps the encoder and begins with the next head.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import mixture_measures
from xtl_jax.cli.config import Config
from xtl_jax.cli.progress import tell
from xtl_jax.cli.train_inputs import Dev, Inputs, dev_task
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xtl_jax.data.encoder_vocabulary import EncoderVocabulary
    from xtl_jax.data.store import Store
    from xtl_jax.infer.encoder import LoadedEncoder
    from xtl_jax.model.encoder_sizes import EncoderConfig, Head, HeadLayers
    from xtl_jax.train.labels import LabelBatch


def find_inputs(config: Config) -> Inputs:
    """Vocabulary, caches (made if need be), heads, feed and dev set of a run.

    Raises:
        UserError: whatever is missing or does not fit.
    """
    from xtl_jax.data import encoder_vocabulary
    from xtl_jax.data.labelled_feed import LabelledFeed

    run, mixture = config.run, config.mixture
    vocabulary = encoder_vocabulary.load(run.vocabulary)
    model: Any = config.model
    model = model.with_vocabulary(vocabulary.size)
    length = run.lengths["inputs"]
    if length > model.longest:
        raise UserError(
            f"RunConfig.lengths['inputs']={length}, and the encoder has positions for "
            f"{model.longest} tokens (EncoderConfig.positions): give shorter inputs or "
            "another model"
        )
    training = _stores(mixture.members, split="train", run=run, vocabulary=vocabulary)
    model = model.with_heads(heads_of(training, layers=run.head_layers))
    sizes = {task: store.num_examples for task, store in training.items()}
    _check_contrast(config, training, layers=model.layers)
    feed = LabelledFeed(
        training,
        rates=mixture.resolve(sizes),
        budgets=mixture.examples,
        batch_size=run.batch_size,
        seed=run.seed,
    )
    found = _reading(config, sizes=sizes, stores=training)
    if len(training) > 1 or mixture.examples:
        for line in mixture_measures.lines(found):
            tell(line)
    config = config._replace(model=model)
    dev = _dev(config, vocabulary)
    return Inputs(config, vocabulary, feed, dev, found)


def _check_contrast(
    config: Config, training: Mapping[str, Store], *, layers: int
) -> None:
    """Refuse settings of parallel text that the model or the mixture cannot follow."""
    pairs = [t for t, store in training.items() if store.card["kind"] == "contrastive"]
    run = config.run
    if not pairs:
        return
    if run.contrastive_layer > layers:
        raise UserError(
            f"RunConfig.contrastive_layer={run.contrastive_layer}, and the encoder has "
            f"{layers} layers; -1 is the last"
        )
    if run.batch_size // run.microbatches < 2:
        raise UserError(
            f"{', '.join(pairs)}: a pair is told from the others of its batch, and "
            f"batches of {run.batch_size} in {run.microbatches} parts have one each; "
            "give a larger BATCH_SIZE"
        )
    tell(
        f"parallel text without labels: {', '.join(pairs)}; what is scored in these "
        "languages is zero-shot in labels alone (run.json says so)"
    )


def _reading(
    config: Config, *, sizes: Mapping[str, int], stores: Mapping[str, Store]
) -> dict[str, Any]:
    """Shares and epochs of each task, with the names of `mixture_measures.measure`."""
    run, mixture = config.run, config.mixture
    rates = mixture.resolve(sizes)
    tasks = {}
    for task, share in mixture_measures.mean_shares(rates, steps=run.steps).items():
        examples = min(sizes[task], mixture.examples.get(task, sizes[task]))
        drawn = share * run.steps * run.batch_size
        tasks[task] = {
            "share_percent": 100.0 * share,
            "examples": examples,
            "drawn": round(drawn),
            "epochs": drawn / examples,
            "truncated_percent": 100.0 * stores[task].card["cut_share"],
        }
    return {"mixture": mixture.name, "rule": mixture.summary(), "tasks": tasks}


def _stores(
    tasks: Iterable[str], *, split: str, run: Any, vocabulary: EncoderVocabulary
) -> dict[str, Store]:
    from xtl_jax.cli import labelled_caching

    return {
        task: labelled_caching.ensure_store(
            task, split=split, run=run, vocabulary=vocabulary
        )
        for task in tasks
    }


def heads_of(
    training: Mapping[str, Store], *, layers: HeadLayers = "last"
) -> tuple[Head, ...]:
    """A head for each family that is learnt; families may share one.

    Parallel text has none: its loss has no parameter of its own.

    Args:
        training: task to its training store, whose card has the labels.
        layers: what the heads read.

    Raises:
        UserError: a task has nothing to learn, or two that share a head have other
            labels.
    """
    from xtl_tasks import catalog

    from xtl_jax.data import labelled
    from xtl_jax.model.encoder_sizes import Head

    found: dict[str, Head] = {}
    for task, store in training.items():
        family, _ = catalog.find(task)
        kind = labelled.kind_of(family)
        if kind is None:
            raise UserError(
                f"{task} is retrieval: it has nothing that an encoder could learn; "
                "train on another task and name it in RunConfig.evaluate"
            )
        if kind == "contrastive":
            continue
        labels = tuple(store.card["labels"])
        head = Head(name=family.head_name, kind=kind, labels=labels, layers=layers)
        if found.setdefault(head.name, head) != head:
            raise UserError(
                f"{task} would share the head {head.name!r} and has other labels: "
                f"{len(labels)} of them, not {len(found[head.name].labels)}; train on "
                "them in separate runs"
            )
    return tuple(found.values())


def _dev(config: Config, vocabulary: EncoderVocabulary) -> Dev | None:
    """English validation data; None where none is wanted or here."""
    name = dev_task(config)
    if name is None:
        return None
    try:
        found = _stores(
            [name], split="validation", run=config.run, vocabulary=vocabulary
        )
    except UserError as error:
        if config.run.dev_task:
            raise
        tell(f"no English dev evaluation: {error}")
        return None
    return Dev(name, found[name])


def widest(inputs: Inputs) -> Iterator[LabelBatch]:
    """Shapes of a global batch of each task, at the full length."""
    import jax
    import jax.numpy as jnp

    from xtl_jax.train.labels import LabelBatch

    rows, length = inputs.config.run.batch_size, inputs.config.run.lengths["inputs"]
    for item, head in _first_of_each(inputs.feed):
        tokens, labels = item["tokens"].shape, item["labels"].shape
        full = (rows, *tokens[1:-1], length)
        shapes: Any = {
            "tokens": full,
            "labels": full if labels == tokens else (rows, *labels[1:]),
        }
        for name, shape in shapes.items():
            shapes[name] = jax.ShapeDtypeStruct(shape, jnp.int32)
        yield LabelBatch(head=head, **shapes)


def _first_of_each(feed: Any) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The first batch of each task, and the name of its head."""
    from xtl_tasks import catalog

    step, waiting = 0, set(feed.tasks)
    while waiting:
        if (task := feed.task(step)) in waiting:
            waiting.remove(task)
            family, _ = catalog.find(task)
            yield feed.batch(step), family.head_name
        step += 1


def batches(fed: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """What a `LabelledFeed` gives, as the step takes it, and the next position."""
    from xtl_tasks import catalog

    from xtl_jax.train.labels import LabelBatch

    for item in fed:
        family, _ = catalog.find(item.task)
        batch = LabelBatch(head=family.head_name, **item.batch)
        yield batch, item.next_position._asdict()


def initial_params(
    loaded: LoadedEncoder, model: EncoderConfig, *, seed: int
) -> dict[str, Any]:
    """A checkpoint's encoder under the heads of a run.

    Args:
        loaded: what the run starts from.
        model: of the run, with its heads.
        seed: of heads that start anew.
    """
    import jax

    from xtl_jax.model import encoder

    body = dict(loaded.params["encoder"])
    heads = encoder.fresh_heads(model, jax.random.key(seed), body)
    old = [head for head in model.task_heads if head in loaded.config.task_heads]
    for head in old:
        heads[head.name] = loaded.params["heads"][head.name]
    if not model.pooler:
        body.pop("pooler", None)
    new = [head.name for head in model.task_heads if head not in old]
    said = {"go on": [head.name for head in old], "start anew": new}
    told = [f"{what}: {', '.join(names)}" for what, names in said.items() if names]
    tell(f"heads that {'; that '.join(told)}")
    return {"encoder": body, **({"heads": heads} if heads else {})}
