"""Sentences read in chunks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice

from ._gensen import Lines


def chunks(source: str | os.PathLike[str] | Iterable[str], size: int) -> Iterator[list[str]]:
    """Yields the lines of a file, or the items of an iterable, in lists of ``size``; the last list may be shorter."""
    if isinstance(source, (str, os.PathLike)):
        lines = Lines(source)
        while chunk := lines.read(size):
            yield chunk
        return
    sentences = iter(source)
    while chunk := list(islice(sentences, size)):
        yield chunk
