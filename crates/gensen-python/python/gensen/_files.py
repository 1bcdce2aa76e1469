"""Streaming of sentences."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice

from ._gensen import Lines


def pieces(source: str | os.PathLike[str] | Iterable[str], size: int) -> Iterator[list[str]]:
    """Splits the lines of a file, or the items of an iterable, into lists of ``size``; the last may be shorter."""
    if isinstance(source, (str, os.PathLike)):
        lines = Lines(source)
        while piece := lines.read(size):
            yield piece
        return
    sentences = iter(source)
    while piece := list(islice(sentences, size)):
        yield piece
