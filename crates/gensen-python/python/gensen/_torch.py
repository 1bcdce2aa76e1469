"""Conversions from and to PyTorch's tensors; torch is imported only if a tensor is requested."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def tensor(array: npt.NDArray[Any]) -> Any:
    """The array as a tensor that shares its memory."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("tensors need torch, which is not installed: pip install torch") from error
    return torch.from_numpy(array)


def array(vectors: Any) -> npt.NDArray[np.float32]:
    """Vectors as a contiguous float32 array. Accepts arrays, lists, and tensors on any device."""
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu().numpy()
    return np.ascontiguousarray(vectors, dtype=np.float32)
