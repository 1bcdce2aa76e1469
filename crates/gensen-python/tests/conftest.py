"""Shared fixtures, and the option `--no-skips`."""

import json
import os
import pathlib

import numpy as np
import pytest

import gensen

def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="report skipped tests as failures")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped: {report.longrepr[2]}"


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
    """120 different sentences of different lengths."""
    subjects = ["A dog", "The old king", "My sister", "Nobody", "Every third visitor", "It"]
    verbs = ["sees", "has never seen", "would like to buy", "paints", "forgot"]
    objects = ["a house.", "the sea, which was far away.", "three apples and a pear!", "him?", "what it was called"]
    return [f"{a} {b} {c}" for a in subjects for b in verbs for c in objects]


@pytest.fixture(scope="session")
def program():
    """The command-line program `gensen`, built by the workspace's tests."""
    name = "gensen.exe" if os.name == "nt" else "gensen"
    target = os.environ.get("CARGO_TARGET_DIR", REFERENCE.parents[1] / "target")
    path = pathlib.Path(os.environ.get("GENSEN_PROGRAM", pathlib.Path(target) / "release" / name))
    if not path.is_file():
        pytest.skip(f"{path} is missing: run cargo build --release -p gensen, or set GENSEN_PROGRAM to the program")
    return path


def near(found, expected, tolerance):
    """Asserts that arrays are equal within a tolerance; the message has the largest difference."""
    assert found.shape == expected.shape
    difference = np.abs(found.astype(np.float64) - expected)
    place = np.unravel_index(difference.argmax(), difference.shape)
    assert difference.max() <= tolerance, f"{found[place]}, expected {expected[place]} at {place}"
