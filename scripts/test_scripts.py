"""Tests of the scripts beside this file: `python3 -m unittest discover -s scripts -p 'test_*.py'` (needs numpy)."""

import contextlib
import gzip
import importlib.util
import io
import json
import os
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import components
import english_data
import english_vectors
import opinions
import teacher
import word_means


def run(main, *arguments):
    """Standard error, and the message of a failure or None."""
    said = io.StringIO()
    with mock.patch.object(sys, "argv", ["script", *map(str, arguments)]):
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            try:
                main()
            except SystemExit as ended:
                return said.getvalue(), str(ended.code)
    return said.getvalue(), None


class Model:
    """A fake sentence-transformers model: a sentence's vector is its length and its vowels."""

    calls = 0
    break_at = None

    def __init__(self, name, **_):
        pass

    def eval(self):
        return self

    def encode(self, sentences, **_):
        Model.calls += 1
        if Model.calls == Model.break_at:
            raise KeyboardInterrupt
        return np.array([[len(s), sum(c in "aeiou" for c in s), np.inf if s == "inf" else 0.5] for s in sentences], np.float32)


class Teacher(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.text = self.folder / "text.txt"
        self.sentences = [f"sentence {'a' * (number % 7)} {number}" for number in range(50)]
        self.text.write_text("\n".join(self.sentences) + "\n", "utf-8")
        self.output = self.folder / "out.npy"
        torch = types.SimpleNamespace(float32=0, float16=1, bfloat16=2)
        modules = {"torch": torch, "sentence_transformers": types.SimpleNamespace(SentenceTransformer=Model)}
        patch = mock.patch.dict(sys.modules, modules)
        patch.start()
        self.addCleanup(patch.stop)
        Model.calls, Model.break_at = 0, None

    def call(self, *more):
        return run(teacher.main, "--model", "m", "--input", self.text, "--output", self.output, "--window", 8, *more)

    def expected(self, dtype):
        return Model("m").encode(self.sentences).astype(dtype)

    def test_rows_are_the_lines(self):
        self.assertIsNone(self.call("--dtype", "f32")[1])
        np.testing.assert_array_equal(np.load(self.output), self.expected(np.float32))
        card = json.loads((self.folder / "out.npy.json").read_text())
        self.assertEqual((card["sentences"], card["width"], card["dtype"]), (50, 3, "f32"))
        self.assertEqual(sorted(os.listdir(self.folder)), ["out.npy", "out.npy.json", "text.txt"])

    def test_an_interrupted_run_goes_on(self):
        Model.break_at = 5
        with self.assertRaises(KeyboardInterrupt):
            self.call()
        self.assertFalse(self.output.exists())
        Model.calls, Model.break_at = 0, None
        said, failure = self.call()
        self.assertIsNone(failure)
        self.assertIn("going on after sentence 24", said)
        self.assertEqual(Model.calls, 1 + 4)
        np.testing.assert_array_equal(np.load(self.output), self.expected(np.float16))
        self.assertIn("there already", self.call()[0])

    def test_what_was_begun_otherwise_is_refused(self):
        Model.break_at = 5
        with self.assertRaises(KeyboardInterrupt):
            self.call()
        Model.break_at = None
        self.assertIn("another dtype", self.call("--dtype", "f32")[1])
        self.text.write_text("other\n")
        self.assertIn("another text_sha256", self.call()[1])

    def test_what_cannot_be_taken_is_named_by_its_line(self):
        for text, said in [("one\n\nthree\n", "text.txt:2: the line is empty"), ("one\ntwo\ninf\n", "text.txt:3: the model's vector is not finite"), ("", "no sentence")]:
            self.text.write_text(text)
            self.assertIn(said, self.call()[1])
            self.assertFalse(self.output.exists())
            for left in self.folder.glob("out.npy.part*"):
                left.unlink()
        self.text.write_bytes(b"one\n\xff\n")
        self.assertIn("text.txt:2: not UTF-8", self.call()[1])


    def test_a_card_without_layers_is_one_of_vectors(self):
        self.assertIsNone(self.call()[1])
        card = self.folder / "out.npy.json"
        written = json.loads(card.read_text())
        del written["layers"]
        card.write_text(json.dumps(written))
        self.assertIn("there already", self.call()[0])
        self.assertIn("is not this model's vectors", self.call("--layers")[1])


@unittest.skipUnless(importlib.util.find_spec("torch"), "needs torch")
class Layers(unittest.TestCase):
    def test_means_leave_out_padding(self):
        import torch

        class Transformer:
            """Three layers: the tokens' numbers, these doubled, these negated."""

            device = "cpu"
            auto_model = staticmethod(lambda input_ids, attention_mask, output_hidden_states: types.SimpleNamespace(
                hidden_states=[scale * input_ids.unsqueeze(-1).float() * torch.tensor([1.0, 10.0]) for scale in (1, 2, -1)]
            ))

            def __getitem__(self, _):
                return self

            def tokenize(self, sentences):
                rows = [[len(word) for word in sentence.split()] for sentence in sentences]
                longest = max(map(len, rows))
                # Padding has a state too.
                padded = torch.tensor([row + [99] * (longest - len(row)) for row in rows])
                return {"input_ids": padded, "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])}

        found = teacher.layer_means(Transformer(), ["a bbb", "cc", "a bb ccc dddd"], 2)
        np.testing.assert_allclose(found, [[mean * scale * number for scale in (1, 2, -1) for number in (1, 10)] for mean in (2, 2, 2.5)])


class EnglishData(unittest.TestCase):
    def test_text(self):
        self.assertEqual(english_data.key("A man &apos;s dog is running ."), english_data.key("A man's dog is running"))
        self.assertEqual(english_data.unquote('"He said ""no""."'), 'He said "no".')
        self.assertEqual(english_data.unquote('"A" and "B"'), '"A" and "B"')
        self.assertEqual(english_data.join_words("It 's '' Big '' ( 1990 ) , is n't it ?"), 'It\'s "Big" (1990), isn\'t it?')
        sentences = list(english_data.split_sentences("“Go!” said Mr. Fox. He went. J. Smith (aged 3) stayed"))
        self.assertEqual(sentences, ["“Go!” said Mr. Fox.", "He went.", "J. Smith (aged 3) stayed"])
        wrapped = ["The quick brown fox jumps over the lazy", "dog and runs.", "", "Then it sleeps until the morning comes", "again, and so on."]
        self.assertEqual([p for p in english_data.unwrapped(wrapped) if p], [" ".join(wrapped[:2]), " ".join(wrapped[3:])])

    def test_sentences_of_evaluation_sets_are_in_no_training_file(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)

            def put(path, text):
                path = folder / path
                path.parent.mkdir(parents=True, exist_ok=True)
                data = text.encode()
                path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)

            put("eval/MR/rt-polarity.pos", "this sentence is measured on .\n")
            put("eval/STS/STSBenchmark/sts-dev.csv", "main\tf\t2012\t1\t4.5\tA cat sits outside.\tA cat is out there.\n")
            put("in/parallel/tatoeba.en-fr.tsv", "It rains again.\tIl pleut encore.\nIt is raining again.\tIl pleut encore.\nThis sentence is measured on!\tx\n")
            put("in/parallel/tatoeba.en-de.tsv.gz", "A cat sits outside\tKatze\nWe all went home.\tWir gingen heim.\n")
            put("in/nli/conjnli.train.tsv", "Premise\tHypothesis\tLabel\nHe ran and fell.\tHe fell.\tentailment\nHe ran and fell.\tHe stood still.\tcontradiction\nOne\tstray\ttab\tneutral\n")
            put("in/nli/semiauto_wiki/base/train.jsonl", json.dumps({"sentence1": "Two dogs are here.", "sentence2": "A cat is out there", "gold_label": "neutral"}))
            put("in/nli/snli.dev.tsv", "A child plays with a ball.\tA child is here.\tentailment\n")
            put("in/simplification/wikisplit.tune.tsv", "He came , and she left .\tHe came . <::::> She left .\n")
            put("in/sentiment/IntegratedPros.txt", "<Pros>Cheap and good</Pros>\n<Pros>A child plays with a ball</Pros>\n")
            put("in/sentiment/IntegratedCons.txt", "<Cons>It broke soon</Cons>\n")
            put("in/books/Free_Book_1900.txt", "Once upon a time it was. This sentence is measured on. Then came the end of it.\n")
            put("in/books/Bound_Book_1935.txt", "This must not be taken at all.\n")
            english_data.COUNTS = english_data.Counts()
            arguments = ["--sources", folder / "in", "--evaluation", folder / "eval", "--output"]
            said, failure = run(english_data.main, *arguments, folder / "out")
            self.assertIsNone(failure)
            self.assertIn("nli/snli.train.tsv: not there", said)
            excluded = {english_data.key(line) for path in (folder / "out/exclude").iterdir() for line in path.read_text().splitlines()}
            self.assertEqual(len(excluded), 5)
            held_out, training = ["nli.dev.tsv", "sts-dev.csv", "counts.json"], []
            for path in (folder / "out").rglob("*.t*"):
                if path.parent.name != "exclude" and path.name not in held_out:
                    training += [field for line in path.read_text().splitlines() for field in line.split("\t")]
            self.assertTrue({"He ran and fell.", "We all went home.", "Cheap and good", "It rains again."} <= set(training))
            for sentence in training:
                for part in [sentence, *english_data.split_sentences(sentence)]:
                    self.assertNotIn(english_data.key(part), excluded - {k for k in excluded if len(k) < 12})
            read = lambda name: (folder / "out" / name).read_text().splitlines()
            pairs = sorted(read("pairs.tsv") + read("pairs.dev.tsv"))
            self.assertIn("He ran and fell.\tHe fell.\tHe stood still.", pairs)
            self.assertIn("He came, and she left.\tHe came. She left.", pairs)
            self.assertIn({"It rains again.", "It is raining again."}, [set(pair.split("\t")) for pair in pairs])
            self.assertEqual(read("nli.train.tsv"), ["He ran and fell.\tHe fell.\tentailment", "He ran and fell.\tHe stood still.\tcontradiction"])
            self.assertEqual({row.split("\t")[0] for row in read("kinds.tsv") + read("kinds.dev.tsv")}, {"pro", "con", "tatoeba", "encyclopaedia", "novels"})
            self.assertEqual(read("novels/Free_Book_1900.txt"), ["Once upon a time it was. Then came the end of it."])
            self.assertFalse((folder / "out/novels/Bound_Book_1935.txt").exists())
            english_data.COUNTS = english_data.Counts()
            run(english_data.main, *arguments, folder / "again")
            for path in (folder / "out").rglob("*.*"):
                self.assertEqual(path.read_bytes(), (folder / "again" / path.relative_to(folder / "out")).read_bytes())

    def test_a_wrong_label_is_named_by_its_line(self):
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "nli").mkdir()
            (Path(name) / "nli/snli.train.tsv").write_text("a\tb\tneutral\na\tb\tperhaps\n")
            with self.assertRaises(SystemExit) as raised, contextlib.redirect_stderr(io.StringIO()):
                english_data.Corpora(Path(name))
            self.assertIn("snli.train.tsv:2: label 'perhaps', expected", str(raised.exception))


