"""The axes: which arms a study has, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from xtl_jax.errors import UserError
from xtl_jax.studies import axes
from xtl_jax.studies.config import StudyConfig

COMMON = {
    "name": "example",
    "question": "Does it help?",
    "scale": "world",
    "model_files": ("models/world.gin",),
    "initial": "CHECKPOINT",
    "phase_files": ("runs/world_phase.gin",),
    "phase_steps": 120,
    "target_files": {"*": "runs/world_phase.gin"},
    "targets": ("squad_v1>mlqa",),
}


def config(axis, **fields):
    return StudyConfig(**{**COMMON, "axis": axis, **fields})


def phases(arm):
    return [phase.tasks for phase in arm.phases]


@pytest.mark.parametrize(
    ("axis", "fields"),
    [
        ("subsets", {"tasks": ("a", "b"), "sizes": (0, 1)}),
        ("order", {"tasks": ("a", "b"), "orders": ("given",)}),
        ("steps", {"tasks": ("a",), "step_grid": (60, 120)}),
        (
            "language_mix",
            {"sets": {"x": ("a",), "y": ("b",)}, "equal": "examples"},
        ),
        (
            "source_language",
            {"sets": {"en": ("a",), "sw": ("b.sw",)}, "equal": "examples"},
        ),
        ("grid", {"tasks": ("a",)}),
    ],
)
def test_every_axis_begins_with_the_arm_that_has_no_phase(axis, fields):
    arms = axes.arms(config(axis, **fields))
    assert arms[0].name == "none"
    assert not arms[0].phases
    assert all(arm.phases for arm in arms[1:])
    assert len({arm.name for arm in arms}) == len(arms) >= 2


def test_nested_subsets_grow_and_random_ones_have_the_same_sizes():
    tasks = ("a", "b", "c", "d", "e")
    arms = axes.arms(config("subsets", tasks=tasks, sizes=(0, 1, 2, 4, 5), draws=2))
    nested = [arm.tasks for arm in arms if arm.place.get("kind") == "nested"]
    assert nested == [tasks[:size] for size in (1, 2, 4, 5)]
    random = [arm for arm in arms if arm.place.get("kind") == "random"]
    # Of five tasks there is one subset of size five: it has no random partner.
    assert [arm.place["size"] for arm in random] == [1, 1, 2, 2, 4, 4]
    assert len({frozenset(arm.tasks) for arm in arms}) == len(arms)
    assert all(sum(p.steps for p in arm.phases) == 120 for arm in arms[1:])


def test_there_are_no_more_random_subsets_than_subsets():
    arms = axes.arms(config("subsets", tasks=("a", "b", "c"), sizes=(2,), draws=9))
    assert {frozenset(arm.tasks) for arm in arms[1:]} == {
        frozenset(pair) for pair in itertools.combinations("abc", 2)
    }


def test_another_seed_draws_other_subsets():
    tasks = tuple("abcdefghi")

    def drawn(seed):
        arms = axes.arms(
            config("subsets", tasks=tasks, sizes=(4,), draws=2, subset_seed=seed)
        )
        return [arm.tasks for arm in arms]

    assert drawn(0) == drawn(0) != drawn(1)


def test_orders_are_chains_of_equal_phases_and_mixtures_have_the_same_steps():
    orders = ("given", "reverse", "permutations", "together", "varying")
    arms = axes.arms(config("order", tasks=("a", "b", "c"), orders=orders))
    chains = [tuple(arm.tasks) for arm in arms if len(arm.phases) == 3]
    assert sorted(chains) == sorted(itertools.permutations("abc"))  # each once
    assert all(sum(p.steps for p in arm.phases) == 120 for arm in arms[1:])
    together, varying = arms[-2:]
    assert together.phases[0].mixture["rates"] == "proportional"
    assert varying.phases[0].mixture["schedule"] == {
        0: {"a": 1.0},
        60: {"b": 1.0},
        120: {"c": 1.0},
    }


def test_similar_tasks_come_first_or_last():
    arms = axes.arms(
        config(
            "order",
            tasks=("a", "b", "c"),
            orders=("similar_first", "similar_last"),
            similarity={"a": 0.1, "b": 0.9, "c": 0.4},
        )
    )
    assert [arm.tasks for arm in arms[1:]] == [("b", "c", "a"), ("a", "c", "b")]


def test_a_grid_of_steps_is_one_trajectory():
    arms = axes.arms(config("steps", tasks=("a",), step_grid=(0, 30, 60, 120)))
    assert [arm.take for arm in arms] == [None, 30, 60, 120]
    only = arms[1].phases
    assert all(arm.phases == only for arm in arms[1:])
    # Every step of the grid is saved, and none of them is thrown away.
    assert only[0].run == {"save_period": 30, "keep": 4}


def test_a_budget_of_examples_is_shared_out_by_weight():
    arms = axes.arms(
        config(
            "language_mix",
            sets={"english": ["a"], "mixed": ["a", "b.de", "b.sw"]},
            weights={"a": 2},
            equal="examples",
            examples=1000,
        )
    )
    english, mixed = (arm.phases[0] for arm in arms[1:])
    assert english.mixture == {"examples": {"a": 1000}}
    assert mixed.mixture["examples"] == {"a": 500, "b.de": 250, "b.sw": 250}
    assert mixed.mixture["weights"] == {"a": 2, "b.de": 1.0, "b.sw": 1.0}
    assert english.run == mixed.run == {"pack": False}


def test_the_grid_has_all_together_text_and_translations():
    arms = axes.arms(
        config(
            "grid",
            tasks=("a", "b"),
            together=True,
            with_text=("a", "together"),
            text="span_corruption",
            sets={"translated": ["a.de"]},
        )
    )
    assert [arm.name for arm in arms] == [
        *("none", "a", "b", "together", "a with text", "together with text"),
        "translated",
    ]
    assert arms[4].phases[0].mixture["beside"] == {"span_corruption": 0.01}
    assert phases(arms[5]) == [("a", "b", "span_corruption")]


BAD = {
    "sizes": ("subsets", {"tasks": ("a",), "sizes": (2,)}, "above the 1 tasks"),
    "no size": ("subsets", {"tasks": ("a",), "sizes": (0,)}, "a size above 0"),
    "one task": ("order", {"tasks": ("a",), "orders": ("given",)}, "two tasks"),
    "steps": (
        *("order", {"tasks": tuple("abcdefg"), "orders": ("given",)}),
        "must divide by the 7 tasks",
    ),
    "too many orders": (
        *("order", {"tasks": tuple("abcdef"), "orders": ("permutations",)}),
        "more than 5",
    ),
    "no similarity": (
        "order",
        {
            "tasks": ("a", "b"),
            "orders": ("similar_first",),
            "similarity": {"a": 1.0},
        },
        "says nothing of b",
    ),
    "grid": ("steps", {"tasks": ("a",), "step_grid": (60,)}, "phase_steps = 120"),
    "unequal": (
        *("language_mix", {"sets": {"x": ("a",), "y": ("b",)}}),
        'must be "examples"',
    ),
    "no English": (
        "source_language",
        {"sets": {"sw": ("b.sw",), "ur": ("b.ur",)}, "equal": "examples"},
        "needs the language 'en'",
    ),
    "other language": (
        "source_language",
        {"sets": {"en": ("a",), "sw": ("b.ur",)}, "equal": "examples"},
        "other languages: b.ur",
    ),
    "text": ("grid", {"tasks": ("a",), "with_text": ("b",)}, "which is no arm"),
    "weights": (
        "language_mix",
        {"sets": {"x": ("a",), "y": ("b",)}, "equal": "examples", "weights": {"c": 2}},
        "which no set has",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_an_axis_cannot_do_with_is_refused(name):
    axis, fields, says = BAD[name]
    with pytest.raises(UserError, match=r"study 'example': StudyConfig\.") as error:
        axes.arms(config(axis, **fields))
    assert says in str(error.value)


BAD_FIELDS = {
    "axis": ({"axis": "subset"}, "near: subsets"),
    "name": ({"name": "Two words"}, "lower-case"),
    "targets": ({"targets": ("mlqa",)}, "TRAIN>FAMILY"),
    "no targets": ({"targets": ()}, "is empty"),
    "no initial": ({"initial": ""}, "every arm begins with one checkpoint"),
    "seeds": ({"seeds": (1, 1)}, "a number twice"),
    "negative": ({"seeds": (-1,)}, "at least 0"),
    "files": ({"target_files": {}}, "names no file for 'squad_v1>mlqa'"),
    "no target": ({"target_steps": {"squad_v1>mlqaa": 5}}, "near: squad_v1>mlqa"),
    "other axis": ({"sizes": (1,)}, "changes nothing with axis = 'grid'"),
    "budget": ({"examples": 5}, 'equal = "examples"'),
    "steps": ({"phase_steps": 0}, "at least 1"),
    "sets": ({"sets": {"none": ["a"]}}, "the baseline"),
    "set": ({"sets": {"x": "a"}}, "a list of different tasks"),
    "ratio": ({"text_ratio": 0.0}, "above 0"),
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_a_field_that_is_wrong_is_named(name):
    fields, says = BAD_FIELDS[name]
    good = config("grid", tasks=("a",))
    with pytest.raises(UserError) as error:
        dataclasses.replace(good, **fields)
    assert says in str(error.value)


def test_seeds_are_five_unless_the_study_says_otherwise():
    assert len(config("grid", tasks=("a",)).seeds) == 5
