"""Threads, forks, signals."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gensen


def test_threads_share_an_encoder(english, texts):
    expected = english.encode(texts)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: english.encode(texts, batch_size=8), range(24)))
    for one in found:
        np.testing.assert_array_equal(one, expected)


def test_encoding_releases_the_gil(english, texts):
    ticks = 0
    stop = threading.Event()

    def tick():
        nonlocal ticks
        while not stop.wait(0.001):
            ticks += 1

    ticking = threading.Thread(target=tick)
    ticking.start()
    for _ in range(4):
        english.encode(texts * 10)
    stop.set()
    ticking.join()
    # A few ticks also fit between the calls.
    assert ticks > 20, f"{ticks} ticks of 1 ms during four long calls"


def test_the_number_of_threads_changes_no_bit(english, texts):
    expected, before = english.encode(texts), gensen.get_num_threads()
    try:
        for threads in [1, 3]:
            gensen.set_num_threads(threads)
            assert gensen.get_num_threads() == threads
            np.testing.assert_array_equal(english.encode(texts), expected)
    finally:
        gensen.set_num_threads(before)


def _child(english, texts, queue):
    queue.put(english.encode(texts))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_fork(english, texts):
    """Also while another thread encodes."""
    expected = english.encode(texts)
    stop = threading.Event()

    def encode():
        while not stop.is_set():
            english.encode(texts[:50])

    encoding = threading.Thread(target=encode)
    encoding.start()
    try:
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        children = [context.Process(target=_child, args=(english, texts, queue)) for _ in range(3)]
        for child in children:
            child.start()
        for _ in children:
            np.testing.assert_array_equal(queue.get(timeout=120), expected)
        for child in children:
            child.join(120)
            assert child.exitcode == 0
    finally:
        stop.set()
        encoding.join()
    np.testing.assert_array_equal(english.encode(texts), expected)


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("call", ["encode(texts)", "encode_file(texts, 'vectors.npy')", "encode(texts, show_progress_bar=True)"])
def test_ctrl_c_interrupts_a_long_call(call, tmp_path):
    program = f"""
        import signal
        # A background job of a shell ignores SIGINT by default.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        import gensen
        encoder = gensen.SentenceEncoder("english")
        texts = ["a sentence that is not like the others %d %d" % (k, k % 97) for k in range(3_000_000)]
        print("begin", flush=True)
        encoder.{call}
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "begin\n"
        time.sleep(3)
        assert process.poll() is None
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert error.rstrip().endswith("KeyboardInterrupt"), error[-500:]
    assert "panic" not in error
    assert time.monotonic() < start + 30
    assert list(tmp_path.iterdir()) == []


def test_import_is_quick():
    """Numpy is the only heavy import; `benches/speed.py` measures the time."""

    def loaded(name):
        program = f"import {name}, sys; print(*sorted(name.split('.')[0] for name in sys.modules))"
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return set(run.stdout.split())

    beyond = loaded("gensen") - loaded("numpy")
    assert "gensen" in beyond
    heavy = {"torch", "sklearn", "scipy", "pandas", "tqdm", "mteb", "langchain_core", "logging", "gzip", "json"}
    assert not beyond & heavy
