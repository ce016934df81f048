"""Aims are met, missed or not measured, as the figures say."""

from __future__ import annotations

import pytest

from xtl_jax.bench import aims, rank, seq2seq

GIB = 2**30


def figures(name, *, ratio=1.0, missing="", peak=3.9, cpu_seconds=2.0, mfu=66.0):
    return {
        "name": name,
        "missing": missing,
        "ratio": ratio,
        "ratio_spread": (ratio - 0.1, ratio + 0.1),
        "cpu_ratio": ratio,
        "cpu_seconds": cpu_seconds,
        "peak_bytes": peak * GIB,
        "mfu_percent": mfu,
    }


def training(**t5x):
    return {
        "ceiling_flops": 1e11,
        "figures": [
            figures("xtl_jax"),
            figures(seq2seq.TRANSFORMERS, ratio=1.4),
            figures(seq2seq.T5X, **{"ratio": 2.6, "peak": 6.5, **t5x}),
            figures(seq2seq.GATHERED, **{"ratio": 1.6, **t5x}),
        ],
    }


def row(found, part):
    return next(each for each in found if part in each.what)


def test_nothing_measured_is_said_of_every_aim():
    for each in aims.rows({}):
        assert each.share is None
        assert each.state.startswith("not measured: ")


def test_ratios_are_held_against_their_aims():
    found = aims.rows({"train": dict.fromkeys(aims.SHAPES, training())})
    t5x = row(found, "tiny, against T5X")
    assert (t5x.state, t5x.measured) == ("met", "2.60 × (2.50 to 2.70); CPU 2.60 ×")
    assert row(found, "tiny, against transformers").state == "**not met**"
    assert row(found, "mt5_small, against T5X, embedding gathered").state == "met"
    memory = row(found, "peak memory")
    assert memory.measured == "3.90 GiB, 60 % of the 6.50 in the same run"
    assert memory.share == pytest.approx(1.0)
    assert row(found, "best product").share == pytest.approx(1.1)


def test_a_peer_that_is_not_here_has_no_ratio():
    gone = {"missing": "T5X is not importable", "peak": 0}
    found = aims.rows({"train": {"tiny": training(**gone)}})
    tiny = row(found, "tiny, against T5X")
    assert tiny.share is None
    assert tiny.state == (
        "not measured: T5X is not importable; on two other cores it took 6.1 "
        "CPU-seconds, ours here takes 2.00"
    )
    assert "left out" in row(found, "mt5_small, against T5X").state


def test_xnli_is_held_against_t5x_or_its_way():
    ours, way = figures("xtl_jax"), figures(rank.IN_ITS_WAY, ratio=4.0)
    here = [ours, figures(seq2seq.T5X, ratio=9.0), way]
    gone = [ours, figures(seq2seq.T5X, missing="T5X is not importable"), way]
    assert row(aims.rows({"infer": {"rank": here}}), "XNLI").state == "met"
    missed = row(aims.rows({"infer": {"rank": gone}}), "XNLI")
    assert missed.share == pytest.approx(0.8)
    assert "our own decoder" in missed.what


def test_a_feed_needs_speed_and_fill():
    def feed(rate, fill):
        result = {"kind": "varied", "examples_per_second": rate, "fill_percent": fill}
        return row(aims.rows({"data": {"results": [result]}}), "feed")

    assert feed(600_000, 95.0).state == "met"
    assert feed(600_000, 80.0).share == pytest.approx(80 / 90)


def test_plans_need_memory_and_flops():
    def plan(**fields):
        values = {"fits": True, "why": "", "peak": 11 * GIB, "useful_flops": 1.0}
        step = {**values, "executed_flops": 1.3, **fields}
        found = aims.rows({"plan": {"xxl, little memory": step}})
        return row(found, "mT5-XXL")

    assert plan().state == "met"
    assert plan(executed_flops=1.5).share == pytest.approx(0.9)
    assert plan(fits=False, why="too large").state == "**not met**"
    without = aims.rows({"plan": {"why": "libtpu is not installed"}})
    assert "libtpu is not installed" in row(without, "mT5-Small").state


def test_the_table_has_a_line_for_each():
    found = aims.rows({})
    assert len(aims.markdown(found).splitlines()) == len(found) + 2
