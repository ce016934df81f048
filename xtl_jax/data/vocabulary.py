"""Text to token ids and back, laid out as mT5 has it.

Id 0 is padding, 1 ends a sequence, 2 stands for what the vocabulary lacks, then the
pieces follow. *Sentinels* `<extra_id_0>`, `<extra_id_1>`, … mark the holes of span
corruption; T5 numbers them from the end: `<extra_id_0>` has the highest id.

Two kinds exist. A SentencePiece model is loaded from a file (plain, `.xz`, `.gz`; local
or `gs://`); one laid out otherwise is *re-laid*: XLM-R's `<unk> <s> </s> , .` becomes
`<pad> </s> <unk> , .` (the beginning-of-sentence piece goes, an encoder-decoder of T5's
kind has none), so that text still falls into the same pieces. `"bytes"` is ByT5's: each
UTF-8 byte is its value plus 3. In both, `<extra_id_0>` in a text is the sentinel if the
vocabulary has it; pieces need white space or nothing before it.

    >>> vocabulary = load("bytes", extra_ids=2)
    >>> vocabulary.encode("añ")
    [100, 198, 180]
    >>> vocabulary.decode([100, 198, 180, 1, 0, 0])
    'añ'
    >>> vocabulary.size, vocabulary.sentinel_ids
    (261, (260, 259))
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from xtl_jax import storage
from xtl_jax.data import sources
from xtl_jax.data.byte_vocabulary import BYTES, ByteVocabulary
from xtl_jax.data.special_ids import EOS_ID, PAD_ID, UNK_ID, until_end
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    import seqio

Span = tuple[int, int]

_SENTINEL = re.compile(r"^▁?<extra_id_(\d+)>$")


@runtime_checkable
class Vocabulary(Protocol):
    """What a tokenizer offers; ids 0, 1, 2 are padding, end and unknown."""

    pad_id: int
    eos_id: int
    unk_id: int
    size: int  # ids, sentinels included
    sentinel_ids: tuple[int, ...]  # `<extra_id_0>` first
    sha256: str  # of everything that decides what `encode` gives
    extra_ids: int  # sentinels added to what the file holds
    spec: str  # what `load` was given

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without end of sequence."""
        ...

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, faster than one by one."""
        ...

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[Span]]:
        """Ids of a text, and which bytes of its UTF-8 each stands for: first, end."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """Text up to the first end of sequence, padding dropped."""
        ...

    def piece(self, token: int) -> str:
        """How one id looks in a listing."""
        ...

    def seqio(self) -> seqio.Vocabulary:
        """The same vocabulary for SeqIO's and T5X's tools."""
        ...


def load(spec: str | os.PathLike[str], *, extra_ids: int = 0) -> Vocabulary:
    """A vocabulary from a SentencePiece file or `"bytes"`.

    Args:
        spec: path of a SentencePiece model (plain, `.xz`, `.gz`, `.bz2`; local or
            `gs://`), or `"bytes"`.
        extra_ids: sentinels to add after the pieces. mT5's own file holds its 100
            already and needs 0.

    Raises:
        UserError: missing or damaged file, or sentinels asked for twice.
    """
    name = os.fspath(spec)
    if extra_ids < 0:
        raise UserError(f"extra_ids must be 0 or more, got {extra_ids}")
    if name == BYTES:
        return ByteVocabulary(extra_ids=extra_ids)
    if not name:
        raise UserError(
            "no vocabulary given; pass a SentencePiece model's path or 'bytes'"
        )
    stamp = None
    if "://" not in name and os.path.isfile(name):
        status = os.stat(name)
        stamp = (status.st_mtime_ns, status.st_size)
    return _load_pieces(name, extra_ids, stamp)


@functools.lru_cache(maxsize=8)
def _load_pieces(name: str, extra_ids: int, stamp: object) -> PieceVocabulary:
    """Cached by name and time stamp: parsing 250,000 pieces takes half a second."""
    del stamp
    model = relay(sources.read_bytes(name), name=name)
    return PieceVocabulary(model, extra_ids=extra_ids, spec=name)


class PieceVocabulary:
    """A SentencePiece model in mT5's layout, with `extra_ids` sentinels added.

    Attributes:
        content: the model's bytes, sentinels included.
    """

    pad_id = PAD_ID
    eos_id = EOS_ID
    unk_id = UNK_ID

    def __init__(self, model: bytes, *, extra_ids: int, spec: str) -> None:
        self.spec = spec
        self.extra_ids = extra_ids
        self._model = model
        content = _with_sentinels(model, extra_ids, name=spec) if extra_ids else model
        self.content = content
        self._processor = _processor(content, name=spec)
        self.size = self._processor.get_piece_size()
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.sentinel_ids = _sentinel_ids(self._processor, name=spec)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without end of sequence."""
        return self._processor.encode(text)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, faster than one by one."""
        return self._processor.encode(list(texts), num_threads=1)

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[Span]]:
        """Ids of a text, and which bytes of its UTF-8 each stands for: first, end."""
        from sentencepiece import sentencepiece_pb2

        # The one form whose offsets are bytes in every version.
        data = self._processor.encode(text, out_type="serialized_proto")
        found = sentencepiece_pb2.SentencePieceText.FromString(data)  # type: ignore[attr-defined]
        return (
            [piece.id for piece in found.pieces],
            [(piece.begin, piece.end) for piece in found.pieces],
        )

    def decode(self, ids: Iterable[int]) -> str:
        """Text up to the first end of sequence, padding dropped.

        Ids past the last piece, which a model with padded rows may emit, read as
        unknown.
        """
        kept = until_end(ids)
        return self._processor.decode(
            [token if token < self.size else UNK_ID for token in kept]
        )

    def piece(self, token: int) -> str:
        """How one id looks in a listing."""
        return self._processor.id_to_piece(token) if token < self.size else "<unused>"

    def seqio(self) -> seqio.Vocabulary:
        """The same vocabulary for SeqIO: its file lies in the cache folder."""
        import seqio

        path = cache_folder() / f"{hashlib.sha256(self._model).hexdigest()}.model"
        if not path.is_file():
            storage.replace(path, self._model)
        return seqio.SentencePieceVocabulary(str(path), extra_ids=self.extra_ids)


def cache_folder() -> pathlib.Path:
    """Folder of re-laid vocabularies: `$XTL_CACHE_DIR/vocabulary` or the user's."""
    root = os.environ.get("XTL_CACHE_DIR")
    base = pathlib.Path(root) if root else pathlib.Path.home() / ".cache" / "xtl_jax"
    return base / "vocabulary"


