"""Learning rates of schedules, by numpy: writes schedule.json beside this file.

    python schedule.py
"""

import json
import pathlib

import numpy as np

CASES = [
    dict(learning_rate=1e-3, steps=100),
    dict(learning_rate=1e-3, steps=100, warmup_steps=10),
    dict(learning_rate=1e-3, steps=100, warmup_steps=10, schedule="linear"),
    dict(learning_rate=2e-4, steps=100, schedule="linear", schedule_steps=60, final_learning_rate=5e-5),
    dict(learning_rate=1e-3, steps=100, warmup_steps=20, schedule="cosine", final_learning_rate=1e-4),
    dict(learning_rate=1e-3, steps=100, warmup_steps=16, schedule="inverse-square-root"),
    dict(learning_rate=1e-3, steps=100, schedule="inverse-square-root", final_learning_rate=2e-4),
]


def rates(learning_rate, steps, warmup_steps=0, schedule="constant", schedule_steps=None, final_learning_rate=0.0):
    done = np.arange(120)
    end = steps if schedule_steps is None else schedule_steps
    if schedule == "constant":
        after = np.full(120, learning_rate)
    elif schedule == "linear":
        after = np.interp(done, [warmup_steps, end], [learning_rate, final_learning_rate])
    elif schedule == "cosine":
        angle = np.interp(done, [warmup_steps, end], [0, np.pi])
        after = final_learning_rate + (learning_rate - final_learning_rate) * (1 + np.cos(angle)) / 2
    else:
        after = np.maximum(learning_rate * np.sqrt(max(warmup_steps, 1) / (done + 1)), final_learning_rate)
    warming = np.linspace(0, learning_rate, warmup_steps + 1)[1:]
    after[: len(warming)] = warming
    return after


cases = []
for training in CASES:
    all_rates = rates(**training)
    steps = [0, 1, 5, 9, 10, 15, 16, 19, 20, 21, 50, 59, 60, 99, 100, 119]
    cases.append(dict(training=training, rates=[[step, float(all_rates[step])] for step in steps]))
path = pathlib.Path(__file__).with_name("schedule.json")
path.write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]" + "\n")
