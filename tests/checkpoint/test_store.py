"""What is saved comes back bitwise, and what is damaged is passed over and told."""

from __future__ import annotations

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from xtl_jax.checkpoint.store import Store, read_params
from xtl_jax.errors import UserError
from xtl_jax.train.state import TrainState


def leaves_reads_behind(test):
    """Marks a test in which orbax meets damaged files (see the fixture `settled`)."""
    ignored = "ignore::pytest.PytestUnraisableExceptionWarning"
    return pytest.mark.usefixtures("settled")(pytest.mark.filterwarnings(ignored)(test))


def _mesh(*shape):
    devices = np.asarray(jax.devices()[: np.prod(shape)]).reshape(shape)
    return Mesh(devices, ("data", "model")[: len(shape)])


def _state(step, mesh, spec):
    """Random bits that depend on the step, not-a-number and infinity among them."""
    bits = np.random.default_rng(step).integers(0, 2**32, (16, 64), np.uint32)
    place = NamedSharding(mesh, spec)
    kernel = jax.device_put(bits.view(np.float32), place)
    return TrainState(
        step=jnp.int32(step),
        params={"layer": {"kernel": kernel}},
        opt_state=(jnp.float32(step / 3), {}),
    )


@pytest.fixture
def here():
    return _mesh(2, 4), PartitionSpec("data", "model")


def _saved(folder, here, steps, *, scores=None, keep=9):
    store = Store(folder, keep=keep)
    for step in steps:
        store.save(
            step, _state(step, *here), {"row": step}, score=(scores or {}).get(step)
        )
        store.wait()
    return store


def _restore(store, like, told=pytest.fail):
    return store.restore_latest(like, tell=told)


def _bits(state):
    leaves = (np.asarray(leaf) for leaf in jax.tree.leaves(state))
    return [(leaf.dtype, leaf.tobytes()) for leaf in leaves]


def test_a_state_and_the_position_of_its_data_come_back_bitwise(tmp_path, here):
    _saved(tmp_path, here, [3, 5]).close()
    state, position = _restore(Store(tmp_path), _state(0, *here))
    assert _bits(state) == _bits(_state(5, *here))
    assert position == {"row": 5}


@pytest.mark.parametrize(
    ("shape", "spec"),
    [((1,), (None,)), ((4, 2), ("model", "data")), ((8,), (None, "data"))],
)
def test_a_state_comes_back_on_another_mesh(tmp_path, here, shape, spec):
    _saved(tmp_path, here, [5]).close()
    elsewhere = _mesh(*shape), PartitionSpec(*spec)
    state, _ = _restore(Store(tmp_path), _state(0, *elsewhere))
    assert _bits(state) == _bits(_state(5, *here))
    kernel = state.params["layer"]["kernel"]
    assert kernel.sharding.is_equivalent_to(NamedSharding(*elsewhere), 2)


def test_a_new_run_has_nothing_to_restore(tmp_path, here):
    assert _restore(Store(tmp_path), _state(0, *here)) is None


def test_the_newest_and_the_best_are_kept(tmp_path, here):
    scores = {1: 10.0, 2: 90.0, 3: 50.0, 5: 20.0}
    store = _saved(tmp_path, here, [1, 2, 3, 4, 5, 6], scores=scores, keep=2)
    assert store.steps() == [2, 5, 6]
    assert store.steps() == sorted(
        int(p.name) for p in (tmp_path / "checkpoints").iterdir()
    )


def test_the_best_is_kept_though_the_run_was_broken(tmp_path, here):
    _saved(tmp_path, here, [1, 2], scores={1: 90.0, 2: 50.0}, keep=1).close()
    store = _saved(tmp_path, here, [3, 4], scores={4: 70.0}, keep=1)
    assert store.steps() == [1, 4]


def _data(folder):
    """Files that hold the arrays."""
    return [path for path in (folder / "state/d").iterdir() if path.is_file()]


def _cut(path: pathlib.Path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "data_cut": lambda folder: [_cut(path) for path in _data(folder)],
    "data_gone": lambda folder: [path.unlink() for path in _data(folder)],
    "index_cut": lambda folder: _cut(folder / "state/manifest.ocdbt"),
    "tree_gone": lambda folder: (folder / "state/_METADATA").unlink(),
    "position_cut": lambda folder: _cut(folder / "position/metadata"),
    "position_gone": lambda folder: (folder / "position/metadata").unlink(),
}


