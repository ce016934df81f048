"""Mixtures from the command line: settings, `xtl data show`, training, resuming."""

from __future__ import annotations

import json

import pytest

from xtl_jax.cli import config, docs, mixture_settings
from xtl_jax.errors import UserError

REQUIRED = {
    "RunConfig": {
        "task": "squad_v1",
        "steps": 5,
        "lengths": {"inputs": 32, "targets": 8},
        "vocabulary": "bytes",
        "run_dir": "runs/x",
    },
    "ModelConfig": {
        **dict.fromkeys(("vocab", "embed", "heads", "head_dim", "mlp"), 8),
        **dict.fromkeys(("encoder_layers", "decoder_layers"), 1),
    },
}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No data, vocabulary or TFDS from the surroundings."""
    for name in ("XTL_DATA_DIR", "XTL_VOCABULARY", "XTL_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("COLUMNS", "140")


def _mixture(text, **run):
    """The mixture of a gin text, over a run that trains on SQuAD."""
    filled = {**REQUIRED["RunConfig"], **run}
    bindings = [
        config.Binding(owner, field, value, "fill-in")
        for owner, values in {**REQUIRED, "RunConfig": filled}.items()
        for field, value in values.items()
        if value is not None
    ]
    return config.resolve([*bindings, *config.parse(text, source="x")]).mixture


# --- settings -----------------------------------------------------------------------


def test_a_task_is_a_mixture_of_itself():
    mixture = _mixture("")
    assert (mixture.name, mixture.tasks) == ("squad_v1", ("squad_v1",))
    assert mixture.shares({}) == {"squad_v1": 1.0}


def test_settings_change_a_registered_mixture_and_keep_the_rest():
    text = 'RunConfig.task = "intermediate_all_with_text"\nMixtureConfig.cap = 2097152'
    mixture = _mixture(text)
    assert mixture.cap == 2**21
    assert mixture.rates == "proportional"
    assert mixture.beside == {"span_corruption": 0.01}
    assert len(mixture.tasks) == 9


def test_text_can_be_put_beside_any_task_or_mixture():
    text = "MixtureConfig.beside = {'span_corruption': 0.5}"
    assert _mixture(text).shares({}) == pytest.approx(
        {"squad_v1": 2 / 3, "span_corruption": 1 / 3}
    )
    shares = _mixture(text, task="squad_v1_and_mnli").shares({})
    assert shares["span_corruption"] == pytest.approx(1 / 3)


def test_a_mixture_of_ones_own_is_named_by_either_setting():
    own = 'MixtureConfig.tasks = ["mnli", "squad_v1"]\n'
    named = _mixture(own + 'RunConfig.task = "two"')
    assert (named.name, named.tasks) == ("two", ("mnli", "squad_v1"))
    assert _mixture(own + 'MixtureConfig.name = "two"', task=None) == named


def test_a_schedule_is_read_from_gin():
    mixture = _mixture(
        'RunConfig.task = "two"\n'
        'MixtureConfig.tasks = ["mnli", "squad_v1"]\n'
        'MixtureConfig.rates = "varying"\n'
        "MixtureConfig.schedule = {0: {'mnli': 1}, 10: {'squad_v1': 1}}\n"
    )
    assert mixture.resolve({}).at(10) == {"mnli": 0.0, "squad_v1": 1.0}
    flag = "MixtureConfig.schedule={0: {'mnli': 1}}"
    (binding,) = config._flag(flag)
    assert binding.value == {0: {"mnli": 1}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("RunConfig.task = 'squad_v11'", "no task or mixture named 'squad_v11'; near"),
        ("RunConfig.task = 'mlqa.xx'", "mlqa has no language 'xx'"),
        ("MixtureConfig.tasks = ['mnli']", "'squad_v1', which is a task"),
        ("MixtureConfig.name = 'other'", "give the mixture one name"),
        ("MixtureConfig.task = ['mnli']", "no field 'task'; near: tasks"),
        ("MixtureConfig.tasks = [1]", "must be a list of texts"),
        ("MixtureConfig.schedule = {'0': {'mnli': 1}}", "such as {0: {'name': value}}"),
        ("MixtureConfig.weights = {0: 1}", "such as {'name': value}"),
        ("MixtureConfig.temperature = 'hot'", "must be a number"),
        ("MixtureConfig.cap = 5", "changes nothing with rates='equal'"),
        ("MixtureConfig.examples = {'mnli': 5}", "'mnli', which is not in the mixture"),
    ],
)
def test_settings_that_do_not_fit_are_refused(text, wanted):
    with pytest.raises(UserError, match=r"^(?s:.)*") as error:
        _mixture(text)
    assert wanted in str(error.value)


# --- xtl data show and cache --------------------------------------------------------

TWO = """
RunConfig.task = "two"
RunConfig.lengths = {"inputs": 160, "targets": 24}
RunConfig.batch_size = 8
MixtureConfig.tasks = ["world_qa.en", "world_nli.en"]
MixtureConfig.rates = "explicit"
MixtureConfig.weights = {"world_qa": 3, "world_nli": 1}
MixtureConfig.examples = {"world_qa": 24}
"""


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "two.gin"
    path.write_text(TWO)
    return f"--gin_file={path}"


@pytest.fixture(scope="module")
def data_flags(world_data, tmp_path_factory):
    cache_dir = tmp_path_factory.mktemp("cache")
    return (f"--data_dir={world_data}", f"--cache_dir={cache_dir}")


def _json(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_published_numbers_give_rates_without_data(xtl):
    found = _json(xtl("data", "show", "intermediate_all", "--json"))
    tasks = found["tasks"]
    assert tasks["mnli"]["examples"] == 392_702
    assert tasks["anli_plus"]["examples"] == 1_104_934
    assert tasks["mnli"]["share_percent"] == tasks["qqp"]["share_percent"]
    assert sum(t["share_percent"] for t in tasks.values()) == pytest.approx(100.0)
    assert {t["epochs"] for t in tasks.values()} == {None}
    table = xtl("data", "show", "intermediate_all")
    assert "1,104,934 *" in table.out
    assert "* as published" in table.out


def test_epochs_tokens_and_packing_are_those_of_the_data(xtl, two, data_flags):
    flags = (two, *data_flags, "--vocabulary=bytes")
    unpacked = "--gin.RunConfig.pack=False"
    found = _json(xtl("data", "show", *flags, unpacked, "--steps=100", "--json"))
    qa, nli = found["tasks"]["world_qa.en"], found["tasks"]["world_nli.en"]
    # 800 rows, one example each, three quarters of them questions; 24 are allowed.
    assert found["examples_per_step"] == pytest.approx(8)
    assert (qa["drawn"], nli["drawn"]) == (600, 200)
    assert qa["epochs"] == pytest.approx(600 / 24)
    assert nli["epochs"] == pytest.approx(200 / 48)
    assert (qa["examples"], nli["examples"]) == (24, 48)
    longer = ("--lengths=inputs=512,targets=64", "--steps=100", "--json")
    packed = _json(xtl("data", "show", *flags, *longer))
    assert packed["examples_per_step"] > 2 * 8
    for name, limit in (("inputs", 512), ("targets", 64)):
        tokens = packed["tokens_per_step"][name]
        assert packed["fill_percent"][name] == pytest.approx(100 * tokens / 8 / limit)
    assert 80 < packed["fill_percent"]["inputs"] <= 100


def test_a_shorter_row_cuts_more(xtl, two, data_flags):
    flags = (two, *data_flags, "--vocabulary=bytes", "--json")
    short = _json(xtl("data", "show", *flags, "--lengths=inputs=16,targets=24"))
    assert short["tasks"]["world_qa.en"]["truncated_percent"]["inputs"] == 100.0
    assert short["truncated_percent"]["inputs"] > 99.0
    assert short["fill_percent"]["inputs"] > 90.0


def test_varying_rates_are_shown_as_a_mean_and_at_their_steps(xtl, two, data_flags):
    flags = (
        *(two, *data_flags, "--vocabulary=bytes"),
        "--gin.MixtureConfig.rates=varying",
        "--gin.MixtureConfig.weights={}",
        "--gin.MixtureConfig.schedule={0: {'world_qa': 1}, 60: {'world_nli': 1}}",
    )
    found = _json(xtl("data", "show", *flags, "--steps=100", "--json"))
    shares = {name: t["share_percent"] for name, t in found["tasks"].items()}
    assert shares == pytest.approx({"world_qa.en": 60.0, "world_nli.en": 40.0})
    assert found["rates"]["steps"]["60"] == {"world_qa.en": 0.0, "world_nli.en": 1.0}
    table = xtl("data", "show", *flags, "--steps=100").out
    assert "from step" in table
    assert "mean share" in table
    refused = xtl("data", "show", *flags)
    assert refused.code == 2
    assert "--steps" in refused.err


def test_a_single_task_has_epochs_too(xtl, data_flags):
    found = _json(
        xtl(
            *("data", "show", "world_nli.en", *data_flags, "--vocabulary=bytes"),
            *("--steps=12", "--batch_size=8", "--json"),
            *("--gin.RunConfig.pack=False", "--lengths=inputs=96,targets=8"),
        )
    )
    assert found["tasks"]["world_nli.en"]["epochs"] == pytest.approx(12 * 8 / 48)


def test_all_tasks_of_a_mixture_are_cached(xtl, two, data_flags):
    flags = (*data_flags, "--vocabulary=bytes", "--split=train", "--json")
    found = _json(xtl("data", "cache", two, *flags))
    assert [row["task"] for row in found["caches"]] == ["world_qa.en", "world_nli.en"]
    found = _json(xtl("data", "cache", "world_nli_all", *flags))
    assert len(found["caches"]) == 9


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["data", "show"], "name a task or mixture"),
        (["data", "show", "intermediate_al"], "near: intermediate_all"),
        (["data", "show", "xnli_translate_train", "--gin.MixtureConfig.rates="
          "proportional"], "is not known: give --vocabulary and its data"),
        (["data", "show", "intermediate_all", "--steps=0"], "must be 1 or more"),
        (["data", "cache", "squad_v1"], "no vocabulary is given; pass --vocabulary"),
        (["data", "show", "mlqa_all"], "mlqa.ar has no split 'train'"),
        (["data", "show", "mlqa_all", "--gin.RunConfig.task=mnli"], "give one of them"),
        (["data", "show", "intermediate_all", "--gin.MixtureConfig.rates=varying"],
         "schedule is needed with rates='varying'"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_one_message(xtl, arguments, wanted):
    done = xtl(*arguments)
    assert done.code == 2
    assert wanted in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_the_catalogue_lists_mixtures_with_their_rules(xtl):
    found = _json(xtl("tasks", "intermediate_all", "--json"))
    assert found["rule"] == "proportional to examples, at most 131,072 a task"
    assert len(found["tasks"]) == 9
    out = xtl("tasks").out
    assert "intermediate_all_with_text" in out
    assert "span_corruption at 0.01 to 1" in out
    assert "50.0%" in xtl("tasks", "squad_v1_and_mnli").out


def _commands():
    """Commands of the page on mixtures that need no data."""
    page = docs.pages()["mixtures"]
    lines = page.replace("\\\n", " ").splitlines()
    shown = [line.split() for line in lines if line.startswith("    xtl data show")]
    return [words[1:] for words in shown if "--data_dir=DATA" not in words]


@pytest.mark.parametrize("arguments", _commands(), ids=" ".join)
def test_the_pages_commands_work(xtl, arguments):
    done = xtl(*arguments)
    assert done.code == 0, done.err
    assert "share" in done.out


# --- training -----------------------------------------------------------------------

VARYING = (
    "--gin.RunConfig.task=two",
    "--gin.MixtureConfig.tasks=world_qa.en,world_nli.en",
    "--gin.MixtureConfig.rates=varying",
    "--gin.MixtureConfig.schedule={0: {'world_qa': 1}, 4: {'world_nli': 1}}",
    "--gin.RunConfig.pack=False",
)


def _losses(run_dir):
    lines = (run_dir / "log.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["kind"] == "train"]
    return [(row["step"], row["loss"]) for row in rows]


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_once")
def test_training_on_rates_that_change_resumes_exactly(
    xtl, tmp_path, tiny_gin, data_flags
):
    flags = (f"--gin_file={tiny_gin}", *data_flags, *VARYING)

    def train(run_dir, *more):
        done = xtl("train", *flags, *more, f"--run_dir={tmp_path / run_dir}", "--json")
        assert done.code == 0, done.err
        return done.err

    assert "two: rates varying at steps 0, 4" in train("whole")
    train("parts", "--gin.TRAIN_STEPS=3")
    document = json.loads((tmp_path / "parts" / "run.json").read_text())
    assert document["mixture"]["schedule"]["4"] == {"world_nli.en": 1}
    assert document["feed"]["rates"]["steps"]["4"]["world_nli.en"] == 1.0
    train("parts")
    assert _losses(tmp_path / "parts") == _losses(tmp_path / "whole")
    assert len(_losses(tmp_path / "whole")) == 6


def test_other_rates_or_budgets_are_refused_when_a_run_goes_on(xtl, trained, copied):
    flags = (*trained.flags, f"--run_dir={copied}")
    refused = xtl("train", *flags, "--gin.MixtureConfig.examples={'world_qa': 20}")
    assert refused.code == 2
    assert "tasks.world_qa.en.examples: 48 -> 20" in refused.err
    beside = "--gin.MixtureConfig.beside={'world_nli.en': 1}"
    refused = xtl("train", *flags, beside)
    assert refused.code == 2
    assert "tasks.world_qa.en.rate: 1.0 -> 0.5" in refused.err
    document = json.loads((copied / "run.json").read_text())
    assert document["mixture"]["tasks"] == ["world_qa.en"]


def test_a_command_line_that_names_a_mixture_twice_is_refused():
    with pytest.raises(UserError, match="give the mixture one name"):
        mixture_settings.configured("one", {"name": "other", "tasks": ("mnli",)})
