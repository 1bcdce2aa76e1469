"""Makes golden.json: what sentence-transformers' community_detection finds, for tests/search.rs.

    pip install sentence-transformers
    python make.py > golden.json

The file that is there was made with sentence-transformers 6.2.0 and torch 2.11.0.
"""

import json

import numpy as np
from sentence_transformers.util import community_detection

random = np.random.default_rng(3)
centres = random.normal(0, 1, (6, 8))
vectors = centres[random.integers(0, 6, 90)] + random.normal(0, 0.45, (90, 8))
vectors = np.round(vectors, 3).astype(np.float32)
cosines = vectors @ vectors.T / np.outer(*[np.linalg.norm(vectors, axis=1)] * 2)
found = {}
for threshold, smallest in [(0.75, 3), (0.8, 5), (0.9, 2), (0.5, 10)]:
    assert np.abs(cosines - threshold).min() > 1e-5, "a cosine that rounding decides"
    communities = community_detection(vectors, threshold=threshold, min_community_size=smallest)
    found[f"{threshold} {smallest}"] = [[c[0], sorted(int(i) for i in c)] for c in communities]
print(json.dumps({"vectors": [[float(str(x)) for x in row] for row in vectors], "communities": found}))
