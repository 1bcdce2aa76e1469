"""A machine's bounds: rates of PyTorch's large products and of memory, as JSON for `cargo xtask bench peers --bounds`.

    pip install torch numpy
    python benches/peers/machine.py

Products are of 2,048 x 2,048 matrices; 8-bit ones are those of a dynamically quantised linear map. Memory is
added up from an array of 1 GiB. The median, smallest and largest of seven passes, in operations (a multiplication and an
addition are two) or bytes a second.
"""

import json
import pathlib
import platform
import statistics
import time
import warnings

import torch

warnings.simplefilter("ignore")  # torch announces the move of its quantised layers to another package
SIZE, PASSES = 2048, 7


def rates(work, call):
    call()
    found = []
    for _ in range(PASSES):
        started = time.perf_counter()
        call()
        found.append(work / (time.perf_counter() - started))
    return statistics.median(found), min(found), max(found)


def processor():
    """The processor's name, from Linux."""
    about = pathlib.Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@torch.no_grad()
def main():
    a, b = torch.rand(SIZE, SIZE), torch.rand(SIZE, SIZE)
    halves = a.bfloat16(), b.bfloat16()
    linear = torch.nn.Sequential(torch.nn.Linear(SIZE, SIZE))
    quantised = torch.ao.quantization.quantize_dynamic(linear, {torch.nn.Linear}, dtype=torch.qint8)
    memory = torch.ones(1 << 28)
    result = {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "f32": rates(2 * SIZE**3, lambda: a @ b),
        "bf16": rates(2 * SIZE**3, lambda: halves[0] @ halves[1]),
        "i8": rates(2 * SIZE**3, lambda: quantised(a)),
        "memory": rates(memory.nbytes, lambda: memory.sum()),
    }
    print(json.dumps(result))


main()
