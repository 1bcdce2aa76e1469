"""The encoder with sentence-transformers' interface."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ._gensen import ArrayFile, Encoder
from ._files import chunks
from ._options import options, output
from ._progress import progress_bar
from ._torch import array, tensor

if TYPE_CHECKING:
    from ._gensen import Options, Output

__all__ = ["SentenceEncoder"]

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]

_PAD = 1
# Batches in a chunk of a file.
_BATCHES = 64


class SentenceEncoder:
    """A model that turns sentences into vectors, on the CPU.

    ``model`` is ``"english"`` (the built-in model), a model folder, or a model on the Hugging Face Hub, ``"owner/name"`` or
    ``"hf://owner/name@revision"``. A sequence of models gives an encoder that concatenates their vectors. Write a folder
    named ``english`` as ``"./english"`` or a ``Path``.

    ``pooling`` (``"last"``, ``"max"``, ``"mean"``, ``"max-padded"``), ``tokenizer``, ``lowercase`` and ``unknown_words`` default to each model's own
    settings. ``unknown_words="spelling"`` gives an unknown word a vector by its spelling, ``"unk"`` that of ``<unk>``. ``language``
    selects the tokeniser's rules. ``truncate_dim`` keeps the first ``truncate_dim`` components of every vector. ``weights`` is the
    precision of the weights in memory: ``"f32"``, ``"f16"`` or ``"bf16"`` (half the memory), or ``"i8"`` (a quarter of the memory,
    and faster; cosine to the vectors of ``"f32"`` at least 0.999).

    A sentence's vector does not depend on the other sentences, the batch size or the number of threads, except with
    ``"max-padded"``. An encoder may be used from several threads at once, and after ``fork``. A pickled encoder holds
    the model's path or name, not its weights.

    Raises ``FileNotFoundError`` for a missing folder, ``gensen.GensenError`` for a model that cannot be loaded.
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
        # Invalid options fail here, not at the first sentence.
        self._encoder.encode([], self._options, output(dimensions=truncate_dim), None)
        self.truncate_dim = truncate_dim

    # sentence-transformers' methods, with its names, meanings and defaults.

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
        """The sentences' vectors in input order, ``[sentences, dimension]``; for a single ``str``, ``[dimension]``.

        ``batch_size`` affects only speed and memory. ``precision`` is ``"float32"``, ``"int8"`` or ``"uint8"`` (quantised with the ranges
        stored in the model folder), or ``"binary"`` or ``"ubinary"`` (eight components per byte). ``truncate_dim`` keeps the first
        components; ``normalize_embeddings`` then scales each vector to length 1.

        ``output_value="token_embeddings"`` returns a list of hidden states, ``[words, width]`` for each sentence, ``<s>`` and ``</s>``
        included. ``output_value=None`` returns a list of dictionaries with ``token_embeddings``, ``sentence_embedding`` and, for a
        single model, ``tokens``. ``convert_to_tensor=True`` returns one torch tensor, ``convert_to_numpy=False`` a list of tensors.
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
        """``encode`` for an ``output_value`` of ``"token_embeddings"`` or ``None``."""
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
        """Encodes a file with one sentence per line to a ``.npy`` file, ``[lines, dimension]``. Returns the number of lines.

        ``source`` is a UTF-8 file, plain or gzipped, or an iterable of sentences; it is streamed, so it may be larger than
        memory. ``target`` is created only when it is complete. The other arguments are those of :meth:`encode`.
        """
        read = self._read(batch_size)
        given = output(precision, normalize_embeddings, truncate_dim or self.truncate_dim)
        vectors = self._encoder.encode([], read, given, None)
        rows = 0
        with closing(ArrayFile(target)) as file, progress_bar(None, "sentence", show_progress_bar) as progress:
            for chunk in chunks(source, _BATCHES * batch_size):
                vectors = self._encoder.encode(chunk, read, given, None)
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
        """The cosine of every vector in ``first`` with every vector in ``second``, ``[first, second]``; 0 for zero vectors."""
        a, b = _unit(np.atleast_2d(array(first))), _unit(np.atleast_2d(array(second)))
        _same_width(a, b)
        cosines: npt.NDArray[np.float32] = a @ b.T
        return cosines

    def similarity_pairwise(self, first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The cosines of corresponding vectors in ``first`` and ``second``, ``[pairs]``; 0 for zero vectors."""
        a, b = _unit(np.atleast_2d(array(first))), _unit(np.atleast_2d(array(second)))
        _same_width(a, b)
        if len(a) != len(b):
            raise ValueError(f"{len(a)} and {len(b)} vectors, expected equally many")
        cosines: npt.NDArray[np.float32] = np.einsum("ij,ij->i", a, b)
        return cosines

    @property
    def similarity_fn_name(self) -> str:
        """The similarity that :meth:`similarity` computes: ``"cosine"``."""
        return "cosine"

    def get_sentence_embedding_dimension(self) -> int:
        """The number of components of a sentence's vector."""
        return self.truncate_dim or self._encoder.width

    get_embedding_dimension = get_sentence_embedding_dimension

    def tokenize(self, texts: str | Iterable[str]) -> dict[str, Any]:
        """Splits texts into words, ``<s>`` and ``</s>`` included.

        Returns the word ids ``input_ids`` (padded with ``<pad>``, 1), the ``attention_mask`` (padded with 0), both ``[texts, longest]``,
        and the words as ``tokens``.
        """
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
        """Writes the model folder atomically; replaces an existing model folder."""
        self._encoder.save(path)

    @property
    def config(self) -> dict[str, Any]:
        """The model's ``config.json``; the first model's if there are several."""
        import json

        config: dict[str, Any] = json.loads(self._encoder.configs[0])
        return config

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (type(self), self._setting)

    def __repr__(self) -> str:
        return f"SentenceEncoder({', '.join(map(repr, self._setting['model']))})"


def _opened(kind: type[SentenceEncoder], setting: dict[str, Any]) -> SentenceEncoder:
    """Opens a pickled encoder."""
    return kind(**setting)


def _place(model: str | os.PathLike[str]) -> str:
    """A folder as an absolute path, so that it can be unpickled in any working directory; other names as they are."""
    if not isinstance(model, str) or (model != "english" and os.path.exists(model)):
        return os.path.abspath(model)
    return model


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Vectors scaled to length 1; zero vectors stay zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, None]
    unit = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=unit, where=lengths > 0, casting="same_kind")
    return unit


def _same_width(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> None:
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"vectors of {a.shape[1]} and {b.shape[1]} components, expected equally many")
