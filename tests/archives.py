"""Archives of tests, unpacked with any Python that we run on."""

from __future__ import annotations

import os
import tarfile
from typing import Any


def unpack(archive: tarfile.TarFile, folder: str | os.PathLike[str]) -> None:
    """All of it; from Python 3.11.4 on, nothing outside of the folder."""
    safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    archive.extractall(folder, **safe)
