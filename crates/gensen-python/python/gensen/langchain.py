"""Sentence vectors for LangChain.

>>> from langchain_core.vectorstores import InMemoryVectorStore
>>> from gensen.langchain import GensenEmbeddings
>>> store = InMemoryVectorStore(GensenEmbeddings("english"))
>>> _ = store.add_texts(["A dog runs.", "Prices rose again."])
>>> store.similarity_search("An animal is running.", k=1)[0].page_content
'A dog runs.'
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from langchain_core.embeddings import Embeddings

from ._sentence_encoder import SentenceEncoder

__all__ = ["GensenEmbeddings"]


class GensenEmbeddings(Embeddings):
    """LangChain's ``Embeddings``; vectors have length 1.

    ``model`` and ``setting`` are the arguments of :class:`gensen.SentenceEncoder`.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = "english",
        *,
        batch_size: int = 32,
        **setting: Any,
    ) -> None:
        self.batch_size = batch_size
        self._encoder = SentenceEncoder(model, **setting)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of texts."""
        vectors = self._encoder.encode(texts, self.batch_size, show_progress_bar=False, normalize_embeddings=True)
        found: list[list[float]] = vectors.tolist()
        return found

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        return self.embed_documents([text])[0]
