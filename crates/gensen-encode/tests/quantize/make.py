"""Makes golden.json: what sentence-transformers makes of vectors, for tests/vectors.rs.

    pip install sentence-transformers
    python make.py > golden.json

The file that is there was made with sentence-transformers 6.2.0 and numpy 2.4.6.
"""

import json

import numpy as np
from sentence_transformers import quantize_embeddings
from sentence_transformers.util import truncate_embeddings

PRECISIONS = ["float32", "int8", "uint8", "binary", "ubinary"]
DIMENSIONS = 7  # what is left after truncation

random = np.random.default_rng(7)
calibration = random.normal(0.05, 0.3, (30, 19)).astype(np.float32)
calibration[:, 4] = 0.25  # a dimension without a range
ranges = np.vstack((calibration.min(axis=0), calibration.max(axis=0)))
vectors = random.normal(0.0, 0.4, (24, 19)).astype(np.float32)  # some beyond the ranges
vectors[0] = ranges[0]
vectors[1] = ranges[1]
vectors[2] = 0.0
vectors[3, ::2] = -0.0
vectors[4, 4] = 1.25


def unit(x):
    length = np.sqrt((x.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    return (x / np.where(length == 0, 1, length)).astype(np.float32)


short = unit(truncate_embeddings(vectors, DIMENSIONS))
short_ranges = np.vstack((-np.ones(DIMENSIONS), np.ones(DIMENSIONS))).astype(np.float32) * 0.9


def results(vectors, ranges):
    return {p: quantize_embeddings(vectors, precision=p, ranges=ranges).tolist() for p in PRECISIONS}


print(
    json.dumps(
        {
            "calibration": calibration.tolist(),
            "ranges": ranges.tolist(),
            "vectors": vectors.tolist(),
            "results": results(vectors, ranges),
            "short_ranges": short_ranges.tolist(),
            "short_results": results(short, short_ranges),
        }
    )
)
