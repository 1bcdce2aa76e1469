"""What people see while they wait."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(total: int | None, unit: str, show: bool | None) -> Iterator[Callable[[int], None] | None]:
    """What is to be called with how much is done, if a bar is to be shown.

    A ``total`` of ``None`` is one that is not known. ``show=None`` shows the bar where the logger ``gensen`` is at level INFO or DEBUG. It is tqdm's where that is installed,
    a count otherwise.
    """
    if show is None:
        import logging

        show = logging.getLogger("gensen").getEffectiveLevel() in (logging.INFO, logging.DEBUG)
    if not show:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        of = "" if total is None else f" of {total}"

        def count(done: int) -> None:
            print(f"\r{done}{of} {unit}s", end="", file=sys.stderr, flush=True)

        yield count
        if total is not None:
            count(total)
        print(file=sys.stderr)
        return
    with tqdm(total=total, unit=unit) as bar:

        def progress(done: int) -> None:
            bar.update(done - bar.n)

        yield progress
        if total is not None:
            progress(total)

