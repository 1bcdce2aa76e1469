#!/usr/bin/env python3
"""Writes weighted means of word vectors for texts with one sentence per line: a teacher for the words of a sentence.

    python3 scripts/word_means.py --words data/english/words.txt --vectors data/english/words.npy \\
        --input data/english/distill.txt data/english/opinions.txt

Needs numpy. TEXT.means.npy, beside each TEXT.txt, is an input of components.py --beside, or of a "distillation" task:
[sentences, width] in f16, row i for line i. A word counts a / (a + p), a = 0.001, p its share of the texts (Arora, Liang and Ma, ICLR 2017). The means are
projected to principal components as by components.py, unscaled. A sentence without known words has zeros before the projection.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from components import WINDOW, Projection, sample_of
from english_vectors import WORD, read_words
from files import write_whole


def fail(message):
    sys.exit(f"word_means: {message}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=Path, required=True, metavar="FILE", help="one word per line")
    parser.add_argument("--vectors", type=Path, required=True, metavar="NPY", help="their vectors, [words, numbers]")
    parser.add_argument("--input", type=Path, nargs="+", required=True, metavar="TEXT", help="UTF-8, one sentence per line")
    parser.add_argument("--width", type=int, default=256)
    arguments = parser.parse_args()

    words, vectors = read_words(arguments.words, arguments.vectors)
    place = {word: row for row, word in enumerate(words)}
    if not 0 < arguments.width <= vectors.shape[1]:
        fail(f"--width {arguments.width}: there are {vectors.shape[1]} numbers a word")

    sentences, borders, counts = [], [0], np.zeros(len(place))
    for path in arguments.input:
        with open(path, encoding="utf-8", newline="\n") as file:
            for line in file:
                found = WORD.findall(line.lower().replace("’", "'"))
                sentences.append(np.array([place[word] for word in found if word in place], np.int32))
                np.add.at(counts, sentences[-1], 1)
        borders.append(len(sentences))
    share = (counts + 1) / counts.sum()
    weights = (1e-3 / (1e-3 + share)).astype(np.float32)

    def means(chosen):
        rows = np.zeros((len(chosen), vectors.shape[1]), np.float32)
        for row, sentence in zip(rows, chosen):
            if len(sentence):
                row[:] = (vectors[sentence] * weights[sentence][:, None]).mean(axis=0)
        return rows

    try:
        project = Projection(means([sentences[n] for n in sample_of(len(sentences))]), arguments.width, scaled=False)
    except ValueError as error:
        fail(error)
    for path, begin, end in zip(arguments.input, borders, borders[1:]):
        output = path.with_suffix(".means.npy")
        windows = (sentences[first : min(first + WINDOW, end)] for first in range(begin, end, WINDOW))
        rows = [project(means(window)).astype(np.float16) for window in windows]
        rows = np.concatenate(rows) if rows else np.zeros((0, arguments.width), np.float16)
        write_whole(output, lambda file: np.save(file, rows))
        print(f"{output}: [{len(rows)}, {arguments.width}] f16", file=sys.stderr)


if __name__ == "__main__":
    main()
