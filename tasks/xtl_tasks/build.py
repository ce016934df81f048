"""From a family and a language to a `seqio.Task`: one recipe for all.

    rows -> prompt -> tokens -> end of sequence

Rows and prompts are plain Python (`loading.py`), so SeqIO sees finished text; from
there on its own preprocessors work. An element of the dataset holds token ids `inputs`
and `targets`, and beside them `id`, `references`, `context`, `options`, `side`,
`inputs_pretokenized` and `targets_pretokenized`. SeqIO allows no hyphen in names: the
pair `mlqa.en-ar` is `mlqa.en_ar` there, every other name is the same.

SeqIO and TensorFlow are imported when a task is built, not before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.data import prompts, span_corruption
from xtl_jax.errors import UserError
from xtl_jax.metrics.metric import add
from xtl_tasks import loading
from xtl_tasks.family import Family, scored_language
from xtl_tasks.loading import TaskSettings

if TYPE_CHECKING:
    import seqio
    import tensorflow as tf


def seqio_name(task_name: str) -> str:
    """A task's name as SeqIO allows it.

    Example:
        >>> seqio_name("mlqa.en-ar")
        'mlqa.en_ar'
    """
    return task_name.replace("-", "_")


def build(
    family: Family, language: str, *, settings: TaskSettings, for_cache: bool = False
) -> seqio.Task:
    """A SeqIO task, not registered anywhere.

    Args:
        family: which task.
        language: which of its languages, or pair.
        settings: where the data is, and the vocabulary.
        for_cache: text families give raw token ids as `targets`, without end of
            sequence, for a feed that draws the noise itself; other families do not
            change.

    Raises:
        UserError: no such language, or no vocabulary. Data is read when the dataset
            is: that it is missing or wrong is said then.
    """
    import seqio

    name = family.task_name(language)
    vocabulary = _seqio_vocabulary(settings.vocabulary, name=name)
    is_text = family.kind == "text"
    eos = not (is_text and for_cache)
    features = {
        key: seqio.Feature(vocabulary=vocabulary, add_eos=eos)
        for key in (("targets",) if is_text and for_cache else ("inputs", "targets"))
    }
    preprocessors: list[Callable[..., tf.data.Dataset]] = [
        functools.partial(seqio.preprocessors.tokenize, copy_pretokenized=True),
        seqio.CacheDatasetPlaceholder(),  # what `seqio_cache_tasks` keeps
    ]
    if is_text and not for_cache:
        preprocessors.append(
            functools.partial(
                _corrupt,
                vocabulary=settings.vocabulary,
                name=name,
                **_noise(family),
            )
        )
    if eos:
        preprocessors.append(seqio.preprocessors.append_eos_after_trim)
    return seqio.Task(
        seqio_name(name),
        source=seqio.FunctionDataSource(
            functools.partial(_dataset, family=family, language=language, at=settings),
            splits=family.splits_of(language),
        ),
        preprocessors=preprocessors,
        output_features=features,
        postprocess_fn=functools.partial(_postprocess, family=family),
        # What retrieval finds is no text that a model writes.
        metric_fns=[]
        if family.metric is None or family.kind == "retrieval"
        else [_metric_fn(family, language)],
    )


def _seqio_vocabulary(vocabulary: Any, *, name: str) -> seqio.Vocabulary:
    if vocabulary is None:
        raise UserError(
            f"{name}: no vocabulary is set; pass --vocabulary (a SentencePiece model's "
            "path, or 'bytes') or set XTL_VOCABULARY"
        )
    return vocabulary.seqio() if hasattr(vocabulary, "seqio") else vocabulary


def _dataset(
    split: str,
    shuffle_files: bool,
    seed: int | None = None,
    *,
    family: Family,
    language: str,
    at: TaskSettings,
) -> tf.data.Dataset:
    """Examples of a split. Read at once, so that a bad row raises its own error."""
    import tensorflow as tf

    del shuffle_files, seed  # one source, in the release's order
    # Tensors rather than a generator, which would call Python for every example: twice
    # as fast.
    rows = [
        prompts.as_mapping(example)
        for example in loading.examples(family, language, split=split, settings=at)
    ]
    columns: Any = {  # the stub of from_tensor_slices knows no mapping
        name: tf.constant([row[name] for row in rows], tf.string)
        for name in ("id", "inputs", "targets", "context", "side")
    }
    ragged: Any = tf.RaggedTensor  # its stub lacks the method
    for name in ("references", "options"):
        lists = [row[name] for row in rows]
        columns[name] = ragged.from_row_lengths(
            tf.constant([text for texts in lists for text in texts], tf.string),
            tf.constant([len(texts) for texts in lists], tf.int64),
        )
    return tf.data.Dataset.from_tensor_slices(columns)


# --- span corruption for SeqIO's own tools ------------------------------------------


def _noise(family: Family) -> Mapping[str, float]:
    transform = family.card.transform
    return {
        "noise_density": transform["noise_density"],
        "mean_span": transform["mean_span"],
    }


def _sentinels(vocabulary: Any) -> Sequence[int]:
    """Ours says which; SeqIO's own follow T5: the last 100 ids, highest first."""
    if hasattr(vocabulary, "sentinel_ids"):
        return vocabulary.sentinel_ids
    return range(vocabulary.vocab_size - 1, vocabulary.vocab_size - 101, -1)


