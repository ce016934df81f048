"""`xtl plan`; the compiler is played by a function."""

from __future__ import annotations

import json

import pytest

from xtl_jax.cli import pages
from xtl_jax.errors import UserError
from xtl_jax.hardware import compiler
from xtl_jax.hardware.plan import GIB

SMALL = ("--gin_file=models/mt5_small.gin", "--topology=v5e:2x2")
COUNTS = {
    "flops": 1e13,
    "memory_bytes": 1e10,
    "sent_bytes": 1e8,
    "slice_bytes": 0.0,
    "collectives": {"all-gather": {"times": 48, "bytes_sent": 1e8}},
    "largest_collectives": [],
}


@pytest.fixture(autouse=True)
def fake_compiler(monkeypatch, tmp_path):
    """Fits from four parts on; with remat "none" it does not."""
    asked = []

    def compile_apart(request, *, seconds, effort="full"):
        asked.append(request)
        mesh = request["mesh"]
        program = json.dumps([request["mesh"], request["model"], request["run"]])
        if request["model"]["remat"] == "none" or mesh["fsdp"] * mesh["model"] < 4:
            return {"fits": False, "why": "no room", "program": program}
        sizes = dict.fromkeys(
            ("arguments", "temporaries", "parameters", "optimizer"), GIB
        )
        flops = 1e13 * (4 / 3 if request["model"]["remat"] == "full" else 1)
        return {
            **sizes,
            "fits": True,
            "why": "",
            "program": program,
            "devices": 4,
            "mesh": {},
            "peak": 9 * GIB,
            "counts": {**COUNTS, "flops": flops},
            "compile_seconds": 60.0,
            "compile_memory": 3 * GIB,
        }

    monkeypatch.setattr(compiler, "installed", lambda: True)
    monkeypatch.setattr(compiler, "compile_apart", compile_apart)
    monkeypatch.setenv("XTL_CACHE_DIR", str(tmp_path / "cache"))
    return asked


def test_a_plan_says_what_fits_and_what_it_costs(xtl):
    done = xtl(
        *("plan", *SMALL, "--gin.MeshConfig.fsdp=4", "--gin.ModelConfig.remat=full"),
        "--gin.TRAIN_STEPS=36000",
        "--json",
    )
    assert done.code == 0
    document = json.loads(done.out)
    (found,) = document["plans"]
    assert (found["fits"], found["peak"]) == (True, 9 * GIB)
    # 4/3 * 1e13 FLOPs of 197e12 a second, of which matrix products reach 0.7; links
    # send 1e8 bytes at 0.7 of 200 GB/s, half of it in the open.
    seconds = 4e13 / 3 / 197e12 / 0.7 + 0.5 * 1e8 / 200e9 / 0.7
    assert found["estimate"]["seconds"] == pytest.approx(seconds)
    assert found["estimate"]["usd"] == pytest.approx(10 * seconds * 4 * 1.20)
    assert found["estimate"]["price"]["date"]
    assert any("70%" in sentence for sentence in document["assumptions"])


def test_what_does_not_fit_is_told_and_is_an_exit_code(xtl):
    done = xtl("plan", *SMALL)
    assert done.code == 1
    assert "no room" in done.out


def test_a_search_ranks_what_fits_and_writes_it_for_training(xtl, tmp_path):
    gin = tmp_path / "mesh.gin"
    picture = tmp_path / "memory.svg"
    done = xtl(
        *("plan", *SMALL, "--search", "--tries=100", "--json"),
        *(f"--gin_out={gin}", f"--picture={picture}"),
    )
    plans = json.loads(done.out)["plans"]
    fits = [each["fits"] for each in plans]
    assert fits == sorted(fits, reverse=True)
    assert any(fits)
    assert not all(fits)
    best = plans[0]["job"]
    assert best["model"]["remat"] == "minimal"  # computes less twice
    assert picture.read_text().startswith("<svg")
    assert "lower bound" not in gin.read_text()
    again = xtl("plan", *SMALL, f"--gin_file={gin}", "--json")
    assert json.loads(again.out)["plans"][0]["job"] == best


