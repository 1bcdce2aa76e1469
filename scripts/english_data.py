#!/usr/bin/env python3
"""Makes the training files of the English model from public corpora.

    cargo xtask fetch-data english senteval
    python3 scripts/english_data.py --sources data/english-sources --evaluation data/senteval/downstream --output data/english

Needs only Python 3.9. The output is deterministic. Each file is complete or absent.

SOURCES holds (plain, or gzip with `.gz` added; missing corpora are skipped and listed):

    parallel/tatoeba.en-de.tsv, tatoeba.en-fr.tsv, tico19.en-fr.tsv   English TAB translation; or two aligned texts,
                                                                      tico19.en-fr.en and tico19.en-fr.fr
    nli/CORPUS.train.tsv, CORPUS.PART.train.tsv, CORPUS/*/*train*.jsonl   premise, hypothesis, label, in this order or
                                                                      named by a header line, of newprotocols,
                                                                      semiauto_wiki, conjnli, cad_snli, snli, multinli
    nli/snli.dev.tsv                                                  for validation only
    simplification/wikisplit.*.tsv                                    sentence TAB half <::::> half
    sentiment/pros_cons.tsv                                           1 or 0 TAB phrase; or IntegratedPros.txt, IntegratedCons.txt
    books/                                                            novels (.txt or .tar.gz), one paragraph per line or wrapped

OUTPUT:

    distill.txt       sentences for a teacher, unique, in the order of the corpora
    distill.dev.txt   5,000 of them, held out
    pairs.tsv         sentence TAB paraphrase [TAB contradiction of the first]
    nli.train.tsv     premise TAB hypothesis TAB label; nli.dev.tsv is SNLI's development set
    en-de.tsv, en-fr.tsv   English TAB translation
    pros_cons.tsv     label TAB phrase
    kinds.tsv         pro, con, tatoeba, encyclopaedia or novels TAB a phrase or sentence of this kind
    novels/           one paragraph per line
    *.dev.tsv, novels.dev/   the same, held out
    sts-dev.csv       STS-Benchmark's development set, for choosing the best checkpoint
    exclude/          the sentences of EVALUATION and of nli.dev.tsv, one per line
    counts.json       numbers read, kept and dropped

No training file holds a sentence of exclude/. Sentences are equal if their letters and digits are, in lower case and
Unicode's form NFKC, and there are 12 of these or more.
"""

import argparse
import gzip
import hashlib
import json
import re
import sys
import tarfile
import unicodedata
from pathlib import Path

from files import write_whole

SHORTEST_EXCLUDED = 12  # letters and digits; "What is this?" is in every corpus
HELD_OUT = 5_000
HELD_OUT_PAIRS = 1_000
MOST_NOVEL_SENTENCES = 200_000
OF_EACH_KIND = 20_000
MOST_PIVOTS = 3  # pairs per translation at most
NLI_CORPORA = ["newprotocols", "semiauto_wiki", "conjnli", "cad_snli", "snli", "multinli"]
# Moses's.
ESCAPES = {"&quot;": '"', "&apos;": "'", "&lt;": "<", "&gt;": ">", "&#124;": "|", "&#91;": "[", "&#93;": "]", "&amp;": "&"}
LABELS = ["entailment", "neutral", "contradiction"]
# Under copyright in some country: published after 1930 (95 years in the United States), or by E. M. Forster,
# who died in 1970 (70 years after the author's death in Europe). Names end in _YEAR.txt.
LAST_FREE_YEAR = 1930
NOT_FREE = ("Forster_",)
DEV_NOVELS = ("Stevenson_Treasure_1883.txt", "Burnett_Garden_1911.txt")


def fail(message):
    sys.exit(f"english_data: {message}")


def key(sentence):
    """The key by which sentences are compared for equality."""
    if "&" in sentence:
        for escape, character in ESCAPES.items():
            sentence = sentence.replace(escape, character)
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", sentence).lower()))


def spread(text):
    """A pseudo-random number that depends only on the text."""
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


class Counts:
    """Counts of rows read, kept and dropped, by file."""

    def __init__(self):
        self.table = {}

    def add(self, file, what, number=1):
        row = self.table.setdefault(file, {})
        row[what] = row.get(what, 0) + number


COUNTS = Counts()


# Reading.


def find(folder, name):
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    return None


