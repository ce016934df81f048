"""No damage to a file makes a loader die of anything but its own error.

Valid files of every family, as its release lays them out, are spoilt in the ways that
files get spoilt, and read. What comes is rows that can be turned into examples and
written as UTF-8, or a `UserError` that names the file.
"""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xtl_tasks import catalog
from xtl_tasks.loading import TaskSettings, examples

from xtl_jax.data.prompts import Example
from xtl_jax.errors import UserError

EXAMPLES = 100  # a layout; about 2 ms each
HUGE = 200_000  # characters of a huge line

# --- valid files --------------------------------------------------------------------


def _lines(*rows, separator="\t"):
    return "".join(separator.join(row) + "\n" for row in rows)


def _json_lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


_XQUAD_R = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": "Ada was here. Bea was not.",
                    "sentence_breaks": [[0, 13], [14, 26]],
                    "qas": [
                        {
                            "id": "q1",
                            "question": "Who was here?",
                            "answers": [{"text": "Ada", "answer_start": 0}],
                        }
                    ],
                }
            ]
        }
    ]
}
_MENTION = {
    "mentions": [
        {
            "example_id": "m1",
            "entity_id": "Q1",
            "mention_span": {"start": 0, "end": 3, "text": "Ada"},
        }
    ],
    "context": {
        "document_title": "News",
        "language": "de",
        "text": "Ada kam. Bea nicht.",
        "sentence_spans": [{"start": 0, "end": 8}, {"start": 9, "end": 19}],
    },
}
_ENTITY = {
    "entity_id": "Q1",
    "title": "Ada",
    "description_language": "en",
    "description": "A person.",
    "sentence_spans": [{"start": 0, "end": 9}],
}
_COPA_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<copa-corpus version="1.0">\n'
    '<item id="1" asks-for="cause" most-plausible-alternative="1">\n'
    "<p>It rained.</p><a1>Clouds &amp; wind came.</a1><a2>I slept.</a2>\n</item>\n"
    '<item id="2" asks-for="effect" most-plausible-alternative="2">\n'
    "<p>I fell.</p><a1>I ate.</a1><a2>I cried.</a2>\n</item>\n</copa-corpus>\n"
)
_AUTO = (
    "ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1\n"
    "(<T S[dcl] 0 2> (<L NP NNP NNP Ada NP>) "
    "(<L S[dcl]\\NP VBD VBD came S[dcl]\\NP>) )\n"
)
_CONLLU = "# sent_id = 1\n1\tAda\tAda\tPROPN\t_\t_\t0\troot\t_\t_\n\n"