def test_a_mesh_of_a_quick_search_says_that_its_memory_may_be_more(xtl, tmp_path):
    gin = tmp_path / "mesh.gin"
    xtl("plan", *SMALL, "--search", "--tries=100", "--quick", f"--gin_out={gin}")
    assert "(a lower bound: --quick)" in gin.read_text().splitlines()[0]


def test_auto_takes_the_fewest_parts_that_the_compiler_lets_through(xtl, fake_compiler):
    done = xtl(
        *("plan", *SMALL, "--gin.MeshConfig.auto=True", "--gin.ModelConfig.remat=full"),
        *("--gin.ModelConfig.loss_chunks=8", "--gin.ModelConfig.attention_queries=256"),
        "--json",
    )
    (found,) = json.loads(done.out)["plans"]
    tried = [each["mesh"] for each in fake_compiler]
    parts = [mesh["fsdp"] * mesh["model"] for mesh in tried]
    assert parts == sorted(parts)
    assert parts[0] < parts[-1] == 4  # the compiler here wants four
    assert found["job"]["mesh"] == tried[-1]
    assert not tried[-1]["auto"]


def test_an_encoder_is_planned_at_the_length_that_it_has(xtl):
    done = xtl(
        *("plan", "--gin_file=models/xlmr_large.gin", "--topology=v5e:2x2"),
        *("--gin.MeshConfig.fsdp=4", "--gin.EncoderConfig.remat=full", "--json"),
    )
    (found,) = json.loads(done.out)["plans"]
    assert found["job"]["run"]["lengths"]["inputs"] == 512
    assert found["useful_flops"] > 0


def test_predicting_is_another_program(xtl, fake_compiler):
    xtl("plan", *SMALL, "--predict", "--gin.MeshConfig.fsdp=4", "--json")
    assert fake_compiler[0]["program"] == "predict"


def test_ranking_is_yet_another(xtl):
    plans = []
    for how in ("generate", "rank"):
        done = xtl(
            *("plan", *SMALL, "--predict", "--gin.MeshConfig.fsdp=4", "--json"),
            *("--gin.ModelConfig.remat=full", "--gin.RunConfig.decode_length=8"),
            f"--gin.RunConfig.classify={how}",
        )
        plans += json.loads(done.out)["plans"]
    generate, rank = (each["useful_flops"] for each in plans)
    # Three options: two more passes of the decoder, over 8 targets beside 1024 inputs.
    assert 1 < rank / generate < 1.2
    shown = xtl(
        *("plan", *SMALL, "--predict", "--gin.MeshConfig.fsdp=4"),
        *("--gin.ModelConfig.remat=full", "--gin.RunConfig.classify=rank"),
    )
    assert "ranked" in shown.out


def test_the_presets_make_a_markdown_table_in_a_page(xtl, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- plans -->\nold\n<!-- end of plans -->\nafter\n")
    done = xtl("plan", "--presets", "--markdown", f"--markdown_into={page}")
    assert done.code == 0
    text = page.read_text()
    assert text.startswith("before\n<!-- plans -->\n| model | slice |")
    assert text.endswith("<!-- end of plans -->\nafter\n")
    assert "old" not in text
    for topology in ("v5e:1x1", "v5e:2x2", "v4:4x4x4", "v5e:16x16", "v5p:2x2x4"):
        assert f"| {topology} |" in text
    assert done.out.strip() in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--gin_file=models/mt5_small.gin",), "name a slice with --topology"),
        (("--gin_file=models/mt5_small.gin", "--topology=v9:1"), "no TPU slice 'v9:1'"),
        (("--presets", "--topology=v4:4x4x4"), "leave out --topology"),
        ((*SMALL, "--matrix_share=2"), "matrix_share must be above 0"),
        (("--topology=v5e:2x2",), "ModelConfig.vocab"),
        ((*SMALL, "--picture=x.svg"), "nothing fits"),
    ],
)
def test_bad_input_is_named(xtl, arguments, message):
    done = xtl("plan", *arguments)
    assert done.code == 2
    assert message in done.err


def test_a_page_without_marks_is_refused():
    with pytest.raises(UserError, match="needs the marks"):
        pages.into("nothing", "table", mark="plans")
