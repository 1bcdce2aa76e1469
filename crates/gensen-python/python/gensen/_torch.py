"""Optional conversion to and from torch."""

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
    """Converts vectors to an array of 32-bit floats; accepts tensors on any device and lists, too."""
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu().numpy()
    return np.ascontiguousarray(vectors, dtype=np.float32)