class EnglishVectors(unittest.TestCase):
    def test_words(self):
        text = 'mr. fox can\'t say "well-known" u.s. words...'
        self.assertEqual(english_vectors.WORD.findall(text), ["mr.", "fox", "ca", "n't", "say", '"', "well-known", '"', "u.s.", "words", "..."])

    def test_keys_are_spacys(self):
        # spacy.strings.hash_string("apple"), of its documentation.
        self.assertEqual(english_vectors.murmurhash64a(b"apple"), 8566208034543834098)

    def test_joined_vectors_and_their_projection(self):
        chance = np.random.RandomState(1)
        first = {word: chance.randn(6).astype(np.float32) for word in ["the", "cat", "sat", "on", "mat"]}
        second = {word: chance.randn(3).astype(np.float32) for word in ["the", "cat", "dog"]}
        with tempfile.TemporaryDirectory() as name, mock.patch.multiple(
            english_vectors, read_spacy=lambda _: (first.get, 6), read_glove=lambda _: (second.get, 3)
        ):
            folder = Path(name)
            (folder / "text.txt").write_text("The cat sat on the mat. The dog xyzzy.\n")
            tables = ["--spacy", folder, "--glove", folder]
            self.assertIsNone(run(english_vectors.main, "words", *tables, "--texts", folder / "text.txt", "--output", folder / "words.txt")[1])
            words = (folder / "words.txt").read_text().splitlines()
            self.assertEqual(words, ["the", "cat", "dog", "mat", "on", "sat"])
            np.save(folder / "teacher.npy", chance.randn(6, 2).astype(np.float32))
            more = ["--words", folder / "words.txt", "--teacher", folder / "teacher.npy", "--joined", folder / "words.npy"]
            arguments = ["vectors", *tables, *more, "--output", folder / "out.txt.gz", "--width"]
            self.assertIn("there are 11 numbers", run(english_vectors.main, *arguments, 12)[1])
            self.assertIsNone(run(english_vectors.main, *arguments, 4)[1])
            joined = np.load(folder / "words.npy")
            self.assertEqual(joined.shape, (6, 11))
            np.testing.assert_allclose(joined[1, :6], first["cat"] / np.linalg.norm(first["cat"]), rtol=1e-6)
            self.assertFalse(joined[2, :6].any() or joined[3, 6:9].any())
            np.testing.assert_allclose(np.linalg.norm(joined[:, 9:], axis=1), 1, rtol=1e-5)
            rows = [row.split(" ") for row in gzip.open(folder / "out.txt.gz", "rt").read().splitlines()]
            self.assertEqual([row[0] for row in rows], words)
            np.testing.assert_allclose(np.linalg.norm(np.array([row[1:] for row in rows], float), axis=1), 1, atol=1e-3)
            np.save(folder / "teacher.npy", np.zeros((5, 2), np.float32))
            self.assertIn("has shape (5, 2)", run(english_vectors.main, *arguments, 4)[1])


