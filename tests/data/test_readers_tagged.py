"""Files of tagged sentences: each layout, and each defect named by line and value."""

from __future__ import annotations

import pytest

from xtl_jax.data import readers, tfds_rows
from xtl_jax.errors import UnlabelledError, UserError


def read(
    tmp_path, text, *, name="a.tsv", reader=readers.parts_of_speech, language="de"
):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(reader(path, language=language, split="test"))


def plain(rows):
    return [
        " ".join(map("/".join, zip(row.tokens, row.tags, strict=True))) for row in rows
    ]


ENTITIES = {"reader": readers.named_entities, "language": "en"}
CCG = {"reader": readers.supertags, "language": "en"}


def test_two_columns_as_xtreme_has_them(tmp_path):
    rows = read(tmp_path, "Es\tPRON\nregnet\tVERB\n\n#\tSYM\n\n")
    assert plain(rows) == ["Es/PRON regnet/VERB", "#/SYM"]
    assert [row.id for row in rows] == ["de-0", "de-1"]


@pytest.mark.parametrize(
    "text",
    [
        "Es\tPRON\n\n\n\nJa\tINTJ",  # blank lines more, no line end at the end
        "\n \nEs\tPRON\n\t\nJa\tINTJ\n\n\n",  # blank lines first; only white space
        b"\xef\xbb\xbfEs\tPRON\r\n\r\nJa\tINTJ\r\n",  # byte order mark, Windows
    ],
)
def test_what_separates_sentences_may_vary(tmp_path, text):
    assert plain(read(tmp_path, text)) == ["Es/PRON", "Ja/INTJ"]


def test_only_tabs_and_line_feeds_separate(tmp_path):
    (row,) = read(tmp_path, "1\u00a0000 km\tNUM\n\u2028x\tX\n")
    assert row.tokens == ("1\u00a0000 km", "\u2028x")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Es\tPRON\nregnet VERB\n", "line 2: has 1 columns, 2 are needed (token, tag)"),
        ("Es\tPRON\t0\n", "line 1: has 3 columns, 2 are needed (token, tag)"),
        (
            "Es\tPRON\n\nregnet\tVRB\n",
            "line 3: unknown tag 'VRB' of token 'regnet'; al",
        ),
        ("Es\tPRON \n", "line 1: unknown tag 'PRON '"),
        (
            "Es\tpron\n",
            "allowed: ADJ, ADP, ADV, AUX, CCONJ, DET, INTJ, NOUN, NUM, PART",
        ),
        ("Es\tPRON\n\tVERB\n", "line 2: the token is blank: ''"),
        ("\u3000\tNOUN\n", "line 1: the token is blank: '\\u3000'"),
        ("Es\tPRON\nreg\0net\tVERB\n", "line 2) is 0x00"),
        (b"Es\tPRON\nregn\xe4t\tVERB\n", "line 2) is 0xe4, which is not UTF-8"),
        (b"\xff\xfeE\x00s\x00", "UTF-16 byte order mark"),
        ("", "the file is empty (0 bytes)"),
        ("\n\n \n", "holds no sentence"),
    ],
)
def test_bad_rows_are_named(tmp_path, text, wanted):
    with pytest.raises(UserError) as error:
        read(tmp_path, text)
    assert wanted in str(error.value)
    assert "a.tsv" in str(error.value)
    assert not isinstance(error.value, UnlabelledError)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Es\nregnet\n\nJa\n", "a.tsv"),  # XTREME's test files: tokens alone
        ("Es\t_\nregnet\t_\n", "a.tsv"),
        ("1\tEs\t_\t_" + "\t_" * 6 + "\n", "a.conllu"),
    ],
)
def test_files_without_tags_are_refused_as_such(tmp_path, text, name):
    with pytest.raises(
        UnlabelledError, match="the split 'test' is unlabelled"
    ) as error:
        read(tmp_path, text, name=name)
    assert "xtl submit" in str(error.value)


