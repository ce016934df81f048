"""A run of LoRA is read as the whole model; other weights are never its base."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import zlib
from typing import NamedTuple

import jax
import numpy as np
import pytest
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import adapted, find, names, ours
from xtl_jax.errors import UserError
from xtl_jax.model import lora as loras
from xtl_jax.model.sizes import Lora

LORA = Lora(rank=4, alpha=6.0, targets=("query", "wo", "logits_dense"))


class Adapted(NamedTuple):
    """A run of LoRA, and what its factors are."""

    folder: pathlib.Path
    factors: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def factors(toy_params):
    rng = np.random.default_rng(2)
    started = loras.start(toy_params, LORA, jax.random.key(0))
    return jax.tree.map(lambda x: np.float32(0.1 * rng.normal(size=x.shape)), started)


@pytest.fixture(scope="module")
def make_adapted(toy, factors, tmp_path_factory):
    """Makes the run directory that `xtl train` with LoRA on a checkpoint leaves."""
    import jax.numpy as jnp

    from xtl_jax.checkpoint.store import Store
    from xtl_jax.train.state import TrainState

    def make(checkpoint, *, lora=LORA, config=toy):
        folder = tmp_path_factory.mktemp("lora") / "run"
        loaded = xtl_jax.load(str(checkpoint))
        base = adapted.base(
            *(loaded.params,),
            config=loaded.config,
            checkpoint=loaded.source,
            step=loaded.step,
        )
        store = Store(folder)
        state = TrainState(step=jnp.int32(3), params=factors, opt_state=())
        store.save(3, state, {"row": 0}, score=1.0)
        store.wait()
        store.close()
        run = {
            "lora_rank": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_targets": list(lora.targets),
        }
        document = {
            "version": 1,
            "run": run,
            "model": dataclasses.asdict(config),
            "environment": {"vocabulary_size": 200},
            "base": dataclasses.asdict(base),
        }
        (folder / "run.json").write_text(json.dumps(document))
        flat = jax.tree.leaves_with_path(factors)
        named = {
            jax.tree_util.keystr(p, simple=True, separator="/"): x for p, x in flat
        }
        return Adapted(folder, named)

    return make


@pytest.fixture(scope="module")
def on_ours(make_adapted, ours_toy):
    return make_adapted(ours_toy)


@pytest.fixture(scope="module")
def expected(toy_source, on_ours):
    """W + (alpha / rank) A B in double precision."""

    def read(entry, layer):
        array = np.float64(toy_source.read(entry, layer))
        a, b = (on_ours.factors.get(each) for each in loras.factors(entry.path))
        if a is None:
            return array
        return array + 1.5 * (
            np.float64(a if layer is None else a[layer])
            @ np.float64(b if layer is None else b[layer])
        )

    return read


def test_every_array_is_the_base_with_its_difference(on_ours, toy, expected):
    source = find.find(str(on_ours.folder)).source()
    assert (source.step, source.config) == (3, toy)
    assert source.name == str(on_ours.folder / "checkpoints" / "3")
    touched = 0
    for entry in names.entries(toy):
        for layer in names.layers(entry):
            found, wanted = source.read(entry, layer), expected(entry, layer)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
            touched += loras.factors(entry.path)[0] in on_ours.factors
    assert touched == 2 * 3 + 2 * 2 + 1  # queries, feed-forward outputs, the head


def test_it_is_loaded_whole_and_keeps_its_vocabulary(on_ours, toy, expected):
    loaded = xtl_jax.load(str(on_ours.folder))
    assert (loaded.step, loaded.vocabulary_size) == (3, 200)
    for entry in names.entries(toy):
        node = loaded.params
        for key in entry.path.split("/"):
            node = node[key]
        layers = [expected(entry, layer) for layer in names.layers(entry)]
        wanted = layers[0] if entry.layers is None else np.stack(layers)
        np.testing.assert_allclose(node, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("base", ["t5x_toy", "hf_toy"])
def test_the_base_may_have_any_format(base, request, make_adapted, on_ours, same):
    other = make_adapted(request.getfixturevalue(base))
    same(on_ours.folder, other.folder)


def test_the_same_weights_in_another_place_and_format_are_the_same_base(
    make_adapted, ours_toy, hf_toy, t5x_toy
):
    documents = [
        json.loads((make_adapted(path).folder / "run.json").read_text())["base"]
        for path in (ours_toy, hf_toy, t5x_toy)
    ]
    assert documents[0]["checksums"] == documents[1]["checksums"]
    assert documents[0]["checksums"] == documents[2]["checksums"]


@pytest.mark.parametrize("to", ["t5x", "huggingface", "xtl"])
def test_it_is_exported_merged(on_ours, tmp_path, same, convert_to, to):
    same(on_ours.folder, convert_to(on_ours.folder, tmp_path / "exported", to))


def test_one_run_of_lora_can_be_the_base_of_another(make_adapted, on_ours, toy):
    second = make_adapted(on_ours.folder)
    once = find.find(str(on_ours.folder)).source()
    twice = find.find(str(second.folder)).source()
    for entry in names.entries(toy):
        a, b = (second.factors.get(each) for each in loras.factors(entry.path))
        for layer in names.layers(entry):
            wanted = once.read(entry, layer)
            if a is not None and b is not None:
                own = (a, b) if layer is None else (a[layer], b[layer])
                wanted = wanted + 1.5 * np.matmul(*own)
            found = twice.read(entry, layer)
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_checksum_is_the_crc_of_the_entries_in_order():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    plain = f"{zlib.crc32(array.tobytes()):08x}"
    assert adapted.checksum(array) == plain
    turned = np.asfortranarray(array)
    assert adapted.checksum(turned) == plain
    assert adapted.checksum(array.T) == f"{zlib.crc32(array.T.tobytes()):08x}" != plain
    assert adapted.checksum(array[0]) == f"{zlib.crc32(array[0].tobytes()):08x}"


# --- what is refused ------------------------------------------------------------------


@pytest.fixture
def base(ours_toy, tmp_path):
    """A base that may be spoilt."""
    return pathlib.Path(shutil.copytree(ours_toy, tmp_path / "base"))


def _changed(source, folder, *, path, layer, config=None):
    """Writes a checkpoint that differs in one entry of one layer."""

    def read(entry, number):
        array = source.read(entry, number)
        if (entry.path, number) == (path, layer):
            array = array.copy()
            array[-1, -1] += np.float32(1e-3)
        return array

    shutil.rmtree(folder)
    changed = dataclasses.replace(source, read=read, config=config or source.config)
    ours.write(changed, epath.Path(folder))


@pytest.mark.parametrize(
    "path", ["encoder/layers/mlp/wo/kernel", "decoder/layers/mlp/wi_1/kernel"]
)
def test_a_base_that_has_changed_is_named_with_the_array(
    base, make_adapted, toy_source, path
):
    run = make_adapted(base).folder
    _changed(toy_source, base, path=path, layer=1)
    says = (
        rf"{run} was trained with LoRA on {base}\S*, step 7.*{path} of layer 1 differ"
    )
    with pytest.raises(UserError, match=says):
        xtl_jax.load(str(run))


def test_a_base_that_has_changed_is_not_converted(
    base, make_adapted, toy_source, tmp_path, convert_to
):
    run = make_adapted(base).folder
    _changed(toy_source, base, path="encoder/layers/mlp/wo/kernel", layer=0)
    with pytest.raises(UserError, match=r"wo/kernel of layer 0 differs"):
        convert_to(run, tmp_path / "exported", "huggingface")
    assert not list(tmp_path.glob("exported*"))


def test_a_base_that_is_gone_is_named(base, make_adapted):
    run = make_adapted(base).folder
    shutil.rmtree(base)
    with pytest.raises(UserError, match=rf"{run} .*model is in {base}.*has moved"):
        xtl_jax.load(str(run))


def test_a_base_of_another_size_is_refused(base, make_adapted, toy_source):
    run = make_adapted(base).folder
    small = dataclasses.replace(toy_source.config, encoder_layers=1)
    _changed(toy_source, base, path="", layer=None, config=small)
    with pytest.raises(UserError, match=r"another model .* has no encoder/layers"):
        xtl_jax.load(str(run))


@pytest.mark.parametrize(
    ("lora", "says"),
    [
        (dataclasses.replace(LORA, rank=5), r"lora_a"),
        (dataclasses.replace(LORA, targets=("query", "wo")), r"logits_dense/lora_a"),
    ],
)
def test_factors_that_are_not_what_run_json_says_are_refused(
    make_adapted, ours_toy, lora, says
):
    run = make_adapted(ours_toy, lora=lora).folder
    with pytest.raises(UserError, match=rf"does not hold what its run\.json.*{says}"):
        xtl_jax.load(str(run))


def test_a_run_json_without_the_base_is_refused(on_ours, tmp_path):
    run = shutil.copytree(on_ours.folder, tmp_path / "run")
    document = json.loads((run / "run.json").read_text())
    del document["base"]
    (run / "run.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"run\.json was not written by this version"):
        xtl_jax.load(str(run))
