"""The command line's speed beside a sentence-transformers model's on the CPU, in turn, on the same sentences.

    pip install sentence-transformers
    python benches/peers/minilm.py --input sentences.txt [--model sentence-transformers/all-MiniLM-L6-v2] [--gensen target/release/gensen]

The peer computes in f32 and in bf16, batches of 128 sorted by length (as its `encode` does). The command line's time is
that of the file less that of a file of one sentence, so that its start does not count; the peer is loaded and warm.
Ratios are of neighbouring runs with the faster of the peer's two: the median, and the smallest and largest of them.
"""

import allocator  # noqa: F401, first: it may start the program again

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--input", type=Path, required=True, help="UTF-8, a sentence a line")
parser.add_argument("--model", default="sentence-transformers/all-MiniLM-L6-v2")
parser.add_argument("--gensen", type=Path, default=Path("target/release/gensen"))
parser.add_argument("--sentences", type=int, default=4096, help="different ones (default: 4096)")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()

torch.set_num_threads(arguments.threads)
lines = dict.fromkeys(arguments.input.read_text(encoding="utf-8").split("\n"))
sentences = [line for line in lines if line.strip()][: arguments.sentences]
if len(sentences) < arguments.sentences:
    parser.error(f"{arguments.input} has only {len(sentences)} different sentences")
mean = sum(len(line.split()) for line in sentences) / len(sentences)
print(f"{len(sentences)} sentences of {mean:.1f} words, {arguments.threads} threads, torch {torch.__version__}")


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


peers = {
    name: SentenceTransformer(arguments.model, device="cpu", model_kwargs={"torch_dtype": kind})
    for name, kind in [("f32", torch.float32), ("bf16", torch.bfloat16)]
}
for peer in peers.values():
    peer.encode(sentences[:512], batch_size=128)

with tempfile.TemporaryDirectory() as folder:
    files = {"all": sentences, "one": sentences[:1]}
    for name, part in files.items():
        (Path(folder) / name).write_text("".join(line + "\n" for line in part), encoding="utf-8")

    def ours(precision, name):
        command = [arguments.gensen, "embed", "--precision", precision, "--batch-size", "128"]
        command += ["--threads", str(arguments.threads), "--input", Path(folder) / name, "--output", Path(folder) / "out.npy"]
        return seconds(lambda: subprocess.run(command, check=True, capture_output=True))

    rates = {}
    for _ in range(arguments.rounds):
        taken = {f"peer {name}": seconds(lambda: peer.encode(sentences, batch_size=128)) for name, peer in peers.items()}
        for precision in ["f32", "bf16", "i8"]:
            taken[f"gensen {precision}"] = ours(precision, "all") - ours(precision, "one")
        best = min(taken["peer f32"], taken["peer bf16"])
        for name, time_taken in taken.items():
            rates.setdefault(name, []).append((len(sentences) / time_taken, best / time_taken))

for name, found in rates.items():
    speeds, ratios = zip(*found)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"{name}: {statistics.median(speeds):.0f} sentences/s, {statistics.median(ratios):.2f} times the peer ({spread})")
