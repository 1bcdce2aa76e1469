"""The interface of the paper's implementation, against vectors computed by it."""

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

import gensen
from gensen import GenSen, GenSenSingle

from conftest import near

MODELS = ["tiny-1layer", "tiny-2layer"]


@pytest.fixture
def single(reference):
    def open(name):
        return GenSenSingle(str(reference / name), name, str(reference / "glove-tiny.h5"))

    return open


def golden(reference, name):
    return np.load(reference / f"{name}.npy")


def test_a_users_script_runs_unchanged(reference):
    script = reference / "readme-usage.py"
    run = subprocess.run([sys.executable, script, reference], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "the reference's usage works"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("start_end", [True, False])
def test_states_and_vectors(single, reference, sentences, name, start_end):
    kind = "base" if start_end else "base_nose"
    if not start_end:
        # An empty sentence needs `<s>` and `</s>`.
        sentences = sentences[:36] + sentences[37:]
    for pool in ["last", "max"]:
        states, vectors = single(name).get_representation(sentences, pool=pool, add_start_end=start_end)
        near(states, golden(reference, f"{name}/expected/{kind}_h"), 2e-6)
        near(vectors, golden(reference, f"{name}/expected/{kind}_ht_{pool}"), 2e-6)


def test_max_own_ignores_padding(single, sentences):
    model = single("tiny-1layer")
    padded = model.get_representation(sentences, pool="max")[1]
    own = model.get_representation(sentences, pool="max-own")[1]
    alone = [model.get_representation([sentence], pool="max")[1][0] for sentence in sentences]
    np.testing.assert_array_equal(own, alone)
    assert (padded != own).any()
    np.testing.assert_array_equal(np.maximum(own, 0)[0], padded[0])
    states = model.get_representation(sentences[:1], pool="mean")[0]
    near(model.get_representation(sentences[:1], pool="mean")[1], states.mean(axis=1), 1e-6)


def test_expansion(single, reference, sentences):
    words = json.loads((reference / "task_vocab.json").read_text())
    model = single("tiny-1layer")
    own = dict(model.word2id)
    assert model.task_word2id == own
    model.first_expansion()
    for vocabulary in [words, (word for word in words), dict.fromkeys(words), np.array(words)]:
        model.vocab_expansion(vocabulary)
        found = model.get_representation(sentences)[1]
        near(found, golden(reference, "tiny-1layer/expected/exp_ht_last"), 1e-5)
    expected = json.loads((reference / "task_id2word.json").read_text())
    assert [model.task_id2word[k] for k in range(len(expected))] == list(
        expected.values() if isinstance(expected, dict) else expected
    )
    assert model.word2id == own
    # The paper's evaluation script passes a set that includes the special words.
    model.vocab_expansion({"<s>", "<pad>", "</s>", "<unk>", *words[:100]})
    model.vocab_expansion(words[:100])
    found = model.get_representation(sentences[:12])[1]
    near(found, golden(reference, "tiny-1layer/expected/exp2_ht_last"), 1e-5)
    for copied in [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]:
        assert copied.vocab_expanded
        np.testing.assert_array_equal(copied.get_representation(sentences[:12])[1], found)


def test_text_vectors_expand_as_hdf5_does(reference, sentences):
    words = json.loads((reference / "task_vocab.json").read_text())
    model = GenSenSingle(reference / "tiny-1layer", "tiny-1layer", reference / "glove-tiny.txt")
    model.vocab_expansion(words)
    near(model.get_representation(sentences)[1], golden(reference, "tiny-1layer/expected/exp_ht_last"), 1e-5)


def test_several_models_are_concatenated(single, reference, sentences):
    models = [single(name) for name in MODELS]
    both = GenSen(*models)
    states, vectors = both.get_representation(sentences, pool="max", tokenize=False)
    near(states, golden(reference, "concat/base_h"), 2e-6)
    near(vectors, golden(reference, "concat/base_ht_max"), 2e-6)
    with pytest.raises(ValueError, match="at least one"):
        GenSen()


def test_model_folders_are_accepted(single, reference, sentences, tmp_path):
    model = single("tiny-2layer")
    model._encoder.save(tmp_path / "tiny")
    expected = model.get_representation(sentences)[1]
    for folder, prefix in [(tmp_path, "tiny"), (tmp_path / "tiny", "any")]:
        opened = GenSenSingle(folder, prefix, None)
        np.testing.assert_array_equal(opened.get_representation(sentences)[1], expected)
        with pytest.raises(ValueError, match="pretrained_emb"):
            opened.vocab_expansion(["a"])


def test_tensors(single, sentences):
    torch = pytest.importorskip("torch")
    model = single("tiny-1layer")
    arrays = model.get_representation(sentences)
    for one in [model, GenSen(model)]:
        tensors = one.get_representation(sentences, return_numpy=False)
        for array, tensor in zip(arrays, tensors):
            assert isinstance(tensor, torch.Tensor)
            np.testing.assert_array_equal(array, tensor.numpy())


def test_without_torch_tensors_are_refused(single, sentences, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="torch"):
        single("tiny-1layer").get_representation(sentences, return_numpy=False)


def test_invalid_arguments_are_refused(single, reference, sentences, tmp_path):
    model = single("tiny-1layer")
    with pytest.raises(ValueError, match="max-own"):
        model.get_representation(sentences, pool="min")
    with pytest.raises(ValueError, match="no sentences"):
        model.get_representation([])
    with pytest.raises(TypeError, match="list"):
        model.get_representation("a sentence")
    with pytest.raises(gensen.GensenError, match="sentence 36"):
        model.get_representation(sentences, add_start_end=False)
    with pytest.raises(ValueError, match="empty"):
        model.vocab_expansion([])
    with pytest.raises(FileNotFoundError, match="nothing.model"):
        GenSenSingle(str(tmp_path), "nothing", "")
    (tmp_path / "text.model").write_text("no weights")
    with pytest.raises(gensen.GensenError, match="text.model"):
        GenSenSingle(str(tmp_path), "text", "")
    with pytest.raises(ValueError, match="LSTM"):
        GenSenSingle(reference / "tiny-1layer", "tiny-1layer", None, rnn_type="LSTM")
    with pytest.warns(UserWarning, match="CPU"):
        GenSenSingle(reference / "tiny-1layer", "tiny-1layer", None, cuda=True)
    missing = GenSenSingle(reference / "tiny-1layer", "tiny-1layer", str(tmp_path / "no.h5"))
    with pytest.raises(FileNotFoundError, match="no.h5"):
        missing.vocab_expansion(["a"])
