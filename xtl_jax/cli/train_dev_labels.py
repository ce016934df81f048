"""English dev scores of an encoder while it trains: what `train_dev.py` is for mT5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xtl_jax.cli.train_inputs import Inputs


def labelled_evaluation(inputs: Inputs, mesh: Any) -> Callable[[Any], dict[str, float]]:
    """A function from a state to its English dev scores; `score` is the one to rank.

    Args:
        inputs: of a run that trains an encoder, with dev data.
        mesh: that the state lies on.
    """
    from xtl_tasks import catalog

    from xtl_jax.cli import predict_labelled, predict_sets
    from xtl_jax.metrics.metric import add
    from xtl_jax.train import sharding

    assert inputs.dev is not None
    family, _ = catalog.find(inputs.dev.task)
    if family.metric is None:
        return _hidden_words(inputs, mesh)
    metric, store = family.metric, inputs.dev.store
    run, model, vocabulary = _parts(inputs)
    predict_labelled.head_for(family, model, chosen=run.head)  # there is one
    examples = min(run.eval_examples, predict_sets.examples_in(store))

    def evaluate(state: Any) -> dict[str, float]:
        by = predict_labelled.Labeller(
            run, model, state.params, vocabulary, sharding.put_batch(mesh)
        )
        answers = predict_labelled.answer(family, store, by=by, examples=examples)
        values = metric.combine(
            add(
                metric.counts(
                    found.answer.text,
                    references=found.meta["references"],
                    language="en",
                )
                for found in answers
            )
        )
        return {"score": values[metric.primary], **values}

    return evaluate


def _hidden_words(inputs: Inputs, mesh: Any) -> Callable[[Any], dict[str, float]]:
    """Loss per hidden token of held-out text, of which the same ones always are."""
    import jax
    from xtl_tasks import catalog

    from xtl_jax.data import labelled_batches
    from xtl_jax.train import sharding
    from xtl_jax.train.labels import LabelBatch, label_sums

    assert inputs.dev is not None
    run, model, _ = _parts(inputs)
    family, _ = catalog.find(inputs.dev.task)
    store, put = inputs.dev.store, sharding.put_batch(mesh)

    @jax.jit
    def sums(params: Any, batch: LabelBatch) -> Any:
        return label_sums(model, params, batch, key=None)

    def evaluate(state: Any) -> dict[str, float]:
        found = [
            sums(
                state.params,
                LabelBatch(
                    tokens=put(batch.tokens),
                    labels=put(batch.labels),
                    head=family.head_name,
                ),
            )
            for batch in labelled_batches.evaluation_batches(
                store,
                batch_size=run.predict_batch_size,
                first=run.eval_examples,
            )
        ]
        tokens = sum(float(each.tokens) for each in found)
        loss = sum(float(each.loss) for each in found) / tokens
        hits = sum(float(each.correct) for each in found)
        return {
            "score": -loss,
            "loss": loss,
            "accuracy_percent": 100.0 * hits / tokens,
        }

    return evaluate


def _parts(inputs: Inputs) -> tuple[Any, Any, Any]:
    """Settings, shape and vocabulary; the types of `Inputs` are mT5's too."""
    return inputs.config.run, inputs.config.model, inputs.vocabulary
