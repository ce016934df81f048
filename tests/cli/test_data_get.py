"""`xtl data get` from a server of this process."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import json
import lzma
import threading

import pytest
from xtl_tasks import catalog, downloads

from xtl_jax.data.fetch import Download


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder that is served; with it, how to publish a family's files there."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "published"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=folder)
    files = dict(downloads._FILES)
    monkeypatch.setattr(downloads, "_FILES", files)
    known = {}
    monkeypatch.setattr(downloads, "checksums", lambda: known)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()

        def publish(family, download, content, *, is_known=True):
            url = f"http://127.0.0.1:{server.server_address[1]}/{download.name}"
            (folder / download.name).write_bytes(content)
            before = tuple(d for d in files[family] if d.url.startswith("http://"))
            files[family] = (*before, dataclasses.replace(download, url=url))
            if is_known:
                sha256 = hashlib.sha256(content).hexdigest()
                known[url] = downloads.Known(len(content), sha256, "this test")

        yield publish
        server.shutdown()
        thread.join()


def _squad(contexts):
    paragraphs = [
        {
            "context": context,
            "qas": [
                {
                    "id": f"q{n}",
                    "question": "Who?",
                    "answers": [{"text": context.split()[0], "answer_start": 0}],
                }
            ],
        }
        for n, context in enumerate(contexts)
    ]
    return json.dumps({"data": [{"title": "", "paragraphs": paragraphs}]}).encode()


XQUAD_AR = Download(
    url="", to="xquad/xquad.ar.json", languages=("ar",), file_name="xquad.ar.json"
)


def test_xquad_as_published_is_fetched_checked_and_counted(
    xtl, shared, published, tmp_path
):
    (real,) = [d for d in downloads.of(catalog.family("xquad")) if "xquad.ar" in d.url]
    content = lzma.decompress((shared / "data/xquad/xquad.ar.json.xz").read_bytes())
    published("xquad", real, content)
    flags = ("xquad.ar", f"--data_dir={tmp_path / 'data'}", "--json")
    done = xtl("data", "get", *flags)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    (file,) = document["files"]
    assert (file["status"], file["bytes"]) == ("fetched", 1_582_988)
    assert file["checked_with"] == "this test"
    assert document["rows"] == {"xquad.ar/test": 1190}
    assert document["problems"] == []
    again = json.loads(xtl("data", "get", *flags).out)
    assert again["files"][0]["status"] == "here"
    shown = xtl("data", "get", *flags[:2]).out
    assert "xquad.ar/test: 1,190 rows" in shown


def test_a_file_with_too_few_rows_is_a_problem(xtl, published, tmp_path):
    published("xquad", XQUAD_AR, _squad(["Ada was here."]), is_known=False)
    done = xtl("data", "get", "xquad.ar", f"--data_dir={tmp_path / 'data'}")
    assert done.code == 2
    assert "has 1 rows, the release has 1,190" in " ".join(done.err.split())
    assert "nothing: what comes first is trusted" in " ".join(done.out.split())


def test_one_failure_does_not_stop_the_rest(xtl, published, tmp_path):
    published("xquad", XQUAD_AR, _squad(["Ada was here."]))
    gone = dataclasses.replace(XQUAD_AR, to="xquad/xquad.de.json", languages=("de",))
    published("xquad", dataclasses.replace(gone, file_name="gone.json"), b"x")
    (tmp_path / "published/gone.json").unlink()
    done = xtl("data", "get", "xquad", f"--data_dir={tmp_path / 'data'}", "--json")
    assert done.code == 2
    document = json.loads(done.out)
    assert [file["status"] for file in document["files"]] == ["fetched", "failed"]
    assert "404" in document["problems"][0]


def test_a_dry_run_lists_and_fetches_nothing(xtl, tmp_path):
    flags = (f"--data_dir={tmp_path / 'data'}", "--dry_run")
    done = xtl("data", "get", "mnli", "ccg", *flags, "--json")
    assert done.code == 0
    mnli, ccg = json.loads(done.out)["files"]
    assert mnli["url"] == "https://cims.nyu.edu/~sbowman/multinli/multinli_1.0.zip"
    assert mnli["bytes"] == 226_850_426  # as TFDS lists it
    assert mnli["to"] == str(tmp_path / "data/multinli_1.0")
    assert ccg["status"] == "by hand"
    assert "LDC2005T13" in ccg["by_hand"]
    assert not (tmp_path / "data").exists()
    shown = xtl("data", "get", "mnli", *flags).out
    assert "would fetch multinli_1.0" in shown
    assert "226.9" in shown


def test_what_a_licence_forbids_is_named_with_where_to_put_it(xtl, tmp_path):
    data = tmp_path / "data"
    done = xtl("data", "get", "ccg", f"--data_dir={data}")
    assert done.code == 2
    said = " ".join(done.err.split())
    assert f"must be put at {data}/ccgbank_1_1 by hand: its licence forbids" in said
    assert "Linguistic Data Consortium" in said


def test_data_that_came_another_way_is_not_asked_for(xtl, tmp_path):
    path = tmp_path / "data/panx/test-sw.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("sw:Dodoma\tB-LOC\n\n", encoding="utf-8")
    done = xtl("data", "get", "panx.sw", f"--data_dir={tmp_path / 'data'}", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["rows"] == {"panx.sw/test": 1}


def test_families_share_what_they_read(xtl, tmp_path):
    flags = (f"--data_dir={tmp_path / 'data'}", "--dry_run", "--json")

    def names(*asked):
        files = json.loads(xtl("data", "get", *asked, *flags).out)["files"]
        return [file["url"].rpartition("/")[2] for file in files]

    assert names("anli_plus") == ["snli_1.0.zip", "multinli_1.0.zip", "anli_v1.0.zip"]
    assert names("xnli.sw") == ["XNLI-1.0.zip", "multinli_1.0.zip"]
    assert names("xcopa.sw") == ["val.sw.jsonl", "test.sw.jsonl"]
    assert len(names("xquad")) == 12
    assert names("hellaswag_rank") == names("hellaswag")


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (("xquad",), "no folder to put files in; pass --data_dir"),
        (("xquad", "--data_dir=gs://bucket/data"), "are fetched to a local folder"),
        (("xquadd", "--data_dir=HERE"), "near: xquad"),
        (("world_qa", "--data_dir=HERE"), "world_qa: nobody publishes its files"),
        (("xquad.ar", "--data_dir=/dev/null/x"), "--data_dir /dev/null/x: "),
    ],
)
def test_what_cannot_be_meant_is_told(xtl, tmp_path, monkeypatch, flags, wanted):
    monkeypatch.delenv("XTL_DATA_DIR", raising=False)
    flags = [flag.replace("HERE", str(tmp_path / "data")) for flag in flags]
    done = xtl("data", "get", *flags)
    assert done.code == 2
    assert wanted in done.err
