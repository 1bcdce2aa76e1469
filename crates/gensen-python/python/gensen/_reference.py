"""The interface of the paper's implementation (``gensen.py``), with its names, defaults and shapes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._gensen import Encoder, Map
from ._options import options
from ._torch import tensor

__all__ = ["GenSen", "GenSenSingle"]

# The reference's "max" includes a batch's padding.
_POOLINGS = {"last": "last", "max": "max-padded", "max-own": "max", "mean": "mean"}

_Arrays = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


class _Representations:
    """``get_representation``, from the arrays that ``_represent`` computes."""

    def get_representation(
        self,
        sentences: Sequence[str],
        pool: str = "last",
        tokenize: bool = False,
        return_numpy: bool = True,
        add_start_end: bool = True,
    ) -> tuple[Any, Any]:
        """Hidden states ``[sentences, longest, width]`` and sentence vectors ``[sentences, width]``.

        States are [forward, backward], and zero beyond a sentence's end. The widths of several models add up.

        ``pool`` is ``"last"``, ``"max"`` (over the padding of shorter sentences too, as in the reference), ``"max-own"`` (over the
        sentence's own words) or ``"mean"``. Words are separated by white space, or by NLTK's tokeniser if ``tokenize`` is true.
        ``return_numpy=False`` returns torch tensors.
        """
        if pool not in _POOLINGS:
            raise ValueError(f"pool is {pool!r}, expected one of {', '.join(_POOLINGS)}")
        if isinstance(sentences, str):
            raise TypeError("sentences is a str, expected a list of str")
        sentences = list(sentences)
        if not sentences:
            raise ValueError("there are no sentences")
        states, vectors = self._represent(sentences, _POOLINGS[pool], tokenize, add_start_end)
        return (states, vectors) if return_numpy else (tensor(states), tensor(vectors))

    def _represent(self, sentences: list[str], pooling: str, tokenize: bool, start_end: bool) -> _Arrays:
        raise NotImplementedError


class GenSenSingle(_Representations):
    """One encoder.

    ``model_folder`` holds the reference's files ``PREFIX.model`` and ``PREFIX_vocab.pkl``, where PREFIX is ``filename_prefix``; or
    it holds a model folder named ``filename_prefix``, or is a model folder. ``pretrained_emb`` is a file of word
    vectors (GloVe, word2vec, the reference's HDF5), read when the vocabulary is expanded. ``cuda=True`` warns
    that this package computes on the CPU.

    Raises ``FileNotFoundError`` for missing files, and ``gensen.GensenError`` for malformed ones.
    """

    def __init__(
        self,
        model_folder: str | os.PathLike[str],
        filename_prefix: str,
        pretrained_emb: str | os.PathLike[str] | None = None,
        cuda: bool = False,
        rnn_type: str = "GRU",
    ) -> None:
        if rnn_type != "GRU":
            raise ValueError(f"rnn_type is {rnn_type!r}, expected 'GRU': the reference released no other encoder")
        if cuda:
            warnings.warn("cuda=True: this package computes on the CPU", stacklevel=2)
        self.model_folder = model_folder
        self.filename_prefix = filename_prefix
        self.pretrained_emb = pretrained_emb
        self.cuda = cuda
        self.rnn_type = rnn_type
        self.vocab_expanded = False
        self._map: Map | None = None
        self._task_words: list[str] | None = None
        self._encoder = self._open()

    def _open(self) -> Encoder:
        folder, prefix = os.fspath(self.model_folder), self.filename_prefix
        weights = os.path.join(folder, f"{prefix}.model")
        vocabulary = os.path.join(folder, f"{prefix}_vocab.pkl")
        if not os.path.exists(weights):
            for place in (os.path.join(folder, prefix), folder):
                if os.path.isfile(os.path.join(place, "config.json")):
                    self._map = Map.of_folder(place)
                    return Encoder.open([place], "f32")
        return Encoder.convert(weights, vocabulary)

    @property
    def word2id(self) -> dict[str, int]:
        """The ids of the model's own words."""
        return {word: id for id, word in self.id2word.items()}

    @property
    def id2word(self) -> dict[int, str]:
        """The model's own words by id."""
        return dict(enumerate(self._encoder.words(True)))

    @property
    def task_word2id(self) -> dict[str, int]:
        """The ids of the words in the expanded vocabulary, or of the model's own words before an expansion."""
        return {word: id for id, word in self.task_id2word.items()}

    @property
    def task_id2word(self) -> dict[int, str]:
        """The words in the expanded vocabulary by id, or the model's own words before an expansion."""
        return dict(enumerate(self._encoder.words(False)))

    def first_expansion(self) -> None:
        """Fits the linear map from word vectors to the model's embeddings, on the words that both have.

        :meth:`vocab_expansion` calls it if needed.
        """
        self._map = self._encoder.fit_map(self._vectors())
        self._log(self._map.report)

    def vocab_expansion(self, task_vocab: Iterable[str]) -> None:
        """Replaces the model's vocabulary with the words of ``task_vocab``.

        The model's own words keep their embeddings, words with a word vector get its image under the map, all others
        become ``<unk>``. A second expansion starts from the model's own words again.
        """
        words = list(task_vocab)
        if self._map is None:
            self.first_expansion()
        assert self._map is not None
        self._encoder, report = self._encoder.expand(self._map, self._vectors(), words)
        self._log(report)
        self._task_words = words
        self.vocab_expanded = True

    def _log(self, report: str) -> None:
        import logging

        logging.getLogger("gensen").info("%s: %s", self.filename_prefix, report)

    def _vectors(self) -> str:
        if self.pretrained_emb is None:
            raise ValueError("pretrained_emb is None, but vocabulary expansion needs a file of word vectors")
        return os.fspath(self.pretrained_emb)

    def _represent(self, sentences: list[str], pooling: str, tokenize: bool, start_end: bool) -> _Arrays:
        read = options(
            pooling=pooling,
            tokenizer="nltk" if tokenize else "whitespace",
            start_end=bool(start_end),
            # One batch, padded to its longest sentence.
            batch_size=len(sentences),
        )
        return self._encoder.encode_with_states(sentences, read)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_encoder"], state["_map"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map = None
        self._encoder = self._open()
        if self._task_words is not None:
            self.vocab_expansion(self._task_words)

    def __repr__(self) -> str:
        return f"GenSenSingle({os.fspath(self.model_folder)!r}, {self.filename_prefix!r})"


class GenSen(_Representations):
    """Several encoders; their states and vectors are concatenated in the order given."""

    def __init__(self, *models: GenSenSingle) -> None:
        if not models:
            raise ValueError("GenSen() needs at least one model")
        self.gensen_models = models

    def first_expansion(self) -> None:
        """Calls :meth:`GenSenSingle.first_expansion` on each model."""
        for model in self.gensen_models:
            model.first_expansion()

    def vocab_expansion(self, task_vocab: Iterable[str]) -> None:
        """Calls :meth:`GenSenSingle.vocab_expansion` on each model."""
        words = list(task_vocab)
        for model in self.gensen_models:
            model.vocab_expansion(words)

    def _represent(self, sentences: list[str], pooling: str, tokenize: bool, start_end: bool) -> _Arrays:
        found = [model._represent(sentences, pooling, tokenize, start_end) for model in self.gensen_models]
        states, vectors = zip(*found)
        return np.concatenate(states, axis=2), np.concatenate(vectors, axis=1)

    def __repr__(self) -> str:
        return f"GenSen({', '.join(map(repr, self.gensen_models))})"
