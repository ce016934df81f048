"""A model that has learnt something: attacks that know more of it hurt it more."""

from __future__ import annotations

import json
import pathlib

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Paraphrases of the toy world in English, and a vocabulary of its words."""
    from xtl_jax.data import vocabulary
    from xtl_jax.world import generate, words

    folder: pathlib.Path = tmp_path_factory.mktemp("learnt")
    few = generate.Sizes(train=1, validation=60, test=150)
    many = generate.Sizes(train=2000, validation=60, test=150)
    sizes = generate.WorldSizes(
        text=few, qa=few, nli=few, paraphrase=many, tagging=few, retrieval=few
    )
    generate.generate(folder / "data", seed=0, sizes=sizes)
    (folder / "pieces.model").write_bytes(vocabulary.train(words.lines(), size=1100))
    return folder


def _trained(world, name, *flags):
    """The run directory of a model that was trained on English paraphrases."""
    from xtl_jax.cli import main

    code = main.main(
        [
            *("train", f"--run_dir={world / name}", *flags),
            *(f"--data_dir={world / 'data'}", f"--cache_dir={world / 'cache'}"),
            "--gin.RunConfig.task=world_paraphrase.en",
            f"--gin.RunConfig.vocabulary={world / 'pieces.model'}",
        ]
    )
    assert code == 0
    return world / name


@pytest.fixture(scope="module")
def learnt(world, optax_promotes):
    """A small encoder that tells these paraphrases apart."""
    return _trained(
        *(world, "run", "--gin_file=models/encoder_tiny.gin"),
        "--gin_file=runs/encoder.gin",
        "--gin.TASK_FEATURE_LENGTHS={'inputs': 64, 'targets': 4}",
        *("--gin.TRAIN_STEPS=800", "--gin.RunConfig.learning_rate=0.002"),
        *("--gin.RunConfig.save_period=800", "--gin.RunConfig.eval_period=400"),
    )


def test_random_then_worst_of_k_then_greedy(learnt, xtl):
    done = xtl(
        *("robustness", learnt, "--task", "world_paraphrase.en", "--json"),
        *("--attack", "character_noise", "--attack", "worst_of:character_noise:k=8"),
        *("--attack", "greedy:character_noise:k=8", "--attack", "hotflip"),
        *("--attack", "pgd:budget=0.5", "--attack", "pgd:budget=4"),
    )
    assert done.code == 0, done.err
    by_attack = json.loads(done.out)["robustness"]["world_paraphrase"]
    found = {
        each["attack"]["title"]: each["languages"]["en"]["values"]
        for each in by_attack.values()
    }
    clean = found["character_noise"]["clean"]
    assert clean > 65  # chance is 50
    attacked = {title: values["attacked"] for title, values in found.items()}
    assert attacked["character_noise"] < clean
    assert attacked["worst_of:character_noise"] <= attacked["character_noise"]
    assert attacked["greedy:character_noise:k=8"] < attacked["worst_of:character_noise"]
    assert attacked["hotflip"] < clean
    assert attacked["pgd:budget=4"] <= attacked["pgd"] <= clean
    # A wrong answer never becomes right by a search that knows the margin.
    for title in ("hotflip", "pgd", "pgd:budget=4", "greedy:character_noise:k=8"):
        values = found[title]
        lost = values["success"] * clean / 100
        assert values["gap"] == pytest.approx(lost, abs=1e-6)


@pytest.fixture(scope="module")
def mt5(world, optax_promotes):
    """The quickstart's mT5 after some steps on the same rows."""
    return _trained(
        *(world, "mt5", "--gin_file=models/world.gin"),
        "--gin.TASK_FEATURE_LENGTHS={'inputs': 48, 'targets': 24}",
        *("--gin.TRAIN_STEPS=120", "--gin.RunConfig.learning_rate=0.005"),
        *("--gin.BATCH_SIZE=32", "--gin.RunConfig.schedule=linear"),
        *("--gin.RunConfig.save_period=120", "--gin.RunConfig.eval_period=120"),
        *("--gin.RunConfig.extra_ids=16", "--gin.RunConfig.dev_task=none"),
    )


def test_an_mt5_is_attacked_by_searches_and_by_gradients(mt5, xtl):
    """Whatever it has learnt, searches and ascent make it no surer of what is right."""
    from xtl_jax.infer import records

    done = xtl(
        *("robustness", mt5, "--task", "world_paraphrase.en/test", "--json"),
        *("--examples", "24", "--classify", "rank"),
        *("--attack", "worst_of:character_noise:k=4"),
        *("--attack", "greedy:character_noise:k=2", "--attack", "pgd:budget=1:steps=3"),
    )
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["missing"] == {}
    by_attack = document["robustness"]["world_paraphrase"]
    assert len(by_attack) == 3
    clean = records.read(mt5 / "predictions" / "world_paraphrase.en.jsonl")
    margins = [_margin(record) for record in clean]
    lost = {}
    for path in (mt5 / "predictions").glob("world_paraphrase.en@*.jsonl"):
        attacked = records.read(path)
        assert [record.id for record in attacked] == [record.id for record in clean]
        method = attacked[0].attack["method"]
        moved = [
            _margin(record) - before
            for record, before in zip(attacked, margins, strict=True)
        ]
        if method == "worst_of":  # of 4 draws; where all help, the least helpful one
            for record in attacked:
                sure = pytest.approx(_margin(record), abs=1e-2)
                assert record.attack["sure_after"] == sure
        else:
            assert max(moved) <= 1e-3
        lost[method] = -sum(moved) / len(moved)
        if method == "pgd":
            assert all(
                record.inputs == before.inputs
                for record, before in zip(attacked, clean, strict=True)
            )
        else:
            assert any(record.attack["edits"] for record in attacked)
            queries = [record.attack["queries"] for record in attacked]
            assert max(queries) > 1
    assert set(lost) == {"worst_of", "greedy", "pgd"}
    assert min(lost.values()) > 0
    for found in by_attack.values():
        if found["attack"]["method"] != "worst_of":
            assert found["languages"]["en"]["values"]["gap"] >= 0


def _margin(record):
    """How much likelier the right label is than the other, in nats."""
    scores = {option.text: option.log_probability for option in record.options}
    right = scores.pop(record.references[0])
    return right - max(scores.values())
