"""The registry: SeqIO's tools find every task and mixture by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from xtl_tasks import catalog, mixtures
from xtl_tasks.loading import TaskSettings

from xtl_jax.data import vocabulary
from xtl_jax.data.mixture import MixtureConfig
from xtl_jax.errors import UserError


@pytest.fixture(scope="module")
def registered():
    """The module; what it registers on import is put back after the tests."""
    import seqio

    before = [dict(r._REGISTRY) for r in (seqio.TaskRegistry, seqio.MixtureRegistry)]
    from xtl_tasks import registered

    yield registered
    for registry, kept in zip(
        (seqio.TaskRegistry, seqio.MixtureRegistry), before, strict=True
    ):
        registry._REGISTRY.clear()
        registry._REGISTRY.update(kept)


@pytest.fixture
def empty_registry(registered):
    import seqio

    for registry in (seqio.TaskRegistry, seqio.MixtureRegistry):
        registry._REGISTRY.clear()
    return registered


def test_importing_registers_everything(registered):
    import seqio

    for name in catalog.task_names():
        assert name.replace("-", "_") in seqio.TaskRegistry.names()
    for mixture in map(mixtures.expand, mixtures.MIXTURES):
        found = seqio.get_mixture_or_task(mixture.name)
        members = {task.replace("-", "_"): task for task in mixture.members}
        assert {task.name for task in found.tasks} == set(members)
        if mixture.depends_on_sizes:
            continue  # the data is counted when it is asked for
        rates = {members[task.name]: found.get_rate(task) for task in found.tasks}
        assert rates == pytest.approx(mixture.shares({}))


def test_a_registered_task_gives_data_through_a_feature_converter(
    empty_registry, tmp_path
):
    import seqio

    file = tmp_path / "dev.json"
    question = {
        "id": "a",
        "question": "When?",
        "answers": [{"text": "7:45", "answer_start": 3}],
    }
    paragraph = {"context": "At 7:45.", "qas": [question]}
    file.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    empty_registry.register(
        TaskSettings(
            files={"mlqa.en-de/test": str(file)},
            vocabulary=vocabulary.load("bytes", extra_ids=100),
        )
    )
    data = seqio.get_dataset(
        "mlqa.en_de",
        {"inputs": 64, "targets": 16},
        feature_converter=seqio.EncDecFeatureConverter(pack=False),
        dataset_split="test",
        shuffle=False,
    )
    (row,) = data.as_numpy_iterator()
    wanted = [byte + 3 for byte in b"question: When ? context: At 7 : 45 . "] + [1]
    assert row["encoder_input_tokens"][: len(wanted) + 1].tolist() == [*wanted, 0]
    wanted = [byte + 3 for byte in b"7 : 45"] + [1]
    assert row["decoder_target_tokens"][: len(wanted) + 1].tolist() == [*wanted, 0]


def test_settings_come_from_the_environment(registered, monkeypatch, tmp_path):
    monkeypatch.setenv("XTL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XTL_VOCABULARY", "bytes")
    monkeypatch.setenv("XTL_EXTRA_IDS", "5")
    found = registered.settings()
    assert found.data_dir == str(tmp_path)
    assert found.vocabulary.size == 264
    monkeypatch.setenv("XTL_FILES", "mnli/train=a.jsonl xnli.sw/test=b.tsv")
    assert registered.settings().files == {
        "mnli/train": "a.jsonl",
        "xnli.sw/test": "b.tsv",
    }
    monkeypatch.delenv("XTL_FILES")
    monkeypatch.setenv("XTL_EXTRA_IDS", "five")
    with pytest.raises(UserError, match="XTL_EXTRA_IDS must be a whole number"):
        registered.settings()
    monkeypatch.delenv("XTL_VOCABULARY")
    monkeypatch.delenv("XTL_EXTRA_IDS")
    mt5 = registered.settings().vocabulary  # named, not opened
    assert mt5.sentencepiece_model_file == registered.MT5_VOCABULARY


# --- mixtures -----------------------------------------------------------------------


@pytest.fixture
def with_rows(empty_registry, tmp_path):
    """All tasks, and rows for three of them: 12, 4 and 40."""
    lines = {
        "commonsense_qa": [
            json.dumps(
                {
                    "id": str(i),
                    "answerKey": "A",
                    "question": {
                        "stem": f"Who is number {i}?",
                        "choices": [
                            {"label": letter, "text": letter * 2} for letter in "ABCDE"
                        ],
                    },
                }
            )
            for i in range(12)
        ],
        "mnli": [
            json.dumps(
                {
                    "gold_label": "neutral",
                    "sentence1": f"It is {i}.",
                    "sentence2": "It rains.",
                    "pairID": str(i),
                }
            )
            for i in range(4)
        ],
        "span_corruption": ["A text of some words to hide a part of."] * 40,
    }
    files = {}
    for family, rows in lines.items():
        suffix = "txt" if family == "span_corruption" else "jsonl"
        path = tmp_path / f"{family}.{suffix}"
        path.write_text("".join(f"{row}\n" for row in rows))
        files[f"{family}/train"] = str(path)
    at = TaskSettings(files=files, vocabulary=vocabulary.load("bytes", extra_ids=100))
    empty_registry.register(at)
    return at


def _own(**values):
    return MixtureConfig(
        **{"name": "own", "tasks": ("commonsense_qa", "mnli")} | values
    )


def test_a_mixture_of_ones_own_counts_its_rows_when_it_is_read(registered, with_rows):
    import seqio

    registered.add(
        _own(cap=8, beside={"span_corruption": 0.2}),
        at=with_rows,
    )
    found = seqio.get_mixture_or_task("own")
    rates = {task.name: found.get_rate(task) for task in found.tasks}
    # 12 rows count as 8, beside 4; and one text for five of both.
    assert rates == pytest.approx(
        {"commonsense_qa": 8 / 14.4, "mnli": 4 / 14.4, "span_corruption": 2.4 / 14.4}
    )


@pytest.mark.parametrize(("cap", "temperature"), [(0, 1.0), (8, 1.0), (10, 2.0)])
def test_rates_by_size_are_those_of_seqios_own_function(
    registered, with_rows, cap, temperature
):
    import seqio

    kind = "temperature" if temperature != 1.0 else "proportional"
    registered.add(_own(cap=cap, rates=kind, temperature=temperature), at=with_rows)
    found = seqio.get_mixture_or_task("own")
    ours = {task.name: found.get_rate(task) for task in found.tasks}

    class Counted:
        cache_dir = None
        name = "counted"

        def __init__(self, rows):
            self.num_input_examples = lambda split: rows

    theirs = {
        name: seqio.mixing_rate_num_examples(
            Counted(rows), maximum=cap or None, temperature=temperature
        )
        for name, rows in (("commonsense_qa", 12), ("mnli", 4))
    }
    total = sum(theirs.values())
    assert ours == pytest.approx({name: rate / total for name, rate in theirs.items()})


def test_seqio_draws_by_the_rates(registered, with_rows):
    import seqio

    registered.add(
        _own(rates="explicit", weights={"commonsense_qa": 3, "mnli": 1}),
        at=with_rows,
    )
    data = seqio.get_mixture_or_task("own").get_dataset(
        {"inputs": 64, "targets": 8}, split="train", shuffle=False, seed=0
    )
    starts = (e["inputs"][:4] - 3 for e in data.take(600).as_numpy_iterator())
    drawn = [bytes(start.tolist()) for start in starts]
    assert set(drawn) == {b"comm", b"mnli"}
    share = drawn.count(b"comm") / len(drawn)
    assert share == pytest.approx(0.75, abs=5 * (0.75 * 0.25 / 600) ** 0.5)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"rates": "varying", "schedule": {0: {"mnli": 1}}}, "has rates that change"),
        ({"examples": {"mnli": 2}}, "has budgets"),
    ],
)
def test_what_seqio_cannot_say_is_refused(registered, with_rows, values, wanted):
    with pytest.raises(UserError, match=f"'own' {wanted}: SeqIO and T5X know fixed"):
        registered.add(_own(**values), at=with_rows)


@pytest.mark.slow
def test_seqios_own_command_caches_a_task(world_data, tmp_path):
    """`seqio_cache_tasks`, and the mixture read from what it wrote."""
    pytest.importorskip("apache_beam", reason="SeqIO's command runs on Apache Beam")
    environment = os.environ | {
        "XTL_DATA_DIR": str(world_data),
        "XTL_VOCABULARY": "bytes",
        "XTL_EXTRA_IDS": "100",
    }
    command = [sys.executable, "-m", "seqio.scripts.cache_tasks_main"]
    flags = [
        "--module_import=xtl_tasks.registered",
        "--tasks=world_nli\\.(en|sw)",
        f"--output_cache_dir={tmp_path}",
        "--min_shards=1",
    ]
    subprocess.run([*command, *flags], env=environment, check=True)
    stats = json.loads((tmp_path / "world_nli.en" / "stats.train.json").read_text())
    assert stats["examples"] == 48
    script = (
        "import seqio, xtl_tasks.registered\n"
        f"seqio.set_global_cache_dirs([{str(tmp_path)!r}])\n"
        "task = seqio.get_mixture_or_task('world_nli.sw')\n"
        "assert task.cache_dir, 'the cache is not found'\n"
        "rate = seqio.mixing_rate_num_examples(task, maximum=40)\n"
        "data = task.get_dataset({'inputs': 99, 'targets': 9}, use_cached=True)\n"
        "print(rate, len(list(data.as_numpy_iterator())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["40", "48"]
