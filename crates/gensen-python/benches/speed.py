"""The package's speed beside the command line's, and the import time.

    python speed.py [--program target/release/gensen] [--model english] [--rounds 5] [--sentences 20000] [--input FILE]

Runs alternate. The command line's time for one sentence is subtracted, so that start-up does not count. Each line gives
the median of the rounds, and the smallest and largest value.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import gensen

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--program", type=Path, default=Path(__file__).parents[3] / "target" / "release" / "gensen")
parser.add_argument("--model", help="a model folder (default: the built-in model)")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--sentences", type=int, default=20_000)
parser.add_argument("--input", type=Path, help="a file with one sentence per line (default: generated sentences)")
arguments = parser.parse_args()


def generated(count):
    rng = np.random.default_rng(1)
    words = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ["n", "r", "st", "ck"]]
    words += "the of and to in a is that for it was on with as at by this had not are but from".split() * 8
    return [" ".join(rng.choice(words, size=rng.integers(4, 30))) for _ in range(count)]


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def show(name, values, unit):
    values = sorted(values)
    print(f"{name}: {statistics.median(values):.3f} {unit} ({values[0]:.3f} to {values[-1]:.3f})".replace("  ", " "))


def speed(folder, texts):
    encoder = gensen.SentenceEncoder(arguments.model or "english")
    model = ["--model", arguments.model] if arguments.model else []
    for name, part in [("all.txt", texts), ("one.txt", texts[:1])]:
        (folder / name).write_text("\n".join(part) + "\n")

    def program(name, batch_size):
        place = ["--input", folder / name, "--output", folder / "vectors.npy", "--batch-size", str(batch_size)]
        return seconds(lambda: subprocess.run([arguments.program, "embed", *model, *place], check=True, capture_output=True))

    encoder.encode(texts[:2000])
    for batch_size in [32, 128]:
        ratios, again, rates = [], [], []
        for _ in range(arguments.rounds):
            first = program("all.txt", batch_size) - program("one.txt", batch_size)
            ours = seconds(lambda: encoder.encode(texts, batch_size))
            second = program("all.txt", batch_size) - program("one.txt", batch_size)
            ratios.append(ours / statistics.mean([first, second]))
            again.append(second / first)
            rates.append(len(texts) / ours)
        show(f"batch {batch_size}, encode", rates, "sentences/s")
        show(f"batch {batch_size}, time of encode / time of the command line", ratios, "")
        show(f"batch {batch_size}, time of the command line / its previous time", again, "")


def imports():
    def start(program):
        return seconds(lambda: subprocess.run([sys.executable, "-c", program], check=True))

    start("import gensen")
    beyond = [1000 * (start("import numpy, gensen") - start("import numpy")) for _ in range(4 * arguments.rounds)]
    show("import gensen after numpy", beyond, "ms")


if __name__ == "__main__":
    if arguments.input:
        texts = arguments.input.read_text().splitlines()[: arguments.sentences]
    else:
        texts = generated(arguments.sentences)
    with tempfile.TemporaryDirectory() as folder:
        speed(Path(folder), texts)
    imports()
