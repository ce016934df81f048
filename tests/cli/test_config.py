"""gin to config: what wins, what is refused, and every packaged file as resolved."""

from __future__ import annotations

import argparse
import json
import pathlib

import pytest

from xtl_jax.cli import config
from xtl_jax.errors import UserError

MODEL = {
    "vocab": 0,
    "embed": 32,
    "heads": 2,
    "head_dim": 16,
    "mlp": 64,
    "encoder_layers": 1,
    "decoder_layers": 1,
}
# What the packaged files leave to the command line.
REQUIRED = {
    "RunConfig": {
        "task": "squad_v1",
        "steps": 5,
        "lengths": {"inputs": 32, "targets": 8},
        "vocabulary": "bytes",
        "run_dir": "runs/x",
    },
    "ModelConfig": MODEL,
}
FILL = [
    config.Binding(owner, field, value, "fill-in")
    for owner, values in REQUIRED.items()
    for field, value in values.items()
]
PACKAGED = sorted(
    str(path.relative_to(config.folder()))
    for path in config.folder().rglob("*.gin")
    if path.parent.parent.name != "studies"  # no run: test_study_show has them
)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    monkeypatch.delenv("XTL_DATA_DIR", raising=False)
    monkeypatch.setenv("XTL_CACHE_DIR", "cache")


def arguments(*, files=(), flags=(), search=(), **paths):
    empty = {"run_dir": None, "data_dir": None, "cache_dir": None}
    return argparse.Namespace(
        gin_file=list(files),
        gin_search_path=list(search),
        gin=list(flags),
        **(empty | paths),
    )


def fill_flags():
    return [
        f"{owner}.{field}={value}"
        for owner, values in REQUIRED.items()
        for field, value in values.items()
    ]


def gin(folder, name, text):
    path = pathlib.Path(folder) / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", PACKAGED)
def test_every_packaged_file_resolves_to_its_golden_values(name, golden):
    text = (config.folder() / name).read_text(encoding="utf-8")
    given = config.parse(text, source=name)
    encoder = any(binding.owner == "EncoderConfig" for binding in given)
    fill = [b for b in FILL if not (encoder and b.owner == "ModelConfig")]
    found = config.resolve([*fill, *given])
    content = json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n"
    golden(f"gin/{name.removesuffix('.gin')}.json", content)


def test_no_golden_file_is_left_of_a_gin_file_that_is_gone():
    folder = pathlib.Path(__file__).parent.parent / "golden" / "gin"
    kept = {str(p.relative_to(folder)) for p in folder.rglob("*.json")}
    assert kept == {name.replace(".gin", ".json") for name in PACKAGED}


@pytest.mark.parametrize(
    ("size", "parameters"),
    # Xue et al. 2021, table 1, in billions as the published checkpoints count them.
    [("small", 0.3), ("base", 0.58), ("large", 1.2), ("xl", 3.7), ("xxl", 13.0)],
)
def test_models_have_the_published_number_of_parameters(size, parameters):
    text = (config.folder() / f"models/mt5_{size}.gin").read_text(encoding="utf-8")
    model = config.resolve([*FILL, *config.parse(text, source=size)]).model
    assert model.parameters / 1e9 == pytest.approx(parameters, rel=0.03)


def test_later_files_win_over_earlier_ones_and_flags_over_files(tmp_path):
    first = gin(tmp_path, "first.gin", "TRAIN_STEPS = 1\nBATCH_SIZE = 2\n")
    second = gin(tmp_path, "second.gin", "RunConfig.steps = 3\n")
    asked = arguments(files=[first, second], flags=fill_flags())
    assert config.from_arguments(asked).run.steps == 5  # the fill-ins are flags
    flags = [flag for flag in fill_flags() if "steps" not in flag]
    found = config.from_arguments(arguments(files=[first, second], flags=flags)).run
    assert (found.steps, found.batch_size) == (3, 2)
    found = config.from_arguments(arguments(files=[second, first], flags=flags)).run
    assert found.steps == 1
    flags.append("TRAIN_STEPS=9")
    assert config.from_arguments(arguments(files=[second], flags=flags)).run.steps == 9


