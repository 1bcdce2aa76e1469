#!/usr/bin/env python3
"""Compares the vectors of a model's exports with those of `gensen embed`.

    pip install sentence-transformers onnxruntime
    python3 scripts/check_exports.py --model models/mine --input sentences.txt

Exports the model with `gensen export-sentence-transformers` and `gensen export-onnx`, encodes the text, one sentence per line,
with sentence-transformers and onnxruntime, and prints the largest difference of each. Fails above --tolerance.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder (default: the built-in model)")
    parser.add_argument("--input", type=Path, required=True, metavar="TEXT", help="UTF-8, one sentence per line")
    parser.add_argument("--gensen", default="gensen", help="the program (default: gensen)")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="(default: 1e-5)")
    return parser.parse_args()


def onnx_vectors(path, encoder, sentences, size=64):
    """Vectors by onnxruntime; `encoder` prepares the inputs, and its vocabulary must be the file's."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    if metadata["vocabulary"].split("\n") != encoder[0].words:
        sys.exit("check_exports: the ONNX file has another vocabulary than the model folder")
    vectors = []
    for start in range(0, len(sentences), size):
        batch = encoder[0].preprocess(sentences[start : start + size])
        feeds = {name: value.numpy() for name, value in batch.items()}
        vectors.extend(session.run(["sentence_embedding"], feeds))
    return np.concatenate(vectors)


def main():
    from sentence_transformers import SentenceTransformer

    given = options()
    sentences = given.input.read_text(encoding="utf-8").split("\n")
    if sentences[-1] == "":
        sentences.pop()
    model = ["--model", given.model] if given.model else []
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)

        def gensen(*arguments):
            subprocess.run([given.gensen, *map(str, arguments), *model], check=True, stdout=subprocess.DEVNULL)

        gensen("embed", "--input", given.input, "--output", folder / "vectors.npy")
        gensen("export-sentence-transformers", "--output", folder / "model")
        gensen("export-onnx", "--output", folder / "model.onnx")
        encoder = SentenceTransformer(str(folder / "model"), trust_remote_code=True, device="cpu")
        expected = np.load(folder / "vectors.npy")
        for name, found in [
            ("sentence-transformers", encoder.encode(sentences, batch_size=64)),
            ("onnxruntime", onnx_vectors(str(folder / "model.onnx"), encoder, sentences)),
        ]:
            if found.shape != expected.shape:
                sys.exit(f"check_exports: {name} has {found.shape}, gensen {expected.shape}")
            differences = np.abs(found - expected).max(1)
            worst = int(differences.argmax())
            print(f"{name}: {len(found)} vectors, largest difference {differences[worst]:.2e} (line {worst + 1})")
            failed |= not differences[worst] <= given.tolerance
    sys.exit(failed)


if __name__ == "__main__":
    main()
