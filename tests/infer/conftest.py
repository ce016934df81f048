"""Everything here compiles toy models: quickly is enough."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="module")
def compile_quickly(quick_compiles):
    return
