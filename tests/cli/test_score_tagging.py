"""Tagged sentences from raw outputs to scores: what found no place is reported."""

from __future__ import annotations

import argparse
import json

import pytest
from xtl_tasks import catalog

from xtl_jax.cli import score
from xtl_jax.infer import records

CONTEXT = "Rita\tsaw\tOslo\t."
GOLD = {"uner": "B-PER O B-LOC O", "udpos": "PROPN VERB PROPN PUNCT"}


def put(run, task, outputs, *, context: str | None = CONTEXT):
    """A prediction file, post-processed as `xtl predict` does it."""
    family, language = catalog.find(task)
    made = []
    for number, raw in enumerate(outputs):
        inputs = f"{task} {number}"
        postprocess = family.postprocess
        assert postprocess is not None
        made.append(
            records.Record(
                task=task,
                family=family.name,
                language=language,
                split="test",
                id=str(number),
                inputs=inputs,
                inputs_sha256=records.prompt_sha256(inputs),
                prediction_raw=raw,
                prediction=postprocess(raw, context=CONTEXT),
                references=(GOLD[family.name.removesuffix("_spans")],),
                context=context,
                log_probability=-1.0,
                checkpoint="checkpoints/20",
                step=20,
                decoding={"method": "greedy", "max_length": 8},
            )
        )
    records.write(run / "predictions" / f"{task}.jsonl", made)


def scored(run, task):
    parser = argparse.ArgumentParser()
    score.add_parser(parser.add_subparsers())
    args = parser.parse_args(["score", str(run)])
    assert args.run(args) == 0
    return json.loads((run / "scores" / f"{task}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("task", "outputs", "f1", "unplaced"),
    [
        # 3 of 4 entities found and none too many; 1 of 4 that were written has no place
        (
            "uner_spans.de",
            ["PER: Rita $$ LOC: Oslo", "PER: Rit $$ LOC: Oslo"],
            6 / 7,
            1,
        ),
        # 8 tokens and one tag too many; two tokens without a tag
        (
            "uner.de",
            [
                "<extra_id_0> B-PER <extra_id_1> O <extra_id_2> B-LOC <extra_id_3> O",
                "<extra_id_0> B-PER <extra_id_2> B-LOC <extra_id_9> O",
            ],
            1.0,
            3,
        ),
    ],
)
def test_scores_stand_beside_what_found_no_place(
    tmp_path, capsys, task, outputs, f1, unplaced
):
    put(tmp_path, task, outputs)
    found = scored(tmp_path, task)
    parts = 4 if "spans" in task else 9
    assert found["values"]["f1"] == pytest.approx(100 * f1)
    assert found["shares_percent"]["unplaced"] == pytest.approx(100 * unplaced / parts)
    assert found["shares_percent"]["sentinel"] == 0.0
    assert found["shares_percent"]["not_in_context"] is None
    assert "post:project" in found["signature"]
    assert "unplaced" in capsys.readouterr().out


def test_an_empty_output_is_empty_and_has_a_tag_for_each_token(tmp_path):
    put(tmp_path, "udpos.th", ["", " \n"])
    found = scored(tmp_path, "udpos.th")
    assert found["values"] == {"f1": 0.0, "accuracy": 0.0}
    assert found["shares_percent"]["empty"] == 100.0
    assert found["shares_percent"]["unplaced"] == 100.0


def test_without_the_tokens_nothing_is_said_on_places(tmp_path):
    put(tmp_path, "udpos.th", ["<extra_id_0> PROPN"], context=None)
    found = scored(tmp_path, "udpos.th")
    assert found["values"]["accuracy"] == 25.0
    assert found["shares_percent"]["unplaced"] is None
