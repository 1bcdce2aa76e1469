"""The cluster examples in local mode."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[3] / "examples" / "cluster"


@pytest.mark.parametrize(("script", "library"), [("ray_data.py", "ray"), ("spark.py", "pyspark")])
def test_a_parquet_data_set_is_encoded(script, library, english, texts, tmp_path):
    pytest.importorskip(library)
    pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "sentences").mkdir()
    half = len(texts) // 2
    for number, part in enumerate([texts[:half], texts[half:]]):
        table = pyarrow.table({"id": np.arange(len(part)) + number * half, "text": part})
        parquet.write_table(table, tmp_path / "sentences" / f"{number}.parquet")
    run = subprocess.run(
        [sys.executable, EXAMPLES / script, tmp_path / "sentences", tmp_path / "vectors"],
        # Without PYSPARK_PYTHON, Spark's workers run the first python3 in PATH.
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    rows = parquet.read_table(tmp_path / "vectors").to_pandas().sort_values("id")
    assert list(rows["text"]) == texts
    np.testing.assert_array_equal(np.stack(rows["vector"].to_list()), english.encode(texts))
