"""A run that cannot be is refused by field, value and what is allowed."""

from __future__ import annotations

import pytest

from xtl_jax.errors import UserError
from xtl_jax.train.config import MeshConfig, changed


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", -1, r"steps must be a whole number of at least 0, got -1"),
        ("batch_size", 0, r"batch_size must be a whole number of at least 1"),
        ("seed", True, r"seed must be a whole number"),
        ("lengths", {"inputs": 5}, r"exactly the keys inputs and targets"),
        ("lengths", {"inputs": 5, "targets": 1}, r"'targets'\] must .* at least 2"),
        ("microbatches", 3, r"microbatches=3 does not divide batch_size=8"),
        ("learning_rate", -0.1, r"learning_rate must be .* at least 0, got -0\.1"),
        ("learning_rate", float("nan"), r"must be a number of at least 0, got nan"),
        ("z_loss", "much", r"z_loss must be a number of at least 0, got 'much'"),
        ("label_smoothing", 1.0, r"label_smoothing must be in \[0, 1\)"),
        ("loss_normalizing_factor", "rows", r"or 'tokens', got 'rows'"),
        ("optimizer", "adam", r"one of adafactor, adamw, got 'adam'; near: adamw"),
        ("schedule", "cosine", r"one of constant, linear, rsqrt, got 'cosine'"),
        ("null_threshold", float("nan"), r"null_threshold must be a number, got nan"),
        ("warmup_share", 1.5, r"warmup_share must be in \[0, 1\].* got 1\.5"),
        ("layer_decay", 0.0, r"layer_decay must be in \(0, 1\], got 0\.0"),
        ("attack_budget", "much", r"attack_budget must be .* at least 0 .*'much'"),
        ("temperature", -0.5, r"temperature must be .* at least 0 .*got -0\.5"),
        ("top_p", 1.5, r"top_p must be in \(0, 1\], got 1\.5"),
        ("lora_alpha", 0.0, r"lora_alpha must be a number above 0, got 0\.0"),
        ("lora_targets", (), r"lora_targets .* such as \('query', 'value'\), got \(\)"),
    ],
)
def test_a_bad_value_is_named(make_run, field, value, message):
    with pytest.raises(UserError, match=message):
        make_run(**{field: value})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"warmup_share": 0.1, "warmup_steps": 5},
            r"warmup_share must be .* 0 beside warmup_steps; got 0\.1 .*=5",
        ),
        (
            {"restore_optimizer": True},
            r"needs an initial_checkpoint of T5X .*, got '' and adafactor",
        ),
        (
            {"restore_optimizer": True, "initial_checkpoint": "a", "lora_rank": 2},
            r"restore_optimizer .* and lora_rank=2 .*: set one of them",
        ),
        ({"lora_rank": 2}, r"lora_rank=2 needs a model .*: give initial_checkpoint"),
        (
            {"beams": 2, "temperature": 1.0},
            r"beams=2 searches .*: set beams to 1 or temperature to 0",
        ),
        ({"top_k": 5}, r"top_k=5 .* of drawing, .*: set a temperature"),
        (
            {"augmentation": ("character_noise",), "augmentation_share": 2.0},
            r"augmentation_share must be a number in \[0, 1\], got 2\.0",
        ),
        (
            {"augmentation": ("character_noise",), "augmentation_seed": -1},
            r"augmentation_seed must be a whole number of at least 0, got -1",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named(make_run, fields, message):
    with pytest.raises(UserError, match=message):
        make_run(**fields)


def test_a_mesh_axis_has_at_least_one_device():
    with pytest.raises(UserError, match=r"MeshConfig\.model must be .* at least 1"):
        MeshConfig(model=0)


def test_only_what_decides_the_result_counts_as_changed():
    old = {"seed": 0, "steps": 10, "run_dir": "a", "z_loss": 0.0}
    new = {"seed": 0, "steps": 20, "run_dir": "b", "z_loss": 0.1, "extra_ids": 1}
    assert changed(old, new) == ["extra_ids: None -> 1", "z_loss: 0.0 -> 0.1"]


def test_steps_decide_the_result_where_the_learning_rate_falls_to_zero_at_them():
    old = {"schedule": "linear", "steps": 10}
    assert changed(old, {**old, "steps": 20}) == ["steps: 10 -> 20"]
    constant = {"schedule": "constant", "steps": 10}
    assert changed(constant, {**constant, "steps": 20}) == []
