"""A bucket without a network: a server on this machine plays Cloud Storage's part.

Files are asked for in two ways, by `fsspec` (small files, safetensors) and by
TensorStore's own client (arrays in chunks); both see the same files here.
"""

from __future__ import annotations

import http.server
import json
import urllib.parse

from fsspec.implementations.memory import MemoryFileSystem


class Bucket(MemoryFileSystem):
    """What `gs://` is in tests."""

    protocol = ("gs", "gcs")
    store = {}  # noqa: RUF012  (of the class, as its base has it)
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("gs://"))

    @classmethod
    def clear(cls):
        cls.store.clear()
        cls.pseudo_dirs[:] = [""]


class Handler(http.server.BaseHTTPRequestHandler):
    """As much of Cloud Storage's JSON interface as arrays need."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        """Says nothing."""

    def do_GET(self):
        root, name, asked = self._asked(first=4)
        path = root + name
        if not name:
            self._answer(200, json.dumps(_listed(root, asked)).encode())
        elif path not in Bucket.store:
            self._answer(404, b"{}")
        elif self._holds(path, asked):
            if asked.get("alt") == "media":
                self._answer_part(path)
            else:
                self._answer(200, json.dumps(_about(root, name)).encode())

    def do_POST(self):
        root, _, asked = self._asked(first=5)  # /upload/storage/v1/b/BUCKET/o
        data = self.rfile.read(int(self.headers["Content-Length"]))
        name = asked["name"]
        if self._holds(root + name, asked):
            Bucket().pipe_file(f"gs:/{root}{name}", data)
            self._answer(200, json.dumps(_about(root, name)).encode())

    def do_DELETE(self):
        root, name, asked = self._asked(first=4)
        if root + name not in Bucket.store:
            self._answer(404, b"{}")
        elif self._holds(root + name, asked):
            del Bucket.store[root + name]
            self._answer(204, b"")

    def _asked(self, *, first):
        """Bucket as `/BUCKET/`, name of the object, parameters."""
        url = urllib.parse.urlsplit(self.path)
        # /storage/v1/b/BUCKET/o, or …/o/NAME
        parts = [urllib.parse.unquote(part) for part in url.path.split("/")]
        name = parts[first + 2] if len(parts) > first + 2 else ""
        return f"/{parts[first]}/", name, dict(urllib.parse.parse_qsl(url.query))

    def _holds(self, path, asked):
        """Whether what was asked only on a condition may be done; else says so."""
        now = _generation(path) if path in Bucket.store else "0"
        if asked.get("ifGenerationMatch", now) != now:
            self._answer(412, b"{}")
        elif asked.get("ifGenerationNotMatch") == now:
            self._answer(304, b"")
        else:
            return True
        return False

    def _answer_part(self, path):
        data = Bucket.store[path].getvalue()
        headers = {"x-goog-generation": _generation(path)}
        wanted = self.headers.get("Range")
        if wanted is None:
            self._answer(200, data, **headers)
            return
        first, last = wanted.removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1 if last else None]
        end = int(first) + len(part) - 1
        headers["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
        self._answer(206, part, **headers)

    def _answer(self, code, data, **headers):
        self.send_response(code)
        if code not in (204, 304):
            headers["Content-Length"] = str(len(data))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _generation(path):
    return str(int(Bucket.store[path].modified.timestamp() * 1e6))


def _about(root, name):
    size = len(Bucket.store[root + name].getvalue())
    return {"name": name, "generation": _generation(root + name), "size": str(size)}


def _listed(root, asked):
    prefix = root + asked.get("prefix", "")
    names = sorted(
        path.removeprefix(root) for path in Bucket.store if path.startswith(prefix)
    )
    first, end = asked.get("startOffset", ""), asked.get("endOffset", "")
    kept = [name for name in names if name >= first and (not end or name < end)]
    return {"items": [_about(root, name) for name in kept]}
