"""A server with the built-in model, for the tests in this folder."""

import contextlib
import subprocess
import sys


@contextlib.contextmanager
def server(program, *arguments):
    """Serves on a free port; yields the address, http://HOST:PORT."""
    command = [program, "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), address
        yield address
    finally:
        process.terminate()
        status = process.wait(timeout=60)
    assert status == 0, f"the server exited with status {status}"


def skipped(what):
    print(f"SKIPPED: {what}", file=sys.stderr)
