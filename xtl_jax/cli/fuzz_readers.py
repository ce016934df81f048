"""Every reader of files that others write, with valid files, for `xtl bench fuzz`.

Example files are made here, by our own writers where we have one. A reader is made when
it is asked for: some need jax, some a second of work.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import json
import lzma
import pathlib
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from xtl_jax.bench.fuzz import Reader
from xtl_jax.bench.fuzz_releases import RELEASES
from xtl_jax.errors import UserError

Maker = Callable[[pathlib.Path], Reader]  # given a new folder to make files in

_TEXTS = ("Two geese cross the road slowly.", "Zwei Gänse überqueren die Straße.")


def names() -> list[str]:
    """Of all readers, in the order of the table."""
    from xtl_jax.bench import fuzz_checkpoints

    return [*RELEASES, *_MAKERS, *fuzz_checkpoints.NAMES]


def make(name: str, folder: pathlib.Path) -> Reader:
    """A reader and its files.

    Args:
        name: one of `names()`.
        folder: new; what makes the files works there.
    """
    from xtl_jax.bench import fuzz_checkpoints

    if name in RELEASES:
        return _release(name)
    if name in fuzz_checkpoints.NAMES:
        return fuzz_checkpoints.make(name, folder)
    return _MAKERS[name](folder)


# --- what others publish --------------------------------------------------------------


def _release(name: str) -> Reader:
    from xtl_tasks import catalog
    from xtl_tasks.loading import TaskSettings, examples

    release = RELEASES[name]
    family = catalog.family(release.family)

    def read(folder: pathlib.Path) -> None:
        paths = " + ".join(str(folder / each) for each in release.files)
        task = f"{family.name}.{release.language}/{release.split}"
        found = list(
            examples(
                family,
                release.language,
                split=release.split,
                settings=TaskSettings(files={task: paths}),
            )
        )
        ids = [each.id for each in found]
        if not found or len(set(ids)) < len(ids):
            raise AssertionError(f"ids of what was read: {ids[:5]}")
        for each in found:
            texts = (each.id, each.inputs, each.targets, each.context or "")
            "".join((*texts, *each.references, *each.options)).encode("utf-8")

    files = {each: text.encode() for each, text in release.files.items()}
    return Reader(name, files, read)


def _compressed(folder: pathlib.Path) -> Reader:
    from xtl_jax.data import sources

    data = "\n".join(_TEXTS).encode()
    files = {
        "t.txt.gz": gzip.compress(data, mtime=0),
        "t.txt.xz": lzma.compress(data),
        "t.txt.bz2": bz2.compress(data),
    }

    def read(folder: pathlib.Path) -> None:
        for name in files:
            list(sources.read_lines(folder / name))

    return Reader("compressed", files, read)


def _archives(folder: pathlib.Path) -> Reader:
    import tempfile

    from xtl_jax.data import unpack

    zipped, tarred = io.BytesIO(), io.BytesIO()
    with (
        zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive,
        tarfile.open(fileobj=tarred, mode="w:gz") as other,
    ):
        for number, text in enumerate(_TEXTS):
            archive.writestr(f"in/{number}.txt", text)
            entry = tarfile.TarInfo(f"in/{number}.txt")
            entry.size = len(data := text.encode())
            other.addfile(entry, io.BytesIO(data))
    files = {"a.zip": zipped.getvalue(), "a.tar.gz": tarred.getvalue()}

    def read(folder: pathlib.Path) -> None:
        for name in files:
            with tempfile.TemporaryDirectory() as place:
                made = pathlib.Path(place) / "in" / "it"
                unpack.unpack(folder / name, made, inside="in", most_bytes=1 << 20)
                outside = [
                    path
                    for path in pathlib.Path(place).rglob("*")
                    if path.is_file() and made not in path.parents
                ]
                if outside:
                    raise AssertionError(f"outside its folder: {outside}")

    return Reader("archives", files, read)


def _vocabulary(folder: pathlib.Path) -> Reader:
    from xtl_jax.data import encoder_vocabulary, vocabulary

    model = vocabulary.train(_TEXTS * 3, size=30)

    def read(folder: pathlib.Path) -> None:
        path = folder / "v.model"
        found = vocabulary.load(path)
        for text in _TEXTS:
            found.decode(found.encode(text))
        encoder_vocabulary.load(path).encode_with_offsets(_TEXTS[1])

    return Reader("sentencepiece", {"v.model": model}, read)


def _lexicon(folder: pathlib.Path) -> Reader:
    from xtl_jax.cli import lexicons

    return Reader(
        "lexicon",
        {"en-de.txt": b"cat Katze\ndog\tHund\n"},
        lambda folder: lexicons.read({"en-de": str(folder / "en-de.txt")}),
    )


# gold and predictions in the release's own format
_PAIRS: Mapping[str, tuple[str, str, str]] = {
    "mlqa": ("gold.json", RELEASES["mlqa"].files["m.json"], '{"q1": "7:45"}'),
    "xnli": ("gold.tsv", "a\tb\tneutral\nc\td\tentailment\n", "neutral\nneutral\n"),
    "udpos": ("gold.tsv", "Ada\tNOUN\nis\tVERB\n\nX\tX\n", "NOUN\nNOUN\n\nX\n"),
    "bucc": ("gold.tsv", "de-1\ten-1\n", "de-1\ten-1\nde-2\ten-9\n"),
    "xcopa": ("gold.jsonl", '{"label": 0}\n{"label": 1}\n', "0\n1\n"),
}


def _scored(task: str, folder: pathlib.Path) -> Reader:
    from xtl_tasks import catalog

    from xtl_jax.cli import score_files

    gold, first, second = _PAIRS[task]
    family = catalog.family(task)

    def read(folder: pathlib.Path) -> None:
        score_files.score_files(
            family,
            language="de" if "de" in family.languages else family.languages[0],
            gold=str(folder / gold),
            predictions=str(folder / "said"),
            resamples=2,
        )

    files = {gold: first.encode(), "said": second.encode()}
    return Reader(f"predictions for {task}", files, read)


# --- what we write --------------------------------------------------------------------


def _gin(folder: pathlib.Path) -> Reader:
    from xtl_jax.cli import config

    text = (config.folder() / "models" / "tiny.gin").read_text(encoding="utf-8") + (
        '\nTRAIN_STEPS = 5\nMODEL_DIR = "run"\nRunConfig.lengths = {"inputs": 9,\n'
        ' "targets": 4}\nMIXTURE_OR_TASK_NAME = "squad_v1"\n'
        'RunConfig.vocabulary = "bytes"\nRunConfig.evaluate = ["mlqa", "xquad"]\n'
    )

    def read(folder: pathlib.Path) -> None:
        path = str(folder / "a.gin")
        bindings = config.parse_file(path)
        try:
            config.resolve(bindings)
        except UserError as error:  # of values, which may come from several files
            raise UserError(f"{path}: {error}") from None

    return Reader("gin", {"a.gin": text.encode()}, read)


def _store(folder: pathlib.Path) -> Reader:
    from xtl_jax.bench import fuzz_checkpoints
    from xtl_jax.data import store

    meta = {"id": "1", "inputs": "a", "references": ["b"], "context": None}
    example = {"inputs": [5, 6, 1], "targets": [7, 1], "meta": meta}
    made = store.write(folder / "store", [example] * 3, {"task": "mnli"})

    def read(folder: pathlib.Path) -> None:
        found = store.Store(folder)
        for index in range(found.num_examples):
            found.tokens("inputs", index)
            found.meta(index)
        store.check(folder, found.card, contents=True)

    return Reader("token store", fuzz_checkpoints.content(made), read)


def _run_files(folder: pathlib.Path) -> dict[str, bytes]:
    """A run that was trained, predicted with and scored."""
    from xtl_tasks import catalog

    from xtl_jax.bench import fuzz_checkpoints
    from xtl_jax.cli import score_run
    from xtl_jax.infer import records

    prompt, context = "question: Who? context: Ada came.", "Ada came."
    records.write(
        folder / "predictions" / "mlqa.de.jsonl",
        [
            records.Record(
                task="mlqa.de",
                family="mlqa",
                language="de",
                split="test",
                id=id_,
                inputs=prompt,
                context=context,
                inputs_sha256=records.prompt_sha256(prompt),
                prediction_raw=said,
                prediction=said,
                references=("Ada",),
                log_probability=-1.5,
                checkpoint="checkpoints/5",
                step=5,
                decoding={"method": "greedy", "max_length": 8},
            )
            for id_, said in (("1", "Ada"), ("2", "came"))
        ],
    )
    scores = score_run.score_run(folder, find=catalog.find, resamples=2)
    summaries = score_run.summarise(scores, find=catalog.find, resamples=2)
    score_run.write(folder, scores=scores, summaries=summaries)
    sets = {"mlqa.de": {"split": "test", "ids": ["1", "2"]}}
    environment = {"packages": {"jax": "0"}, "command": ["xtl"], "xtl_jax": "0"}
    documents = {
        "predictions/expected.json": {"sets": sets, "missing": {"mlqa.ar": "no data"}},
        "run.json": {
            "version": 1,
            "run": {"task": "squad_v1", "steps": 5, "log_period": 5, "files": {}},
            "model": {"embed": 8, "dtype": "float32"},
            "environment": environment,
        },
    }
    lines = [
        {"step": 5, "kind": "train", "loss": 4.0, "accuracy_percent": 1.0},
        {"step": 5, "kind": "eval", "task": "squad_v1", "f1": 31.5},
    ]
    log = "".join(json.dumps(line) + "\n" for line in lines)
    return {
        **fuzz_checkpoints.content(folder),
        **{name: json.dumps(value).encode() for name, value in documents.items()},
        "log.jsonl": log.encode(),
    }


def _of_run(
    name: str, read: Callable[[pathlib.Path], Any], folder: pathlib.Path
) -> Reader:
    return Reader(name, _run_files(folder), read)


def _score(folder: pathlib.Path) -> None:
    from xtl_tasks import catalog

    from xtl_jax.cli import score_gold, score_run

    gold = score_gold.GoldReader(folder, find=catalog.find)
    score_run.score_run(folder, find=catalog.find, gold=gold, resamples=2)


def _report(folder: pathlib.Path) -> None:
    import tempfile

    from xtl_jax.cli import report

    with tempfile.TemporaryDirectory() as out:
        report.write_report([folder], out=out)


def _doctor(folder: pathlib.Path) -> None:
    from xtl_jax.cli import doctor_run

    doctor_run.examine(str(folder))


def _going_on(folder: pathlib.Path) -> None:
    """What `xtl train` and `xtl predict` read of a run that is there."""
    from xtl_jax.cli import predict_sets, run_files

    run_files.read(folder)
    if (folder / "log.jsonl").is_file():
        run_files.Log(folder, step=9).close()
    predict_sets.write_expected(folder / "predictions", [], {})


def _study(folder: pathlib.Path) -> Reader:
    from xtl_jax.cli import study_results, study_status
    from xtl_jax.metrics import mlqa
    from xtl_jax.studies.directory import Directory

    common = {"seed": 0, "arms": ["none"], "marks": [], "target": "squad_v1>mlqa.de"}
    stages = [
        {"id": "a", "kind": "train", "title": "squad_v1", "parents": []},
        {"id": "b", "kind": "score", "title": "mlqa", "parents": [{"id": "a"}]},
        {"id": "c", "kind": "train", "title": "mnli", "parents": []},
        {"id": "d", "kind": "train", "title": "qqp", "parents": []},
    ]
    config = {"name": "s", "scale": "world", "seeds": [0], "attacks": ["x"]}
    done = {"seconds": 1.5, "worker": "w", "host": "h", "attempts": 1}
    counts = dict(mlqa.METRIC.counts("Ada", references=("Ada",), language="de"))
    shares = {"clean": {"empty": 1.0}, "attacked": {"empty": None}}
    documents = {
        "study.json": {
            "study": {**config, "targets": ["squad_v1>mlqa.de"]},
            "stages": [{**common, **stage} for stage in stages],
        },
        "stages/a/done.json": done,
        "stages/b/done.json": done,
        "stages/b/items/mlqa.de.json": {
            "metric": mlqa.METRIC.name,
            "keys": [*counts],
            "rows": {"1": [*counts.values()]},
        },
        "stages/b/scores/mlqa.de.json": {
            "language": "de",
            "shares_percent": {"empty": 0.0},
        },
        "stages/b/robustness/mlqa.de@x.json": {
            "language": "de",
            "shares_percent": shares,
            "not_applied": {"no": 1},
        },
        "stages/c/failed.json": {"error": "no", "attempt": 1, "worker": "w"},
        "stages/d/claim-1.json": {
            "holder": {"name": "w", "host": "h", "pid": 1, "machine": "", "begun": ""},
            "beats": 3,
            "at": 1e9,
            "seconds": 2.0,
            "free": False,
        },
    }

    def read(folder: pathlib.Path) -> None:
        study_status.table(study_status.status(Directory(folder)), every=True)
        study_results.read(folder, name="s", scale="world")

    files = {name: json.dumps(value).encode() for name, value in documents.items()}
    return Reader("study", files, read)


def _study_gin(folder: pathlib.Path) -> Reader:
    import argparse

    from xtl_jax.cli import config, study_config

    place = config.folder() / "studies" / "number_of_tasks"
    parts = ("study.gin", "world.gin")
    files = {f"s/{name}": (place / name).read_bytes() for name in parts}

    def read(folder: pathlib.Path) -> None:
        given = argparse.Namespace(
            gin_file=[], gin=[], gin_search_path=[str(folder)], data_dir=""
        )
        try:
            study_config.load("s", scale="world", arguments=given)
        except UserError as error:
            raise UserError(f"{folder}: {error}") from None

    return Reader("study gin", files, read)


def _launch(folder: pathlib.Path) -> Reader:
    from xtl_jax.cli.launch_files import Record
    from xtl_jax.launcher.job import Job
    from xtl_jax.launcher.machine import Memory

    job = Job(
        name="run",
        backend="queued-resources",
        tpu="v4-8",
        zone="us-central2-b",
        bucket="gs://mine/runs",
        max_cost=5.0,
        command=("train",),
        usd_per_chip_hour=3.2,
        python="3.12",
        code="0" * 16,
        lock="0" * 16,
        script="0" * 16,
    )
    Record(folder, "run").write(job, Memory())
    files = {"run.json": (folder / "run.json").read_bytes()}
    return Reader("launch record", files, lambda folder: Record(folder, "run").read())


_MAKERS: Mapping[str, Maker] = {
    "compressed": _compressed,
    "archives": _archives,
    "sentencepiece": _vocabulary,
    "lexicon": _lexicon,
    **{f"predictions for {task}": functools.partial(_scored, task) for task in _PAIRS},
    "gin": _gin,
    "token store": _store,
    "score a run": functools.partial(_of_run, "score a run", _score),
    "report a run": functools.partial(_of_run, "report a run", _report),
    "go on with a run": functools.partial(_of_run, "go on with a run", _going_on),
    "doctor of a run": functools.partial(_of_run, "doctor of a run", _doctor),
    "study": _study,
    "study gin": _study_gin,
    "launch record": _launch,
}