def test_plain_flags_win_over_gin_and_a_command_over_all():
    asked = arguments(flags=[*fill_flags(), "RunConfig.data_dir=gin"], data_dir="flag")
    assert config.from_arguments(asked).run.data_dir == "flag"
    found = config.from_arguments(asked, overrides={"data_dir": "command"})
    assert found.run.data_dir == "command"


def test_the_environment_is_the_last_resort(monkeypatch):
    monkeypatch.setenv("XTL_DATA_DIR", "from-environment")
    assert config.resolve(FILL).run.data_dir == "from-environment"
    assert config.resolve(FILL).run.cache_dir == "cache"
    own = config.Binding("RunConfig", "data_dir", "own", "here")
    assert config.resolve([*FILL, own]).run.data_dir == "own"


@pytest.mark.parametrize(
    ("macro", "value", "read"),
    [
        ("MIXTURE_OR_TASK_NAME", "mnli", lambda c: c.run.task),
        ("TASK_FEATURE_LENGTHS", {"inputs": 4, "targets": 2}, lambda c: c.run.lengths),
        ("TRAIN_STEPS", 7, lambda c: c.run.steps),
        ("BATCH_SIZE", 16, lambda c: c.run.batch_size),
        ("INITIAL_CHECKPOINT_PATH", "a/b", lambda c: c.run.initial_checkpoint),
        ("MODEL_DIR", "c", lambda c: c.run.run_dir),
        ("DROPOUT_RATE", 0.25, lambda c: c.model.dropout_rate),
    ],
)
def test_t5x_macros_are_names_of_fields(macro, value, read):
    bindings = config.parse(f"{macro} = {value!r}", source="here")
    assert read(config.resolve([*FILL, *bindings])) == value
    (flag,) = config._flag(f"{macro}={value}")
    assert flag.value == value


def test_macros_can_be_referred_to_below_their_value():
    text = 'MODEL_DIR = "runs/a"\nRunConfig.name = %MODEL_DIR\n'
    assert [binding.value for binding in config.parse(text, source="x")] == [
        "runs/a",
        "runs/a",
    ]
    with pytest.raises(UserError, match="%MODEL_DIR has no value above"):
        config.parse("RunConfig.name = %MODEL_DIR", source="x")


def test_a_flag_may_stand_apart_from_its_value():
    rest, flags = config.split_gin_flags(
        ["train", "--gin.TRAIN_STEPS", "5", "--gin.RunConfig.task=a=b", "--json"]
    )
    assert rest == ["train", "--json"]
    assert flags == ["TRAIN_STEPS=5", "RunConfig.task=a=b"]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("RunConfig.task=mlqa.en-ar", "mlqa.en-ar"),
        ("RunConfig.task='mnli'", "mnli"),
        ("RunConfig.vocabulary=gs://bucket/sp.model", "gs://bucket/sp.model"),
        ("RunConfig.evaluate=mlqa,xquad/test", ("mlqa", "xquad/test")),
        ("RunConfig.evaluate=['mlqa']", ("mlqa",)),
        ("RunConfig.learning_rate=1", 1.0),
        ("RunConfig.pack=False", False),
        ("RunConfig.files={'squad_v1/train': 'a.xz'}", {"squad_v1/train": "a.xz"}),
    ],
)
def test_flags_take_the_type_of_their_field(flag, value):
    (binding,) = config._flag(flag)
    assert binding.value == value
    assert type(binding.value) is type(value)