# Layouts that tests/tasks/rows does not have: family, language, split and the files.
LAYOUTS = {
    "nli headed": (
        *("mnli", "en", "train"),
        {
            "m.txt": _lines(
                ("gold_label", "sentence1", "sentence2", "pairID", "label1"),
                ("neutral", "It rains.", "It is wet.", "1", "neutral"),
                ("-", "It rains.", "It is dry.", "2", "neutral"),
            )
        },
    ),
    "nli csv": (
        *("xnli", "en", "validation"),
        {"w.csv": 'id,premise,hypothesis,language,label\n7,"a, ""b""",c,English,2\n'},
    ),
    "copa xml": ("copa", "en", "train", {"copa-dev.xml": _COPA_XML}),
    "social iqa in two files": (
        *("social_iqa", "en", "train"),
        {
            "train.jsonl": _json_lines(
                {
                    "context": "Ada fell.",
                    "question": "How is she?",
                    "answerA": "sad",
                    "answerB": "glad",
                    "answerC": "tall",
                }
            ),
            "train-labels.lst": "1\n",
        },
    ),
    "ccg auto": ("ccg", "en", "train", {"wsj_0001.auto": _AUTO}),
    "conllu": ("udpos", "en", "test", {"t.conllu": _CONLLU}),
    "tatoeba": (
        *("tatoeba", "de", "test"),
        {
            "tatoeba.deu-eng.deu": "Guten Tag.\nIch komme.\n",
            "tatoeba.deu-eng.eng": "Hello.\nI come.\n",
        },
    ),
    "bucc": (
        *("bucc", "de", "validation"),
        {
            "de-en.sample.de": _lines(("de-1", "Guten Tag."), ("de-2", "Ich komme.")),
            "de-en.sample.en": _lines(("en-1", "Hello."), ("en-2", "A cat.")),
            "de-en.sample.gold": _lines(("de-1", "en-1")),
        },
    ),
    "lareqa": (
        *("lareqa", "de", "test"),
        {f"{each}.json": json.dumps(_XQUAD_R) for each in ("de", "en")},
    ),
    "lareqa pool": ("lareqa", "pool", "test", {"de.json": json.dumps(_XQUAD_R)}),
    "mewslix": (
        *("mewslix", "de", "test"),
        {"wikinews_mentions-test.jsonl": _json_lines(_MENTION)},
    ),
    "mewslix pool": (
        *("mewslix", "pool", "test"),
        {"candidate_set_entities.jsonl": _json_lines(_ENTITY)},
    ),
    "parallel": (
        *("world_retrieval", "sw", "test"),
        {
            "en.tsv": _lines(("1", "Hello."), ("2", "A cat.")),
            "sw.tsv": _lines(("1", "Jambo."), ("2", "Paka.")),
        },
    ),
    "translations in two columns": (
        *("parallel_text", "sw", "train"),
        {"pairs.tsv": _lines(("Hello.", "Jambo."), ("A cat.", "Paka."))},
    ),
    "translations in two files": (
        *("world_parallel", "sw", "train"),
        {
            "en.tsv": _lines(("1", "Hello."), ("2", "A cat.")),
            "sw.tsv": _lines(("1", "Jambo."), ("2", "Paka.")),
        },
    ),
}
ROWS = sorted(catalog.FAMILIES, key=lambda family: family.name)

# --- damage -------------------------------------------------------------------------


def _at(data, where):
    return where % (len(data) + 1)


def _insert(what):
    return lambda data, where: data[: (at := _at(data, where))] + what + data[at:]


def _line(change):
    """Damage to one line; its line end stays."""

    def damage(data, where):
        lines = data.split(b"\n")
        number = where % len(lines)
        lines[number : number + 1] = change(lines[number], random.Random(where))
        return b"\n".join(lines)

    return damage


def _swap_columns(line, rng):
    separator = b"\t" if b"\t" in line else b","
    cells = line.split(separator)
    rng.shuffle(cells)
    return [separator.join(cells)]


