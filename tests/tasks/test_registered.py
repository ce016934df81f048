"""The registry: SeqIO's tools find every task and mixture by name."""

from __future__ import annotations

import json

import pytest
from xtl_tasks import catalog, mixtures
from xtl_tasks.loading import TaskSettings

from xtl_jax.data import vocabulary
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
    for mixture in mixtures.MIXTURES:
        found = seqio.get_mixture_or_task(mixture.name)
        assert {task.name for task in found.tasks} == set(mixture.rates)
        rates = {
            task: found.get_rate(seqio.get_mixture_or_task(task))
            for task in mixture.rates
        }
        assert rates == pytest.approx(dict(mixture.rates))


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
    monkeypatch.setenv("XTL_EXTRA_IDS", "five")
    with pytest.raises(UserError, match="XTL_EXTRA_IDS must be a whole number"):
        registered.settings()
    monkeypatch.delenv("XTL_VOCABULARY")
    monkeypatch.delenv("XTL_EXTRA_IDS")
    mt5 = registered.settings().vocabulary  # named, not opened
    assert mt5.sentencepiece_model_file == registered.MT5_VOCABULARY
