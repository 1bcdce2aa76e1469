"""Encoders for MTEB, the massive text embedding benchmark (version 2).

>>> import mteb
>>> from gensen.mteb import Encoder
>>> results = mteb.evaluate(Encoder("english"), mteb.get_tasks(["STSBenchmark"]))  # doctest: +SKIP
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from mteb.models.model_meta import ModelMeta, ScoringFunction

from . import __version__
from ._sentence_encoder import SentenceEncoder

__all__ = ["Encoder"]


class Encoder:
    """MTEB's ``EncoderProtocol``.

    ``model`` and ``setting`` are the arguments of :class:`gensen.SentenceEncoder`; ``revision`` is a model's revision on the hub.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "english",
        revision: str | None = None,
        *,
        device: str | None = None,
        **setting: Any,
    ) -> None:
        if device not in (None, "cpu"):
            warnings.warn(f"device={device!r}: this package computes on the CPU", stacklevel=2)
        name = os.fspath(model)
        self._encoder = SentenceEncoder(f"{name}@{revision}" if revision else model, **setting)
        config = self._encoder.config
        self.mteb_model_meta = ModelMeta.create_empty(
            {
                "name": name if "/" in name and not os.path.exists(name) else f"gensen/{config['provenance']['name']}",
                "revision": revision or f"gensen-{__version__}",
                "embed_dim": self._encoder.get_sentence_embedding_dimension(),
                "languages": None,
                "open_weights": True,
                "framework": ["NumPy"],
                "similarity_fn_name": ScoringFunction.COSINE,
                "use_instructions": False,
            }
        )

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        batch_size: int = 32,
        show_progress_bar: bool = False,
        **kwargs: Any,
    ) -> npt.NDArray[np.float32]:
        """The vectors of all texts in MTEB's batches, ``[texts, dimension]``."""
        texts = [text for batch in inputs for text in batch["text"]]
        vectors: npt.NDArray[np.float32] = self._encoder.encode(texts, batch_size, show_progress_bar)
        return vectors

    def similarity(self, embeddings1: Any, embeddings2: Any) -> npt.NDArray[np.float32]:
        """The cosine of every vector in ``embeddings1`` with every vector in ``embeddings2``."""
        return self._encoder.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> npt.NDArray[np.float32]:
        """The cosines of corresponding vectors."""
        return self._encoder.similarity_pairwise(embeddings1, embeddings2)
