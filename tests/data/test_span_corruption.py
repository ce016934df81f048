"""Span corruption: nothing is lost, T5's counts, a function of its key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.data import span_corruption
from xtl_jax.errors import UserError

SENTINELS = tuple(range(1099, 999, -1))  # <extra_id_0> has the highest id


def _corrupt(length, *, key=(0, 0), **settings):
    tokens = np.arange(2000, 2000 + length, dtype=np.int32)
    inputs, targets = span_corruption.corrupt(
        tokens, sentinels=SENTINELS, key=key, **settings
    )
    return tokens, inputs.tolist(), targets.tolist()


def _put_back(inputs, targets):
    holes, last = {}, None
    for token in targets:
        if token in SENTINELS:
            last = token
            holes[token] = []
        else:
            holes[last].append(token)
    return [t for token in inputs for t in holes.get(token, [token])]


@given(
    st.integers(1, 900),
    st.tuples(st.integers(-(2**63), 2**63), st.integers(0, 2**40)),
    st.sampled_from([(0.15, 3.0), (0.5, 8.0), (0.05, 1.0), (0.9, 20.0)]),
)
def test_spans_put_back_give_the_text(length, key, noise):
    density, mean_span = noise
    tokens, inputs, targets = _corrupt(
        length, key=key, noise_density=density, mean_span=mean_span
    )
    assert _put_back(inputs, targets) == tokens.tolist()


@given(st.integers(2, 1500), st.integers(0, 10))
def test_counts_are_t5s(length, seed):
    tokens, inputs, targets = _corrupt(length, key=(seed,))
    # T5's formula, in float32 as TensorFlow computes it.
    noise = int(np.rint(np.float32(length) * np.float32(0.15)))
    noise = min(max(noise, 1), length - 1)
    spans = max(int(np.rint(np.float32(noise) / np.float32(3.0))), 1)
    spans = min(spans, length - noise)
    assert len(targets) == noise + spans
    assert len(inputs) == length - noise + spans
    marks = [token for token in inputs if token in SENTINELS]
    # Each side has the sentinels in order; the text starts whole and ends with a hole.
    assert marks == list(SENTINELS[:spans])
    assert [token for token in targets if token in SENTINELS] == marks
    assert targets[0] == SENTINELS[0]
    assert inputs[0] == tokens[0]
    assert inputs[-1] == SENTINELS[spans - 1]


def test_where_t5s_float32_rounds_up():
    # 0.15 * 190 is 28.5: exactly it rounds to 28 (even), T5's float32 is just above.
    counts = span_corruption.noise_counts(190, noise_density=0.15, mean_span=3.0)
    assert counts == (29, 10)


def test_short_texts():
    assert _corrupt(0)[1:] == ([], [])
    # T5 cuts nothing from one token, and marks the gap in the targets.
    assert _corrupt(1)[1:] == ([2000], [1099])
    _, inputs, targets = _corrupt(2)
    assert (inputs, targets) == ([2000, 1099], [1099, 2001])


def test_noise_is_a_function_of_the_key():
    assert _corrupt(100, key=(1, 2))[1:] == _corrupt(100, key=(1, 2))[1:]
    keys = [(1,), (1, 2), (2, 1), (1, 2, 0), (1, 2**33), (-1, 2), (2**64, 2)]
    found = {tuple(_corrupt(100, key=key)[1]) for key in keys}
    assert len(found) == len(keys)


def test_the_noise_of_a_key_is_what_philox_draws():
    """Worked out in plain Python: a resumed run, years later, depends on it."""
    draws = _draws_of((5, 7), count=58)
    # 60 tokens: 9 are cut, in 3 spans; so 51 stay. Cuts are at the lowest draws.
    gap_cuts = sorted(sorted(range(50), key=lambda n: draws[n])[:2])
    span_cuts = sorted(sorted(range(8), key=lambda n: draws[50 + n])[:2])
    gap_ends = [gap_cuts[0] + 1, gap_cuts[1] + 1, 51]
    span_ends = [span_cuts[0] + 1, span_cuts[1] + 1, 9]
    wanted, gap_from, span_from = "", 0, 0
    for gap_to, span_to in zip(gap_ends, span_ends, strict=True):
        wanted += "." * (gap_to - gap_from) + "x" * (span_to - span_from)
        gap_from, span_from = gap_to, span_to
    mask = span_corruption.noise_mask(60, key=(5, 7))
    assert "".join("x" if noise else "." for noise in mask) == wanted


def _draws_of(key, *, count):
    bits = 2**64

    def mixed(value):  # SplitMix64, from its publication
        value = (value + 0x9E3779B97F4A7C15) % bits
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % bits
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % bits
        return value ^ (value >> 31)

    low, high = 0x9E3779B97F4A7C15, len(key)
    for number in key:
        low = mixed(low ^ number)
        high = mixed(high ^ low)
    philox = np.random.Philox(key=np.array((low, high), dtype=np.uint64))
    return [int(number) for number in philox.random_raw(count)]


def test_all_tokens_are_cut_equally_often_but_at_the_ends():
    total = sum(span_corruption.noise_mask(100, key=(3, n)) for n in range(2000))
    assert total.sum() == 15 * 2000
    middle = total[20:80] / 2000
    assert middle.min() > 0.10
    assert middle.max() < 0.20
    assert total[0] == 0
    assert total[-1] == 2000


def test_split_lengths_are_t5s():
    def t5(inputs_length, density, mean_span):
        def lengths(tokens):
            noise = round(tokens * density)
            spans = round(noise / mean_span)
            return tokens - noise + spans + 1, noise + spans + 1

        tokens = inputs_length
        while lengths(tokens + 1)[0] <= inputs_length:
            tokens += 1
        return tokens, lengths(tokens)[1]

    assert span_corruption.split_lengths(512) == (568, 114)  # T5's published lengths
    assert span_corruption.split_lengths(1024) == (1137, 229)
    for length in range(4, 700):
        assert span_corruption.split_lengths(length) == t5(length, 0.15, 3.0)
        assert span_corruption.split_lengths(
            length, noise_density=0.3, mean_span=8.0
        ) == t5(length, 0.3, 8.0)


@pytest.mark.parametrize("length", [16, 64, 100, 512])
def test_pieces_of_the_split_length_fill_the_row(length):
    tokens, targets_length = span_corruption.split_lengths(length)
    _, inputs, targets = _corrupt(tokens)
    assert length - 1 <= len(inputs) + 1 <= length
    assert len(targets) + 1 == targets_length


def test_bad_settings_are_named():
    with pytest.raises(UserError, match="needs 50 sentinels, the vocabulary has 2"):
        span_corruption.corrupt(np.arange(1000), sentinels=(9, 8), key=(0,))
    with pytest.raises(UserError, match=r"between 0 and 1, got 1\.5"):
        _corrupt(9, noise_density=1.5)
    with pytest.raises(UserError, match=r"1 or more, got 0\.5"):
        _corrupt(9, mean_span=0.5)
    with pytest.raises(UserError, match="4 or more, got 3"):
        span_corruption.split_lengths(3)
