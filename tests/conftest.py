"""What all tests share: 8 host devices, strict dtypes, the reference data."""

from __future__ import annotations

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """Folder of real data and reference outputs, which is no part of the project."""
    path = pathlib.Path(os.environ.get("XTL_SHARED", ROOT.parent / "shared"))
    if not (path / "conformance").is_dir():
        pytest.skip(f"no reference data at {path}; set XTL_SHARED to its folder")
    return path
