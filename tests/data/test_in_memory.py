"""Examples in memory: as a store's, and never none."""

from __future__ import annotations

import pytest

from xtl_jax.data import in_memory, vocabulary
from xtl_jax.errors import UserError


def test_no_row_is_an_error_that_says_whose():
    with pytest.raises(UserError, match="xnli, attacked: there is no example; give"):
        in_memory.text_to_text(
            [], vocabulary=vocabulary.load("bytes"), name="xnli, attacked"
        )
