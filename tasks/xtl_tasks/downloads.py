"""Where each family's release files are published, and what they become here.

Keyed by family; families that share files (`shares`, `parts`) share downloads. Sizes
and SHA-256 sums are in `checksums.tsv`, one a line with who published them: other
projects' lists of the same files, or the files themselves at a named commit. Where none
is known, the first download is trusted and a later change refused (`data/fetch.py`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import resources
from typing import NamedTuple

from xtl_jax.data import sources
from xtl_jax.data.fetch import Download
from xtl_jax.data.language_codes import ISO3
from xtl_tasks import translated
from xtl_tasks.family import Family
from xtl_tasks.target import bucc, lareqa, panx, tatoeba, uner, xcopa, xquad

_GITHUB = "https://raw.githubusercontent.com"
_FACEBOOK = "https://dl.fbaipublicfiles.com"
_JSONL = ("*.jsonl",)


class Known(NamedTuple):
    """What is known of a published file."""

    size: int | None  # bytes
    sha256: str
    source: str  # who says so


@functools.cache
def checksums() -> dict[str, Known]:
    """Address to what is known of its file."""
    text = resources.files("xtl_tasks").joinpath("checksums.tsv").read_text("utf-8")
    known = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            url, size, sha256, source = line.split("\t")
            known[url] = Known(int(size) if size else None, sha256, source)
    return known


def of(family: Family) -> list[Download]:
    """The files of a family and of those whose files it reads.

    Example:
        >>> [each.to for each in of(xquad.FAMILY)][:2]
        ['xquad/xquad.ar.json', 'xquad/xquad.de.json']
    """
    found: dict[str, Download] = {}
    for release in family.releases:
        names = [release.name, *release.shares.values()]
        for name in dict.fromkeys(names):
            for each in _FILES.get(name, ()):
                known = checksums().get(each.url)
                if known is not None:
                    each = dataclasses.replace(
                        each,
                        size=known.size,
                        sha256=known.sha256,
                        known_from=known.source,
                    )
                found[each.url] = each
    return list(found.values())


def _files(
    root: str, names: Iterable[str], *, to: str, languages: tuple[str, ...] = ()
) -> tuple[Download, ...]:
    """Files of one folder that go to one folder."""
    return tuple(
        Download(url=f"{root}/{name}", to=f"{to}/{name}", languages=languages)
        for name in names
    )


def _squad(version: str) -> tuple[Download, ...]:
    names = (f"train-{version}.json", f"dev-{version}.json")
    return _files(
        "https://rajpurkar.github.io/SQuAD-explorer/dataset", names, to="squad"
    )


def _bucc(language: str) -> Iterator[Download]:
    for part in ("sample", "training"):
        folder = f"bucc2018/{language}-en"
        yield Download(
            url=f"https://comparable.limsi.fr/bucc2018/bucc2018-{language}-en.{part}-"
            "gold.tar.bz2",
            to=folder,
            inside=folder,
            keep=(f"{language}-en.{part}.*",),
            languages=(language,),
        )


def _tatoeba(language: str) -> tuple[Download, ...]:
    name = ISO3[language]
    return _files(
        f"{_GITHUB}/facebookresearch/LASER/main/data/tatoeba/v1",
        (f"tatoeba.{name}-eng.{name}", f"tatoeba.{name}-eng.eng"),
        to="tatoeba",
        languages=(language,),
    )


def _xcopa(language: str) -> tuple[Download, ...]:
    return _files(
        f"{_GITHUB}/cambridgeltl/xcopa/master/data/{language}",
        (f"val.{language}.jsonl", f"test.{language}.jsonl"),
        to=f"xcopa/data/{language}",
        languages=(language,),
    )


# The commit of each of UNER's repositories whose files were checked.
_UNER_COMMITS = {
    "Cebuano-GJA": "336794a031b197e9f928c07a34926ee14f329ffe",
    "Chinese-GSDSIMP": "1f0307599dece7b83f4cba90ce9b63ef37a7b162",
    "Chinese-PUD": "647ba53747e1aa1818541965db99a0196440b7d2",
    "Croatian-SET": "20dcb2ef6b6bf9d5e03605a74c4d87215a1574c1",
    "Danish-DDT": "983c4cdc09f8ece6069d2b692b60dc4b3649ec6e",
    "English-EWT": "8ed072de2fd24022cc62458997fe96a8fe191ea4",
    "English-PUD": "07ea0553144e3fcf3d6633efe2a075b725a0d262",
    "German-PUD": "47eb039b6d80079b280ba70efe4136413fb7af9c",
    "Portuguese-Bosque": "f2c2ad67aed900385fbe5d655af41f439c9b3333",
    "Portuguese-PUD": "cda2cf86b68d45e896aab97ceca5e91d43a86db7",
    "Russian-PUD": "6f5acd6d728f70b20e4326d841356567796ee844",
    "Serbian-SET": "0d9685f001c10895572d844ef789c53dade0e265",
    "Slovak-SNK": "886e7c6d7e066e23246af5070d115a036a465c6d",
    "Swedish-PUD": "7fed5e267858a295f53083051a16d73c76f60f07",
    "Swedish-Talbanken": "dbb692085267da83a35d1e1d2c111671b3c7c46b",
    "Tagalog-TRG": "a80b309b5254d9d6afebebd7c65789eee3215256",
    "Tagalog-Ugnayan": "69e95595b6b1f2354d0ba735f7ec9e36c18373e4",
}


def _uner(key: str) -> tuple[Download, ...]:
    treebank, _, file = uner.FAMILY.names[key].partition("/")
    repository = f"UNER_{treebank}"
    parts = {"train": "train", "validation": "dev", "test": "test"}
    return _files(
        f"{_GITHUB}/UniversalNER/{repository}/{_UNER_COMMITS[treebank]}",
        (f"{file}-ud-{parts[split]}.iob2" for split in uner.FAMILY.splits_of(key)),
        to=f"uner/{repository}",
        languages=(key,),
    )


def _translated(family: Family) -> tuple[Download, ...]:
    """XTREME's translations, from its bucket: the first candidate of each language."""
    paths = {
        language: sources.expand(
            family.files_of(language, split="train")[0], language=language
        )
        for language in family.languages
    }
    return tuple(
        Download(
            url=f"https://storage.googleapis.com/{path}", to=path, languages=(language,)
        )
        for language, path in paths.items()
    )


