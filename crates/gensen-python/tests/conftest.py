"""Fixtures shared by the tests."""

import json
import os
import pathlib

import numpy as np
import pytest

import gensen

REFERENCE = pathlib.Path(__file__).parents[3] / "tests" / "reference"


@pytest.fixture(scope="session")
def reference():
    return REFERENCE


@pytest.fixture(scope="session")
def sentences():
    return json.loads((REFERENCE / "sentences.json").read_text())


@pytest.fixture(scope="session")
def english():
    return gensen.SentenceEncoder("english")


@pytest.fixture(scope="session")
def texts():
    """Some hundred different sentences of different lengths."""
    subjects = ["A dog", "The old king", "My sister", "Nobody", "Every third visitor", "It"]
    verbs = ["sees", "has never seen", "would like to buy", "paints", "forgot"]
    objects = ["a house.", "the sea, which was far away.", "three apples and a pear!", "him?", "what it was called"]
    return [f"{a} {b} {c}" for a in subjects for b in verbs for c in objects]


@pytest.fixture(scope="session")
def program():
    """The command-line program, built like in the workspace's tests."""
    name = "gensen.exe" if os.name == "nt" else "gensen"
    target = os.environ.get("CARGO_TARGET_DIR", REFERENCE.parents[1] / "target")
    path = pathlib.Path(os.environ.get("GENSEN_PROGRAM", pathlib.Path(target) / "release" / name))
    if not path.is_file():
        pytest.skip(f"{path} is not there: build the command line (cargo build --release -p gensen), or name it in GENSEN_PROGRAM")
    return path


def near(found, expected, tolerance):
    """Asserts that arrays are equal within a tolerance; a failure shows the largest difference."""
    assert found.shape == expected.shape
    difference = np.abs(found.astype(np.float64) - expected)
    place = np.unravel_index(difference.argmax(), difference.shape)
    assert difference.max() <= tolerance, f"{found[place]}, expected {expected[place]} at {place}"
