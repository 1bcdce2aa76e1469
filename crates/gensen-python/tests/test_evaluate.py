"""SentEval's protocol for encoders in Python."""

import json
import os

import numpy as np
import pytest

import gensen


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Made-up MR and STS-Benchmark in SentEval's layout."""
    root = tmp_path_factory.mktemp("senteval")
    rng = np.random.default_rng(7)
    nouns = ["film", "plot", "cast", "score", "ending", "script"]
    words = {"pos": ["superb", "warm", "witty", "bright"], "neg": ["dull", "empty", "noisy", "stale"]}
    (root / "MR").mkdir()
    for kind, adjectives in words.items():
        lines = [f"a {rng.choice(adjectives)} {rng.choice(nouns)} , {rng.choice(nouns)} and {rng.choice(nouns)} {k}" for k in range(60)]
        (root / "MR" / f"rt-polarity.{kind}").write_text("\n".join(lines) + "\n")
    folder = root / "STS" / "STSBenchmark"
    folder.mkdir(parents=True)
    for split, rows in [("train", 80), ("dev", 40), ("test", 40)]:
        lines = []
        for k in range(rows):
            a, b = rng.choice(nouns, 2)
            score = 5.0 if a == b else float(rng.integers(0, 30)) / 10
            lines.append(f"g\tf\t2012\t{k:04d}\t{score:.3f}\ta man saw the {a} .\ta woman saw the {b} {k} .")
        (folder / f"sts-{split}.csv").write_text("\n".join(lines) + "\n")
    return root


def letters(sentences):
    """An encoder that counts letters."""
    return np.array([[sentence.count(chr(97 + k)) for k in range(26)] for sentence in sentences], dtype=float)


