"""The dictionaries of options that the native module takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._gensen import Options, Output


def options(
    pooling: str | None = None,
    tokenizer: str | None = None,
    language: str = "en",
    lowercase: bool | None = None,
    unknown_words: str | None = None,
    start_end: bool = True,
    batch_size: int = 32,
) -> Options:
    """How sentences are tokenised and pooled; ``None`` selects the model's own setting."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, expected at least 1")
    return {
        "pooling": pooling,
        "tokenizer": tokenizer,
        "language": language,
        "lowercase": lowercase,
        "unknown_words": unknown_words,
        "start_end": start_end,
        "batch_size": batch_size,
    }


def output(precision: str = "float32", normalize: bool = False, dimensions: int | None = None) -> Output:
    """The form of the vectors: truncated to ``dimensions``, then normalised, then converted to ``precision``."""
    if dimensions is not None and dimensions < 1:
        raise ValueError(f"truncate_dim is {dimensions}, expected at least 1")
    return {"precision": precision, "normalize": normalize, "dimensions": dimensions}