class Opinions(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        with mock.patch.object(sys, "argv", ["opinions"]):
            self.grammar = opinions.Grammar(Path(opinions.__file__).with_suffix(".grammar"), ["zebra"])
        self.words = [f"word{letter}{other}" for letter in "abcdefghijklmnopqrst" for other in "abcdefghijklmnopqrstuvwxyz"]
        self.words = sorted({word for alternatives in self.grammar.alternatives.values() for text in alternatives for word in text.split() if word.isalpha()}) + self.words
        (self.folder / "words.txt").write_text("\n".join(self.words) + "\n")
        np.save(self.folder / "words.npy", np.random.RandomState(1).rand(len(self.words), 5).astype(np.float32))

    def call(self, output, *more):
        files = ["--words", self.folder / "words.txt", "--vectors", self.folder / "words.npy"]
        return run(opinions.main, *files, "--first", 800, "--second", 800, "--output", self.folder / output, *more)

    def test_labelled_sentences_are_distinct_and_repeatable(self):
        self.assertIsNone(self.call("a")[1])
        self.assertIsNone(self.call("b")[1])
        text = (self.folder / "a/opinions.tsv").read_text()
        self.assertEqual(text, (self.folder / "b/opinions.tsv").read_text())
        rows = [row.split("\t") for row in text.splitlines()]
        self.assertEqual({label for label, _ in rows}, set(opinions.LABELS))
        self.assertEqual(len(set(map(tuple, rows))), len(rows))
        self.assertGreater(len(rows), 1500)
        self.assertEqual((self.folder / "a/opinions.txt").read_text().splitlines(), [sentence for _, sentence in rows])
        self.assertFalse([sentence for _, sentence in rows if "{" in sentence or "|" in sentence or sentence != sentence.lower()])
        self.call("c", "--seed", 2)
        self.assertNotEqual(text, (self.folder / "c/opinions.tsv").read_text())

    def test_labels_are_those_of_the_words(self):
        import random

        chance = random.Random(1)
        sentences = {label: " ".join(self.grammar.sentence(chance, label) for _ in range(20_000)).split() for label in ("good", "bad")}
        for word, label in [("superb", "good"), ("riveting", "good"), ("dreadful", "bad"), ("clumsily", "bad")]:
            other = {"good": "bad", "bad": "good"}[label]
            self.assertGreater(sentences[label].count(word), 1.5 * sentences[other].count(word), word)

    def test_a_wrong_grammar_is_refused(self):
        for text, said in [("good: x\n", "`domain` has no"), ("domain: a | b\ngood: {x}\nx.a: y\n", "uses {x}, which has no alternatives for b"), ("domain: a\ngood: x\n", "`bad` has no"), ("x: a\nx: b\n", ":2: expected"), ("  y\n", ":1: an indented line")]:
            (self.folder / "wrong.grammar").write_text(text)
            self.assertIn(said, self.call("d", "--grammar", self.folder / "wrong.grammar")[1])


class Components(unittest.TestCase):
    def test_rows_keep_their_cosines_in_scaled_directions(self):
        chance = np.random.RandomState(1)
        # Three numbers, one of which hides the others, and one that never varies.
        rows = np.c_[chance.randn(400, 3) * [1000, 1, 1], np.full(400, 5.0)].astype(np.float32)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "a.npy", rows[:300])
            np.save(folder / "b.npy", rows[300:])
            arguments = ["--input", folder / "a.npy", folder / "b.npy", "--output", folder / "x.npy", folder / "y.npy", "--width"]
            self.assertIn("fewer directions", run(components.main, *arguments, 4)[1])
            self.assertFalse((folder / "x.npy").exists())
            self.assertIsNone(run(components.main, *arguments, 3)[1])
            found = np.concatenate([np.load(folder / "x.npy"), np.load(folder / "y.npy")]).astype(np.float32)
            self.assertEqual(found.shape, (400, 3))
            expected = (rows - rows.mean(axis=0))[:, :3] / rows.std(axis=0)[:3]
            expected /= np.linalg.norm(expected, axis=1, keepdims=True)
            np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=0.1)
            vectors = rows[:, 2:] / np.linalg.norm(rows[:, 2:], axis=1, keepdims=True)
            self.assertIsNone(run(components.main, *arguments, 3, "--vectors", 2, "--share", 0.25)[1])
            both = np.concatenate([np.load(folder / "x.npy"), np.load(folder / "y.npy")]).astype(np.float32)
            self.assertEqual(both.shape, (400, 5))
            np.testing.assert_allclose(both @ both.T, 0.25 * vectors @ vectors.T + 0.75 * found @ found.T, atol=0.01)
            others = np.random.RandomState(2).randn(400, 6).astype(np.float32)
            np.save(folder / "c.npy", others[:300])
            np.save(folder / "d.npy", others[300:])
            beside = [3, "--vectors", 2, "--share", 0.25, "--beside", folder / "c.npy", folder / "d.npy"]
            self.assertIsNone(run(components.main, *arguments, *beside, "--beside-share", 0.4)[1])
            three = np.concatenate([np.load(folder / "x.npy"), np.load(folder / "y.npy")]).astype(np.float32)
            self.assertEqual(three.shape, (400, 11))
            others /= np.linalg.norm(others, axis=1, keepdims=True)
            np.testing.assert_allclose(three @ three.T, 0.6 * both @ both.T + 0.4 * others @ others.T, atol=0.01)
            self.assertIn("c.npy has shape (300, 6), expected [100, 6]", run(components.main, *arguments, *beside[:-1], folder / "c.npy")[1])
            self.assertIn("--beside: one file", run(components.main, *arguments, *beside[:-1])[0])
            self.assertIn("--vectors 5: a row has 4", run(components.main, *arguments, 3, "--vectors", 5)[1])
            np.save(folder / "b.npy", rows[300:, :2])
            self.assertIn("b.npy has shape (100, 2), expected [rows, 4]", run(components.main, *arguments, 2)[1])
            self.assertIn("one name for each", run(components.main, *arguments[:3], "--output", folder / "x.npy")[0])


