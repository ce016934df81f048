"""English dev scores while training: the only ones that may choose a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xtl_jax.cli.train_inputs import Inputs


def evaluation(inputs: Inputs, mesh: Any) -> Callable[[Any], dict[str, float]]:
    """A function from a state to its English dev scores; `score` is the one to rank."""
    from xtl_tasks import catalog

    assert inputs.dev is not None
    family, _ = catalog.find(inputs.dev.task)
    if family.metric is None:
        return _text_evaluation(inputs, mesh)
    from xtl_jax.cli import predict_answers
    from xtl_jax.metrics.metric import add
    from xtl_jax.train import sharding

    metric = family.metric
    run, dev = inputs.config.run, inputs.dev
    model: Any = inputs.config.model
    examples = min(run.eval_examples, dev.store.num_examples)

    def evaluate(state: Any) -> dict[str, float]:
        by = predict_answers.Predictor(
            run,
            model,
            state.params,
            inputs.vocabulary,
            sharding.put_batch(mesh),
        )
        answers = predict_answers.answer(family, dev.store, by=by, examples=examples)
        metas = map(dev.store.meta, range(examples))
        counts = (
            metric.counts(
                predict_answers.processed(family, answer.text, meta),
                references=meta["references"],
                language="en",
            )
            for answer, meta in zip(answers, metas, strict=True)
        )
        values = metric.combine(add(counts))
        return {"score": values[metric.primary], **values}

    return evaluate


def _text_evaluation(inputs: Inputs, mesh: Any) -> Callable[[Any], dict[str, float]]:
    """Loss per token on held-out text, its holes drawn once and for all."""
    import jax

    from xtl_jax.data.features import Lengths
    from xtl_jax.data.pipeline import Feed
    from xtl_jax.train import sharding
    from xtl_jax.train.step import batch_loss

    run, dev = inputs.config.run, inputs.dev
    assert dev is not None
    feed = Feed(
        {dev.task: dev.store},
        rates={dev.task: 1.0},
        lengths=Lengths(**run.lengths),
        batch_size=run.batch_size,
        seed=0,  # the same text for every run that is compared
        pack=run.pack,
        shard=sharding.host_shard(mesh),
    )
    put = sharding.put_batch(mesh, feed.shard)
    batches = max(1, run.eval_examples // run.batch_size)
    model: Any = inputs.config.model

    @jax.jit
    def sums(params: Any, batch: Any) -> Any:
        return batch_loss(
            *(model, params, batch),
            key=None,
            z_loss=0.0,
            label_smoothing=0.0,
        )

    def evaluate(state: Any) -> dict[str, float]:
        found = [sums(state.params, put(feed.batch(step))) for step in range(batches)]
        tokens = sum(float(each.tokens) for each in found)
        loss = sum(float(each.loss) for each in found) / tokens
        hits = sum(float(each.correct) for each in found)
        return {
            "score": -loss,
            "loss": loss,
            "accuracy_percent": 100.0 * hits / tokens,
        }

    return evaluate
