"""Everything here compiles toy models: quickly is enough."""

from __future__ import annotations

import gc
import time

import pytest


@pytest.fixture(autouse=True, scope="module")
def compile_quickly(quick_compiles):
    return


@pytest.fixture
def settled():
    """For tests with damaged files: orbax's other reads end here, not in a later test.

    It gives up at the first array that it cannot read and leaves the reads of the
    others behind; what they say about the end of their event loop means nothing, and
    those tests ignore it.
    """
    gc.freeze()  # what was there before needs no looking through: that takes a second
    yield
    time.sleep(0.1)
    gc.collect()
    gc.unfreeze()
