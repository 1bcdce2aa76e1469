#!/usr/bin/env python3
"""Makes sentences of opinion about films, books, restaurants, gadgets and the like, and of plots, from a grammar.

    python3 scripts/opinions.py --words data/english/words.txt --vectors data/english/words.npy --output data/english

Needs numpy. Writes opinions.tsv, `label TAB sentence` with the labels good, bad, mixed and plot; and opinions.txt, the
sentences alone, for a teacher. They are in the tokenisation of "ptb", lower-cased. The same arguments give the same bytes.

The grammar is `opinions.grammar` beside this file, written for this project: nothing is taken from reviews. The sentences of
the first part are the grammar's. Those of the second are one to three of them joined, with two fifths of the words replaced
by one of the 16 words with the most similar vectors, so that far more words are seen in opinions than the grammar has.
Their meaning often suffers; a teacher's vector still tells what was said.
"""

import argparse
import random
import re
import sys
from pathlib import Path

import numpy as np

from english_vectors import read_words, unit
from files import write_whole

LABELS = {"good": 7, "bad": 7, "mixed": 2, "plot": 4}  # with their relative frequencies
JOINTS = [" , ", " ; ", " . ", " and ", " , but ", " -- ", " . ", " , and "]
REPLACED = 0.4  # share of the words that can be replaced
NEIGHBOURS = 16
LEAST_COSINE = 0.45
VOCABULARY = 40_000  # the words that the grammar's {word} and replacements are drawn from
FREQUENT = 250  # of these are not replaced


def fail(message):
    sys.exit(f"opinions: {message}")


class Grammar:
    """The alternatives of each name, and the expansion of a start symbol."""

    def __init__(self, path, words):
        self.alternatives, self.words, name = {}, words, None
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            if not line[0].isspace():
                name, colon, line = line.partition(":")
                if not colon or name in self.alternatives:
                    fail(f"{path}:{number}: expected `name: alternative | ...`, each name once")
                self.alternatives[name] = []
            elif name is None:
                fail(f"{path}:{number}: an indented line before the first name")
            self.alternatives[name] += filter(None, (part.strip() for part in line.split("|")))
        if "domain" not in self.alternatives:
            fail(f"{path}: `domain` has no alternatives")
        domains = sorted(set(self.alternatives["domain"]))
        for name, alternatives in self.alternatives.items():
            own = [name.partition(".")[2]] if "." in name else domains
            for used in re.findall(r"\{(\w+)\}", " ".join(alternatives)):
                for domain in own:
                    if used != "word" and not self.of(used, domain):
                        fail(f"{path}: `{name}` uses {{{used}}}, which has no alternatives for {domain}")
        for label in LABELS:
            if label not in self.alternatives:
                fail(f"{path}: `{label}` has no alternatives")

    def of(self, name, domain):
        """The alternatives of a name in a domain."""
        return self.alternatives.get(f"{name}.{domain}") or self.alternatives.get(name)

    def sentence(self, chance, start):
        domain = chance.choice(self.alternatives["domain"])

        def replaced(found):
            name = found.group(1)
            if name == "word":
                return chance.choice(self.words)
            return expand(chance.choice(self.of(name, domain)))

        def expand(text):
            return re.sub(r"\{(\w+)\}", replaced, text)

        text = expand(chance.choice(self.alternatives[start]))
        text = re.sub(r"\b(\w+[^aeiou\W])ys\b", r"\1ies", text)  # stories
        return re.sub(r"\ba (?=[aeio]|un[^i]|under|up|ugly)", "an ", text)


def any_label(chance):
    return chance.choices(list(LABELS), list(LABELS.values()))[0]


def without_end(sentence):
    return re.sub(r" [.!?]$", "", sentence)


def labelled(grammar, chance, number):
    """Distinct sentences with their labels."""
    found = {}
    while len(found) < number:
        label = any_label(chance)
        found.setdefault(grammar.sentence(chance, label), label)
    return [(label, sentence) for sentence, label in found.items()]


def joined(by_label, chance):
    """One to three sentences of a label as one. Some opinions follow a plot."""
    label = any_label(chance)
    parts = [chance.choice(by_label[label]) for _ in range(chance.choices([1, 2, 3], [3, 5, 2])[0])]
    if len(parts) > 1 and label in ("good", "bad") and chance.random() < 0.3:
        parts[0] = chance.choice(by_label["plot"])
    joints = [joint for joint in JOINTS if joint != " , but " or label not in ("good", "bad")]
    text = without_end(parts[0])
    for part in parts[1:]:
        text += chance.choice(joints) + without_end(part)
    return label, text + chance.choice(["", " .", " ."])


def neighbours(wanted, words, vectors):
    """For each word wanted, the words with the most similar vectors."""
    place = {word: row for row, word in enumerate(words)}
    usable = np.array([word.isalpha() and len(word) > 2 for word in words])
    wanted = [word for word in wanted if place.get(word, 0) > FREQUENT and word.isalpha() and len(word) > 3]
    found = {}
    for begin in range(0, len(wanted), 500):
        some = wanted[begin : begin + 500]
        cosines = vectors[[place[word] for word in some]] @ vectors.T
        cosines[:, ~usable] = -1
        for word, row in zip(some, cosines):
            nearest = np.sort(np.argpartition(-row, NEIGHBOURS)[:NEIGHBOURS])
            found[word] = [words[n] for n in nearest if row[n] > LEAST_COSINE and words[n] != word]
    return found


def write(path, lines):
    write_whole(path, lambda file: file.writelines(f"{line}\n".encode() for line in lines))
    print(f"{path}: {len(lines)} lines", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=Path, required=True, metavar="FILE", help="one word per line, most frequent first")
    parser.add_argument("--vectors", type=Path, required=True, metavar="NPY", help="their vectors, [words, numbers]")
    parser.add_argument("--grammar", type=Path, default=Path(__file__).with_suffix(".grammar"), metavar="FILE")
    parser.add_argument("--first", type=int, default=160_000, help="sentences of the first part (default: 160000)")
    parser.add_argument("--second", type=int, default=130_000, help="sentences of the second part (default: 130000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()

    words, vectors = read_words(arguments.words, arguments.vectors)
    words, vectors = words[:VOCABULARY], unit(vectors[:VOCABULARY])

    grammar = Grammar(arguments.grammar, [word for word in words[200:] if word.isalpha() and len(word) > 2])
    chance = random.Random(arguments.seed)
    plain = labelled(grammar, chance, arguments.first)
    by_label = {label: [sentence for found, sentence in plain if found == label] for label in LABELS}
    compound = [joined(by_label, chance) for _ in range(arguments.second)]
    near = neighbours(sorted({word for _, sentence in compound for word in sentence.split()}), words, vectors)
    for place, (label, sentence) in enumerate(compound):
        changed = [chance.choice(near[word]) if near.get(word) and chance.random() < REPLACED else word for word in sentence.split()]
        compound[place] = (label, " ".join(changed))
    both = list(dict.fromkeys(plain + compound))
    arguments.output.mkdir(parents=True, exist_ok=True)
    write(arguments.output / "opinions.tsv", ["\t".join(row) for row in both])
    write(arguments.output / "opinions.txt", [sentence for _, sentence in both])


if __name__ == "__main__":
    main()
