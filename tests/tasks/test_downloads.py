"""Where files are fetched from, and that they land where the tasks look."""

from __future__ import annotations

import fnmatch
import hashlib
import lzma
import re

import pytest
from xtl_tasks import catalog, downloads

from xtl_jax.data import sources

PUBLISHED = [
    family
    for family in catalog.FAMILIES
    if family.role != "unsupervised" and not family.card.toy and downloads.of(family)
]


def _lands(download, path):
    """Whether a release path is what a download becomes, or in what it becomes."""
    if not (download.is_archive or download.by_hand):
        return path == download.to
    below = path.removeprefix(f"{download.to}/")
    return below != path and any(
        fnmatch.fnmatch(below, wanted)
        for wanted in (download.keep if not download.within else ("*",))
    )


def test_every_family_of_the_field_has_a_source():
    field = {
        family.name
        for family in catalog.FAMILIES
        if family.role != "unsupervised" and not family.card.toy
    }
    assert field == {family.name for family in PUBLISHED}


@pytest.mark.parametrize("family", PUBLISHED, ids=lambda family: family.name)
def test_what_is_fetched_lies_where_the_family_looks(family):
    files = downloads.of(family)
    needed: set[str] = set()
    for release in family.releases:
        for language in release.languages:
            for split in release.splits_of(language):
                found = _landing(files, release, language, split)
                assert found, f"nothing that is fetched is {release.name}.{language}"
                needed |= found
    shared = {
        each.url
        for name in family.shares.values()
        for each in downloads.of(catalog.family(name))
    }
    assert {each.url for each in files} - shared <= needed  # nothing in vain


def _landing(files, release, language, split):
    """Addresses of the downloads that make the first candidate that they can make."""
    for candidate in release.files_of(language, split=split):
        parts = sources.expand(candidate, language=language).split(" + ")
        found = [{each.url for each in files if _lands(each, part)} for part in parts]
        if all(found):
            return set().union(*found)
    return set()


@pytest.mark.parametrize("family", PUBLISHED, ids=lambda family: family.name)
def test_one_language_needs_no_other_languages_files(family):
    for each in downloads.of(family):
        assert set(each.languages) <= set(family.languages)
        assert each.url.startswith("https://")
        assert not each.to.startswith("/")
        assert ".." not in each.to


def test_which_checksums_are_not_known():
    unknown = {
        each.url
        for family in PUBLISHED
        for each in downloads.of(family)
        if each.sha256 is None and not each.by_hand
    }
    bucket = "https://storage.googleapis.com/xtreme_translations/"
    folders = [url.removeprefix(bucket).partition("/")[0] for url in unknown]
    assert folders.count("XNLI") == 14
    assert folders.count("PAWSX") == 6
    (only,) = [url for url in unknown if not url.startswith(bucket)]
    assert only.endswith("en_ewt-ud-train.iob2")
    assert re.search(r"/[0-9a-f]{40}/", only)  # its commit is in the address


def test_the_list_of_checksums_has_no_line_in_vain():
    known = downloads.checksums()
    used = {each.url for family in PUBLISHED for each in downloads.of(family)}
    assert set(known) <= used
    for url, about in known.items():
        assert re.fullmatch("[0-9a-f]{64}", about.sha256), url
        assert about.size is None or about.size > 0
        assert about.source


def test_what_cannot_be_fetched_says_why():
    asked = {family.name for family in PUBLISHED if downloads.of(family)[0].by_hand}
    assert asked == {"ccg", "udpos", "panx", "panx_spans", "mewslix"}


@pytest.mark.parametrize(
    ("family", "folder", "least"),
    [
        ("xquad", "xquad", 12),
        ("lareqa", "lareqa", 11),
        ("commonsense_qa", "commonsenseqa", 2),
        ("cosmos_qa", "cosmosqa", 1),
        ("uner", "ner_uner", 32),
    ],
)
def test_files_at_hand_have_the_listed_checksums(shared, family, folder, least):
    found = 0
    for each in downloads.of(catalog.family(family)):
        name = each.to.partition("/")[2].removeprefix("UNER_")
        path = shared / "data" / folder / f"{name}.xz"
        if each.sha256 is None or not path.is_file():
            continue
        content = lzma.decompress(path.read_bytes())
        assert hashlib.sha256(content).hexdigest() == each.sha256, each.to
        assert len(content) == each.size
        found += 1
    assert found == least