def decode(line):
    """Text; Windows-1252 where it is not UTF-8, as `cargo xtask fetch-data` reads it."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        COUNTS.add("sources", "lines that are not UTF-8, read as Windows-1252")
        return line.decode("windows-1252", errors="replace")


def lines(path):
    """The lines of a text with their numbers."""
    opened = gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")
    with opened as file:
        for number, line in enumerate(file, 1):
            yield number, decode(line).rstrip("\r\n").replace("\0", " ")


def rows(path, least):
    for number, line in lines(path):
        if line.strip():
            fields = [field.strip() for field in line.split("\t")]
            if len(fields) < least:
                fail(f"{path}:{number}: {len(fields)} columns, expected {least}")
            yield number, fields


NAMES = [("sentence1", "premise"), ("sentence2", "hypothesis"), ("gold_label", "label")]


def labelled(path):
    """(line, premise, hypothesis, label) of a table or of JSON lines. Rows that a stray tab broke are left out."""
    if ".jsonl" in path.name:
        for number, line in lines(path):
            row = {name.lower(): value for name, value in json.loads(line).items()} if line.strip() else {}
            found = [next((row[name] for name in names if name in row), None) for names in NAMES]
            if None in found:
                fail(f"{path}:{number}: expected {', '.join(' or '.join(names) for names in NAMES)}")
            yield number, *found
        return
    columns, width = [0, 1, 2], None
    for number, fields in rows(path, 3):
        header = [field.lower() for field in fields]
        if number == 1 and any(name in header for name in NAMES[2]):
            columns = [next((header.index(name) for name in names if name in header), None) for names in NAMES]
            if None in columns:
                fail(f"{path}:1: the header line lacks {' or '.join(NAMES[columns.index(None)])}")
            width = len(fields)
        elif width not in (None, len(fields)):
            COUNTS.add("sources", "inference pairs broken by a stray tab, left out")
        else:
            yield number, *(fields[column] for column in columns)


def unquote(text):
    """Removes the quotes of comma-separated values, if a source left them."""
    if len(text) > 2 and text[0] == text[-1] == '"':
        inner = text[1:-1]
        if '"' not in inner.replace('""', ""):
            return inner.replace('""', '"').strip()
    return text


def join_words(text):
    """Undoes the splitting into words of WikiSplit: `it 's '' Big '' .` becomes `it's "Big".`"""
    text = re.sub(r"``|''", '"', text)
    text = re.sub(r"\s+(n't|'s|'re|'ve|'ll|'m|'d|[.,;:!?%)\]])(?=\s|$|[.,;:!?)\]])", r"\1", text)
    text = re.sub(r"(?<=[(\[$£])\s+", "", text)
    text = re.sub(r'"\s+([^"]*?)\s+"', r'"\1"', text)  # quotes in pairs
    text = re.sub(r'"\s*([.,;:!?)])', r'"\1', text)
    return " ".join(text.split())


ABBREVIATION = re.compile(r"(?:^|[\s(\"'“‘])(?:Mr|Mrs|Ms|Dr|St|Messrs|Mme|Mlle|Prof|Rev|Hon|Capt|Col|Gen|Lieut|Lt|Sgt|Esq|Jr|Sr|No|vol|viz|i\.e|e\.g|etc|[A-Z])\.$")
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])")


def split_sentences(paragraph):
    begin = 0
    for match in SENTENCE_END.finditer(paragraph):
        sentence = paragraph[begin : match.end()].rstrip()
        if not ABBREVIATION.search(sentence):
            yield sentence
            begin = match.end()
    if paragraph[begin:].strip():
        yield paragraph[begin:].strip()


def unwrapped(text):
    """Paragraphs of a text; where lines are wrapped, those between two blank or short lines joined."""
    lengths = sorted(len(line) for line in text if line.strip())
    if not lengths or lengths[len(lengths) * 95 // 100] > 100:
        return text
    width = lengths[len(lengths) * 95 // 100]
    paragraphs, paragraph = [], []
    for line in (line.strip() for line in [*text, ""]):
        paragraph.append(line)
        if not line or (len(line) < 0.7 * width and line[-1] in ".!?\"'”’"):
            paragraphs.append(" ".join(filter(None, paragraph)))
            paragraph = []
    return paragraphs


def novels(folder):
    """Names and lines of the novels in the public domain, by name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".txt":
            found[path.name] = path.read_bytes()
        elif path.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.isfile() and member.name.endswith(".txt"):
                        found[Path(member.name).name] = archive.extractfile(member).read()
    for name in sorted(found):
        year = re.search(r"_(\d{4})\.txt$", name)
        if name.startswith(NOT_FREE) or (year and int(year[1]) > LAST_FREE_YEAR):
            COUNTS.add("novels", "books left out: not out of copyright everywhere")
            continue
        COUNTS.add("novels", "books")
        yield name, unwrapped(decode(found[name]).replace("\r", "").split("\n"))


