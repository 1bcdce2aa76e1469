#!/usr/bin/env python3
"""Projects vectors to their principal components: a smaller teacher.

    python3 scripts/components.py --input data/english/distill.states.npy --output data/english/distill.teacher.npy \\
        --vectors 384 --beside data/english/distill.means.npy

Needs numpy. Inputs are [rows, numbers] in f16 or f32; all are projected alike. Every number is scaled to variance 1 first, so
that a few large ones do not hide the others. The components are those of 100,000 rows, each divided by the fourth root of
its variance, so that rare directions count more. The result is scaled to unit length, in f16.

With --vectors N, the last N numbers of a row are also a vector of their own, and come first in the output: one teacher that
is both. A cosine of the output is 0.65 times (--share) that of these vectors plus 0.35 times that of the components. The
mean of the last layer's states is the vector of a sentence-transformers model that pools by the mean, as all-MiniLM-L6-v2.

With --beside, other vectors of the same rows, scaled to unit length, come last; they count 0.2 (--beside-share) of a cosine, and
the rest 0.8.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from english_vectors import unit
from files import write_whole

SAMPLE = 100_000
WINDOW = 50_000


def fail(message):
    sys.exit(f"components: {message}")


class Projection:
    """Rows to their first `width` components, those of a sample."""

    def __init__(self, sample, width, scaled):
        self.centre = sample.mean(axis=0)
        sample = sample - self.centre
        deviation = sample.std(axis=0) if scaled else np.ones(sample.shape[1], np.float32)
        # A number that never varies is 0 after centring, whatever the scale.
        deviation[deviation == 0] = 1
        sample /= deviation
        variances, directions = np.linalg.eigh((sample.T @ sample / len(sample)).astype(np.float64))
        variances, directions = variances[::-1][:width], directions[:, ::-1][:, :width]
        # Rounding leaves a little variance in directions that have none.
        if len(variances) < width or variances[-1] <= 1e-9 * variances[0]:
            raise ValueError(f"--width {width}: the vectors have fewer directions")
        self.directions = (directions * variances**-0.25 / deviation[:, None]).astype(np.float32)

    def __call__(self, rows):
        """[rows, width] at unit length."""
        return unit((rows - self.centre) @ self.directions)


def joined(first, second, share):
    """Vectors whose cosine is `share` times that of the first and the rest that of the second."""
    return np.concatenate([first * share**0.5, second * (1 - share) ** 0.5], axis=1)


def sample_of(number):
    """Rows of a sample, in order."""
    return np.sort(np.random.RandomState(0).permutation(number)[:SAMPLE])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, nargs="+", required=True, metavar="NPY")
    parser.add_argument("--output", type=Path, nargs="+", required=True, metavar="NPY", help="one for each input")
    parser.add_argument("--vectors", type=int, default=0, metavar="N", help="the last N numbers are vectors of their own")
    parser.add_argument("--share", type=float, default=0.65, help="of a cosine, that of the vectors (default: 0.65)")
    parser.add_argument("--beside", type=Path, nargs="+", default=[], metavar="NPY", help="other vectors, one file for each input")
    parser.add_argument("--beside-share", type=float, default=0.2, help="of a cosine, theirs (default: 0.2)")
    parser.add_argument("--width", type=int, default=768, help="components (default: 768)")
    arguments = parser.parse_args()
    if len(arguments.output) != len(arguments.input):
        parser.error("--output: one name for each input is needed")
    if arguments.beside and len(arguments.beside) != len(arguments.input):
        parser.error("--beside: one file for each input is needed")
    for option, share in (("--share", arguments.share), ("--beside-share", arguments.beside_share)):
        if not 0 < share < 1:
            parser.error(f"{option}: expected a number between 0 and 1")
    inputs = [np.load(path, mmap_mode="r") for path in arguments.input]
    numbers = inputs[0].shape[-1]
    for path, rows in zip(arguments.input, inputs):
        if rows.ndim != 2 or rows.shape[1] != numbers:
            fail(f"{path} has shape {rows.shape}, expected [rows, {numbers}]")
    if not 0 <= arguments.vectors <= numbers:
        fail(f"--vectors {arguments.vectors}: a row has {numbers} numbers")
    besides = [np.load(path, mmap_mode="r") for path in arguments.beside]
    for path, rows, beside in zip(arguments.beside, inputs, besides):
        if beside.ndim != 2 or len(beside) != len(rows) or beside.shape[1] != besides[0].shape[1]:
            fail(f"{path} has shape {beside.shape}, expected [{len(rows)}, {besides[0].shape[1]}]")
    borders = np.cumsum([0, *map(len, inputs)])
    chosen = sample_of(borders[-1])
    parts = [rows[chosen[(chosen >= begin) & (chosen < end)] - begin] for rows, begin, end in zip(inputs, borders, borders[1:])]
    try:
        project = Projection(np.concatenate(parts).astype(np.float32), arguments.width, scaled=True)
    except ValueError as error:
        fail(error)

    for n, (rows, path) in enumerate(zip(inputs, arguments.output)):
        width = arguments.width + arguments.vectors + (besides[n].shape[1] if besides else 0)
        result = np.empty((len(rows), width), np.float16)
        for begin in range(0, len(rows), WINDOW):
            window = slice(begin, begin + WINDOW)
            read = rows[window].astype(np.float32)
            projected = project(read)
            if arguments.vectors:
                vectors = unit(read[:, -arguments.vectors :])
                projected = joined(vectors, projected, arguments.share)
            if besides:
                others = unit(besides[n][window].astype(np.float32))
                projected = joined(projected, others, 1 - arguments.beside_share)
            result[window] = projected
        write_whole(path, lambda file: np.save(file, result))
        print(f"{path}: [{len(result)}, {width}] f16", file=sys.stderr)


if __name__ == "__main__":
    main()
