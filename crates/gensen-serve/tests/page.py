"""The server's pages in headless Chromium, driven by the DevTools protocol over a pipe.

    python crates/gensen-serve/tests/page.py target/release/gensen [SCREENSHOTS]

SCREENSHOTS is a folder for screenshots of each page, light and dark.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from server import server, skipped

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]


class Browser:
    """A page in headless Chromium, which reads messages from file descriptor 3 and writes them to 4."""

    def __init__(self, program, profile):
        from_us, to_browser = os.pipe()
        from_browser, to_us = os.pipe()
        os.set_inheritable(from_us, True)
        os.set_inheritable(to_us, True)
        options = ["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"]
        if os.geteuid() == 0:
            # Chromium's sandbox does not work as root.
            options.append("--no-sandbox")
        # The shell moves the pipes to file descriptors 3 and 4.
        line = f'exec "$@" 3<&{from_us} 4>&{to_us}'
        command = ["bash", "-c", line, "bash", program, *options, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(from_us)
        os.close(to_us)
        self.output, self.input = os.fdopen(to_browser, "wb", 0), os.fdopen(from_browser, "rb", 0)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.call(f"{domain}.enable")

    def message(self):
        while b"\0" not in self.buffer:
            read = self.input.read(1 << 16)
            assert read, "Chromium has ended"
            self.buffer += read
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.output.write(json.dumps(message).encode() + b"\0")
        while True:
            found = self.message()
            if found.get("id") == self.number:
                assert "error" not in found, found["error"]
                return found["result"]
            self.events.append(found)

    def value(self, expression):
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, expression, what):
        end = time.monotonic() + 30
        while not self.value(expression):
            assert time.monotonic() < end, what
            time.sleep(0.05)

    def draw(self, file, dark=False, width=1280, height=900):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        time.sleep(0.3)
        image = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(image["data"]))

    def problems(self, address):
        """Requests to other hosts, exceptions, and warnings of the pages."""
        for event in self.events:
            parameters = event.get("params", {})
            if event["method"] == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                if not url.startswith((address, "data:", "about:")):
                    yield f"requests {url}"
            elif event["method"] == "Runtime.exceptionThrown" or parameters.get("entry", {}).get("level") in ("warning", "error"):
                yield json.dumps(parameters)

    def close(self):
        self.session = None
        self.call("Browser.close")
        self.process.wait(timeout=30)


def compare_page(browser, address):
    browser.call("Page.navigate", url=f"{address}/")
    browser.wait_for("document.querySelectorAll('#matrix tbody tr').length === 8", "the page compares its own sentences")
    assert browser.value("document.querySelector('#nearest span').textContent") == "Someone plays the guitar on stage."
    # Other sentences.
    sentences = ["The cat sleeps.", "A cat is asleep.", "<b>Prices</b> rose & rose."]
    browser.value("document.getElementById('sentences').focus(), document.getElementById('sentences').select()")
    browser.call("Input.insertText", text="\n".join(sentences))
    browser.value("document.getElementById('compare').click()")
    browser.wait_for("document.querySelectorAll('#matrix tbody tr').length === 3", "the page compares what is typed")
    nearest = browser.value("[...document.querySelectorAll('#nearest span')].map(item => item.textContent)")
    assert nearest == sentences[1:], nearest
    matrix = browser.value("[...document.querySelectorAll('#matrix tbody tr')].map(row => [...row.querySelectorAll('td')].map(cell => +cell.textContent))")
    for i in range(3):
        assert matrix[i][i] == 1, matrix
        for k in range(3):
            assert matrix[i][k] == matrix[k][i], matrix
    assert matrix[0][1] > matrix[0][2] + 0.2, matrix
    colours = browser.value("[...document.querySelectorAll('#matrix tbody tr:first-child td')].map(cell => getComputedStyle(cell).backgroundColor)")
    assert len(set(colours)) == 3, colours
    # The neighbours of another sentence.
    browser.value("document.querySelectorAll('#matrix tbody button')[2].click()")
    assert browser.value("document.getElementById('query').textContent") == sentences[2]
    # A single sentence.
    browser.value("document.getElementById('sentences').value = 'One.', document.getElementById('compare').click()")
    assert browser.value("document.getElementById('status').textContent") == "Enter at least two sentences."


def docs_page(browser, address):
    browser.call("Page.navigate", url=f"{address}/docs")
    browser.wait_for("document.querySelectorAll('details').length > 0", "the routes are shown")
    paths = browser.value("[...document.querySelectorAll('summary code')].map(code => code.textContent)")
    for path in ["/embed", "/embed_all", "/similarity", "/tokenize", "/info", "/v1/embeddings", "/v1/models", "/health", "/metrics"]:
        assert path in paths, paths
    fields = browser.value("document.querySelector('details').textContent")
    assert "inputs" in fields and "number[][]" in fields, fields


def token_page(browser, address):
    browser.call("Page.navigate", url=f"{address}/")
    browser.wait_for("document.getElementById('lock')?.hidden === false", "the page asks for the token")
    browser.value("document.getElementById('key').value = 's3cret', document.getElementById('compare').click()")
    browser.wait_for("document.querySelectorAll('#matrix tbody tr').length === 8", "the token is used")


def draw(browser, address, folder):
    folder.mkdir(parents=True, exist_ok=True)
    browser.call("Page.navigate", url=f"{address}/")
    browser.wait_for("document.querySelectorAll('#matrix tbody tr').length === 8", "the page loads")
    for dark in [False, True]:
        browser.draw(folder / f"page-{'dark' if dark else 'light'}.png", dark)
    browser.draw(folder / "page-narrow.png", width=420)
    browser.call("Page.navigate", url=f"{address}/docs")
    browser.wait_for("document.querySelectorAll('details').length > 0", "the routes load")
    browser.value("document.querySelector('details').open = true")
    browser.draw(folder / "docs-light.png")


def main(program, screenshots=None):
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if not chromium:
        return skipped("the server's pages: Chromium is not installed")
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(chromium, profile)
        with server(program) as address:
            compare_page(browser, address)
            docs_page(browser, address)
            if screenshots:
                draw(browser, address, pathlib.Path(screenshots))
            problems = list(browser.problems(address))
            assert not problems, problems
        with server(program, "--api-key", "s3cret") as address:
            token_page(browser, address)
        browser.close()
    print("pages in Chromium: passed")


main(*sys.argv[1:])
