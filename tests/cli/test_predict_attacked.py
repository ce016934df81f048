"""`xtl predict --attack`, `xtl score` and `xtl report` of attacked sets, end to end.

Attacks on a random encoder and two on a random mT5: what is held is the files, not
what models do.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from etils import epath
from flax import linen as nn
from xtl_tasks import catalog

from xtl_jax.attacks import named
from xtl_jax.checkpoint import names, ours
from xtl_jax.cli import (
    attacked_encoder,
    attacked_text,
    caching,
    labelled_caching,
    predict_attacked,
    predict_sets,
)
from xtl_jax.cli.predict_answers import Predictor
from xtl_jax.cli.predict_labelled import Labeller
from xtl_jax.data import encoder_vocabulary
from xtl_jax.data import vocabulary as vocabularies
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.model import encoder
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.train.config import RunConfig

pytestmark = pytest.mark.usefixtures("compiled_once")

PIECES = encoder_vocabulary.load("bytes")
HEADS = (
    Head(name="mnli", kind="classification", labels=("e", "n", "c")),
    Head(name="squad_v1", kind="span"),
    Head(name="udpos", kind="tagging", labels=catalog.family("udpos").tags),
    Head(name="copa", kind="choice"),
)
LENGTH = 256
CONFIG = EncoderConfig(
    architecture="xlm-roberta",
    vocab=PIECES.size,
    embed=16,
    heads=2,
    mlp=32,
    layers=1,
    positions=LENGTH + 2,
    task_heads=HEADS,
)
ATTACKS = (
    *("upper_case", "worst_of:character_noise:k=3", "greedy:character_noise:k=2"),
    *("hotflip:k=2", "pgd:steps=2", "universal_trigger:rows=2:k=2:budget=2:rounds=1"),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    params = nn.unbox(encoder.init_params(CONFIG, jax.random.key(3)))
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree.leaves_with_path(params)
    }
    source = names.Source(
        config=CONFIG,
        name="random",
        step=0,
        read=lambda entry, layer: (
            leaves[entry.path] if layer is None else leaves[entry.path][layer]
        ),
    )
    folder = tmp_path_factory.mktemp("encoder") / "checkpoint"
    ours.write(source, epath.Path(folder))
    return folder


def _called(*arguments):
    from xtl_jax.cli import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main.main([*map(str, arguments)])
    assert code == 0, said.getvalue()
    return json.loads(said.getvalue())


@pytest.fixture(scope="module")
def attacked(checkpoint, world_data, tmp_path_factory, compiled_once):
    """A run directory under all kinds of attack; copy it before changing it."""
    folder = tmp_path_factory.mktemp("attacked")
    done = _called(
        *("predict", checkpoint, "--run_dir", folder / "run", "--vocabulary", "bytes"),
        *("--data_dir", world_data, "--cache_dir", folder / "cache"),
        *("--input_length", LENGTH, "--batch_size", 8, "--json"),
        *("--task", "world_nli.sw", "--task", "world_nli.zh"),
        *(flag for name in ATTACKS for flag in ("--attack", name)),
    )
    _called("score", folder / "run", "--json")
    return folder / "run", done


@pytest.fixture
def run_dir(attacked, tmp_path):
    return shutil.copytree(attacked[0], tmp_path / "run")


def test_each_attack_has_its_file_beside_the_clean_one(attacked):
    run_dir, done = attacked
    written = {path.rpartition("/")[2] for path in done["predictions"]}
    assert "world_nli.sw.jsonl" in written
    assert "world_nli.sw@upper_case,budget=1,seed=0.jsonl" in written
    assert len([name for name in written if name.startswith("world_nli.sw@")]) == 5
    clean = records.read(run_dir / "predictions" / "world_nli.sw.jsonl")
    assert not any(record.attack for record in clean)
    for name in written:
        found = records.read(run_dir / "predictions" / name)
        assert [record.id for record in found] == [record.id for record in clean]


def test_a_language_that_an_attack_refuses_is_named_and_has_no_file(attacked):
    run_dir, done = attacked
    name = "world_nli.zh@upper_case,budget=1,seed=0"
    assert "has no capitals" in done["missing"][name]
    (trigger,) = (name for name in done["missing"] if "sw@universal" in name)
    assert "no word of letters" in done["missing"][trigger]  # bytes are no letters
    assert not (run_dir / "predictions" / f"{name}.jsonl").exists()


def test_records_tell_what_was_attacked(attacked):
    run_dir, _ = attacked
    folder = run_dir / "predictions"
    clean = records.read(folder / "world_nli.sw.jsonl")
    by_method = {}
    for path in folder.glob("world_nli.sw@*.jsonl"):
        found = records.read(path)
        by_method[found[0].attack["method"]] = found
    for before, after in zip(clean, by_method["draw"], strict=True):
        attack = after.attack
        assert attack["attacked"]["second"] == attack["clean"]["second"].upper()
        assert after.inputs == before.inputs.upper().replace("</S>", "</s>")
        assert after.references == before.references
        assert attack["queries"] == 0
    for after in by_method["worst_of"]:
        assert 1 <= after.attack["queries"] <= 3
    for method in ("greedy", "hotflip"):
        for after in by_method[method]:
            attack = after.attack
            assert attack["sure_after"] <= attack["sure_before"]
            if attack["spared"]:
                assert attack["edits"] == 0
            else:
                assert attack["sure_after"] < attack["sure_before"]
                assert attack["clean"] != attack["attacked"]
    for before, after in zip(clean, by_method["pgd"], strict=True):
        assert after.inputs == before.inputs


def test_scores_pair_by_id_and_go_beside_the_clean_ones(run_dir):
    document = json.loads((run_dir / "robustness" / "summary.json").read_text())
    by_attack = document["families"]["world_nli"]
    titles = [found["attack"]["title"] for found in by_attack.values()]
    assert titles[0] == "upper_case"  # what knows most of the model comes last
    assert titles[-1].startswith("pgd")
    clean = json.loads((run_dir / "scores" / "world_nli.sw.json").read_text())
    for found in by_attack.values():
        values = found["languages"]["sw"]["values"]
        assert values["clean"] == clean["values"]["accuracy"]
        assert values["gap"] == values["clean"] - values["attacked"]
    assert set(by_attack[next(iter(by_attack))]["languages"]) == {"sw"}  # no Chinese
    names_ = {path.name for path in (run_dir / "scores").glob("*.json")}
    assert names_ == {"world_nli.sw.json", "world_nli.zh.json", "summary.json"}


def test_scores_refuse_other_ids_and_other_models(run_dir, xtl):
    path = next((run_dir / "predictions").glob("world_nli.sw@upper*.jsonl"))
    lines = path.read_text().splitlines(keepends=True)
    lost = json.loads(lines[-1])["id"]
    path.write_text("".join(lines[:-1]))
    done = xtl("score", run_dir)
    assert done.code == 2
    assert repr(lost) in done.err
    assert "one side only" in done.err
    changed = [json.loads(line) | {"step": 7} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))
    done = xtl("score", run_dir)
    assert done.code == 2
    assert "step is 7" in done.err
    (run_dir / "predictions" / "world_nli.sw.jsonl").unlink()
    done = xtl("score", run_dir)
    assert "there is no world_nli.sw.jsonl beside it" in done.err


def test_the_report_has_a_section_with_a_plot(run_dir, xtl):
    done = xtl("report", run_dir, "--json")
    assert done.code == 0, done.err
    page = (run_dir / "report.html").read_text()
    section = page.split('id="robustness-1"')[1].split("</section>")[0]
    assert "world_nli under attack" in section
    assert section.count('<svg class="bar"') == 5
    assert "not applied" in section  # Chinese has no capitals
    text = (run_dir / "report.md").read_text()
    assert "under attack" in text
    assert "greedy:character" in text.replace("\\", "")


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (("--attack", "keybord"), "near: keyboard"),
        (("--attack", "keyboard", "--budget", "3"), "at most 1"),
        (("--attack", "keyboard", "--attack", "keyboard"), "named twice"),
        (("--attack", "pgd", "--beams", "2"), "beams=1"),
        (("--attack", "code_mixed", "--lexicon", "x"), "LANGUAGE-LANGUAGE=FILE"),
    ],
)
def test_bad_attacks_are_refused_before_a_model_is_loaded(run_dir, xtl, flags, wanted):
    done = xtl("predict", run_dir, "--task", "world_nli.sw", *flags)
    assert done.code == 2
    assert wanted in done.err


def _run(folder, world_data, **settings):
    return RunConfig(
        task="none",
        steps=0,
        lengths={"inputs": LENGTH, "targets": 16},
        vocabulary="bytes",
        run_dir=str(folder),
        data_dir=str(world_data),
        cache_dir=str(folder / "cache"),
        **settings,
    )


@pytest.mark.parametrize(
    ("task", "head"),
    [
        ("world_nli.sw", "mnli"),
        ("world_qa.ar", "squad_v1"),
        ("world_tagging.hi", "udpos"),
    ],
)
def test_rows_in_memory_are_those_of_the_cache(tmp_path, world_data, task, head):
    """What is attacked is read as what is not: token by token."""
    run = _run(tmp_path, world_data, head=head)
    family, language = catalog.find(task)
    cached = labelled_caching.ensure_store(
        task, split="test", run=run, vocabulary=PIECES
    )
    by = Labeller(run, CONFIG, {}, PIECES, lambda rows: rows)
    target = attacked_encoder.EncoderTarget(family, by)
    made = target.store(_rows(family, language, run))
    assert made.num_examples == cached.num_examples
    for index in range(made.num_examples):
        np.testing.assert_array_equal(
            made.tokens("inputs", index), cached.tokens("inputs", index)
        )
        assert made.meta(index)["references"] == cached.meta(index)["references"]


def test_rows_that_are_not_those_of_the_cache_are_not_attacked(tmp_path, world_data):
    run = _run(tmp_path, world_data, head="mnli")
    family, language = catalog.find("world_nli.sw")
    other = SimpleNamespace(card={}, meta=lambda row: {"id": "another"})
    by = Labeller(run, CONFIG, {}, PIECES, lambda rows: rows)
    each = predict_sets.Wanted(family, language, "test", other, 1)
    with pytest.raises(UserError, match=r"world_nli\.sw: the rows of its test file"):
        predict_attacked.Attacker(by).attack(
            each, named.parse("upper_case"), record=records.Record
        )


def test_a_trigger_is_found_on_other_rows_than_it_is_tried_on(tmp_path, world_data):
    name = "world/nli/sw.test.tsv"
    (tmp_path / name).parent.mkdir(parents=True)
    shutil.copy(world_data / name, tmp_path / name)
    run = _run(tmp_path, tmp_path, head="mnli")
    family, language = catalog.find("world_nli.sw")
    rows = _rows(family, language, run)
    clean = SimpleNamespace(card={}, meta=lambda row: {"id": rows[row].id})
    by = Labeller(run, CONFIG, {}, PIECES, lambda rows: rows)
    each = predict_sets.Wanted(family, language, "test", clean, len(rows))
    with pytest.raises(UserError, match=r"no other split is here: give fewer --exam"):
        predict_attacked.Attacker(by).attack(
            each, named.parse("universal_trigger"), record=records.Record
        )


@pytest.mark.parametrize("task", ["world_nli.sw", "world_qa.ar", "world_tagging.hi"])
def test_prompts_in_memory_are_those_of_the_cache(tmp_path, world_data, task):
    run = _run(tmp_path, world_data)
    vocabulary = vocabularies.load("bytes", extra_ids=16)
    family, language = catalog.find(task)
    stores = caching.ensure_cached([(task, "test")], run=run, vocabulary=vocabulary)
    cached = stores[task, "test"]
    by = Predictor(run, None, {}, vocabulary, lambda rows: rows)  # type: ignore[arg-type]
    made = attacked_text.TextTarget(family, by).store(_rows(family, language, run))
    assert made.num_examples == cached.num_examples
    for index in range(made.num_examples):
        for feature in ("inputs", "targets"):
            np.testing.assert_array_equal(
                made.tokens(feature, index), cached.tokens(feature, index)
            )
        assert made.meta(index) == cached.meta(index)


def _rows(family, language, run):
    from xtl_tasks import loading

    settings = caching.task_settings(run, vocabulary=None)
    return list(loading.rows(family, language, split="test", settings=settings))


def test_an_mt5_is_attacked_too(trained, copied):
    done = _called(
        *("predict", copied, "--json", "--data_dir", trained.data_dir),
        *("--task", "world_qa.en", "--attack", "pgd:steps=1"),
        *("--attack", "hotflip:k=1:fields=question"),
        *("--attack", "distractor"),
    )
    assert done["missing"] == {}
    for path in done["predictions"]:
        for record in records.read(path):
            assert record.references[0] in (record.context or "")
            if record.attack.get("method") == "draw":
                added = record.attack["attacked"]["context"]
                assert record.attack["clean"]["context"] in added


def test_arms_are_compared_attack_by_attack(run_dir, tmp_path, xtl):
    """A copy has no difference; one that answers all rightly has the one it must."""
    same, better = (
        shutil.copytree(run_dir, tmp_path / name) for name in ("same", "better")
    )
    for path in (better / "predictions").glob("world_nli.sw@upper*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        right = [line | {"prediction": line["references"][0]} for line in lines]
        path.write_text("".join(json.dumps(line) + "\n" for line in right))
    done = xtl(
        *("robustness", "--predicted", f"plain={run_dir}", f"same={same}"),
        *(f"better={better}", "--out", tmp_path / "out", "--json"),
    )
    assert done.code == 0, done.err
    by_attack = json.loads(done.out)["families"]["world_nli"]
    assert len(by_attack) == 5
    for arms in by_attack.values():
        assert list(arms) == ["plain", "same", "better"]
        assert arms["plain"]["differences"] == {}
        assert arms["same"]["differences"]["gap"]["points"] == 0
    upper = by_attack["upper_case"]
    assert upper["better"]["values"]["attacked"]["points"] == 100
    missed = 100 - upper["plain"]["values"]["attacked"]["points"]
    assert upper["better"]["differences"]["attacked"]["points"] == missed
    assert upper["better"]["differences"]["gap"]["points"] == -missed
    written = json.loads((tmp_path / "out" / "robustness.json").read_text())
    assert written["world_nli"] == by_attack
    table = (tmp_path / "out" / "robustness.md").read_text()
    assert table.count("| upper_case |") == 3
    assert f"{missed:+.1f} [" in table


def test_runs_are_paired_by_seed(run_dir, tmp_path, xtl):
    document = {"version": 1, "run": {"seed": 0}}
    arms = []
    for arm, seeds in {"plain": (0, 1), "other": (1, 0)}.items():
        paths = [shutil.copytree(run_dir, tmp_path / f"{arm}{seed}") for seed in seeds]
        for path, seed in zip(paths, seeds, strict=True):
            document["run"]["seed"] = seed
            (path / "run.json").write_text(json.dumps(document))
        arms.append(f"{arm}={'+'.join(map(str, paths))}")
    done = xtl("robustness", "--predicted", *arms)
    assert done.code == 2
    assert "RunConfig.seed of plain is [0, 1], of other [1, 0]" in done.err


def test_a_language_that_one_run_lacks_is_named(run_dir, tmp_path, xtl):
    other = shutil.copytree(run_dir, tmp_path / "other")
    attacked = (run_dir / "predictions").glob("world_nli.zh@*.jsonl")
    name = min(path.name for path in attacked)
    (other / "predictions" / name).unlink()
    done = xtl("robustness", "--predicted", run_dir, other, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    (why,) = (
        why for key, why in found["missing"].items() if key.startswith("world_nli.zh")
    )
    assert why == "in no mean, not predicted for other, run 0"
    kept = [
        arms["run"]["languages"] for arms in found["families"]["world_nli"].values()
    ]
    assert ["sw"] in kept


def test_what_was_not_attacked_cannot_be_compared(run_dir, tmp_path, xtl):
    other = shutil.copytree(run_dir, tmp_path / "other")
    for path in (other / "predictions").glob("*@*.jsonl"):
        path.unlink()
    done = xtl("robustness", "--predicted", run_dir, other)
    assert done.code == 2
    assert "no attacked predictions" in done.err
    done = xtl("robustness", run_dir, other, "--run_dir", tmp_path / "new")
    assert done.code == 2
    assert "--run_dir" in done.err