# The sentences of evaluation sets.


def evaluation_sentences(folder):
    """Every sentence of SentEval's transfer tasks in the existing files: (task, sentence)."""

    def texts(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            yield from (line.rstrip("\r\n") for line in file)

    for task in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in sorted(task.rglob("*")):
            name = path.name
            if not path.is_file() or name.endswith((".md", "readme.txt", "LICENSE.txt")) or ".gs." in name:
                continue
            label = f"{task.name}.{path.parent.name}" if task.name in ("SST", "STS") else task.name
            for line in texts(path):
                if task.name in ("MR", "CR", "SUBJ", "MPQA"):
                    found = [line]
                elif task.name == "SST":
                    found = [line.split(" ", 1)[-1] if path.parent.name == "fine" else line.rsplit("\t", 1)[0]]
                elif task.name == "TREC":
                    found = [line.split(" ", 1)[-1]]
                elif task.name == "MRPC":
                    found = line.split("\t")[3:5]
                elif task.name == "SICK":
                    found = line.split("\t")[1:3]
                elif task.name == "SNLI":
                    found = [] if name.startswith("labels") else [line]
                elif path.parent.name == "STSBenchmark":
                    found = line.split("\t")[5:7]
                elif task.name == "STS":
                    found = line.split("\t")[:2]
                else:
                    fail(f"{task}: not a supported task of SentEval")
                yield from ((label, sentence.strip()) for sentence in found if sentence.strip())


# Writing.


class Output:
    """A folder of files, each renamed to its final name when complete."""

    def __init__(self, folder, excluded):
        self.folder, self.excluded = folder, excluded

    def write(self, name, written):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        number = 0

        def lines(file):
            nonlocal number
            for number, line in enumerate(written, 1):
                file.write(f"{line}\n".encode())

        write_whole(path, lines)
        COUNTS.add(name, "lines", number)
        print(f"{name}: {number} lines", file=sys.stderr)

    def split(self, name, rows, column=0):
        """Writes rows, those of 1,000 sentences apart. A sentence's rows are all on one side."""
        rows = list(rows)
        sentence = lambda row: row.split("\t")[column]
        dev = set(sorted({sentence(row) for row in rows}, key=spread)[:HELD_OUT_PAIRS])
        self.write(f"{name}.tsv", (row for row in rows if sentence(row) not in dev))
        self.write(f"{name}.dev.tsv", (row for row in rows if sentence(row) in dev))

    def holds(self, *sentences):
        """Whether one of these is in an evaluation set."""
        for sentence in sentences:
            found = key(sentence)
            if len(found) >= SHORTEST_EXCLUDED and found in self.excluded:
                return True
        return False

    def purged(self, name, examples, sentences=lambda example: example):
        for example in examples:
            COUNTS.add(name, "examples")
            if self.holds(*sentences(example)):
                COUNTS.add(name, "left out: in an evaluation set")
            else:
                yield example


def is_sentence(text, least=3, most=60):
    words = text.split()
    characters = sum(map(len, words))
    return least <= len(words) <= most and sum(c.isalpha() for c in text) >= 0.6 * characters and characters < 400


class Corpora:
    """The sources, each read once."""

    def __init__(self, folder):
        self.folder = folder
        self.tatoeba = {code: self.table(f"parallel/tatoeba.en-{code}.tsv", 2) for code in ("de", "fr")}
        self.tico = self.table("parallel/tico19.en-fr.tsv", 2)
        self.nli = {name: self.inferences(f"nli/{name}.train.tsv") for name in NLI_CORPORA}
        self.nli_dev = self.inferences("nli/snli.dev.tsv")
        self.wikisplit = []
        for path in sorted((folder / "simplification").glob("wikisplit.*.tsv*")):
            for number, (whole, halves, *_) in rows(path, 2):
                parts = halves.split("<::::>")
                if len(parts) != 2:
                    fail(f"{path}:{number}: {len(parts)} halves, expected 2 with <::::> between them")
                self.wikisplit.append([join_words(part) for part in (whole, *parts)])
        self.pros_cons = self.phrases()
        self.novels = list(novels(folder / "books")) if (folder / "books").exists() else []

    def table(self, name, columns):
        path = find(self.folder, name)
        if path is not None:
            return [fields[:columns] for _, fields in rows(path, columns)]
        aligned = [self.folder / name.replace(".tsv", end) for end in (".en", f".{name[-6:-4]}")]
        if all(path.exists() for path in aligned):
            texts = [[line.strip() for _, line in lines(path)] for path in aligned]
            if len(texts[0]) != len(texts[1]):
                fail(f"{aligned[0]} has {len(texts[0])} lines, {aligned[1]} {len(texts[1])}")
            return [list(pair) for pair in zip(*texts) if all(pair)]
        print(f"{name}: not there, left out", file=sys.stderr)
        return []

    def phrases(self):
        found = []
        for label, name in (("1", "IntegratedPros.txt"), ("0", "IntegratedCons.txt")):
            path = self.folder / "sentiment" / name
            if path.exists():
                text = "\n".join(line for _, line in lines(path))
                tagged = re.findall(r"<(Pros|Cons)>(.*?)</\1>", text, flags=re.DOTALL)
                found += [[label, phrase.strip()] for _, phrase in tagged]
        return found or self.table("sentiment/pros_cons.tsv", 2)

    def inferences(self, name):
        corpus, end = name.removeprefix("nli/").split(".", 1)
        single = find(self.folder, name)
        paths = [single] if single else sorted((self.folder / "nli").glob(f"{corpus}.*.{end}"))
        paths = paths or sorted((self.folder / "nli" / corpus).rglob("*train*.jsonl"))
        if not paths:
            print(f"{name}: not there, left out", file=sys.stderr)
        examples = []
        for path in paths:
            for number, premise, hypothesis, label in labelled(path):
                label = label.strip().lower()
                if label not in [*LABELS, "-", ""]:
                    fail(f"{path}:{number}: label '{label}', expected {', '.join(LABELS)}")
                # JSON may hold a line break or a tab.
                premise, hypothesis = (unquote(re.sub(r"[\t\r\n]+", " ", text).strip()) for text in (premise, hypothesis))
                if premise and hypothesis and label in LABELS:
                    examples.append((premise, hypothesis, label))
        return examples

    def english(self):
        """All English sentences: (corpus, sentence, the fewest words)."""
        for code, pairs in self.tatoeba.items():
            yield from ((f"tatoeba {code}", english, 3) for english, _ in pairs)
        for name, examples in self.nli.items():
            for premise, hypothesis, _ in examples:
                yield name, premise, 3
                yield name, hypothesis, 3
        yield from (("wikisplit", sentence, 3) for example in self.wikisplit for sentence in example)
        yield from (("tico19", english, 3) for english, _ in self.tico)
        yield from (("pros_cons", text, 2) for _, text in self.pros_cons)

    def novel_sentences(self):
        for name, paragraphs in self.novels:
            if name not in DEV_NOVELS:
                for paragraph in paragraphs:
                    yield from split_sentences(paragraph)

    def distillation(self):
        seen = set()
        for corpus, sentence, least in self.english():
            sentence = " ".join(sentence.split())
            folded = sentence.lower()
            if is_sentence(sentence, least) and folded not in seen:
                seen.add(folded)
                yield corpus, sentence
        chosen = [s for s in map(lambda s: " ".join(s.split()), self.novel_sentences()) if is_sentence(s, 4, 40)]
        distinct = {s.lower(): s for s in reversed(chosen) if s.lower() not in seen}
        kept = set(sorted(distinct, key=spread)[:MOST_NOVEL_SENTENCES])
        for sentence in chosen:
            if sentence.lower() in kept:
                kept.discard(sentence.lower())
                yield "novels", sentence

    def kinds(self):
        """(kind, phrase or sentence): all pros and cons, and some sentences of each other kind."""
        yield from ((("con", "pro")[label == "1"], " ".join(text.split())) for label, text in self.pros_cons if text)
        others = {
            "tatoeba": (english for pairs in self.tatoeba.values() for english, _ in pairs),
            "encyclopaedia": (premise for examples in self.nli.values() for premise, _, _ in examples),
            "novels": (sentence for sentence in self.novel_sentences() if is_sentence(sentence, 4, 40)),
        }
        for kind, sentences in others.items():
            distinct = {" ".join(sentence.split()) for sentence in sentences}
            yield from ((kind, sentence) for sentence in sorted(distinct, key=spread)[:OF_EACH_KIND])

    def pairs(self):
        """(corpus, sentence, sentence that means the same, None or one that contradicts)."""
        for name, examples in self.nli.items():
            by_premise = {}
            for premise, hypothesis, label in examples:
                by_premise.setdefault(premise, {}).setdefault(label, []).append(hypothesis)
            for premise, found in by_premise.items():
                against = found.get("contradiction", [])
                for place, hypothesis in enumerate(found.get("entailment", [])):
                    if key(premise) != key(hypothesis):
                        yield name, premise, hypothesis, against[place % len(against)] if against else None
        seen = set()
        for code, pairs in self.tatoeba.items():
            by_translation = {}
            for english, translation in pairs:
                group = by_translation.setdefault(translation, {})
                group.setdefault(key(english), english)
            for translation, group in by_translation.items():
                group = sorted(group.values(), key=spread)
                for first, second in list(zip(group, group[1:]))[:MOST_PIVOTS]:
                    both = tuple(sorted((key(first), key(second))))
                    if both not in seen and min(len(first.split()), len(second.split())) >= 3:
                        seen.add(both)
                        yield "tatoeba", first, second, None
        for whole, *halves in self.wikisplit:
            yield "wikisplit", whole, " ".join(halves), None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, required=True, metavar="DIR")
    parser.add_argument("--evaluation", type=Path, required=True, metavar="DIR", help="SentEval's downstream folder")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    for folder in (arguments.sources, arguments.evaluation):
        if not folder.is_dir():
            fail(f"{folder}: no such folder")

    corpora = Corpora(arguments.sources)
    excluded_by_task = {}
    for task, sentence in evaluation_sentences(arguments.evaluation):
        excluded_by_task.setdefault(task, {})[sentence] = None
    if not excluded_by_task:
        fail(f"{arguments.evaluation}: no evaluation set in it")
    excluded_by_task["nli.dev"] = {s: None for premise, hypothesis, _ in corpora.nli_dev for s in (premise, hypothesis)}
    excluded = {key(sentence) for sentences in excluded_by_task.values() for sentence in sentences}
    output = Output(arguments.output, excluded)
    for task, sentences in excluded_by_task.items():
        output.write(f"exclude/{task}.txt", sentences)

    sentences = list(output.purged("distill.txt", corpora.distillation(), lambda example: example[1:]))
    held_out = set(sorted((sentence for _, sentence in sentences), key=spread)[:HELD_OUT])
    for corpus, _ in sentences:
        COUNTS.add("distill.txt", f"of {corpus}")
    output.write("distill.txt", (s for _, s in sentences if s not in held_out))
    output.write("distill.dev.txt", (s for _, s in sentences if s in held_out))

    pairs = list(output.purged("pairs.tsv", corpora.pairs(), lambda pair: [s for s in pair[1:] if s]))
    for corpus, _, _, negative in pairs:
        COUNTS.add("pairs.tsv", f"of {corpus}")
        COUNTS.add("pairs.tsv", "with a hard negative", int(negative is not None))
    output.split("pairs", ["\t".join(s for s in pair[1:] if s) for pair in pairs])

    def inferences():
        return dict.fromkeys(example for examples in corpora.nli.values() for example in examples)

    output.write("nli.train.tsv", map("\t".join, output.purged("nli.train.tsv", inferences(), lambda e: e[:2])))
    output.write("nli.dev.tsv", map("\t".join, corpora.nli_dev))

    for code, pairs in corpora.tatoeba.items():
        name = f"en-{code}.tsv"
        both = dict.fromkeys(map(tuple, pairs + (corpora.tico if code == "fr" else [])))
        output.split(f"en-{code}", map("\t".join, output.purged(name, both, lambda pair: pair[:1])))

    phrases = dict.fromkeys((label, " ".join(text.split())) for label, text in corpora.pros_cons if text)
    output.split("pros_cons", map("\t".join, output.purged("pros_cons.tsv", phrases, lambda e: e[1:])), column=1)

    kinds = dict.fromkeys(corpora.kinds())
    output.split("kinds", map("\t".join, output.purged("kinds.tsv", kinds, lambda e: e[1:])), column=1)

    for name, paragraphs in corpora.novels:
        kept = []
        for paragraph in filter(str.strip, paragraphs):
            left = output.purged("novels", split_sentences(" ".join(paragraph.split())), lambda s: [s])
            kept.append(" ".join(left))
        output.write(f"{'novels.dev' if name in DEV_NOVELS else 'novels'}/{name}", filter(None, kept))

    similarity = arguments.evaluation / "STS/STSBenchmark/sts-dev.csv"
    if similarity.exists():
        output.write("sts-dev.csv", (line for _, line in lines(similarity)))

    output.write("counts.json", [json.dumps(COUNTS.table, indent=2)])
    for file, row in COUNTS.table.items():
        if not file.startswith(("exclude/", "novels/")):
            print(f"{file}: " + ", ".join(f"{what} {number}" for what, number in row.items()))


if __name__ == "__main__":
    main()