def _each(
    of_language: Callable[[str], Iterable[Download]], languages: Iterable[str]
) -> tuple[Download, ...]:
    return tuple(each for language in languages for each in of_language(language))


_SNLI = Download(
    url="https://nlp.stanford.edu/projects/snli/snli_1.0.zip",
    to="snli_1.0",
    inside="snli_1.0",
    keep=_JSONL,
)
_MNLI = Download(
    url="https://cims.nyu.edu/~sbowman/multinli/multinli_1.0.zip",
    to="multinli_1.0",
    inside="multinli_1.0",
    keep=_JSONL,
)
_ANLI = Download(
    url=f"{_FACEBOOK}/anli/anli_v1.0.zip",
    to="anli_v1.0",
    inside="anli_v1.0",
    keep=("R?/*.jsonl",),
)
_XQUAD = f"{_GITHUB}/google-deepmind/xquad/7d30520c717524000f0d9d2f9c10a069acd9d285"
_LAREQA = (
    f"{_GITHUB}/google-research-datasets/lareqa/"
    "9bc8c7fb6dd8d01d72a05a93c2cb96882b0d299c/xquad-r"
)

_FILES: Mapping[str, tuple[Download, ...]] = {
    "squad_v1": _squad("v1.1"),
    "squad_v2": _squad("v2.0"),
    "snli": (_SNLI,),
    "mnli": (_MNLI,),
    "anli_r1": (_ANLI,),
    "anli_r2": (_ANLI,),
    "anli_r3": (_ANLI,),
    "qqp": (
        Download(
            url=f"{_FACEBOOK}/glue/data/QQP-clean.zip",
            to="QQP",
            inside="QQP",
            keep=("train.tsv", "dev.tsv", "test.tsv"),
        ),
    ),
    "hellaswag": _files(
        f"{_GITHUB}/rowanz/hellaswag/master/data",
        ("hellaswag_train.jsonl", "hellaswag_val.jsonl"),
        to="hellaswag",
    ),
    "cosmos_qa": _files(
        f"{_GITHUB}/wilburOne/cosmosqa/master/data",
        ("train.csv", "valid.csv"),
        to="cosmosqa",
    ),
    "commonsense_qa": _files(
        "https://s3.amazonaws.com/commensenseqa",  # the bucket is spelt so
        ("train_rand_split.jsonl", "dev_rand_split.jsonl"),
        to="commonsenseqa",
    ),
    "social_iqa": (
        Download(
            url="https://storage.googleapis.com/ai2-mosaic/public/socialiqa/"
            "socialiqa-train-dev.zip",
            to="social_iqa/socialiqa-train-dev",
            inside="socialiqa-train-dev",
            keep=("*.jsonl", "*.lst"),
        ),
    ),
    "copa": (
        Download(
            url=f"{_FACEBOOK}/glue/superglue/data/v2/COPA.zip",
            to="COPA",
            inside="COPA",
            keep=_JSONL,
        ),
        Download(
            url="https://asgordon.github.io/downloads/COPA-resources.tgz",
            to="COPA-resources/datasets",
            inside="COPA-resources/datasets",
            keep=("*.xml", "*.dtd"),
        ),
    ),
    "ccg": (
        Download(
            url="https://catalog.ldc.upenn.edu/LDC2005T13",
            to="ccgbank_1_1",
            by_hand="its licence forbids to fetch it for you",
        ),
    ),
    "xnli": (
        Download(
            url=f"{_FACEBOOK}/XNLI/XNLI-1.0.zip",
            to="XNLI-1.0",
            inside="XNLI-1.0",
            keep=("*.tsv", "*.jsonl"),
        ),
    ),
    "pawsx": (
        Download(
            url="https://storage.googleapis.com/paws/pawsx/x-final.tar.gz",
            to="pawsx/x-final",
            inside="x-final",
            keep=("*.tsv",),
        ),
    ),
    "xcopa": _each(_xcopa, xcopa.LANGUAGES),
    "xquad": tuple(
        each
        for language in xquad.FAMILY.languages
        for each in _files(
            _XQUAD, (f"xquad.{language}.json",), to="xquad", languages=(language,)
        )
    ),
    "mlqa": (
        Download(
            url=f"{_FACEBOOK}/MLQA/MLQA_V1.zip",
            to="mlqa/MLQA_V1",
            inside="MLQA_V1",
            keep=("*.json",),
        ),
    ),
    "tydiqa_goldp": _files(
        "https://storage.googleapis.com/tydiqa/v1.1",
        ("tydiqa-goldp-v1.1-train.json", "tydiqa-goldp-v1.1-dev.json"),
        to="tydiqa_goldp",
    ),
    "udpos": (
        Download(
            url="https://github.com/google-research/xtreme",
            to="udpos",
            by_hand="XTREME's script makes its files from Universal Dependencies",
        ),
    ),
    "panx": (
        Download(
            url="https://www.amazon.com/clouddrive/share/"
            "d3KGCRCIYwhKJF0H3eWA26hjg2ZCRhjpEQtDL70FSBN",
            file_name="AmazonPhotos.zip",
            to="panx_dataset",
            inside="*",
            keep=tuple(f"{language}.tar.gz" for language in panx.XTREME_R),
            within=("train", "dev", "test"),
            by_hand="its page needs a browser",
        ),
    ),
    "uner": _each(_uner, uner.FAMILY.languages),
    "bucc": _each(_bucc, bucc.LANGUAGES),
    "tatoeba": _each(_tatoeba, tatoeba.LANGUAGES),
    "lareqa": _files(
        _LAREQA, (f"{each}.json" for each in lareqa.LANGUAGES), to="lareqa/xquad-r"
    ),
    "mewslix": (
        Download(
            url="https://storage.googleapis.com/gresearch/mewsli/"
            "mewsli-x_20220518_6.zip",
            file_name="mewslix",
            to="mewslix",
            by_hand="the release's own script puts the texts of the news in",
        ),
    ),
    **{
        family.name: _translated(family)
        for family in (
            translated.XNLI,
            translated.PAWSX,
            translated.SQUAD,
            translated.TYDIQA,
        )
    },
}
