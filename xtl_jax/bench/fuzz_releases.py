"""Small valid files as releases lay them out, for `xtl bench fuzz`.

Every reader of datasets is here, with every layout that it tells apart: a family of the
catalogue, a language and split of it, and files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Release(NamedTuple):
    """One layout."""

    family: str
    language: str
    split: str
    files: Mapping[str, str]  # name to text


def _lines(*rows: Iterable[str], separator: str = "\t") -> str:
    return "".join(separator.join(row) + "\n" for row in rows)


def _json_lines(*records: Mapping[str, object]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def _squad(**more: object) -> str:
    answers = [{"text": "7:45", "answer_start": 20}]
    first = {"id": "q1", "question": "When does it leave?", "answers": answers}
    second = {"id": "q2", "question": "Who steers it?", "answers": answers}
    context = "The ferry leaves at 7:45."
    paragraph = {"context": context, "qas": [first, {**second, **more}]}
    return json.dumps({"data": [{"title": "Ferry", "paragraphs": [paragraph]}]})


_XQUAD_R = json.dumps(
    {
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
)
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
_COPA = {
    "idx": 0,
    "premise": "It rained.",
    "question": "cause",
    "label": 0,
    "choice1": "Clouds came.",
    "choice2": "I slept.",
}
_AUTO = (
    "ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1\n"
    "(<T S[dcl] 0 2> (<L NP NNP NNP Ada NP>) "
    "(<L S[dcl]\\NP VBD VBD came S[dcl]\\NP>) )\n"
)
_CONLLU = "# sent_id = 1\n1\tAda\tAda\tPROPN\t_\t_\t0\troot\t_\t_\n\n"
_IOB2 = "# sent_id = 1\n1\tAda\tB-PER\t-\tann\n2\tcame\tO\t-\tann\n\n"
_HELLASWAG = {
    "ind": 24,
    "ctx": "A dog runs. it",
    "label": 3,
    "endings": ["reads.", "votes.", "pays.", "barks."],
}
_COMMONSENSE_QA = {
    "id": "c1",
    "answerKey": "A",
    "question": {
        "stem": "Where is bread sold?",
        "choices": [
            {"label": letter, "text": text}
            for letter, text in (
                *(("A", "bakery"), ("B", "pond"), ("C", "moon")),
                *(("D", "choir"), ("E", "tunnel")),
            )
        ],
    },
}
_SOCIAL_IQA = {
    "context": "Ada fell.",
    "question": "How is she?",
    "answerA": "sad",
    "answerB": "glad",
    "answerC": "tall",
}
_COSMOS_QA = (
    "id,context,question,answer0,answer1,answer2,answer3,label\r\n"
    '3Q##a1,"I left my keys, ""again"".",Why ?,For fun .,No key .,Rain .,Sun .,1\r\n'
)
_PAIRS = {
    "en.tsv": _lines(("1", "Hello."), ("2", "A cat.")),
    "sw.tsv": _lines(("1", "Jambo."), ("2", "Paka.")),
}

RELEASES: Mapping[str, Release] = {
    "squad": Release("squad_v1", "en", "train", {"s.json": _squad()}),
    "squad v2": Release(
        "squad_v2", "en", "train", {"s.json": _squad(answers=[], is_impossible=True)}
    ),
    "mlqa": Release("mlqa", "de", "test", {"m.json": _squad()}),
    "tydi qa": Release("tydiqa_goldp", "sw", "train", {"t.json": _squad()}),
    "nli lines": Release(
        *("mnli", "en", "train"),
        {
            "m.jsonl": _json_lines(
                {
                    "gold_label": "neutral",
                    "pairID": "1",
                    "sentence1": "It rains.",
                    "sentence2": "It is wet.",
                }
            )
        },
    ),
    "anli": Release(
        *("anli", "en", "test"),
        {
            "a.jsonl": _json_lines(
                {"uid": "1", "context": "A.", "hypothesis": "B.", "label": "n"}
            )
        },
    ),
    "nli headed": Release(
        *("mnli", "en", "train"),
        {
            "m.txt": _lines(
                ("gold_label", "sentence1", "sentence2", "pairID", "label1"),
                ("neutral", "It rains.", "It is wet.", "1", "neutral"),
                ("-", "It rains.", "It is dry.", "2", "neutral"),
            )
        },
    ),
    "nli headless": Release(
        *("xnli", "sw", "test"),
        {"x.tsv": _lines(("Duka.", "Mkate.", "neutral"), ("A.", "B.", "entailment"))},
    ),
    "nli csv": Release(
        *("xnli", "en", "validation"),
        {"w.csv": 'id,premise,hypothesis,language,label\n7,"a, ""b""",c,English,2\n'},
    ),
    "nli translated": Release(
        *("xnli_translated", "de", "train"),
        {"x.tsv": _lines(("It rains.", "Dry.", "Es regnet.", "Trocken.", "neutral"))},
    ),
    "paraphrase": Release(
        *("pawsx", "ko", "validation"),
        {
            "p.tsv": _lines(
                ("id", "sentence1", "sentence2", "label"),
                ("25", '"그는 ""파도""를"', "가나다", "1"),
                ("29", "가나", "나다", "0"),
            )
        },
    ),
    "duplicates": Release(
        *("qqp", "en", "train"),
        {
            "q.tsv": _lines(
                ("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
                ("1", "1", "2", 'What is "tare"?', "What?", "1"),
                ("2", "3", "4", "How do I bake?", "How do I fry?", "0"),
            )
        },
    ),
    "copa": Release("copa", "en", "train", {"c.jsonl": _json_lines(_COPA)}),
    "copa xml": Release("copa", "en", "train", {"copa-dev.xml": _COPA_XML}),
    "hellaswag": Release(
        "hellaswag", "en", "validation", {"h.jsonl": _json_lines(_HELLASWAG)}
    ),
    "commonsense qa": Release(
        "commonsense_qa", "en", "train", {"c.jsonl": _json_lines(_COMMONSENSE_QA)}
    ),
    "cosmos qa": Release("cosmos_qa", "en", "train", {"c.csv": _COSMOS_QA}),
    "social iqa": Release(
        *("social_iqa", "en", "validation"),
        {"s.jsonl": _json_lines({**_SOCIAL_IQA, "correct": "B"})},
    ),
    "social iqa in two files": Release(
        *("social_iqa", "en", "train"),
        {"train.jsonl": _json_lines(_SOCIAL_IQA), "train-labels.lst": "1\n"},
    ),
    "tags": Release(
        *("panx", "en", "train"),
        {"p.tsv": _lines(("Ada", "B-PER"), ("came", "O"), ("",), ("It", "O"))},
    ),
    "parts of speech": Release(
        "udpos", "en", "train", {"u.tsv": _lines(("Tides", "NOUN"), ("turn", "VERB"))}
    ),
    "conllu": Release("udpos", "en", "test", {"t.conllu": _CONLLU}),
    "iob2": Release("uner", "en", "train", {"u.iob2": _IOB2}),
    "supertags": Release(
        *("ccg", "en", "train"), {"c.stagged": "Ada|NNP|NP came|VBD|S[dcl]\\NP\n"}
    ),
    "ccg auto": Release("ccg", "en", "train", {"wsj_0001.auto": _AUTO}),
    "tatoeba": Release(
        *("tatoeba", "de", "test"),
        {
            "tatoeba.deu-eng.deu": "Guten Tag.\nIch komme.\n",
            "tatoeba.deu-eng.eng": "Hello.\nI come.\n",
        },
    ),
    "bucc": Release(
        *("bucc", "de", "validation"),
        {
            "de-en.sample.de": _lines(("de-1", "Guten Tag."), ("de-2", "Ich komme.")),
            "de-en.sample.en": _lines(("en-1", "Hello."), ("en-2", "A cat.")),
            "de-en.sample.gold": _lines(("de-1", "en-1")),
        },
    ),
    "lareqa": Release(
        "lareqa", "de", "test", dict.fromkeys(("de.json", "en.json"), _XQUAD_R)
    ),
    "lareqa pool": Release("lareqa", "pool", "test", {"de.json": _XQUAD_R}),
    "mewslix": Release(
        *("mewslix", "de", "test"),
        {"wikinews_mentions-test.jsonl": _json_lines(_MENTION)},
    ),
    "mewslix pool": Release(
        *("mewslix", "pool", "test"),
        {"candidate_set_entities.jsonl": _json_lines(_ENTITY)},
    ),
    "parallel": Release("world_retrieval", "sw", "test", _PAIRS),
    "translations in two columns": Release(
        *("parallel_text", "sw", "train"),
        {"pairs.tsv": _lines(("Hello.", "Jambo."), ("A cat.", "Paka."))},
    ),
    "translations in two files": Release("world_parallel", "sw", "train", _PAIRS),
    "text": Release("span_corruption", "mul", "train", {"t.txt": "Two.\nZwei.\n"}),
}
