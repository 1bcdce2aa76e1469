"""SentEval's own Python as a client of this package, against our evaluator.

It needs torch, a checkout of SentEval in GENSEN_SENTEVAL, its data in GENSEN_SENTEVAL_DATA (the folder that holds
MR, SST, MRPC and STS, or the `downstream` folder's parent), and takes some minutes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TASKS = ["MR", "SST2", "MRPC", "STSBenchmark"]


@pytest.fixture
def places():
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    checkout, data = os.environ.get("GENSEN_SENTEVAL"), os.environ.get("GENSEN_SENTEVAL_DATA")
    if not checkout or not data:
        pytest.skip("GENSEN_SENTEVAL names no checkout of SentEval, or GENSEN_SENTEVAL_DATA no folder of its data")
    return Path(checkout), Path(data)


def test_sentevals_numbers_are_ours(places, program, tmp_path):
    checkout, data = places
    script = Path(__file__).with_name("senteval_client.py")
    client = subprocess.run(
        [sys.executable, script, checkout, data, tmp_path / "theirs.json", *TASKS], capture_output=True, text=True
    )
    assert client.returncode == 0, client.stderr[-2000:]
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    command = [program, "eval", "--data", data, "--tasks", ",".join(TASKS), "--classifier", "senteval"]
    subprocess.run([*command, "--pool", "best", "--no-cache", "--output", tmp_path / "ours.json"], check=True, capture_output=True)
    (ours,) = json.loads((tmp_path / "ours.json").read_text())
    found = {result["task"]: result["scores"] for result in ours["results"]}
    print(json.dumps({"SentEval": theirs, "gensen": found}, indent=1))
    for task in TASKS[:3]:
        accuracies = found[task]["accuracies"]
        assert accuracies["test"] == pytest.approx(theirs[task]["acc"], abs=0.1), task
        assert accuracies["dev"] == pytest.approx(theirs[task]["devacc"], abs=0.1), task
    assert found["MRPC"]["f1"] == pytest.approx(theirs["MRPC"]["f1"], abs=0.1)
    for score in ["pearson", "spearman"]:
        assert found["STSBenchmark"][score] == pytest.approx(theirs["STSBenchmark"][score], abs=1e-5)
