"""No damage to a file makes a loader die of anything but its own error.

Valid files of every family, as its release lays them out, are spoilt in the ways that
files get spoilt, and read. What comes is rows that can be turned into examples and
written as UTF-8, or a `UserError` that names the file. Other layouts, and all readers
that are not of datasets, are in tests/bench/test_fuzz.py.
"""

from __future__ import annotations

import pathlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xtl_tasks import catalog
from xtl_tasks.loading import TaskSettings, examples

from xtl_jax.bench.damage import DAMAGE
from xtl_jax.bench.fuzz_releases import RELEASES
from xtl_jax.data.prompts import Example
from xtl_jax.errors import UserError

EXAMPLES = 100  # a family; about 2 ms each

ROWS = sorted(catalog.FAMILIES, key=lambda family: family.name)

# --- damage -------------------------------------------------------------------------

damages = st.lists(
    st.tuples(st.sampled_from(sorted(DAMAGE)), st.integers(0, 5000)),
    min_size=1,
    max_size=3,
)

# --- the test -----------------------------------------------------------------------

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _examples(family, language, split, files):
    """Examples and None, or what the error says."""
    settings = TaskSettings(files=files)
    try:
        return list(examples(family, language, split=split, settings=settings)), None
    except UserError as error:
        return [], str(error)


def _survives(path, family, language, split, content, spoil):
    """Reads a spoilt copy of a file; an error must name it."""
    for kind, where in spoil:
        content = DAMAGE[kind](content, where)
    path.write_bytes(content)
    files = {f"{family.name}.{language}/{split}": str(path)}
    found, said = _examples(family, language, split, files)
    if said is not None:
        assert str(path) in said
        return
    assert found
    for each in found:
        assert isinstance(each, Example)
        texts = (each.id, each.inputs, each.targets, each.context or "")
        "".join((*texts, *each.references, *each.options)).encode("utf-8")
    ids = [each.id for each in found]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("family", ROWS, ids=lambda family: family.name)
def test_a_spoilt_file_of_a_family_is_refused_in_words(family, own_files):
    try:
        written = own_files(family.name)
    except KeyError:  # there are no rows of it
        assert family.name in {release.family for release in RELEASES.values()}
        return
    files = []
    for key, path in sorted(written.items()):
        task, _, split = key.partition("/")
        with open(path, "rb") as file:
            content = file.read()
        files.append((task.partition(".")[2], split, path, content))

    @fuzzed
    @given(st.sampled_from(files), damages)
    def check(chosen, spoil):
        language, split, path, content = chosen
        _survives(pathlib.Path(path), family, language, split, content, spoil)

    check()