def _corrupt(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    *,
    vocabulary: Any,
    name: str,
    noise_density: float,
    mean_span: float,
) -> tf.data.Dataset:
    """Cut texts into pieces that fill `inputs`, and corrupt each piece."""
    import numpy as np
    import seqio
    import tensorflow as tf

    sentinels = _sentinels(vocabulary)  # here, not sooner: it may open a remote file
    if not sentinels:
        raise UserError(
            f"{name}: the vocabulary has no sentinels to hide spans behind; load it "
            "with extra_ids=100 (--extra_ids 100, XTL_EXTRA_IDS=100)"
        )
    if sequence_length is not None:
        length, _ = span_corruption.split_lengths(
            sequence_length["inputs"], noise_density=noise_density, mean_span=mean_span
        )
        dataset = _pieces(dataset, length=length)
    marks = np.asarray(sentinels, dtype=np.int32)

    def corrupt(tokens, seed):
        return span_corruption.corrupt(
            tokens,
            sentinels=marks,
            key=tuple(int(number) for number in seed),
            noise_density=noise_density,
            mean_span=mean_span,
        )

    @seqio.map_over_dataset(num_seeds=1)
    def step(example: Any, seed: Any) -> Any:
        inputs, targets = tf.numpy_function(
            corrupt, (example["targets"], seed), (tf.int32, tf.int32)
        )
        inputs.set_shape((None,))
        targets.set_shape((None,))
        return {**example, "inputs": inputs, "targets": targets}

    return step(dataset)  # type: ignore[call-arg]  # the decorator draws the seeds


def _pieces(dataset: tf.data.Dataset, *, length: int) -> tf.data.Dataset:
    """One element for each `length` tokens of `targets`; the rest is repeated."""
    import tensorflow as tf

    def cut(example):
        tokens = example["targets"]
        starts = tf.range(0, tf.maximum(tf.size(tokens), 1), length)
        return tf.data.Dataset.from_tensor_slices(starts).map(
            lambda start: {**example, "targets": tokens[start : start + length]}
        )

    return dataset.flat_map(cut)


# --- scoring for SeqIO's evaluator --------------------------------------------------


def _postprocess(
    text: str, *, family: Family, example: Mapping[str, Any], is_target: bool = False
) -> Any:
    """References for a target, the scored text for a prediction."""
    if is_target:
        return [_decoded(reference) for reference in example["references"]]
    raw, context = _decoded(text), _decoded(example["context"])
    if family.postprocess is not None:
        return family.postprocess(raw, context=context)
    return prompts.postprocess(raw, kind=family.kind, context=context)


def _decoded(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _metric_fn(family: Family, language: str) -> Callable[..., Mapping[str, float]]:
    """The family's metric with the signature that SeqIO looks for."""
    metric = family.metric
    assert metric is not None

    def score(
        targets: Sequence[Sequence[str]], predictions: Sequence[str]
    ) -> Mapping[str, float]:
        rows = [
            metric.counts(
                prediction, references=references, language=scored_language(language)
            )
            for references, prediction in zip(targets, predictions, strict=True)
        ]
        return metric.combine(add(rows))

    score.__name__ = metric.name
    return score
