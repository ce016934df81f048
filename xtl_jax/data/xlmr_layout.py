"""A SentencePiece file as XLM-R has it: `<unk> <s> </s>`, then the pieces.

`vocabulary` lays every file out as mT5 has it, `<pad> </s> <unk>`; what is exported for
an encoder goes back. The pieces keep their places: fairseq's shift makes of both the
same ids (`encoder_vocabulary`).
"""

from __future__ import annotations


def written(model: bytes) -> bytes:
    """The file that Hugging Face calls `sentencepiece.bpe.model`.

    Args:
        model: in mT5's layout (`PieceVocabulary.content`).
    """
    from sentencepiece import sentencepiece_model_pb2

    # Made at run time, so its names are not seen.
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]
    trainer = proto.trainer_spec
    special = (trainer.unk_piece, trainer.bos_piece, trainer.eos_piece)
    for token, piece in enumerate(proto.pieces):
        if token < len(special):
            piece.piece, piece.score = special[token], 0.0
            piece.type = piece.CONTROL if token else piece.UNKNOWN
        # Set where it was only meant, so that equal models are equal bytes.
        piece.type = piece.type
    trainer.unk_id, trainer.bos_id, trainer.eos_id = range(3)
    trainer.pad_id = -1
    trainer.vocab_size = len(proto.pieces)
    return proto.SerializeToString(deterministic=True)
