"""sentence-transformers' interface."""

import copy
import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import gensen
from gensen import SentenceEncoder

from conftest import near


@pytest.fixture(scope="module")
def tiny(reference, tmp_path_factory):
    """A model folder without ranges."""
    model = gensen.GenSenSingle(reference / "tiny-1layer", "tiny-1layer", None)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model._encoder.save(folder)
    return folder


def test_vectors_are_those_of_the_command_line(english, program, texts, tmp_path):
    import subprocess

    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    for arguments, setting in [
        ([], {}),
        (["--normalize"], {"normalize_embeddings": True}),
        (["--pool", "max", "--batch-size", "7"], {"batch_size": 7}),
    ]:
        command = [program, "embed", "--input", "texts.txt", "--output", "vectors.npy", *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        encoder = SentenceEncoder("english", pooling="max") if "max" in arguments else english
        expected = np.load(tmp_path / "vectors.npy")
        np.testing.assert_array_equal(encoder.encode(texts, **setting), expected)
        assert encoder.encode_file(tmp_path / "texts.txt", tmp_path / "ours.npy", **setting) == len(texts)
        np.testing.assert_array_equal(np.load(tmp_path / "ours.npy"), expected)


def test_shapes_and_order(english, texts):
    vectors = english.encode(texts)
    assert vectors.shape == (len(texts), 1024) == (len(texts), english.get_sentence_embedding_dimension())
    assert vectors.dtype == np.float32
    one = english.encode(texts[5])
    assert one.shape == (1024,)
    np.testing.assert_array_equal(one, vectors[5])
    np.testing.assert_array_equal(english.encode(texts[::-1])[::-1], vectors)
    np.testing.assert_array_equal(english.encode(np.array(texts)), vectors)
    np.testing.assert_array_equal(english.encode(text for text in texts), vectors)
    for batch_size in [1, 3, 1000]:
        np.testing.assert_array_equal(english.encode(texts, batch_size), vectors)
    assert english.encode([]).shape == (0, 1024)
    assert english.encode("").shape == (1024,)
    np.testing.assert_array_equal(english.encode_query(texts), vectors)
    np.testing.assert_array_equal(english.encode_document(texts, normalize_embeddings=False), vectors)


def test_more_sentences_than_a_chunk(english, texts):
    many = texts * 3
    expected = np.tile(english.encode(texts), (3, 1))
    np.testing.assert_array_equal(english.encode(many, batch_size=1), expected)
    states = english.encode(many[:200], batch_size=1, output_value="token_embeddings")
    for found, expected in zip(states[150:], english.encode(texts, output_value="token_embeddings")):
        np.testing.assert_array_equal(found, expected)


def test_dimension_and_length(english, texts):
    vectors = english.encode(texts)
    short = english.encode(texts, truncate_dim=64)
    np.testing.assert_array_equal(short, vectors[:, :64])
    unit = english.encode(texts, truncate_dim=64, normalize_embeddings=True)
    near(np.linalg.norm(unit, axis=1), np.ones(len(texts)), 1e-6)
    near(unit, short / np.linalg.norm(short, axis=1, keepdims=True), 1e-6)
    truncated = SentenceEncoder("english", truncate_dim=64)
    assert truncated.get_sentence_embedding_dimension() == 64
    np.testing.assert_array_equal(truncated.encode(texts), short)
    with pytest.raises(ValueError, match="1025"):
        english.encode(texts, truncate_dim=1025)
    with pytest.raises(ValueError, match="0"):
        SentenceEncoder("english", truncate_dim=0)


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_precision(english, texts, precision):
    vectors = english.encode(texts)
    found = english.encode(texts, precision=precision)
    assert found.dtype == (np.uint8 if precision.startswith("u") else np.int8)
    # Ranges come from the model: a vector does not depend on the others.
    np.testing.assert_array_equal(found[7], english.encode(texts[7], precision=precision))
    np.testing.assert_array_equal(found[3:9], english.encode(texts[3:9], precision=precision))
    if "binary" in precision:
        bits = np.packbits(vectors > 0, axis=-1)
        expected = bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
        np.testing.assert_array_equal(found, expected)
        return
    start, end = (np.array(end) for end in _ranges(english))
    step = (end - start) / 255
    restored = (found.astype(np.float64) + (128 if precision == "int8" else 0) + 0.5) * step + start
    inside = (vectors > start) & (vectors < end)
    assert inside.mean() > 0.9
    assert (np.abs(restored - vectors) <= step)[inside].all()


def _ranges(encoder):
    config = encoder.config
    (ranges,) = [ranges for ranges in config["ranges"] if ranges["pooling"] == config["pooling"]]
    return ranges["minimum"], ranges["maximum"]


def test_precision_against_sentence_transformers(english, texts):
    quantization = pytest.importorskip("sentence_transformers.util.quantization")
    vectors, ranges = english.encode(texts), np.array(_ranges(english), dtype=np.float32)
    for precision in ["int8", "uint8", "binary", "ubinary"]:
        expected = quantization.quantize_embeddings(vectors, precision, ranges=ranges)
        found = english.encode(texts, precision=precision)
        # sentence-transformers rounds the step size: a value on a boundary may differ by one.
        difference = np.abs(found.astype(int) - expected.astype(int))
        assert difference.max() <= (1 if precision.endswith("int8") else 0)
        assert (difference > 0).mean() < 1e-3


def test_a_model_without_ranges_says_how_to_get_them(tiny, texts):
    encoder = SentenceEncoder(tiny)
    with pytest.raises(gensen.GensenError, match="calibrate"):
        encoder.encode(texts, precision="int8")
    assert encoder.encode(texts, precision="binary").shape == (len(texts), 8)
    with pytest.raises(ValueError, match="float16.*expected float32"):
        encoder.encode(texts, precision="float16")


def test_tokens_and_hidden_states(english, texts):
    tokens = english.tokenize(texts)
    states = english.encode(texts, output_value="token_embeddings")
    assert [len(one) for one in states] == [len(one) for one in tokens["tokens"]]
    assert tokens["input_ids"].shape == tokens["attention_mask"].shape == (len(texts), max(map(len, states)))
    np.testing.assert_array_equal(tokens["attention_mask"].sum(axis=1), [len(one) for one in states])
    assert (tokens["input_ids"][tokens["attention_mask"] == 0] == 1).all()
    assert tokens["tokens"][0] == ["<s>", "a", "dog", "sees", "a", "house", ".", "</s>"]
    assert tokens["input_ids"][0, 0] == 0 and tokens["input_ids"][0, 7] == 2
    vectors = english.encode(texts)
    for words, vector in zip(states, vectors):
        # The model's pooling is the mean.
        near(words.mean(axis=0), vector, 1e-5)
    items = english.encode(texts, output_value=None, normalize_embeddings=True)
    assert items[0]["tokens"] == tokens["tokens"][0]
    np.testing.assert_array_equal(items[9]["token_embeddings"], states[9])
    near(np.linalg.norm(items[9]["sentence_embedding"]), np.float64(1), 1e-6)
    assert english.encode(texts[0], output_value="token_embeddings").shape == (8, 1024)
    assert english.encode([], output_value="token_embeddings") == []
    assert english.encode([], output_value=None) == []
    assert english.tokenize([])["input_ids"].shape == (0, 0)
    with pytest.raises(ValueError, match="output_value"):
        english.encode(texts, output_value="logits")


def test_tensors(english, texts):
    torch = pytest.importorskip("torch")
    vectors = english.encode(texts)
    tensor = english.encode(texts, convert_to_tensor=True)
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_array_equal(tensor.numpy(), vectors)
    several = english.encode(texts, convert_to_numpy=False)
    assert isinstance(several, list) and all(isinstance(one, torch.Tensor) for one in several)
    states = english.encode(texts[:2], output_value="token_embeddings", convert_to_numpy=False)
    assert all(isinstance(one, torch.Tensor) for one in states)
    near(english.similarity(tensor[:3], tensor[:5]), english.similarity(vectors[:3], vectors[:5]), 0)


def test_similarity(english, texts):
    vectors = english.encode(texts[:20])
    found = english.similarity(vectors[:3], vectors)
    assert found.shape == (3, 20) and found.dtype == np.float32
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    near(found, unit[:3] @ unit.T, 1e-6)
    near(english.similarity_pairwise(vectors[:5], vectors[5:10]), (unit[:5] * unit[5:10]).sum(axis=1), 1e-6)
    near(english.similarity(vectors[0], vectors[1]), (unit[:1] @ unit[1:2].T), 1e-6)
    assert (english.similarity(np.zeros(1024), vectors) == 0).all()
    assert english.similarity_fn_name == "cosine"
    with pytest.raises(ValueError, match="7"):
        english.similarity(vectors[:, :7], vectors)
    with pytest.raises(ValueError, match="3 and 4"):
        english.similarity_pairwise(vectors[:3], vectors[:4])
    close, far = english.similarity(
        english.encode("A man is playing a guitar."),
        english.encode(["Somebody plays an instrument.", "The price of oil fell again."]),
    )[0]
    assert close > far + 0.2


def test_several_models(english, tiny, texts):
    both = SentenceEncoder(["english", tiny])
    vectors = both.encode(texts)
    assert vectors.shape == (len(texts), 1024 + 64)
    np.testing.assert_array_equal(vectors[:, :1024], english.encode(texts))
    np.testing.assert_array_equal(vectors[:, 1024:], SentenceEncoder(tiny).encode(texts))
    with pytest.raises(ValueError, match="2 models"):
        both.tokenize(texts)
    with pytest.raises(ValueError, match="2 models"):
        both.save("anywhere")
    with pytest.raises(ValueError, match="no encoder"):
        SentenceEncoder([])


def test_lower_weight_precisions(english, texts):
    expected = english.encode(texts, normalize_embeddings=True)
    for weights in ["f16", "i8"]:
        found = SentenceEncoder("english", weights=weights).encode(texts, normalize_embeddings=True)
        assert (found * expected).sum(axis=1).min() > 0.999
    with pytest.raises(ValueError, match="f64"):
        SentenceEncoder("english", weights="f64")


def test_saved_and_pickled_models_are_the_same(english, tiny, texts, tmp_path, monkeypatch):
    expected = english.encode(texts)
    english.save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "config.json").read_text()) == english.config
    saved = SentenceEncoder(tmp_path / "saved")
    np.testing.assert_array_equal(saved.encode(texts), expected)
    saved.save(tmp_path / "saved")
    for copied in [copy.deepcopy(english), pickle.loads(pickle.dumps(english))]:
        np.testing.assert_array_equal(copied.encode(texts), expected)
    # A relative path is still valid in another working directory.
    monkeypatch.chdir(tiny.parent)
    relative = SentenceEncoder("tiny", pooling="max", truncate_dim=5)
    pickled = pickle.dumps(relative)
    monkeypatch.chdir(tmp_path)
    found = pickle.loads(pickled)
    assert found.get_sentence_embedding_dimension() == 5
    np.testing.assert_array_equal(found.encode(texts), relative.encode(texts))
    # A folder named like the built-in model.
    SentenceEncoder(tiny).save(tmp_path / "english")
    for place in ["./english", Path("english")]:
        assert SentenceEncoder(place).get_sentence_embedding_dimension() == 64
    assert SentenceEncoder("english").get_sentence_embedding_dimension() == 1024
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(gensen.GensenError, match="letter.txt"):
        english.save(tmp_path / "other")


