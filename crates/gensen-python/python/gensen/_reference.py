"""The interface of the paper's implementation (``gensen.py``), with its names, defaults and shapes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ._gensen import Encoder, Map
from ._options import options
from ._torch import tensor

__all__ = ["GenSen", "GenSenSingle"]

# The reference pools over the padding of a batch, too.
_POOLINGS = {"last": "last", "max": "max-padded", "max-own": "max", "mean": "mean"}


class GenSenSingle:
    """One encoder.

    ``model_folder`` holds the reference's files ``PREFIX.model`` and ``PREFIX_vocab.pkl``, a model folder of the
    name ``filename_prefix``, or is a model folder itself. ``pretrained_emb`` is a file of word vectors in any of the usual
    formats (GloVe, word2vec, HDF5 of the reference); it is read when the vocabulary is expanded. This package
    computes on the CPU, and warns if ``cuda`` is true.

    Raises ``FileNotFoundError`` for files that are not there, and ``gensen.GensenError`` for files that
    hold something else.
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
            raise ValueError(f"rnn_type is {rnn_type!r}, expected 'GRU': no other encoder was released")
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

    def _ids(self, own: bool) -> dict[str, int]:
        return {word: id for id, word in enumerate(self._encoder.words(own))}

    @property
    def word2id(self) -> dict[str, int]:
        """The model's own words and their ids."""
        return self._ids(own=True)

    @property
    def id2word(self) -> dict[int, str]:
        """The model's own words by id."""
        return dict(enumerate(self._encoder.words(True)))

    @property
    def task_word2id(self) -> dict[str, int]:
        """The current vocabulary, word to id: the model's own until it is expanded."""
        return self._ids(own=False)

    @property
    def task_id2word(self) -> dict[int, str]:
        """The current vocabulary, id to word."""
        return dict(enumerate(self._encoder.words(False)))

    def first_expansion(self) -> None:
        """Fits the linear map from the word vectors to the model's embeddings, on the shared words.

        :meth:`vocab_expansion` does it where it was not done.
        """
        self._map = self._encoder.fit_map(self._vectors())
        self._tell(self._map.report)

    def vocab_expansion(self, task_vocab: Iterable[str]) -> None:
        """Replaces the model's vocabulary by the words of ``task_vocab``.

        Its own words keep their embeddings, words of the word vectors are mapped, others become
        ``<unk>``. A second expansion starts from the model's own words again.
        """
        words = list(task_vocab)
        if self._map is None:
            self.first_expansion()
        assert self._map is not None
        self._encoder, report = self._encoder.expand(self._map, self._vectors(), words)
        self._tell(report)
        self._task_words = words
        self.vocab_expanded = True

    def _tell(self, report: str) -> None:
        import logging

        logging.getLogger("gensen").info("%s: %s", self.filename_prefix, report)

    def _vectors(self) -> str:
        if self.pretrained_emb is None:
            raise ValueError("pretrained_emb is None: vocabulary expansion needs a file of word vectors")
        return os.fspath(self.pretrained_emb)

    def get_representation(
        self,
        sentences: Sequence[str],
        pool: str = "last",
        tokenize: bool = False,
        return_numpy: bool = True,
        add_start_end: bool = True,
    ) -> tuple[Any, Any]:
        """The hidden states of all words, ``[sentences, longest, width]``, forward then backward and zero beyond
        a sentence's end, and the sentences' vectors, ``[sentences, width]``.

        ``pool`` is ``"last"``, ``"max"`` (over the padding of the shorter sentences, too, as the reference does),
        ``"max-own"`` (over a sentence's own words) or ``"mean"``. Words are what white space separates, or NLTK's with
        ``tokenize``. Without ``return_numpy`` the results are torch's tensors.
        """
        if pool not in _POOLINGS:
            raise ValueError(f"pool is {pool!r}, expected one of {', '.join(_POOLINGS)}")
        if isinstance(sentences, str):
            raise TypeError("sentences is a str, expected a list of them")
        sentences = list(sentences)
        if not sentences:
            raise ValueError("there are no sentences")
        read = options(
            pooling=_POOLINGS[pool],
            tokenizer="nltk" if tokenize else "whitespace",
            start_end=bool(add_start_end),
            # All sentences are one batch, to whose longest they are padded.
            batch_size=len(sentences),
        )
        states, vectors = self._encoder.encode_with_states(sentences, read)
        if return_numpy:
            return states, vectors
        return tensor(states), tensor(vectors)

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


class GenSen:
    """Several encoders, whose states and vectors are concatenated in the order given."""

    def __init__(self, *models: GenSenSingle) -> None:
        if not models:
            raise ValueError("GenSen() needs at least one model")
        self.gensen_models = models

    def first_expansion(self) -> None:
        """Like :meth:`GenSenSingle.first_expansion`, for each encoder."""
        for model in self.gensen_models:
            model.first_expansion()

    def vocab_expansion(self, task_vocab: Iterable[str]) -> None:
        """Like :meth:`GenSenSingle.vocab_expansion`, for each encoder."""
        words = list(task_vocab)
        for model in self.gensen_models:
            model.vocab_expansion(words)

    def get_representation(
        self,
        sentences: Sequence[str],
        pool: str = "last",
        tokenize: bool = False,
        return_numpy: bool = True,
        add_start_end: bool = True,
    ) -> tuple[Any, Any]:
        """Like :meth:`GenSenSingle.get_representation`, with concatenated vectors."""
        found = [
            model.get_representation(sentences, pool, tokenize, True, add_start_end) for model in self.gensen_models
        ]
        states = np.concatenate([states for states, _ in found], axis=2)
        vectors = np.concatenate([vectors for _, vectors in found], axis=1)
        if return_numpy:
            return states, vectors
        return tensor(states), tensor(vectors)

    def __repr__(self) -> str:
        return f"GenSen({', '.join(map(repr, self.gensen_models))})"
