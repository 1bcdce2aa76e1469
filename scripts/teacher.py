#!/usr/bin/env python3
"""Writes a sentence-transformers model's vectors for a text with one sentence per line.

    pip install sentence-transformers
    python3 scripts/teacher.py --model sentence-transformers/all-MiniLM-L6-v2 --input distill.txt --output distill.npy

`distill.npy` is the input of a "distillation" task: [sentences, width], f16 or f32, row i for line i.
`distill.npy.json` records the model and the text. `--layers` writes more of what a transformer knows: the means of its tokens'
states after every layer, the embeddings' first, end to end. components.py makes a smaller teacher of them.

Sentences are read in windows, and batched by length within each. Finished windows are saved in `distill.npy.part`; after
an interruption the same command continues with the next one. The complete file gets its name at the end.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from files import write_whole


def fail(message):
    sys.exit(f"teacher: {message}")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a folder, or a name on the Hugging Face Hub")
    parser.add_argument("--revision", help="the commit on the hub")
    parser.add_argument("--input", type=Path, required=True, metavar="TEXT", help="UTF-8, one sentence per line")
    parser.add_argument("--output", type=Path, required=True, metavar="NPY")
    parser.add_argument("--dtype", choices=["f16", "f32"], default="f16", help="precision of the output (default: f16)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps ... (default: the best available)")
    parser.add_argument("--precision", choices=["f32", "bf16", "f16"], default="f32", help="precision of the model (default: f32)")
    parser.add_argument("--batch-size", type=int, default=256, help="sentences (default: 256)")
    parser.add_argument("--window", type=int, default=65_536, help="sentences per window (default: 65536)")
    parser.add_argument("--layers", action="store_true", help="means of every layer's states instead of the model's vectors")
    parser.add_argument("--prompt", default="", help="prefix of each sentence, for models that need one")
    arguments = parser.parse_args()
    if arguments.batch_size < 1 or arguments.window < 1:
        parser.error("--batch-size and --window must be at least 1")
    if arguments.output.suffix != ".npy":
        parser.error("--output: the name must end in .npy")
    return arguments


def survey(path):
    """The number of sentences and the SHA-256 of a text."""
    digest, number = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                digest.update(line)
                try:
                    empty = not line.decode("utf-8").strip()
                except UnicodeDecodeError as error:
                    fail(f"{path}:{number}: not UTF-8 ({error.reason})")
                if empty:
                    fail(f"{path}:{number}: the line is empty; every line needs a sentence")
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    if number == 0:
        fail(f"{path}: no sentence in it")
    return number, digest.hexdigest()


def windows(path, size):
    """(line of the first, sentences) of each window."""
    with open(path, encoding="utf-8", newline="\n") as file:
        begin, window = 0, []
        for line in file:
            window.append(line.rstrip("\r\n"))
            if len(window) == size:
                yield begin, window
                begin, window = begin + size, []
        if window:
            yield begin, window


def load(arguments):
    import torch
    from sentence_transformers import SentenceTransformer

    kinds = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
    model = SentenceTransformer(
        arguments.model,
        revision=arguments.revision,
        device=arguments.device,
        model_kwargs={"dtype": kinds[arguments.precision]},
    )
    return model.eval()


def vectors_of(model, sentences, arguments):
    if arguments.layers:
        return layer_means(model, sentences, arguments.batch_size)
    # sentence-transformers sorts what it gets by length.
    return model.encode(sentences, batch_size=arguments.batch_size, convert_to_numpy=True, show_progress_bar=False)


def layer_means(model, sentences, batch_size):
    """The mean of the tokens' states after every layer, end to end: [sentences, (layers + 1) x width]."""
    import torch

    found = [None] * len(sentences)
    by_length = sorted(range(len(sentences)), key=lambda n: -len(sentences[n]))
    for begin in range(0, len(by_length), batch_size):
        chosen = by_length[begin : begin + batch_size]
        tokens = model.tokenize([sentences[n] for n in chosen])
        # The rest is not for the transformer.
        tokens = {name: value.to(model.device) for name, value in tokens.items() if torch.is_tensor(value)}
        with torch.inference_mode():
            states = model[0].auto_model(**tokens, output_hidden_states=True).hidden_states
            mask = tokens["attention_mask"].unsqueeze(-1)
            means = torch.cat([(layer * mask).sum(1, dtype=torch.float32) / mask.sum(1) for layer in states], dim=1)
        for n, row in zip(chosen, means.cpu().numpy()):
            found[n] = row
    return np.stack(found)


def read_json(path):
    # Files of earlier versions have no "layers".
    return {"layers": False, **json.loads(path.read_text("utf-8"))}


def write_json(path, value):
    write_whole(path, lambda file: file.write(json.dumps(value, indent=2).encode() + b"\n"))


def main():
    arguments = options()
    output = arguments.output
    part, state_path = (output.with_name(output.name + end) for end in (".part", ".part.json"))
    card_path = output.with_name(output.name + ".json")
    sentences, digest = survey(arguments.input)
    # Everything that the vectors depend on.
    work = {
        "model": arguments.model,
        "revision": arguments.revision,
        "prompt": arguments.prompt,
        "model_precision": arguments.precision,
        "dtype": arguments.dtype,
        "layers": arguments.layers,
        "text_sha256": digest,
        "sentences": sentences,
    }
    if output.exists():
        done = read_json(card_path) if card_path.exists() else {}
        if all(done.get(name) == value for name, value in work.items()):
            print(f"{output} is there already", file=sys.stderr)
            return
        fail(f"{output} exists and is not this model's vectors of this text; remove it or choose another name")

    model = load(arguments)
    width = int(vectors_of(model, ["width"], arguments).shape[1])
    dtype = np.dtype({"f16": np.float16, "f32": np.float32}[arguments.dtype])
    work["width"] = width

    first = 0
    if part.exists() and state_path.exists():
        state = read_json(state_path)
        first = state.pop("done")
        if state != work:
            different = [name for name in work if state.get(name) != work[name]]
            fail(f"{part} was begun with another {', '.join(different)}; remove it to begin again")
        vectors = np.lib.format.open_memmap(part, mode="r+")
        if vectors.shape != (sentences, width) or vectors.dtype != dtype:
            fail(f"{part} has shape {vectors.shape} of {vectors.dtype}, expected {(sentences, width)} of {dtype}; remove it to begin again")
        print(f"going on after sentence {first}", file=sys.stderr)
    else:
        vectors = np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=(sentences, width))

    begun, encoded = time.monotonic(), 0
    for begin, window in windows(arguments.input, arguments.window):
        # A window that was saved with another --window may end in the middle of this one.
        window = window[max(first - begin, 0) :]
        begin = max(begin, first)
        if not window:
            continue
        found = vectors_of(model, [arguments.prompt + sentence for sentence in window], arguments).astype(dtype)
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            line = begin + int(np.argmin(finite)) + 1
            fail(f"{arguments.input}:{line}: the model's vector is not finite in {arguments.dtype}")
        vectors[begin : begin + len(window)] = found
        vectors.flush()
        write_json(state_path, {**work, "done": begin + len(window)})
        encoded += len(window)
        rate = encoded / (time.monotonic() - begun)
        left = (sentences - begin - len(window)) / rate
        print(f"{begin + len(window)} of {sentences} sentences, {rate:.0f} a second, {left:.0f} s left", file=sys.stderr, flush=True)

    del vectors
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    write_json(card_path, work)
    os.replace(part, output)
    state_path.unlink(missing_ok=True)
    print(f"{output}: [{sentences}, {width}] {arguments.dtype}", file=sys.stderr)


if __name__ == "__main__":
    main()
