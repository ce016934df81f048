"""What one stage of a study does: trains, predicts or scores, in its own folder.

    train      as `xtl train`, from a parent's checkpoint
    predict    as `xtl predict`, the parent's checkpoint; a run of zero steps. Of oracle
               selection: the headline's answers where its checkpoint is the same
    score      as `xtl score`, the parent's predictions; and the counts of each item

What is computed in one process shares its compiled programs, stage after stage.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from xtl_jax import storage
from xtl_jax.cli.config import Config
from xtl_jax.cli.study_stages import Describer
from xtl_jax.hosts import group
from xtl_jax.infer import records
from xtl_jax.metrics.metric import Counts
from xtl_jax.studies.directory import Directory
from xtl_jax.studies.graph import Parent, Stage

ITEMS = "items"


class Performer:
    """Does the stages of one study.

    Args:
        describer: that described them.
        directory: where they lie.
    """

    def __init__(self, describer: Describer, directory: Directory) -> None:
        self._describer = describer
        self._directory = directory
        self._stop = False

    def stopping(self) -> bool:
        """Whether it was asked to end while it did the last stage."""
        return self._stop

    def __call__(self, stage: Stage) -> Literal["done", "stopped"]:
        """Do one stage, from where its folder shows that it was left.

        Raises:
            UserError: what is missing or does not fit.
        """
        if stage.kind == "train":
            return self._train(stage)
        if stage.kind == "predict":
            self._predict(stage)
        else:
            self._score(stage)
        return "done"

    def _train(self, stage: Stage) -> Literal["done", "stopped"]:
        from xtl_jax.cli import study_checkpoints, train

        folder = self._directory.folder(stage.id)
        study_checkpoints.begin_anew(folder)
        config = self._config(stage)
        if stage.draft.keeps_all:
            keep = study_checkpoints.number_saved(config.run)
            config = config._replace(run=dataclasses.replace(config.run, keep=keep))
        result = train.train(config)
        # Whoever is asked at the last step has finished, and shall begin nothing more.
        self._stop = group.current().reached(result["step"])
        return "done" if result["outcome"] == "finished" else "stopped"

    def _predict(self, stage: Stage) -> None:
        from xtl_jax.cli import predict, predict_plain, predict_sets, run_files

        config = self._config(stage)
        config = config._replace(run=dataclasses.replace(config.run, steps=0))
        model = predict_plain.shape_of(config.run.initial_checkpoint)
        vocabulary = predict_sets.vocabulary_of(config.run, model=model)
        document = run_files.document(
            config._replace(model=model), vocabulary=vocabulary, feed={}
        )
        run_files.claim_once(config.run.run_dir, document, defaults=config.defaults())
        if stage.oracle is not None and self._take_over(stage):
            return
        predict.predict(
            config.run,
            mesh=config.mesh,
            vocabulary_sha256=vocabulary.sha256,
            dtype=config.model.dtype,
        )

    def _take_over(self, stage: Stage) -> bool:
        """Copy the headline's clean answers if they are of this checkpoint."""
        from xtl_jax.cli import score_run

        _, headline = stage.parents
        answers = score_run.prediction_files(self._directory.folder(headline.id))
        if any(records.first(path).step != stage.oracle for path in answers):
            return False
        own = self._directory.folder(stage.id)
        for path in (*answers, answers[0].with_name(records.EXPECTED)):
            records.replace(own / path.parent.name / path.name, path.read_bytes())
        return True

    def _score(self, stage: Stage) -> None:
        from xtl_tasks import catalog

        from xtl_jax.cli import score_attacked, score_gold, score_run

        (parent,) = stage.parents
        predicted, folder = (
            self._directory.folder(each) for each in (parent.id, stage.id)
        )
        find = catalog.find
        gold = score_gold.GoldReader(predicted, find=find)
        scores = score_run.score_run(predicted, find=find, gold=gold)
        summaries = score_run.summarise(scores, find=find)
        attacked = score_attacked.score(predicted, find=find)
        score_run.write(folder, scores=scores, summaries=summaries)
        score_attacked.write(
            folder, attacked, document=score_attacked.summary(attacked)
        )
        for score in scores:
            name = f"{score.family}.{score.language}"
            write_items(folder, name, metric=score.metric, counts=score.counts)
        for each in attacked:
            metric = each.family.metric
            assert metric is not None, "it was scored"
            after = {id_: pair[1] for id_, pair in each.rows.items()}
            write_items(folder, each.name, metric=metric.name, counts=after)

    def _config(self, stage: Stage) -> Config:
        config = self._describer.config(stage.draft)
        begin = stage.draft.initial
        if stage.parents:
            begin = self._checkpoint(stage.parents)
        run = dataclasses.replace(
            config.run,
            run_dir=str(self._directory.folder(stage.id)),
            initial_checkpoint=begin,
        )
        return config._replace(run=run)

    def _checkpoint(self, parents: Sequence[Parent]) -> str:
        """What a stage begins with: a run (its best checkpoint), or a step of one."""
        from xtl_jax.checkpoint import store

        parent = parents[0]
        folder = self._directory.folder(parent.id)
        if parent.take is not None:
            folder = folder / store.FOLDER / str(parent.take)
        return str(folder)


def write_items(
    folder: storage.AnyPath, name: str, *, metric: str, counts: Mapping[str, Counts]
) -> None:
    """The counts of each item of one set, so that they can be resampled without it.

    Args:
        folder: of the score stage.
        name: TASK.LANGUAGE, with @ATTACK where it was attacked.
        metric: whose counts.
        counts: by the item's id; of attacked ones those that the attack applied to.
    """
    keys = [*dict.fromkeys(key for row in counts.values() for key in row)]
    document: dict[str, Any] = {
        "metric": metric,
        "keys": keys,
        "rows": {
            id_: [row.get(key, 0.0) for key in keys] for id_, row in counts.items()
        },
    }
    text = json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
    records.replace(folder / ITEMS / f"{name}.json", text)
