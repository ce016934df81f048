"""Checkpoints in a bucket, without a network: a server on this machine plays its part.

Files are asked for in two ways, by `fsspec` (small files, safetensors) and by
TensorStore's own client (arrays in chunks); both see the same files here.
"""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse

import numpy as np
import pytest
from etils.epath import backend, gpath
from fsspec.implementations.memory import MemoryFileSystem

import xtl_jax
from xtl_jax.checkpoint import convert
from xtl_jax.errors import UserError

pytestmark = [
    # orbax and the server leave threads and connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class Bucket(MemoryFileSystem):
    """What `gs://` is in these tests."""

    protocol = ("gs", "gcs")
    store = {}  # noqa: RUF012  (of the class, as its base has it)
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("gs://"))


class Handler(http.server.BaseHTTPRequestHandler):
    """As much of Cloud Storage's JSON interface as reading arrays needs."""

    def log_message(self, format, *args):
        """Says nothing."""

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        # /storage/v1/b/BUCKET/o, or …/o/NAME
        parts = [urllib.parse.unquote(part) for part in url.path.split("/")]
        root = f"/{parts[4]}/"
        asked = dict(urllib.parse.parse_qsl(url.query))
        if len(parts) == 6:
            prefix = root + asked.get("prefix", "")
            names = sorted(path for path in Bucket.store if path.startswith(prefix))
            items = [
                {"name": path.removeprefix(root), "generation": "1"} for path in names
            ]
            self._answer(200, json.dumps({"items": items}).encode())
        elif (path := root + parts[6]) not in Bucket.store:
            self._answer(404, b"{}")
        elif asked.get("alt") == "media":
            self._answer_part(Bucket.store[path].getvalue())
        else:
            size = len(Bucket.store[path].getvalue())
            about = {"name": parts[6], "generation": "1", "size": str(size)}
            self._answer(200, json.dumps(about).encode())

    def _answer_part(self, data):
        wanted = self.headers.get("Range")
        if wanted is None:
            self._answer(200, data)
            return
        first, last = wanted.removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1 if last else None]
        end = int(first) + len(part) - 1
        self._answer(206, part, **{"Content-Range": f"bytes {first}-{end}/{len(data)}"})

    def _answer(self, code, data, **headers):
        self.send_response(code)
        headers |= {"Content-Length": str(len(data)), "x-goog-generation": "1"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def server():
    """Address of the bucket's server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def upload(server, monkeypatch):
    """Puts a folder into the bucket; gives its path there."""
    monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", server)
    monkeypatch.setenv("GOOGLE_AUTH_TOKEN_FOR_TESTING", "none")
    monkeypatch.setenv("EPATH_USE_TF", "0")  # fsspec, as where TensorFlow is not
    monkeypatch.setattr(gpath, "_is_tf_installed", lambda: False)
    files = Bucket()
    monkeypatch.setattr(
        *(backend._FileSystemSpecBackend, "_get_filesystem"),
        lambda self, name: files,
    )

    def put(folder, name):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                place = f"gs://bucket/{name}/{path.relative_to(folder).as_posix()}"
                files.pipe_file(place, path.read_bytes())
        return f"gs://bucket/{name}"

    yield put
    Bucket.store.clear()
    Bucket.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("kind", ["t5x", "huggingface", "xtl"])
def test_a_model_is_read_and_converted_from_a_bucket(
    t5x_toy, hf_toy, ours_toy, toy_params, upload, same, convert_to, tmp_path, kind
):
    here = {"t5x": t5x_toy, "huggingface": hf_toy, "xtl": ours_toy}[kind]
    there = upload(here, f"models/{here.name}")
    model = xtl_jax.load(there)
    head = model.params["logits_dense"]["kernel"]
    assert np.array_equal(head, toy_params["logits_dense"]["kernel"])
    assert model.source.startswith(there)
    made = convert_to(there, tmp_path / "new", "t5x" if kind != "t5x" else "xtl")
    same(here, made)


@pytest.mark.parametrize("name", ["t5x/trained_orbax", "hf/mt5_tiny_sharded"])
def test_published_layouts_are_read_from_a_bucket(shared, upload, same, name):
    here = shared / "conformance" / name
    same(here, upload(here, name))


def test_what_is_damaged_in_a_bucket_is_told(t5x_toy, ours_toy, upload, tmp_path):
    there = upload(t5x_toy, "checkpoint_7")
    chunk = "/bucket/checkpoint_7/target.encoder.layers_1.mlp.wi_0.kernel/0.0"
    Bucket.store[chunk] = type(Bucket.store[chunk])(Bucket(), chunk, b"damaged")
    with pytest.raises(UserError, match=r"gs://.*wi_0\.kernel is damaged"):
        xtl_jax.load(there)
    with pytest.raises(UserError, match=r"gs://.*wi_0\.kernel is damaged"):
        convert.run(convert.plan(there, str(tmp_path / "new"), to="huggingface"))
    assert not list(tmp_path.iterdir())
    there = upload(ours_toy, "run")
    del Bucket.store["/bucket/run/checkpoints/7/commit_success.txt"]
    with pytest.raises(UserError, match=r"no checkpoint in gs://bucket/run/checkpo"):
        xtl_jax.load(there)
