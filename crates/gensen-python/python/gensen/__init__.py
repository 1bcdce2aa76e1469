"""GenSen's encoders: sentences in, vectors out.

>>> import gensen
>>> encoder = gensen.SentenceEncoder("english")
>>> encoder.encode(["A sentence.", "Another."]).shape
(2, 1024)

:class:`SentenceEncoder` has sentence-transformers' interface, :class:`GenSen` and :class:`GenSenSingle` that of the
paper's implementation. :func:`evaluate` scores any encoder with SentEval's protocol. The adapters
``gensen.sklearn``, ``gensen.langchain`` and ``gensen.mteb`` are imported by name.
"""

from __future__ import annotations

from ._evaluation import Report, evaluate
from ._gensen import GensenError, __version__, get_num_threads, set_num_threads
from ._reference import GenSen, GenSenSingle
from ._sentence_encoder import SentenceEncoder

__all__ = [
    "GenSen",
    "GenSenSingle",
    "GensenError",
    "Report",
    "SentenceEncoder",
    "__version__",
    "evaluate",
    "get_num_threads",
    "set_num_threads",
]
