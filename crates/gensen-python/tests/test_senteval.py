"""SentEval's own Python loop with this package's encoder, against `gensen eval`.

Needs torch, a checkout of SentEval (GENSEN_SENTEVAL), and its data (GENSEN_SENTEVAL_DATA: the folder with MR, SST,
MRPC and STS, or the parent of `downstream`). MR and STSBenchmark take about an hour each.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def places():
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    checkout, data = os.environ.get("GENSEN_SENTEVAL"), os.environ.get("GENSEN_SENTEVAL_DATA")
    if not checkout or not data:
        pytest.skip("set GENSEN_SENTEVAL to a checkout of SentEval, and GENSEN_SENTEVAL_DATA to its data folder")
    return Path(checkout), Path(data)


@pytest.mark.parametrize("task", ["MRPC", "SST2", "STSBenchmark", "MR"])
def test_sentevals_scores_are_ours(task, places, program, tmp_path):
    checkout, data = places
    client = [sys.executable, Path(__file__).with_name("senteval_client.py"), checkout, data, tmp_path / "theirs.json", task]
    run = subprocess.run(client, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    theirs = json.loads((tmp_path / "theirs.json").read_text())[task]
    command = [program, "eval", "--data", data, "--tasks", task, "--classifier", "senteval", "--pool", "best"]
    subprocess.run([*command, "--no-cache", "--output", tmp_path / "ours.json"], check=True, capture_output=True)
    (report,) = json.loads((tmp_path / "ours.json").read_text())
    (result,) = report["results"]
    ours = result["scores"]
    print(f"{task}: SentEval {theirs}, gensen {ours}")
    if task == "STSBenchmark":
        for score in ["pearson", "spearman"]:
            assert ours[score] == pytest.approx(theirs[score], abs=1e-5)
        return
    assert ours["accuracies"]["test"] == pytest.approx(theirs["acc"], abs=0.1)
    assert ours["accuracies"]["dev"] == pytest.approx(theirs["devacc"], abs=0.1)
    if task == "MRPC":
        assert ours["f1"] == pytest.approx(theirs["f1"], abs=0.1)
