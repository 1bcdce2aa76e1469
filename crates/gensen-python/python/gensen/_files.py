"""Sentences piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice

from ._gensen import Lines


def pieces(source: str | os.PathLike[str] | Iterable[str], size: int) -> Iterator[list[str]]:
    """The lines of a file, or what an iterable gives, in lists of ``size``, the last of what is left."""
    if isinstance(source, (str, os.PathLike)):
        lines = Lines(source)
        while piece := lines.read(size):
            yield piece
        return
    sentences = iter(source)
    while piece := list(islice(sentences, size)):
        yield piece