def test_a_gin_file_is_found_by_search_path_then_here_then_in_the_package(
    tmp_path, monkeypatch
):
    here, searched = tmp_path / "here", tmp_path / "searched"
    for folder in (here, searched):
        (folder / "models").mkdir(parents=True)
    monkeypatch.chdir(here)
    flags = fill_flags()[:5]

    def embed(*search):
        asked = arguments(files=["models/tiny.gin"], flags=flags, search=search)
        return config.from_arguments(asked).model.embed

    own = "".join(f"ModelConfig.{k} = {v}\n" for k, v in MODEL.items())
    assert embed(str(searched)) == 128
    gin(here, "models/tiny.gin", own.replace("embed = 32", "embed = 48"))
    assert embed(str(searched)) == 48
    gin(searched, "models/tiny.gin", own.replace("embed = 32", "embed = 96"))
    assert embed(str(searched)) == 96
    assert embed() == 48


def test_the_resolved_config_is_json_with_every_default():
    document = config.resolve(FILL).to_json()
    assert json.loads(json.dumps(document)) == document
    assert document["run"]["z_loss"] == 1e-4
    mesh = {"data": 0, "fsdp": 1, "model": 1, "slices": 1, "auto": False}
    assert document["mesh"] == mesh
    assert document["run"]["evaluate"] == []


BAD = {  # text of a gin file to what the message must name
    "TRAIN_STEP = 5": ["no macro named 'TRAIN_STEP'", "near: TRAIN_STEPS"],
    "RunConfg.steps = 5": ["nothing named 'RunConfg'", "near: RunConfig"],
    "RunConfig.stepz = 5": ["no field 'stepz'", "near: steps"],
    "train/RunConfig.steps = 5": ["nothing named 'train/RunConfig'"],
    "RunConfig.steps = 5\nTRAIN_STEPS = 6": ["second time", "first at bad.gin:1"],
    "RunConfig.steps = ": ["not gin syntax", "bad.gin"],
    "RunConfig.lengths = {'inputs': 4": ["not gin syntax"],
    "RunConfig.task = mnli": ["not gin syntax", "'mnli'", "needs quotes"],
    "this is no gin": ["not gin syntax"],
    "import os": ["imports and includes are not used"],
    "include 'other.gin'": ["imports and includes are not used"],
    "RunConfig.task = @tasks.mnli": ["objects are not used", "@tasks.mnli"],
    "RunConfig.task = @tasks.mnli()": ["objects are not used"],
    "RunConfig.task = 5": ["RunConfig.task must be a text", "got 5"],
    "RunConfig.evaluate = [1]": ["RunConfig.evaluate must be a list of texts"],
    "RunConfig.steps = %STEPS": ["%STEPS has no value above"],
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_plain_binding_is_refused_with_its_place(text):
    with pytest.raises(UserError) as error:
        config.parse(text, source="bad.gin")
    assert str(error.value).startswith("bad.gin")
    for part in BAD[text]:
        assert part in str(error.value)


BAD_VALUES = {
    "TRAIN_STEPS=-1": "RunConfig.steps must be a whole number of at least 0",
    "TRAIN_STEPS=many": "--gin.TRAIN_STEPS",
    "TRAIN_STEPS=True": "RunConfig.steps must be a whole number",
    "BATCH_SIZE=0": "RunConfig.batch_size must be a whole number of at least 1",
    "RunConfig.microbatches=3": "microbatches=3 does not divide batch_size=128",
    "RunConfig.optimizer=adafctor": "near: adafactor",
    "RunConfig.schedule=cosine": "constant, linear, rsqrt",
    "RunConfig.lengths={'inputs': 8}": "exactly the keys inputs and targets",
    "RunConfig.lengths={'inputs': 8, 'targets': 1}": "at least 2 tokens",
    "RunConfig.lengths=512": "must be a mapping",
    "RunConfig.learning_rate=-0.1": "at least 0",
    "RunConfig.label_smoothing=1.0": "[0, 1)",
    "RunConfig.loss_normalizing_factor=token": "'tokens'",
    "RunConfig.pack=maybe": "RunConfig.pack",
    "RunConfig.files=squad.json": "RunConfig.files",
    "DROPOUT_RATE=1.5": "[0, 1)",
    "DROPOUT_RATE=half": "DROPOUT_RATE",
    "DROPOUT_RATE='half'": "must be a number",
    "RunConfig.pack=1": "RunConfig.pack must be True or False",
    "RunConfig.files={1: 2}": "RunConfig.files must be a mapping",
    "ModelConfig.dtype=float16": "bfloat16",
    "ModelConfig.embed=0": "at least 1",
    "MeshConfig.model=0": "MeshConfig.model must be a whole number of at least 1",
}


@pytest.mark.parametrize("flag", BAD_VALUES)
def test_a_value_that_is_not_allowed_is_named_with_what_is(flag):
    with pytest.raises(UserError) as error:
        config.from_arguments(arguments(flags=[*fill_flags(), flag]))
    assert BAD_VALUES[flag] in str(error.value)


def test_missing_settings_are_all_named_with_their_macros():
    with pytest.raises(UserError, match=r"RunConfig\.steps \(TRAIN_STEPS\)") as error:
        config.resolve(())
    for name in ("MIXTURE_OR_TASK_NAME", "MODEL_DIR", "RunConfig.vocabulary"):
        assert name in str(error.value)
    with pytest.raises(UserError, match=r"ModelConfig\.vocab"):
        config.resolve([binding for binding in FILL if binding.owner == "RunConfig"])


def test_an_unknown_or_unreadable_gin_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"near: models/tiny\.gin"):
        config.from_arguments(arguments(files=["models/tinny.gin"]))
    path = tmp_path / "latin1.gin"
    path.write_bytes(b'RunConfig.task = "\xe9"')
    with pytest.raises(UserError, match="not UTF-8"):
        config.from_arguments(arguments(files=[str(path)]))