def test_wikiann_tokens_lose_the_code_of_their_language(tmp_path):
    text = "en:Ada\tB-PER\nen:10:30\tO\n\nen::\tO\n"
    assert plain(read(tmp_path, text, **ENTITIES)) == ["Ada/B-PER 10:30/O", ":/O"]
    # XTREME's files have lost it already; a token may look like one
    text = "en:Ada\tB-PER\nLovelace\tI-PER\n"
    assert plain(read(tmp_path, text, **ENTITIES)) == ["en:Ada/B-PER Lovelace/I-PER"]


def test_wikiann_of_another_language_is_refused(tmp_path):
    with pytest.raises(UserError, match="it is in 'ar', not in 'en'"):
        read(tmp_path, "ar:a\tB-PER\nar:b\tO\n", **ENTITIES)
    text = "zh-min-nan:a\tO\n"
    (row,) = read(tmp_path, text, reader=readers.named_entities, language="zh-min-nan")
    assert row.tokens == ("a",)


@pytest.mark.parametrize("tag", ["B-MISC", "PER", "I", "", "o", "B-PER\u200b"])
def test_entity_tags_outside_the_set_are_named(tmp_path, tag):
    with pytest.raises(UserError, match="line 2: unknown tag"):
        read(tmp_path, f"a\tO\nb\t{tag}\n", **ENTITIES)


UNER = """# newdoc id = d1
# sent_id = d1-s1
# text = Oslo is in Norway.
1\tOslo\tB-LOC\t-\tann
2\tis\tO
3\tin\tO\t-
4\tNorway\tB-OTH\t-\tann
5\t#\tB-O\t-\tann

# sent_id = d1-s2
1\tRita\tB-PER\t-\tann
"""


def test_universal_ner_has_three_types_and_ids_of_its_own(tmp_path):
    rows = read(tmp_path, UNER, name="a.iob2", **ENTITIES)
    assert plain(rows) == ["Oslo/B-LOC is/O in/O Norway/O #/O", "Rita/B-PER"]
    assert [row.id for row in rows] == ["en-d1-s1", "en-d1-s2"]


def test_sentences_of_the_parallel_treebanks_share_their_ids(tmp_path):
    for language in ("en", "de"):
        name = f"{language}_pud-ud-test.iob2"
        rows = read(
            tmp_path, UNER, name=name, reader=readers.named_entities, language=language
        )
        assert [row.id for row in rows] == ["d1-s1", "d1-s2"]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            "2\tis",
            "3\tis",
            "line 5: the token's number is '3', 2 comes next; a line or",
        ),
        ("\n\n", "\n", "line 10: the token's number is '1', 6 comes next"),
        ("s2", "s1", "line 11: the sentence id 'en-d1-s1' is there a second time"),
        ("is\tO", "is", "line 5: has 2 columns, 3 or 4 or 5 are needed (number, token"),
        ("B-PER", "B-GPE", "line 11: unknown tag 'B-GPE'"),
    ],
)
def test_bad_rows_of_universal_ner_are_named(tmp_path, old, new, wanted):
    with pytest.raises(UserError) as error:
        read(tmp_path, UNER.replace(old, new), name="a.iob2", **ENTITIES)
    assert wanted in str(error.value)


CONLLU = "\n".join(
    "\t".join((*cells, *["_"] * (10 - len(cells)))) if len(cells) > 1 else cells[0]
    for cells in (
        ("# sent_id = n01001011",),
        ("# text = du pain",),
        ("1-2", "du", "_", "_"),
        ("1", "de", "de", "ADP"),
        ("2", "le", "le", "DET"),
        ("2.1", "x", "x", "VERB"),
        ("3", "pain", "pain", "NOUN"),
        ("",),
        ("1", "Oui", "oui", "INTJ"),
    )
)