def test_files(english, texts, tmp_path):
    expected = english.encode(texts)
    text = "\n".join(texts)
    (tmp_path / "plain").write_text(text)
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n")
    with gzip.open(tmp_path / "packed", "wt") as file:
        file.write(text + "\n")
    target = tmp_path / "vectors.npy"
    for source in [tmp_path / "plain", str(tmp_path / "marked"), tmp_path / "packed", iter(texts)]:
        assert english.encode_file(source, target, batch_size=1) == len(texts)
        np.testing.assert_array_equal(np.load(target), expected)
    english.encode_file(texts, target, precision="binary", truncate_dim=100)
    np.testing.assert_array_equal(np.load(target), english.encode(texts, precision="binary", truncate_dim=100))
    (tmp_path / "blank").write_text("\n\na\n")
    assert english.encode_file(tmp_path / "blank", target) == 3
    (tmp_path / "empty").write_text("")
    assert english.encode_file(tmp_path / "empty", target) == 0
    assert np.load(target).shape == (0, 1024)


def test_a_file_that_fails_leaves_nothing(english, tmp_path):
    (tmp_path / "latin").write_bytes(b"good\nb\xe9d\n")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(gensen.GensenError, match="latin, line 2: invalid UTF-8"):
        english.encode_file(tmp_path / "latin", tmp_path / "vectors.npy")
    with pytest.raises(FileNotFoundError, match="nothing.txt"):
        english.encode_file(tmp_path / "nothing.txt", tmp_path / "vectors.npy")
    with pytest.raises(TypeError, match="sentence 1 "):
        english.encode_file(["a", 3], tmp_path / "vectors.npy")
    assert sorted(tmp_path.iterdir()) == before