ENCODER = (
    'EncoderConfig.architecture = "xlm-roberta"\n'
    "EncoderConfig.vocab = 0\nEncoderConfig.embed = 32\nEncoderConfig.heads = 2\n"
    "EncoderConfig.mlp = 64\nEncoderConfig.layers = 1\nEncoderConfig.positions = 40\n"
)


def _run_fill():
    return [binding for binding in FILL if binding.owner == "RunConfig"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_later_dropout_rate_wins_in_an_encoder_too(order):
    lines = ["EncoderConfig.dropout_rate = 0.3", "DROPOUT_RATE = 0.0"][::order]
    given = [
        binding
        for text in (ENCODER, *lines)
        for binding in config.parse(text, source="here")
    ]
    found = config.resolve([*_run_fill(), *given])
    assert found.model.dropout_rate == (0.0 if order == 1 else 0.3)
    assert found.to_json()["model"]["architecture"] == "xlm-roberta"


def test_a_run_has_one_model():
    given = config.parse(ENCODER, source="xlmr.gin")
    with pytest.raises(UserError) as caught:
        config.resolve([*FILL, *given])
    assert "fill-in sets ModelConfig.vocab" in str(caught.value)
    assert "xlmr.gin:1 sets EncoderConfig.architecture" in str(caught.value)
    with pytest.raises(UserError, match=r"no value: EncoderConfig\.embed"):
        config.resolve([*_run_fill(), *(b for b in given if b.field != "embed")])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('EncoderConfig.task_heads = ["xnli"]', r"no field 'task_heads'; near"),
        ('EncoderConfig.architecture = "gpt"', r"must be one of .*'bert'.*got 'gpt'"),
        ("EncoderConfig.heads = 5", r"heads=5 does not divide embed=32"),
        ("EncoderConfig.positions = 2", r"positions=2 leaves no row for a token"),
        ("EncoderConfig.pad_id = -1", r"pad_id must be a whole number of at least 0"),
        (
            "EncoderConfig.head_dropout_rate = 1",
            r"head_dropout_rate must be in \[0, 1\)",
        ),
    ],
)
def test_what_no_encoder_can_have_is_named(line, message):
    def resolve():
        given = [b for t in (ENCODER, line) for b in config.parse(t, source="here")]
        config.resolve([*_run_fill(), *given])

    with pytest.raises(UserError, match=message):
        resolve()
