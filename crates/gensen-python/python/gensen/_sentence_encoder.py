"""The encoder, with the interface of sentence-transformers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ._gensen import ArrayFile, Encoder
from ._files import pieces
from ._options import options, output
from ._progress import progress_bar
from ._torch import array, tensor

if TYPE_CHECKING:
    from ._gensen import Options, Output

__all__ = ["SentenceEncoder"]

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]

_PAD = 1
# Batches per piece of a file.
_BATCHES = 64


class SentenceEncoder:
    """A model that turns sentences into vectors, on the CPU.

    ``model`` is ``"english"`` (the built-in model), a model folder, or a model of the Hugging Face Hub as ``"owner/name"`` or
    ``"hf://owner/name@revision"``; a sequence of them gives an encoder whose vectors are concatenated. Write a folder
    named ``english`` as ``"./english"`` or as a ``Path``.

    ``pooling`` (``"last"``, ``"max"``, ``"mean"``, ``"max-padded"``), ``tokenizer``, ``lowercase``, ``unknown_words`` (``"unk"`` or ``"spelling"``)
    and ``language`` default to each model's own settings. ``truncate_dim`` truncates vectors to this number of components. ``weights`` is the
    format of the weights in memory: ``"f32"``, ``"f16"`` or ``"bf16"`` (half the memory) or ``"i8"`` (a quarter, and faster; the
    vectors' cosine to those of ``"f32"`` is 0.999 and more).

    A sentence's vector does not depend on the sentences beside it, the batch size or the number of threads
    (except with ``"max-padded"``). An encoder may be used from several threads at once and after ``fork``. It is pickled
    as the path of its model, which must exist where it is unpickled.

    Raises ``FileNotFoundError`` for a folder that is not there, ``gensen.GensenError`` for one that cannot be used.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        pooling: str | None = None,
        tokenizer: str | None = None,
        lowercase: bool | None = None,
        unknown_words: str | None = None,
        language: str = "en",
        truncate_dim: int | None = None,
        weights: str = "f32",
    ) -> None:
        models = [model] if isinstance(model, (str, os.PathLike)) else list(model)
        self._setting: dict[str, Any] = {
            "model": [_place(one) for one in models],
            "pooling": pooling,
            "tokenizer": tokenizer,
            "lowercase": lowercase,
            "unknown_words": unknown_words,
            "language": language,
            "truncate_dim": truncate_dim,
            "weights": weights,
        }
        self._encoder = Encoder.open(self._setting["model"], weights)
        self._options = options(pooling, tokenizer, language, lowercase, unknown_words)
        # Fails early if a file cannot be read.
        self._encoder.encode([], self._options, output(dimensions=truncate_dim), None)
        self.truncate_dim = truncate_dim

    # The following methods have sentence-transformers' names, semantics and defaults.

    def encode(
        self,
        sentences: str | Iterable[str],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] | None = "sentence_embedding",
        precision: Precision = "float32",
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
    ) -> Any:
        """The sentences' vectors in order, ``[sentences, dimension]``; of a single ``str``, ``[dimension]``.

        ``batch_size`` changes speed and memory alone. ``precision`` other than ``"float32"`` gives small vectors: ``"int8"`` and
        ``"uint8"`` by ranges that the model folder has, ``"binary"`` and ``"ubinary"`` eight components a byte.
        ``truncate_dim`` keeps the first components, before ``normalize_embeddings`` scales to length 1.

        ``output_value="token_embeddings"`` gives a list of the words' hidden states, ``[words, width]`` each, ``<s>`` and
        ``</s>`` included; ``None`` a list of dictionaries with ``token_embeddings``, ``sentence_embedding`` and, of a single
        model, ``tokens``. With ``convert_to_tensor`` the vectors are one tensor of torch, without ``convert_to_numpy``
        a list of them.
        """
        if isinstance(sentences, str):
            found = self.encode(
                [sentences],
                batch_size,
                show_progress_bar,
                output_value,
                precision,
                normalize_embeddings,
                truncate_dim,
                convert_to_numpy,
                convert_to_tensor,
            )
            return found[0]
        if output_value not in ("sentence_embedding", "token_embeddings", None):
            raise ValueError(
                f"output_value is {output_value!r}, expected 'sentence_embedding', 'token_embeddings' or None"
            )
        texts = list(sentences)
        read = self._read(batch_size)
        given = output(precision, normalize_embeddings, truncate_dim or self.truncate_dim)
        as_tensor = convert_to_tensor or not convert_to_numpy
        if output_value != "sentence_embedding":
            return self._words(texts, read, given, output_value, as_tensor, show_progress_bar)
        with progress_bar(len(texts), "sentence", show_progress_bar) as progress:
            vectors = self._encoder.encode(texts, read, given, progress)
        if convert_to_tensor:
            return tensor(vectors)
        return vectors if convert_to_numpy else list(tensor(vectors))

    def _words(
        self,
        texts: list[str],
        read: Options,
        given: Output,
        output_value: str | None,
        as_tensor: bool,
        show_progress_bar: bool | None,
    ) -> list[Any]:
        """The hidden states of each text's words, and all other outputs if ``output_value`` is ``None``."""
        with progress_bar(len(texts), "sentence", show_progress_bar) as progress:
            states, lengths, vectors = self._encoder.encode_ragged(texts, read, given, progress)
        words = np.split(states, np.cumsum(lengths)[:-1]) if texts else []
        found = [tensor(one) for one in words] if as_tensor else words
        if output_value == "token_embeddings":
            return found
        sentences = tensor(vectors) if as_tensor else vectors
        items: list[dict[str, Any]] = [
            {"token_embeddings": states, "sentence_embedding": vector} for states, vector in zip(found, sentences)
        ]
        if self._encoder.models == 1:
            for item, (tokens, _) in zip(items, self._encoder.tokenize(texts, read)):
                item["tokens"] = ["<s>", *tokens, "</s>"]
        return items

    def _read(self, batch_size: int) -> Options:
        return options(
            self._options["pooling"],
            self._options["tokenizer"],
            self._options["language"],
            self._options["lowercase"],
            self._options["unknown_words"],
            batch_size=batch_size,
        )

    def encode_file(
        self,
        source: str | os.PathLike[str] | Iterable[str],
        target: str | os.PathLike[str],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        precision: Precision = "float32",
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> int:
        """Writes the vectors of a text's lines to a ``.npy`` file, ``[lines, dimension]``, and returns the number of lines.

        ``source`` is a file of UTF-8, plain or gzipped, a sentence a line, or any iterable of sentences; ``target`` is there
        when it is complete. Text of any size is read and written piece by piece. The other arguments are those of
        :meth:`encode`.
        """
        read = self._read(batch_size)
        given = output(precision, normalize_embeddings, truncate_dim or self.truncate_dim)
        vectors = self._encoder.encode([], read, given, None)
        rows = 0
        with closing(ArrayFile(target)) as file, progress_bar(None, "sentence", show_progress_bar) as progress:
            for piece in pieces(source, _BATCHES * batch_size):
                vectors = self._encoder.encode(piece, read, given, None)
                file.write(vectors.tobytes())
                rows += len(vectors)
                if progress:
                    progress(rows)
            file.finish(vectors.dtype.newbyteorder("<").str, rows, vectors.shape[1])
        return rows

    def encode_query(self, sentences: str | Iterable[str], *args: Any, **kwargs: Any) -> Any:
        """Same as :meth:`encode`: queries and documents are encoded alike."""
        return self.encode(sentences, *args, **kwargs)

    def encode_document(self, sentences: str | Iterable[str], *args: Any, **kwargs: Any) -> Any:
        """Same as :meth:`encode`: queries and documents are encoded alike."""
        return self.encode(sentences, *args, **kwargs)

    def similarity(self, first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The cosine of each vector of ``first`` and each of ``second``, ``[first, second]``; 0 with a vector of zeros."""
        a, b = _unit(np.atleast_2d(array(first))), _unit(np.atleast_2d(array(second)))
        _same_width(a, b)
        cosines: npt.NDArray[np.float32] = a @ b.T
        return cosines

    def similarity_pairwise(self, first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The cosine of each pair of vectors, ``[pairs]``; 0 with a vector of zeros."""
        a, b = _unit(np.atleast_2d(array(first))), _unit(np.atleast_2d(array(second)))
        _same_width(a, b)
        if len(a) != len(b):
            raise ValueError(f"{len(a)} and {len(b)} vectors, expected as many of both")
        cosines: npt.NDArray[np.float32] = np.einsum("ij,ij->i", a, b)
        return cosines

    @property
    def similarity_fn_name(self) -> str:
        """The similarity function of :meth:`similarity`: the cosine."""
        return "cosine"

    def get_sentence_embedding_dimension(self) -> int:
        """The length of a sentence's vector, in components."""
        return self.truncate_dim or self._encoder.width

    get_embedding_dimension = get_sentence_embedding_dimension

    def tokenize(self, texts: str | Iterable[str]) -> dict[str, Any]:
        """The words' ids ``input_ids`` and ``attention_mask``, both ``[texts, longest]`` with ``<pad>`` (1) and 0 beyond a text's
        end, and the words themselves as ``tokens``; ``<s>`` and ``</s>`` are included."""
        texts = [texts] if isinstance(texts, str) else list(texts)
        bos, eos = 0, 2
        read = [
            (["<s>", *words, "</s>"], [bos, *ids, eos]) for words, ids in self._encoder.tokenize(texts, self._options)
        ]
        longest = max((len(ids) for _, ids in read), default=0)
        ids = np.full((len(read), longest), _PAD, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, (_, found) in enumerate(read):
            ids[row, : len(found)] = found
            mask[row, : len(found)] = 1
        return {"input_ids": ids, "attention_mask": mask, "tokens": [words for words, _ in read]}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model folder atomically; an existing model folder is replaced."""
        self._encoder.save(path)

    @property
    def config(self) -> dict[str, Any]:
        """The ``config.json`` of the model; of several, the first's."""
        import json

        config: dict[str, Any] = json.loads(self._encoder.configs[0])
        return config

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (type(self), self._setting)

    def __repr__(self) -> str:
        return f"SentenceEncoder({', '.join(map(repr, self._setting['model']))})"


def _opened(kind: type[SentenceEncoder], setting: dict[str, Any]) -> SentenceEncoder:
    """Opens the model of a pickled encoder."""
    return kind(**setting)


def _place(model: str | os.PathLike[str]) -> str:
    """The location of a model, independent of the working folder in which it is unpickled. A path is a folder; a name may
    be another model's."""
    if not isinstance(model, str) or (model != "english" and os.path.exists(model)):
        return os.path.abspath(model)
    return model


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scales vectors to length 1; zero vectors stay."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, None]
    unit = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=unit, where=lengths > 0, casting="same_kind")
    return unit


def _same_width(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> None:
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"vectors of {a.shape[1]} and of {b.shape[1]} components, expected as many")