def _processor(model: bytes, *, name: str) -> Any:
    import sentencepiece

    try:
        return sentencepiece.SentencePieceProcessor(model_proto=model)
    except (RuntimeError, TypeError) as error:
        raise UserError(
            f"{name}: is not a SentencePiece model, or is cut short ({error})"
        ) from None


def _sentinel_ids(processor: Any, *, name: str) -> tuple[int, ...]:
    """Sentinels by number. They stand in one row at the end or are absent."""
    numbered: dict[int, int] = {}
    for token in range(processor.get_piece_size() - 1, UNK_ID, -1):
        match = _SENTINEL.match(processor.id_to_piece(token))
        if match is None:
            break
        numbered[int(match[1])] = token
    if sorted(numbered) != list(range(len(numbered))):
        raise UserError(
            f"{name}: its sentinels are numbered {sorted(numbered)[:5]}…, "
            "0, 1, 2, … is needed"
        )
    return tuple(numbered[number] for number in range(len(numbered)))


def relay(model: bytes, *, name: str = "model") -> bytes:
    """A SentencePiece model with pad 0, end 1, unknown 2, then all other pieces.

    Pieces keep their text, score and order, so a text is cut at the same places. A
    model that is laid out so already is returned as it is; the rewrite depends on
    nothing but the bytes.

    Raises:
        UserError: not a SentencePiece model.
    """
    proto = _proto(model, name=name)
    piece = _model_proto().SentencePiece
    trainer = proto.trainer_spec
    special = {
        old.piece: token
        for token, old in enumerate(proto.pieces)
        if old.type in (piece.CONTROL, piece.UNKNOWN)
    }
    names = (trainer.pad_piece, trainer.eos_piece, trainer.unk_piece)
    if [special.get(text) for text in names] == [PAD_ID, EOS_ID, UNK_ID]:
        return model

    dropped = {special.get(text) for text in (*names, trainer.bos_piece)}
    rest = [
        (old.piece, old.score, old.type)
        for token, old in enumerate(proto.pieces)
        if token not in dropped
    ]
    taken = {text for text, _, _ in rest}
    for text in names:
        if text in taken:
            raise UserError(
                f"{name}: {text!r} is an ordinary piece of it, so it cannot be laid "
                "out as mT5 has it; train a model with pad 0, eos 1, unk 2"
            )
    del proto.pieces[:]
    kinds = (piece.CONTROL, piece.CONTROL, piece.UNKNOWN)
    for text, kind in zip(names, kinds, strict=True):
        proto.pieces.add(piece=text, score=0.0, type=kind)
    for text, score, kind in rest:
        proto.pieces.add(piece=text, score=score, type=kind)
    trainer.pad_id, trainer.eos_id, trainer.unk_id = PAD_ID, EOS_ID, UNK_ID
    trainer.bos_id = -1
    trainer.vocab_size = len(proto.pieces)
    return proto.SerializeToString(deterministic=True)


