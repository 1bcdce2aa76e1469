from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any, TypedDict, final, type_check_only

import numpy as np
import numpy.typing as npt

__all__ = [
    "ArrayFile",
    "Encoder",
    "GensenError",
    "Lines",
    "Map",
    "__version__",
    "evaluate_callable",
    "evaluate_encoder",
    "get_num_threads",
    "report_markdown",
    "report_scores",
    "report_write",
    "set_num_threads",
]

__version__: str

class GensenError(ValueError): ...

@type_check_only
class Options(TypedDict):
    pooling: str | None
    tokenizer: str | None
    language: str
    lowercase: bool | None
    unknown_words: str | None
    start_end: bool
    batch_size: int

@type_check_only
class Output(TypedDict):
    precision: str
    normalize: bool
    dimensions: int | None

@type_check_only
class Settings(TypedDict):
    data: str | PathLike[str]
    tasks: list[str]
    classifier: str
    loss: str
    seed: int
    folds: int
    pooling: str | None
    lowercase: bool
    cache: str | PathLike[str] | None

@final
class Encoder:
    @staticmethod
    def open(places: list[str], precision: str) -> Encoder: ...
    @staticmethod
    def convert(weights: str | PathLike[str], vocabulary: str | PathLike[str]) -> Encoder: ...
    @property
    def width(self) -> int: ...
    @property
    def models(self) -> int: ...
    @property
    def configs(self) -> list[str]: ...
    def words(self, own: bool) -> list[str]: ...
    def encode(
        self,
        sentences: Iterable[str],
        options: Options,
        output: Output,
        progress: Callable[[int], object] | None,
    ) -> npt.NDArray[Any]: ...
    def encode_with_states(
        self, sentences: Iterable[str], options: Options
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]: ...
    def encode_ragged(
        self,
        sentences: Iterable[str],
        options: Options,
        output: Output,
        progress: Callable[[int], object] | None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[Any]]: ...
    def tokenize(self, sentences: Iterable[str], options: Options) -> list[tuple[list[str], list[int]]]: ...
    def fit_map(self, vectors: str | PathLike[str]) -> Map: ...
    def expand(
        self, map: Map, vectors: str | PathLike[str], words: list[str]
    ) -> tuple[Encoder, str]: ...
    def save(self, path: str | PathLike[str], map: Map | None = ...) -> None: ...

@final
class Map:
    @staticmethod
    def of_folder(folder: str | PathLike[str]) -> Map | None: ...
    @property
    def report(self) -> str: ...

@final
class Lines:
    def __new__(cls, path: str | PathLike[str]) -> Lines: ...
    def read(self, count: int) -> list[str]: ...

@final
class ArrayFile:
    def __new__(cls, path: str | PathLike[str]) -> ArrayFile: ...
    def write(self, bytes: bytes) -> None: ...
    def finish(self, descr: str, rows: int, columns: int) -> None: ...
    def close(self) -> None: ...

def evaluate_callable(
    encode: Callable[[list[str]], npt.NDArray[np.float32]],
    name: str,
    identity: str | None,
    details: dict[str, str],
    settings: Settings,
    progress: Callable[[str, float], object] | None,
) -> str: ...
def evaluate_encoder(
    encoder: Encoder,
    name: str,
    batch_size: int,
    settings: Settings,
    progress: Callable[[str, float], object] | None,
) -> str: ...
def report_markdown(json: list[str]) -> str: ...
def report_write(json: list[str], path: str | PathLike[str]) -> None: ...
def report_scores(json: str) -> list[tuple[str, float | None]]: ...
def set_num_threads(threads: int) -> None: ...
def get_num_threads() -> int: ...