def _json_value(line, rng):
    """One value somewhere in a JSON text is replaced by one of another kind."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return [line]
    places = list(_places(document))
    if places:
        parent, key = rng.choice(places)
        other = [None, True, -1, 10**30, 1.5, "", " ", "x", "\udc00", [], {}, [[]]]
        if rng.random() < 0.2 and isinstance(parent, dict):
            del parent[key]
        else:
            parent[key] = rng.choice(other)
    return [json.dumps(document).encode()]


def _places(node):
    """Every value below a node: what holds it, and its key there."""
    items = {dict: dict.items, list: enumerate}.get(type(node), lambda node: ())
    for key, value in list(items(node)):
        yield node, key
        yield from _places(value)


_LABELS = (b"neutral", b"entailment", b"cause", b"label", b"answer", b"0", b"1", b"NP")

DAMAGE = {
    "byte dropped": lambda data, where: data[: _at(data, where)] + data[where + 1 :],
    "byte changed": lambda data, where: (
        data[: (at := _at(data, where))] + bytes([where % 256]) + data[at + 1 :]
    ),
    "cut short": lambda data, where: data[: _at(data, where)],
    "no start": lambda data, where: data[_at(data, where) :],
    "NUL": _insert(b"\0"),
    "BOM": lambda data, where: b"\xef\xbb\xbf" + data,
    "BOM inside": _insert(b"\xef\xbb\xbf"),
    "BOM alone": lambda data, where: b"\xef\xbb\xbf",
    "UTF-16": lambda data, where: data.decode("utf-8", "replace").encode("utf-16"),
    "not UTF-8": _insert(b"\xff\xfe\xc3("),
    "surrogate in UTF-8": _insert(b"\xed\xb0\x80"),
    "line separator": _insert("\u2028\x85\x0b\x0c\x1c".encode()),
    "no-break space": _insert("\u00a0\u3000\u200b\u200f".encode()),
    "CRLF": lambda data, where: data.replace(b"\n", b"\r\n"),
    "CR alone": lambda data, where: data.replace(b"\n", b"\r"),
    "blank line at the end": lambda data, where: data + b"\n",
    "blank lines at the end": lambda data, where: data + b"\n \n\t\n",
    "blank line": _insert(b"\n\n"),
    "no last line end": lambda data, where: data.rstrip(b"\n"),
    "tab": _insert(b"\t"),
    "tabs": _insert(b"\t\t\t"),
    "quote": _insert(b'"'),
    "quotes": _insert(b'""","'),
    "brace": _insert(b"}"),
    "backslash": _insert(b"\\u12\\"),
    "half a character": _insert(b"\\ud83d"),
    "nested deep": _insert(b"[" * 5000),
    "a number of many digits": _insert(b"9" * 5000),
    "no number": _insert(b"NaN"),
    "entity": _insert(b"&x;"),
    "huge line": _insert(b"x" * HUGE),
    "huge word": _insert("ü".encode() * HUGE),
    "twice": lambda data, where: data + data,
    "lines shuffled": lambda data, where: b"\n".join(
        random.Random(where).sample(lines := data.split(b"\n"), len(lines))
    ),
    "line twice": _line(lambda line, rng: [line, line]),
    "line dropped": _line(lambda line, rng: []),
    "columns swapped": _line(_swap_columns),
    "column dropped": _line(lambda line, rng: [line.partition(b"\t")[2]]),
    "value of another kind": _line(_json_value),
    "label changed": lambda data, where: data.replace(
        (old := _LABELS[where % len(_LABELS)]), b"no" + old
    ),
    "empty": lambda data, where: b"",
    "white space alone": lambda data, where: b" \n\t\n",
}
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


def _survives(folder, family, language, split, contents, spoil):
    """Reads spoilt copies of files; an error must name one of them."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number, (name, content) in enumerate(contents.items()):
        data = content
        for kind, where in spoil if number == spoil[0][1] % len(contents) else ():
            data = DAMAGE[kind](data, where)
        (folder / name).write_bytes(data)
        paths.append(str(folder / name))
    files = {f"{family.name}.{language}/{split}": " + ".join(paths)}
    found, said = _examples(family, language, split, files)
    if said is not None:
        assert any(path in said for path in paths), said
        return
    assert found
    for each in found:
        assert isinstance(each, Example)
        texts = (each.id, each.inputs, each.targets, each.context or "")
        "".join((*texts, *each.references, *each.options)).encode("utf-8")
    ids = [each.id for each in found]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("family", ROWS, ids=lambda family: family.name)
def test_a_spoilt_file_of_a_family_is_refused_in_words(family, own_files, tmp_path):
    try:
        written = own_files(family.name)
    except KeyError:  # there are no rows of it
        assert family.name in {layout[0] for layout in LAYOUTS.values()}
        return
    files = []
    for key, path in sorted(written.items()):
        task, _, split = key.partition("/")
        with open(path, "rb") as file:
            content = {path.rpartition("/")[2]: file.read()}
        files.append((task.partition(".")[2], split, content))

    @fuzzed
    @given(st.sampled_from(files), damages)
    def check(chosen, spoil):
        language, split, content = chosen
        _survives(tmp_path / "spoilt", family, language, split, content, spoil)

    check()


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_spoilt_file_of_another_layout_is_refused_in_words(layout, tmp_path):
    name, language, split, texts = LAYOUTS[layout]
    family = catalog.family(name)
    content = {file: text.encode() for file, text in texts.items()}
    _survives(tmp_path / "whole", family, language, split, content, [("BOM", 0)])

    @fuzzed
    @given(damages)
    def check(spoil):
        _survives(tmp_path / "spoilt", family, language, split, content, spoil)

    check()