def test_invalid_arguments_are_refused(english, tmp_path):
    with pytest.raises(TypeError, match=r"sentence 1 \(counted from 0\) is of type int"):
        english.encode(["a", 1])
    with pytest.raises(TypeError):
        english.encode(None)
    with pytest.raises(ValueError, match="sentence 0.*Unicode"):
        english.encode(["\ud800"])
    with pytest.raises(ValueError, match="batch_size"):
        english.encode(["a"], batch_size=0)
    with pytest.raises(ValueError, match="mode"):
        SentenceEncoder("english", pooling="mode")
    with pytest.raises(gensen.GensenError, match="klingon"):
        SentenceEncoder("english", tokenizer="klingon")
    with pytest.raises(FileNotFoundError, match="nothing"):
        SentenceEncoder(tmp_path / "nothing")
    with pytest.raises(gensen.GensenError, match="config.json"):
        SentenceEncoder(tmp_path)


def test_models_of_the_hub(tiny, texts, tmp_path, monkeypatch):
    """From the hub library's cache, without the network."""
    commit = "0123456789" * 4
    model = tmp_path / "models--somebody--tiny"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit)
    (model / "snapshots").mkdir()
    tiny_copy = model / "snapshots" / commit
    SentenceEncoder(tiny).save(tiny_copy)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    expected = SentenceEncoder(tiny).encode(texts)
    for name in ["somebody/tiny", "hf://somebody/tiny@main"]:
        np.testing.assert_array_equal(SentenceEncoder(name).encode(texts), expected)
    with pytest.raises(gensen.GensenError, match="HF_HUB_OFFLINE"):
        SentenceEncoder("somebody/else")


def test_progress(english, texts, capsys, monkeypatch):
    import sys

    english.encode(texts, show_progress_bar=True)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    english.encode(texts, show_progress_bar=True)
    assert f"{len(texts)} of {len(texts)} sentences" in capsys.readouterr().err
    english.encode(texts)
    assert capsys.readouterr().err == ""