def test_conllu_gives_words_without_ranges_and_empty_nodes(tmp_path):
    rows = read(tmp_path, CONLLU, name="fr.conllu", language="fr")
    assert plain(rows) == ["de/ADP le/DET pain/NOUN", "Oui/INTJ"]
    assert [row.id for row in rows] == ["fr-n01001011", "fr-1"]
    with pytest.raises(UserError, match="line 4: has 9 columns, 10 are needed"):
        read(tmp_path, CONLLU.replace("1\tde\t", "1\t"), name="fr.conllu")


DERIVATION = (
    "(<T S[dcl] 0 2> (<T NP 0 2> (<L NP[nb]/N DT DT The NP[nb]_1/N_1>) "
    "(<L N NN NN sea N>) ) (<T S[dcl]\\NP 0 2> (<L S[dcl]\\NP VBZ VBZ rises "
    "S[dcl]\\NP_1>) (<L . . . . .>) ) ) "
)


def test_ccgbank_derivations_give_their_lexical_categories(tmp_path):
    text = f"ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1\n{DERIVATION}\n"
    (row,) = read(tmp_path, text, name="wsj_0001.auto", **CCG)
    assert row.id == "wsj_0001.1"
    assert row.tokens == ("The", "sea", "rises", ".")
    assert row.tags == ("NP[nb]/N", "N", "S[dcl]\\NP", ".")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"ID=a\n{DERIVATION}\nID=b\n", "line 3: an id without its derivation"),
        (f"{DERIVATION}\nID=a\n", "line 1: needed is an id such as ID=wsj_0001.1"),
        (f"ID=a\n{DERIVATION}\n" * 2, "line 3: id 'a' is there a second time"),
        (f"ID=a\n{DERIVATION[:90]}\n", "line 2: is no whole derivation"),
        (f"ID=a\n{DERIVATION.replace('sea ', '')}\n", "line 2: is no whole derivation"),
        (f"ID=a\n{DERIVATION.replace(' ', chr(9))}\n", "line 2: holds a tab"),
    ],
)
def test_bad_derivations_are_named(tmp_path, text, wanted):
    with pytest.raises(UserError) as error:
        read(tmp_path, text, name="wsj_0001.auto", **CCG)
    assert wanted in str(error.value)


def test_supertags_on_one_line_with_or_without_parts_of_speech(tmp_path):
    for text in ("The|DT|NP/N sea|NN|N\n||:|N\n", "The|NP/N sea|N\n||N\n"):
        rows = read(tmp_path, text, name="a.stagged", **CCG)
        assert [row.tokens for row in rows] == [("The", "sea"), ("|",)]
        assert [row.tags for row in rows] == [("NP/N", "N"), ("N",)]
        assert [row.id for row in rows] == ["en-0", "en-1"]


@pytest.mark.parametrize(
    ("text", "error", "wanted"),
    [
        ("The sea\n", UnlabelledError, "the split 'test' is unlabelled"),
        ("The|NP/N sea\n", UserError, "line 1: 'sea' must be word|POS|category"),
        ("The|NP/N |N\n", UserError, "line 1: '|N' must be word|POS|category"),
        ("The|NP/N sea|\n", UserError, "line 1: 'sea|' must be word|POS|category"),
        ("\n\n", UserError, "holds no sentence"),
        ("a|N\0\n", UserError, "line 1) is 0x00"),
    ],
)
def test_bad_supertags_are_named(tmp_path, text, error, wanted):
    with pytest.raises(error) as raised:
        read(tmp_path, text, name="a.txt", **CCG)
    assert wanted in str(raised.value)


def test_tfds_wikiann_has_the_same_tags_in_its_own_order():
    # Class ids as TFDS's wikiann.py names them.
    example = {"tokens": [b"Ada", b"L.", b"IBM", b"NY", "x"], "tags": [1, 2, 3, 5, 0]}
    row = tfds_rows.wikiann(example, language="en")
    assert row.tokens == ("Ada", "L.", "IBM", "NY", "x")
    assert row.tags == ("B-PER", "I-PER", "B-ORG", "B-LOC", "O")
