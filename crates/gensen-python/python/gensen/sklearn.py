"""Sentence vectors as a step in scikit-learn's pipelines.

>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.pipeline import make_pipeline
>>> from gensen.sklearn import Vectorizer
>>> classifier = make_pipeline(Vectorizer("english"), LogisticRegression())
>>> classifier.fit(["so good", "so bad"], [1, 0]).predict(["a good one"])
array([1])
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from ._sentence_encoder import SentenceEncoder

__all__ = ["Vectorizer"]


class Vectorizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer from sentences to vectors ``[sentences, dimension]``. Fitting is a no-op.

    The parameters are those of :class:`gensen.SentenceEncoder` and its ``encode``. The model is loaded on first use;
    clones and pickles load it again.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = "english",
        *,
        pooling: str | None = None,
        tokenizer: str | None = None,
        lowercase: bool | None = None,
        unknown_words: str | None = None,
        language: str = "en",
        truncate_dim: int | None = None,
        weights: str = "f32",
        normalize_embeddings: bool = False,
        batch_size: int = 32,
    ) -> None:
        self.model = model
        self.pooling = pooling
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.unknown_words = unknown_words
        self.language = language
        self.truncate_dim = truncate_dim
        self.weights = weights
        self.normalize_embeddings = normalize_embeddings
        self.batch_size = batch_size

    def fit(self, X: Iterable[str], y: object = None) -> Vectorizer:
        """Loads the model."""
        self._loaded()
        return self

    def transform(self, X: Iterable[str]) -> npt.NDArray[np.float32]:
        """The sentences' vectors."""
        if isinstance(X, str):
            raise TypeError("X is a str, expected a list of str")
        vectors: npt.NDArray[np.float32] = self._loaded().encode(
            X, self.batch_size, show_progress_bar=False, normalize_embeddings=self.normalize_embeddings
        )
        return vectors

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """The components' names: ``gensen0``, ``gensen1``, ..."""
        width = self._loaded().get_sentence_embedding_dimension()
        return np.array([f"gensen{k}" for k in range(width)], dtype=object)

    def _loaded(self) -> SentenceEncoder:
        setting = {
            "model": self.model,
            "pooling": self.pooling,
            "tokenizer": self.tokenizer,
            "lowercase": self.lowercase,
            "unknown_words": self.unknown_words,
            "language": self.language,
            "truncate_dim": self.truncate_dim,
            "weights": self.weights,
        }
        known = getattr(self, "_known", None)
        if known is None or known[0] != setting:
            # `set_params` may have changed the model.
            known = self._known = (setting, SentenceEncoder(**setting))  # type: ignore[arg-type]
        encoder: SentenceEncoder = known[1]
        return encoder

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_known", None)
        return state

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags
