"""Text files in, arrays out, of any size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from io import BufferedReader
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy.typing as npt

from ._gensen import GensenError, NewFile

if TYPE_CHECKING:
    from gzip import GzipFile

_HEADER_BYTES = 128
_GZIP = b"\x1f\x8b"
_MARK = b"\xef\xbb\xbf"

T = TypeVar("T")


def lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """The lines of a text in UTF-8, plain or gzipped, without their ends (``\\n`` or ``\\r\\n``).

    Blank lines count; a byte-order mark in front does not.
    """
    with open(path, "rb") as raw, _unpacked(raw) as file:
        for number, line in enumerate(file, 1):
            if number == 1 and line.startswith(_MARK):
                line = line[len(_MARK) :]
            if line.endswith(b"\n"):
                line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise GensenError(f"{os.fspath(path)}, line {number}: not UTF-8 ({error.reason})") from None


def _unpacked(file: BufferedReader) -> BufferedReader | GzipFile:
    if not file.peek(2).startswith(_GZIP):
        return file
    from gzip import GzipFile

    return GzipFile(fileobj=file)


def pieces(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of ``size``, the last of what is left."""
    items = iter(items)
    while piece := list(islice(items, size)):
        yield piece


class ArrayFile:
    """An array ``[rows, columns]`` in a ``.npy`` file that is written piece by piece, and there when it is complete."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = NewFile(os.path.abspath(path))
        self._file.write(bytes(_HEADER_BYTES))
        self.rows = 0

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Appends rows; all have the same type and width."""
        self._file.write(rows.tobytes())
        self.rows += len(rows)

    def finish(self, like: npt.NDArray[Any]) -> None:
        """Gives the file its name. Type and width are those of ``like``."""
        columns = like.shape[1]
        descr = like.dtype.newbyteorder("<").str
        text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({self.rows}, {columns}), }}"
        length = _HEADER_BYTES - 10
        self._file.finish(b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + text.encode().ljust(length - 1) + b"\n")

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