class WordMeans(unittest.TestCase):
    def test_means_of_all_texts_share_their_directions(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            words = ["the", "cat", "dog", "sat", "ran"]
            (folder / "words.txt").write_text("\n".join(words) + "\n")
            np.save(folder / "words.npy", np.random.RandomState(1).randn(5, 4).astype(np.float32))
            (folder / "a.txt").write_text("The cat sat\nThe dog ran\nThe cat ran\nxyzzy\n")
            (folder / "b.txt").write_text("the cat sat\nDog dog dog\n")
            arguments = ["--words", folder / "words.txt", "--vectors", folder / "words.npy", "--input", folder / "a.txt", folder / "b.txt"]
            self.assertIn("there are 4 numbers", run(word_means.main, *arguments, "--width", 9)[1])
            self.assertIsNone(run(word_means.main, *arguments, "--width", 3)[1])
            first, second = (np.load(folder / f"{name}.means.npy").astype(np.float32) for name in "ab")
            self.assertEqual((first.shape, second.shape, np.load(folder / "a.means.npy").dtype), ((4, 3), (2, 3), np.float16))
            np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-2)
            np.testing.assert_array_equal(first[0], second[0])
            self.assertLess(first[0] @ first[1], 0.99)


if __name__ == "__main__":
    unittest.main()
