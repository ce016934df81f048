"""Real tagged sentences: as many as the releases have, and all of them come back."""

from __future__ import annotations

import re
import tarfile

import pytest
from xtl_tasks import catalog, loading
from xtl_tasks.loading import TaskSettings
from xtl_tasks.target import panx, uner

from tests import archives
from xtl_jax.data import readers, tagging, vocabulary
from xtl_jax.errors import UnlabelledError, UserError
from xtl_jax.metrics.metric import add

SPLITS = {"train": "train", "dev": "validation", "test": "test"}
SMALL = 34_000  # bytes of a compressed file; larger ones are for the slow test
TREEBANKS = {name.rpartition("/")[2]: key for key, name in uner.FAMILY.names.items()}


def released(shared, *, small):
    """Path, published rows, family, language and split of each file, by its list."""
    text = (shared / "data" / "MANIFEST.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 10 or not cells[8].isdecimal():
            continue
        path, rows, size = cells[1], cells[6], int(cells[8])
        found = re.fullmatch(r"udpos/\w+/(\w+)-(\w+)\.tsv\.xz", path)
        if found is not None:
            tasks, split, language = ["udpos"], found[1], found[2]
        elif match := re.fullmatch(r"ud/.*/(\w\w)_\w+-ud-(\w+)\.conllu\.xz", path):
            tasks, language, split = ["udpos"], match[1], match[2]
        elif match := re.fullmatch(r"ner_uner/.*/(\w+)-ud-(\w+)\.iob2\.xz", path):
            tasks, split = ["uner", "uner_spans"], match[2]
            language = TREEBANKS[match[1]]
        else:
            continue
        for task in tasks:
            if (size <= SMALL) == small and language in catalog.family(task).languages:
                yield path, int(rows), task, language, SPLITS[split]


def examples_of(shared, path, *, task, language, split):
    settings = TaskSettings(
        data_dir=str(shared / "data"), files={f"{task}.{language}/{split}": path}
    )
    family = catalog.family(task)
    return list(loading.examples(family, language, split=split, settings=settings))


def check_round_trip(family, examples, *, write=lambda text: text):
    """Targets as predictions: every tag is right, and nothing is without a place."""
    counts = []
    for example in examples:
        placed = family.place(write(example.targets), context=example.context)
        counts.append(
            family.metric.counts(
                " ".join(placed.tags), references=example.references, language="en"
            )
        )
        assert placed.unplaced == 0, example
        if family.name in ("udpos", "ccg", "panx", "uner"):
            assert " ".join(placed.tags) == example.references[0]
        else:  # an entity that begins with I- comes back with B-, which counts the same
            assert not counts[-1]["false_positives"] + counts[-1]["false_negatives"]
    sums = add(counts)
    if sums.get("true_positives", 1):
        assert set(family.metric.combine(sums).values()) == {100.0}


def check_files(shared, *, small, write=lambda text: text):
    checked = 0
    for path, rows, task, language, split in released(shared, small=small):
        found = examples_of(shared, path, task=task, language=language, split=split)
        assert len(found) == rows, path
        assert len({example.id for example in found}) == rows, path
        check_round_trip(catalog.family(task), found, write=write)
        checked += 1
    return checked


def test_small_files_have_their_rows_and_come_back(shared):
    assert check_files(shared, small=True) > 20


@pytest.mark.slow
def test_all_files_have_their_rows_and_come_back(shared):
    assert check_files(shared, small=False) > 100


@pytest.fixture(scope="module")
def real_vocabulary(shared):
    name = "xlmr_sentencepiece_rebuilt.model.xz"
    return vocabulary.load(shared / "data" / "tokenizer" / name, extra_ids=100)


def test_indexed_tags_survive_a_real_tokenizer(shared, real_vocabulary):
    checked = 0
    for path, _, task, language, split in released(shared, small=True):
        if task.endswith("_spans"):
            continue
        family = catalog.family(task)
        found = examples_of(shared, path, task=task, language=language, split=split)
        written = {
            example.targets: real_vocabulary.decode(
                real_vocabulary.encode(example.targets)
            )
            for example in found
        }
        check_round_trip(family, found, write=written.__getitem__)
        checked += len(found)
    assert checked > 5_000


@pytest.mark.slow
def test_spans_survive_but_for_characters_that_the_tokenizer_lacks(
    shared, real_vocabulary
):
    lost = total = 0
    for path, _, task, language, split in released(shared, small=False):
        if task != "uner_spans":
            continue
        family = catalog.family(task)
        found = examples_of(shared, path, task=task, language=language, split=split)
        for example in found:
            total += 1
            written = real_vocabulary.decode(real_vocabulary.encode(example.targets))
            if "\u2047" in written:  # what an unknown piece is decoded to
                lost += 1
                continue
            check_round_trip(family, [example], write=lambda text, said=written: said)
    assert 0 < lost < total / 1000


@pytest.fixture(scope="module")
def wikiann(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wikiann")
    with tarfile.open(shared / "data" / "panx_wikiann_sample.tar.xz") as archive:
        archives.unpack(archive, folder)
    return folder


def test_wikiann_in_176_languages(wikiann):
    folders = sorted((wikiann / "wikiann").iterdir())
    assert len(folders) == 176
    for folder in folders:
        for part in ("train", "dev", "test"):
            (path,) = folder.glob(f"*/*/{part}")
            rows = list(readers.named_entities(path, language=folder.name, split=part))
            for family in (panx.FAMILY, panx.SPANS):
                check_round_trip(family, [family.prompt(row) for row in rows])


def test_panx_reads_the_unpacked_release(wikiann, tmp_path):
    name = "panx_dataset/{language}/dev"
    for language in panx.XTREME_R:
        (path,) = (wikiann / "wikiann" / language).glob("*/*/dev")
        place = tmp_path / name.format(language=language)
        place.parent.mkdir(parents=True)
        place.write_bytes(path.read_bytes())
    for task in ("panx", "panx_spans"):
        settings = TaskSettings(data_dir=str(tmp_path))
        family = catalog.family(task)
        for language in family.languages:
            if language == "en":
                continue
            rows = loading.rows(family, language, split="validation", settings=settings)
            assert len(list(rows)) == 1
        with pytest.raises(UserError, match="has 1 rows, the release has 10,000"):
            list(loading.rows(family, "en", split="validation", settings=settings))


def test_a_file_setting_of_panx_holds_for_its_other_format_too(wikiann):
    (path,) = (wikiann / "wikiann" / "sw").glob("*/*/test")
    settings = TaskSettings(files={"panx.sw/test": str(path)})
    for name in ("panx", "panx_spans"):
        family = catalog.family(name)
        rows = list(loading.rows(family, "sw", split="test", settings=settings))
        assert len(rows) == 1


@pytest.mark.parametrize(
    ("name", "language", "rows"),
    [("fracas_candc", "en", 585), ("jsem_ja", "ja", 152)],  # by the list of the files
)
def test_supertags_of_two_languages(shared, name, language, rows):
    path = shared / "data" / "ccg" / f"{name}_supertags.txt.xz"
    found = list(readers.supertags(path, language=language, split="test"))
    assert len(found) == rows
    check_round_trip(catalog.family("ccg"), [tagging.CCG.prompt(row) for row in found])


def test_ccgbank_sections_are_chosen_by_folder(tmp_path):
    for section in ("00", "01", "02", "09", "10", "21", "22", "23"):
        folder = tmp_path / "ccgbank_1_1" / "data" / "AUTO" / section
        folder.mkdir(parents=True)
        (folder / f"wsj_{section}01.auto").write_text(
            f"ID=wsj_{section}01.1 PARSER=GOLD NUMPARSE=1\n(<L N NN NN sea N>)\n"
        )
    family = catalog.family("ccg")
    settings = TaskSettings(data_dir=str(tmp_path))
    wanted = {"train": "02 09 10 21", "validation": "00", "test": "23"}
    for split, sections in wanted.items():
        source = loading.find_source(family, "en", split=split, settings=settings)
        assert source is not None
        assert [path.split("/")[-2] for path in source.paths] == sections.split()
    with pytest.raises(UserError, match="has 4 rows, the release has 39,604"):
        list(loading.rows(family, "en", split="train", settings=settings))


def test_universal_dependencies_has_more_languages_than_xtreme(shared):
    path = shared / "data" / "ud" / "Bengali-BRU" / "bn_bru-ud-test.conllu.xz"
    rows = list(readers.parts_of_speech(path, language="bn", split="test"))
    assert len(rows) == 56
    check_round_trip(catalog.family("udpos"), [tagging.POS.prompt(row) for row in rows])


def test_stripped_test_files_are_refused(tmp_path):
    """XTREME's script writes test files with tokens alone."""
    (tmp_path / "udpos").mkdir()
    path = tmp_path / "udpos" / "test-te.tsv"
    path.write_text("నేను\nవస్తాను\n\nఅవును\n", encoding="utf-8")
    settings = TaskSettings(data_dir=str(tmp_path))
    with pytest.raises(UnlabelledError, match=r"test-te\.tsv: the split 'test'"):
        list(
            loading.rows(catalog.family("udpos"), "te", split="test", settings=settings)
        )


def test_languages_have_the_splits_and_rows_of_their_treebanks():
    udpos, family = catalog.family("udpos"), catalog.family("uner")
    assert udpos.splits_of("kk") == ("train", "test")
    assert udpos.splits_of("th") == family.splits_of("en_pud") == ("test",)
    with pytest.raises(UserError, match=r"uner\.de has no split 'train'.*: test"):
        family.check_split("train", language="de")
    assert udpos.rows_published(language="en", split="train") == 21_253
    assert udpos.rows_published(language="de", split="train") is None
    assert family.rows_published(language="en", split="train") == 12_543
    assert family.rows_published(language="sk", split="train") == 8_483
    assert family.files_of("zh_pud", split="test")[0] == (
        "uner/UNER_Chinese-PUD/zh_pud-ud-test.iob2"
    )
