"""SentEval's protocol for any encoder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import numpy.typing as npt

from ._gensen import (
    evaluate_callable,
    evaluate_encoder,
    report_markdown,
    report_scores,
    report_write,
)
from ._progress import progress_bar
from ._sentence_encoder import SentenceEncoder
from ._torch import array

if TYPE_CHECKING:
    from ._gensen import Settings

__all__ = ["Report", "evaluate"]

Encode = Union[SentenceEncoder, Callable[[list[str]], Any]]

_STEPS = 100


class Report:
    """The results of an evaluation: encoders by tasks."""

    def __init__(self, evaluations: list[str]) -> None:
        self._json = evaluations

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """All results, one dictionary for each encoder, as :meth:`write` saves them."""
        import json

        return [json.loads(evaluation) for evaluation in self._json]

    @property
    def scores(self) -> dict[str, dict[str, float | None]]:
        """The main score by encoder and task, larger is better: test accuracy in percent, or Pearson's correlation times
        100. ``None`` if the score is undefined."""
        names = (evaluation["embedder"]["name"] for evaluation in self.evaluations)
        return {name: dict(report_scores(found)) for name, found in zip(names, self._json)}

    def markdown(self) -> str:
        """A Markdown page with the scores in the layout of the paper's Table 2, and the definition of each."""
        return report_markdown(self._json)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes ``NAME.json``, the page ``NAME.md``, and a chart for each task in ``NAME.charts``."""
        if not os.fspath(path).endswith(".json"):
            raise ValueError(f"{os.fspath(path)}: expected a name that ends in .json")
        report_write(self._json, path)

    def __repr__(self) -> str:
        return f"Report({self.scores})"


def evaluate(
    encode: Encode | Mapping[str, Encode],
    data: str | os.PathLike[str],
    tasks: str | Iterable[str] = "all",
    *,
    classifier: str = "lbfgs",
    pooling: str | None = None,
    lowercase: bool = True,
    folds: int = 10,
    seed: int = 1111,
    loss: str = "mean",
    batch_size: int = 32,
    cache: str | os.PathLike[str] | None = None,
    identity: str | Mapping[str, str] | None = None,
    show_progress_bar: bool | None = None,
) -> Report:
    """Scores encoders on transfer tasks with SentEval's protocol, in Rust.

    ``encode`` is a function from a list of sentences to their vectors ``[sentences, width]`` (an array, a tensor, or nested
    lists), a :class:`SentenceEncoder`, or a mapping from names to these, for several encoders in one report. A function
    is called on the calling thread with at most 4,096 sentences. A sentence is a string of words separated by spaces,
    lower-cased unless ``lowercase`` is false, and may be empty.

    ``data`` is SentEval's data folder. ``tasks`` are names such as ``"MR"``, ``"SST2"`` and ``"STS-B"``, or ``"all"``, ``"downstream"``,
    ``"probing"``. ``classifier`` is ``"lbfgs"`` (recommended) or ``"senteval"``, which repeats SentEval's classifier draw for draw
    with this ``seed`` and ``loss`` (``"mean"``, as on current PyTorch, or ``"sum"``, as when the paper was written). ``folds`` is the
    number of folds of cross-validation. ``pooling`` and ``batch_size`` apply to a :class:`SentenceEncoder`, whose own
    pooling is the default; for ``last``, the default is the paper's pooling of each task.

    ``cache`` is a folder that keeps vectors and scores, so that an interrupted evaluation resumes. A function's
    results are stored under its ``identity``, which must name everything that its vectors depend on, such as model and
    revision; for several functions it is a mapping by name.

    Tasks without data are reported as skipped, tasks with malformed data as failed. Raises ``FileNotFoundError`` if no task has
    data, ``ValueError`` for invalid arguments, and any exception that ``encode`` raises.
    """
    encoders = dict(encode) if isinstance(encode, Mapping) else {_name(encode): encode}
    if not encoders:
        raise ValueError("there is no encoder to evaluate")
    identities = identity if isinstance(identity, Mapping) else dict.fromkeys(encoders, identity)
    settings: Settings = {
        "data": data,
        "tasks": [tasks] if isinstance(tasks, str) else list(tasks),
        "classifier": classifier,
        "loss": loss,
        "seed": seed,
        "folds": folds,
        "pooling": pooling,
        "lowercase": lowercase,
        "cache": cache,
    }
    for name, one in encoders.items():
        if not isinstance(one, SentenceEncoder):
            if not callable(one):
                raise TypeError(f"{name} is a {type(one).__name__}, expected a callable or a SentenceEncoder")
            if cache is not None and not identities.get(name):
                raise ValueError(
                    f"{name}: caching a callable's vectors needs an identity, which names what they depend on"
                )
    found = []
    for name, one in encoders.items():
        with progress_bar(_STEPS, "step", show_progress_bar) as bar:
            progress = _Tasks(name, bar) if bar else None
            if isinstance(one, SentenceEncoder):
                own: Settings = {**settings, "pooling": pooling or one._options["pooling"]}
                found.append(evaluate_encoder(one._encoder, name, batch_size, own, progress))
            else:
                details = {"encoder": f"a callable of Python {sys.version.split()[0]}"}
                known = identities.get(name)
                if known:
                    details["named as"] = known
                call = _checked(one)
                found.append(evaluate_callable(call, name, known, details, settings, progress))
    return Report(found)


class _Tasks:
    """Shows the progress of each task on a bar."""

    def __init__(self, name: str, bar: Callable[[int], None]) -> None:
        self._name, self._bar, self._task = name, bar, ""

    def __call__(self, task: str, share: float) -> None:
        if task != self._task:
            self._task = task
            print(f"\n{self._name}: {task}", file=sys.stderr)
        self._bar(int(share * _STEPS))


def _name(encode: object) -> str:
    if isinstance(encode, SentenceEncoder):
        return str(encode.config["provenance"]["name"]) or "gensen"
    return str(getattr(encode, "__qualname__", type(encode).__name__))


def _checked(encode: Callable[[list[str]], Any]) -> Callable[[list[str]], npt.NDArray[np.float32]]:
    """Converts what ``encode`` returns to float32 and checks its shape."""

    def call(sentences: list[str]) -> npt.NDArray[np.float32]:
        vectors = array(encode(sentences))
        if vectors.ndim != 2 or len(vectors) != len(sentences):
            raise ValueError(
                f"the encoder returned an array of shape {vectors.shape} for {len(sentences)} sentences, expected "
                f"[{len(sentences)}, width]"
            )
        return vectors

    return call