def test_a_callable_and_ours_in_one_report(english, data, tmp_path):
    report = gensen.evaluate({"english": english, "letters": letters}, data, ["MR", "STS-B"])
    scores = report.scores
    assert list(scores) == ["english", "letters"]
    assert list(scores["letters"]) == ["MR", "STSBenchmark"]
    assert scores["english"]["MR"] > 80
    assert 50 < scores["letters"]["MR"] <= 100
    found = report.evaluations
    assert [result["width"] for result in found[1]["results"]] == [26, 26]
    assert [result["pooling"] for result in found[1]["results"]] == [None, None]
    assert [result["pooling"] for result in found[0]["results"]] == ["mean", "mean"]
    assert found[1]["embedder"]["details"]["encoder"].startswith("a callable")
    page = report.markdown()
    assert "**letters**" in page and "**english**" in page
    report.write(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == found
    assert (tmp_path / "report.md").is_file() and (tmp_path / "report.charts" / "MR.svg").is_file()
    with pytest.raises(ValueError, match=".json"):
        report.write(tmp_path / "report.txt")
    assert "letters" in repr(report)


def test_a_callable_of_our_vectors_has_our_scores(english, data):
    whitespace = gensen.SentenceEncoder("english", tokenizer="whitespace", lowercase=False, pooling="last")
    for classifier in ["lbfgs", "senteval"]:
        report = gensen.evaluate(
            {"ours": english, "callable": whitespace.encode}, data, ["MR", "STS-B"], pooling="last", classifier=classifier
        )
        ours, called = ([r["scores"] for r in e["results"]] for e in report.evaluations)
        assert ours == called


def test_scores_are_those_of_the_command_line(english, data, program, tmp_path):
    import subprocess

    command = [program, "eval", "--data", data, "--tasks", "MR,STS-B", "--no-cache", "--output", "report.json"]
    subprocess.run([*command, "--classifier", "senteval"], cwd=tmp_path, check=True, capture_output=True)
    (expected,) = json.loads((tmp_path / "report.json").read_text())
    report = gensen.evaluate({"english": english}, data, classifier="senteval", tasks=["MR", "STS-B"])
    (found,) = report.evaluations
    for one in [*expected["results"], *found["results"]]:
        del one["seconds"]
    assert found == expected


def test_the_cache_is_used_under_the_identity(data, tmp_path):
    calls = []

    def encode(sentences):
        calls.append(len(sentences))
        return letters(sentences)

    def scores(identity):
        return gensen.evaluate(encode, data, "MR", cache=tmp_path, identity=identity).scores

    with pytest.raises(ValueError, match="identity"):
        scores(None)
    expected = scores("letters 1")
    assert len(calls) == 1
    assert scores("letters 1") == expected
    assert len(calls) == 1
    assert scores("letters 2") == expected
    assert len(calls) == 2


def test_lists_and_arrays_of_any_layout_and_type_are_accepted(data):
    expected = list(gensen.evaluate(letters, data, "MR").scores.values())
    for kind in [lambda s: letters(s).tolist(), lambda s: np.asfortranarray(letters(s)), lambda s: letters(s).astype(np.float16)]:
        assert list(gensen.evaluate(kind, data, "MR").scores.values()) == expected


def test_tensors_are_accepted(data):
    torch = pytest.importorskip("torch")
    expected = list(gensen.evaluate(letters, data, "MR").scores.values())
    found = gensen.evaluate(lambda s: torch.tensor(letters(s), requires_grad=True), data, "MR")
    assert list(found.scores.values()) == expected


def test_failures_are_raised(data, tmp_path):
    class Broken(Exception):
        pass

    def broken(sentences):
        raise Broken("no vectors today")

    with pytest.raises(Broken, match="no vectors today"):
        gensen.evaluate(broken, data, "MR")
    with pytest.raises(ValueError, match=r"\(1, 26\) for 120 sentences"):
        gensen.evaluate(lambda s: letters(s[:1]), data, "MR")
    with pytest.raises(gensen.GensenError, match="not finite"):
        gensen.evaluate(lambda s: letters(s) * np.nan, data, "MR")
    with pytest.raises(gensen.GensenError, match="XYZ"):
        gensen.evaluate(letters, data, ["XYZ"])
    with pytest.raises(FileNotFoundError, match="TREC|no files"):
        gensen.evaluate(letters, data, ["TREC"])
    with pytest.raises(FileNotFoundError):
        gensen.evaluate(letters, tmp_path / "nothing")
    with pytest.raises(TypeError, match="callable"):
        gensen.evaluate({"seven": 7}, data)
    with pytest.raises(ValueError, match="no encoder"):
        gensen.evaluate({}, data)
    with pytest.raises(ValueError, match="svm"):
        gensen.evaluate(letters, data, "MR", classifier="svm")
    with pytest.raises(ValueError, match="folds"):
        gensen.evaluate(letters, data, "MR", folds=1)
    report = gensen.evaluate(letters, data, ["MR", "TREC"])
    assert [one["task"] for one in report.evaluations[0]["skipped"]] == ["TREC"]


def test_minilm_beside_ours(english):
    """MiniLM through sentence-transformers, on real data."""
    transformers = pytest.importorskip("sentence_transformers")
    model, data = os.environ.get("GENSEN_MINILM"), os.environ.get("GENSEN_SENTEVAL_DATA")
    if not model or not data:
        pytest.skip("set GENSEN_MINILM to a folder with MiniLM, and GENSEN_SENTEVAL_DATA to SentEval's data folder")
    minilm = transformers.SentenceTransformer(model, device="cpu")
    tasks = ["CR", "STS13"]
    report = gensen.evaluate({"english": english, "MiniLM": minilm.encode}, data, tasks)
    print(report.markdown())
    scores = report.scores
    assert list(scores["MiniLM"]) == tasks
    # Measured: 84.5 and 68.4; 82.4 and 74.3.
    assert scores["english"]["CR"] > 80 and scores["english"]["STS13"] > 65
    assert scores["MiniLM"]["CR"] > 80 and scores["MiniLM"]["STS13"] > 70
