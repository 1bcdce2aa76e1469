"""Runs two programs that measure the same cases in turn, and compares them.

    python benches/peers/encode_rounds.py FOLDER OURS GENSEN PEER_PYTHON [ROUNDS [CASE...]]
    python benches/peers/encode_rounds.py /tmp/enc target/release/examples/encode_speed target/release/gensen python 5

Besides the cases of encode.py there is `first`: a whole process from its start to the first vector.
A line a case is printed: sentences/s of ours and of the peer (seconds for `first`), their ratio with
the smallest and largest of any round, the same of processor time, and peak memory in MiB.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

CASES = ["snli-32-f32", "snli-128-f32", "snli-1-f32", "snli-32-i8", "snli-1-i8", "news-32-f32", "first"]
folder, ours, gensen, python, *rest = sys.argv[1:]
rounds = int(rest[0]) if rest else 5
script = pathlib.Path(__file__).with_name("encode.py")
scratch = tempfile.TemporaryDirectory()
sentence = pathlib.Path(scratch.name, "sentence.txt")
sentence.write_text(pathlib.Path(folder, "snli.txt").read_text().splitlines()[0] + "\n")
embed = [gensen, "embed", "--model", f"{folder}/model", "--input", sentence, "--output", f"{scratch.name}/vector.npy"]


def process(command):
    """A whole process's time and memory."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    assert status == 0, command
    processor = usage.ru_utime + usage.ru_stime
    return {"sentences": 1, "seconds": seconds, "cpu_seconds": processor, "peak_bytes": usage.ru_maxrss * 1024}


def cost(result, key):
    """Seconds a sentence; processor time is told in hundredths."""
    return max(result[key], 0.01) / result["sentences"]


def measure(program, case):
    if case == "first":
        return process(embed if program == [ours] else [*program, folder, "first"])
    output = subprocess.run([*program, folder, case], check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


for case in rest[1:] or CASES:
    pairs = [(measure([ours], case), measure([python, script], case)) for _ in range(rounds)]
    what = "seconds" if case == "first" else "sentences_per_second"
    a, b = (statistics.median(result[what] for result in side) for side in zip(*pairs))
    wall, processor = (
        [cost(peer, key) / cost(own, key) for own, peer in pairs] for key in ("seconds", "cpu_seconds")
    )
    peak = [max(result["peak_bytes"] for result in side) / 2**20 for side in zip(*pairs)]
    digits = 3 if case == "first" else 0
    print(
        f"| {case} | {a:.{digits}f} | {b:.{digits}f} | {spread(wall, 1)} | {spread(processor, 1)} | {peak[0]:.0f} | {peak[1]:.0f} |",
        flush=True,
    )
