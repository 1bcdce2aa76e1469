"""The encoder in other tools: scikit-learn, LangChain, MTEB; documentation examples and types."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gensen


def test_scikit_learn(english, texts):
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    from gensen.sklearn import Vectorizer

    vectorizer = Vectorizer("english", truncate_dim=100)
    assert vectorizer.get_params()["truncate_dim"] == 100
    expected = english.encode(texts, truncate_dim=100)
    for one in [vectorizer, clone(vectorizer), pickle.loads(pickle.dumps(vectorizer.fit(texts)))]:
        np.testing.assert_array_equal(one.fit_transform(texts), expected)
    assert list(vectorizer.get_feature_names_out())[99:] == ["gensen99"]
    vectorizer.set_params(truncate_dim=7)
    assert vectorizer.transform(texts).shape == (len(texts), 7)
    labels = ["dog" if text.startswith("A dog") else "other" for text in texts]
    pipeline = Pipeline([("vectors", Vectorizer()), ("classifier", LogisticRegression(max_iter=1000))])
    grid = {"vectors__pooling": ["last", "mean"], "classifier__C": [0.1, 10.0]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(texts, labels)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.9
    assert search.predict(["A dog dreams."]) == ["dog"]
    # Also in separate processes.
    parallel = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(texts, labels)
    np.testing.assert_array_equal(parallel.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"])
    with pytest.raises(TypeError, match="str"):
        vectorizer.transform("a sentence")


def test_langchain(english):
    pytest.importorskip("langchain_core")
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    from gensen.langchain import GensenEmbeddings

    embeddings = GensenEmbeddings("english")
    assert isinstance(embeddings, Embeddings)
    texts = ["A dog runs through the park.", "Oil prices rose again.", "She plays the guitar."]
    found = embeddings.embed_documents(texts)
    np.testing.assert_allclose(found, english.encode(texts, normalize_embeddings=True), rtol=0, atol=0)
    assert embeddings.embed_query(texts[1]) == found[1]
    store = InMemoryVectorStore(embeddings)
    store.add_texts(texts)
    (best,) = store.similarity_search("An animal is running.", k=1)
    assert best.page_content == texts[0]


def test_mteb(english):
    """An MTEB task on local data has the score that its formula gives."""
    mteb = pytest.importorskip("mteb")
    datasets = pytest.importorskip("datasets")
    from mteb.abstasks.sts import AbsTaskSTS
    from mteb.models.models_protocols import EncoderProtocol
    from scipy.stats import spearmanr

    from gensen.mteb import Encoder

    pairs = [
        ("A man plays the guitar.", "Somebody makes music.", 3.5),
        ("A man plays the guitar.", "A man plays a guitar.", 5.0),
        ("Two dogs run in the snow.", "The president spoke on Tuesday.", 0.0),
        ("A woman cuts an onion.", "A woman is slicing a vegetable.", 4.0),
        ("The train was late.", "The plane landed.", 1.0),
    ]

    class Local(AbsTaskSTS):
        metadata = mteb.TaskMetadata(
            name="LocalSTS",
            description="the pairs in this test",
            reference=None,
            dataset={"path": "local/pairs", "revision": "1"},
            type="STS",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="cosine_spearman",
            date=None,
            domains=None,
            task_subtypes=None,
            license=None,
            annotations_creators=None,
            dialect=None,
            sample_creation=None,
            bibtex_citation=None,
        )

        def load_data(self, *args, **kwargs):
            first, second, scores = zip(*pairs)
            columns = {"sentence1": first, "sentence2": second, "score": scores}
            self.dataset = datasets.DatasetDict({"test": datasets.Dataset.from_dict(columns)})
            self.data_loaded = True

    encoder = Encoder("english")
    assert isinstance(encoder, EncoderProtocol)
    results = mteb.evaluate(encoder, Local(), cache=None)
    (scores,) = results.task_results[0].scores["test"]
    vectors = [english.encode(list(side)) for side in list(zip(*pairs))[:2]]
    cosines = english.similarity_pairwise(*vectors)
    expected = spearmanr(cosines, [score for _, _, score in pairs])[0]
    assert scores["cosine_spearman"] == pytest.approx(expected, abs=1e-6)
    assert scores["spearman"] == pytest.approx(expected, abs=1e-6)
    assert results.model_name == "gensen/english"


def test_doctests():
    import doctest

    for name in ["gensen", "gensen.sklearn", "gensen.langchain"]:
        module = pytest.importorskip(name)
        failed, tried = doctest.testmod(module)
        assert tried > 0 and failed == 0, name


def test_types(tmp_path):
    """Types of the package, of its stub against the native module, and of a user's program."""
    pytest.importorskip("mypy")
    package = Path(gensen.__file__).parent
    assert (package / "py.typed").is_file() and (package / "_gensen.pyi").is_file()
    program = tmp_path / "program.py"
    program.write_text(
        "import gensen\n"
        "encoder = gensen.SentenceEncoder('english', pooling='mean')\n"
        "width: int = encoder.get_sentence_embedding_dimension()\n"
        "report = gensen.evaluate({'ours': encoder}, 'data', ['MR'])\n"
        "best: float | None = report.scores['ours']['MR']\n"
        "encoder.encode('a', precision='int9')\n"
    )
    settings = Path(__file__).parents[1] / "pyproject.toml"
    strict = [sys.executable, "-m", "mypy", "--config-file", settings, "--no-incremental"]

    def run(command):
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    package = run([*strict, "-p", "gensen"])
    assert package.returncode == 0, package.stdout
    check = run([*strict, program])
    errors = [line for line in check.stdout.splitlines() if "error:" in line]
    assert len(errors) == 1 and "program.py:6" in errors[0] and "int9" in errors[0], check.stdout
    stub = run([sys.executable, "-m", "mypy.stubtest", "gensen._gensen"])
    assert stub.returncode == 0, stub.stdout
