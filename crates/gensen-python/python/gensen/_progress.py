"""Progress bars."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(total: int | None, unit: str, show: bool | None) -> Iterator[Callable[[int], None] | None]:
    """Gives a function to call with the number of units done, or ``None`` if no bar is shown.

    A ``total`` of ``None`` means unknown. ``show=None`` shows the bar if the logger ``gensen`` is at level INFO or DEBUG.
    The bar is tqdm's if tqdm is installed, a counter on standard error otherwise.
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
