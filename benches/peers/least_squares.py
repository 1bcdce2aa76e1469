"""Times scikit-learn's least squares on the shape of a vocabulary map.

    pip install numpy scikit-learn
    python benches/peers/least_squares.py [WORDS [DIMENSIONS [WIDTH]]]

Compare with `cargo run --release -p gensen-bench --bin fit_speed`.
"""

import sys
import time

import numpy as np
import sklearn
from sklearn.linear_model import LinearRegression

sizes = [80_000, 300, 512]
sizes[: len(sys.argv) - 1] = map(int, sys.argv[1:])
words, dimensions, width = sizes
generator = np.random.default_rng(1)
x = generator.random((words, dimensions), dtype=np.float32) - 0.5
y = generator.random((words, width), dtype=np.float32) - 0.5
print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, float32")


def timed(what, call):
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    print(f"{what} {time.perf_counter() - wall:.3f} s (processor {time.process_time() - processor:.2f} s)")
    return result


for _ in range(3):
    model = timed("fit", lambda: LinearRegression().fit(x, y))
    timed("map all words", lambda: model.predict(x))
