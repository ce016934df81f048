"""A model that has learnt something: attacks that know more of it hurt it more."""

from __future__ import annotations

import json
import pathlib

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, optax_promotes):
    """A small encoder that tells paraphrases of the toy world apart, in English."""
    from xtl_jax.cli import main
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
    code = main.main(
        [
            *("train", "--gin_file=models/encoder_tiny.gin"),
            *("--gin_file=runs/encoder.gin", f"--run_dir={folder / 'run'}"),
            *(f"--data_dir={folder / 'data'}", f"--cache_dir={folder / 'cache'}"),
            "--gin.RunConfig.task=world_paraphrase.en",
            f"--gin.RunConfig.vocabulary={folder / 'pieces.model'}",
            "--gin.TASK_FEATURE_LENGTHS={'inputs': 64, 'targets': 4}",
            *("--gin.TRAIN_STEPS=800", "--gin.RunConfig.learning_rate=0.002"),
            *("--gin.RunConfig.save_period=800", "--gin.RunConfig.eval_period=400"),
        ]
    )
    assert code == 0
    return folder / "run"


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