def _model_proto() -> Any:
    """The protocol buffer's class, made at run time; imported when a file is opened."""
    from sentencepiece import sentencepiece_model_pb2

    return sentencepiece_model_pb2.ModelProto  # type: ignore[attr-defined]


def _proto(model: bytes, *, name: str) -> Any:
    """The model's protocol buffer, whole: SentencePiece itself loads one cut short."""
    from google.protobuf.message import DecodeError

    try:
        proto = _model_proto().FromString(model)
    except DecodeError:
        proto = None
    # The trainer's settings are stored behind the pieces.
    if proto is None or not proto.pieces or not proto.HasField("trainer_spec"):
        raise UserError(
            f"{name}: is not a SentencePiece model, or is cut short; fetch it again"
        )
    return proto


def _with_sentinels(model: bytes, extra_ids: int, *, name: str) -> bytes:
    """Pieces `▁<extra_id_N>` at the end, as SeqIO adds them: highest number first."""
    proto = _proto(model, name=name)
    if _SENTINEL.match(proto.pieces[-1].piece):
        raise UserError(
            f"{name}: holds sentinels of its own ({proto.pieces[-1].piece}); use "
            "extra_ids=0"
        )
    kind = _model_proto().SentencePiece.USER_DEFINED
    for number in reversed(range(extra_ids)):
        proto.pieces.add(piece=f"▁<extra_id_{number}>", score=0.0, type=kind)
    return proto.SerializeToString(deterministic=True)


def train(
    texts: Iterable[str],
    *,
    size: int,
    normalizer: str = "nmt_nfkc",
    character_coverage: float = 1.0,
) -> bytes:
    """A unigram SentencePiece model in mT5's layout, trained on a text.

    Args:
        texts: one sentence or document each.
        size: pieces, the three special ones included.
        normalizer: SentencePiece's rule: `nmt_nfkc` (mT5's) or `identity`.
        character_coverage: share of characters that get a piece of their own.

    Returns:
        The model's bytes: the same for the same texts in the same order.

    Raises:
        UserError: the text is empty or too small for `size`.
    """
    import io

    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=size,
            model_type="unigram",
            normalization_rule_name=normalizer,
            character_coverage=character_coverage,
            pad_id=PAD_ID,
            eos_id=EOS_ID,
            unk_id=UNK_ID,
            bos_id=-1,
            byte_fallback=False,
            max_sentence_length=1_000_000,  # bytes; longer lines would be left out
            num_threads=1,  # the order of sums, and so the scores, must not vary
            shuffle_input_sentence=False,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise UserError(
            f"no SentencePiece model of {size} pieces from this text: {error}"
        ) from None
    return model.getvalue()


def text_lines(paths: Sequence[str | os.PathLike[str]]) -> Iterator[str]:
    """All lines of some text files that hold anything, for `train`."""
    for path in paths:
        for _, line in sources.read_lines(path):
            if line.strip():
                yield line
