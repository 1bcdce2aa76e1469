"""Runs SentEval's own evaluation loop with this package's encoder.

    python senteval_client.py CHECKOUT DATA RESULTS.json TASK...

Preprocessing and pooling are those of `gensen eval` and of the paper's script: words separated by spaces, lower-cased;
max pooling for some tasks, the last state for the others.
"""

import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

import gensen

checkout, data, results, *tasks = sys.argv[1:]
sys.path.insert(0, checkout)
# SentEval moves tensors to a GPU, and STS-Benchmark requires one. These patches keep everything on the CPU.
torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *_, **__: self
import senteval  # noqa: E402
import senteval.tools.relatedness  # noqa: E402

cuda = SimpleNamespace(**{**vars(torch.cuda), "is_available": lambda: True})
senteval.tools.relatedness.torch = SimpleNamespace(**{**vars(torch), "cuda": cuda})

MAX = {"MR", "CR", "SUBJ", "MPQA", "ImageCaptionRetrieval"}
encoders = {
    pooling: gensen.SentenceEncoder("english", tokenizer="whitespace", lowercase=False, pooling=pooling)
    for pooling in ["max", "last"]
}


def batcher(params, batch):
    encoder = encoders["max" if params.current_task in MAX else "last"]
    return encoder.encode([" ".join(words).lower() for words in batch], show_progress_bar=False)


with tempfile.TemporaryDirectory() as folder:
    # SentEval expects its tasks in a folder `downstream`.
    root = Path(data)
    if not (root / "downstream").is_dir():
        (Path(folder) / "downstream").symlink_to(root.resolve(), target_is_directory=True)
        root = Path(folder)
    parameters = {
        "task_path": str(root),
        "usepytorch": True,
        "kfold": 10,
        "seed": 1111,
        "classifier": {"nhid": 0, "optim": "adam", "batch_size": 64, "tenacity": 5, "epoch_size": 4},
    }
    found = senteval.engine.SE(parameters, batcher, lambda params, samples: None).eval(tasks)


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (np.ndarray, list, tuple)):
        return [plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


Path(results).write_text(json.dumps({task: {k: v for k, v in plain(one).items() if k != "yhat"} for task, one in found.items()}))