@leaves_reads_behind
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, here, damage):
    _saved(tmp_path, here, [2, 4]).close()
    DAMAGES[damage](tmp_path / "checkpoints/4")
    told = []
    store = Store(tmp_path)
    state, position = _restore(store, _state(0, *here), told.append)
    assert _bits(state) == _bits(_state(2, *here))
    assert position == {"row": 2}
    assert len(told) == 1
    assert f"{tmp_path}/checkpoints/4 cannot be read" in told[0]
    assert told[0].endswith("trying the one before")
    assert (tmp_path / "checkpoints/damaged-4-1").is_dir()
    # The same step is reached again: its new checkpoint takes the damaged one's place.
    assert store.steps() == [2]
    store.save(4, _state(4, *here), {"row": 4})
    store.close()
    again, _ = _restore(Store(tmp_path), _state(0, *here))
    assert _bits(again) == _bits(_state(4, *here))


@leaves_reads_behind
def test_if_all_are_damaged_nothing_is_deleted_and_it_is_said(tmp_path, here):
    _saved(tmp_path, here, [2, 4]).close()
    for step in (2, 4):
        DAMAGES["data_cut"](tmp_path / f"checkpoints/{step}")
    told, store = [], Store(tmp_path)
    with pytest.raises(UserError, match=r"none of the checkpoints \[2, 4\] .* can be"):
        _restore(store, _state(0, *here), told.append)
    assert len(told) == 2
    assert store.steps() == [2, 4]


@leaves_reads_behind
def test_a_state_of_another_shape_is_not_taken(tmp_path, here):
    _saved(tmp_path, here, [2]).close()
    like = _state(0, *here)
    wider = jnp.zeros((16, 65), jnp.float32)
    other = like._replace(params={"layer": {"kernel": wider}})
    with pytest.raises(UserError, match=r"none of the checkpoints \[2\]"):
        _restore(Store(tmp_path), other, lambda message: None)


def _read(folder, **which):
    step, params = read_params(epath.Path(folder), **which)
    expected = np.asarray(
        _state(step, _mesh(1), PartitionSpec()).params["layer"]["kernel"]
    )
    kernel = params["layer"]["kernel"]
    assert isinstance(kernel, np.ndarray)
    assert kernel.tobytes() == expected.tobytes()
    assert list(params) == ["layer"]
    return step


@leaves_reads_behind
def test_parameters_are_read_from_the_best_the_newest_or_the_asked_for(tmp_path, here):
    _saved(tmp_path, here, [1, 2, 3], scores={1: 5.0, 2: 7.0}).close()
    assert _read(tmp_path) == 2
    assert _read(tmp_path, step=1) == 1
    assert _read(tmp_path, step=3) == 3
    with pytest.raises(UserError, match=r"no checkpoint of step 4 .* have \[1, 2, 3\]"):
        read_params(epath.Path(tmp_path), step=4)
    DAMAGES["data_cut"](tmp_path / "checkpoints/2")
    with pytest.raises(UserError, match=r"checkpoints/2 is damaged .* steps \[1, 3\]"):
        read_params(epath.Path(tmp_path))


def test_without_scores_the_newest_is_read(tmp_path, here):
    _saved(tmp_path, here, [1, 12, 3]).close()
    assert _read(tmp_path) == 12


def test_a_run_without_checkpoints_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint in .*: `xtl train` writes one"):
        read_params(epath.Path(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_half_written_checkpoint_does_not_count(tmp_path, here):
    """What a killed process leaves behind has not got its number as its name."""
    _saved(tmp_path, here, [2]).close()
    left = tmp_path / "checkpoints/4.orbax-checkpoint-tmp-1"
    (left / "state").mkdir(parents=True)
    store = Store(tmp_path)
    assert store.steps() == [2]
    assert json.loads(json.dumps(_restore(store, _state(0, *here))[1])) == {"row": 2}


def test_a_checkpoint_that_cannot_be_written_says_where_and_what_to_do(tmp_path, here):
    store = Store(tmp_path)
    (tmp_path / "checkpoints").rmdir()
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(
        UserError, match=r"checkpoints: a checkpoint cannot be .* whole are \[\]\. Make"
    ):
        _save(store, here)


def _save(store, here):
    store.save(2, _state(2, *here), {"row": 2})
    store.wait()
