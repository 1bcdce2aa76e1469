"""The server with real clients: openai, huggingface_hub's InferenceClient, curl.

    python crates/gensen-serve/tests/clients.py target/release/gensen
"""

import importlib.util
import json
import math
import shutil
import subprocess
import sys
import urllib.request

from server import server, skipped

TEXTS = ["A man is playing a guitar.", "Someone plays the guitar.", "Naïve café, 2,000!"]


def embed(address, texts, **fields):
    """The vectors by a plain HTTP request."""
    body = json.dumps({"inputs": texts, **fields}).encode()
    request = urllib.request.Request(f"{address}/embed", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def assert_close(found, expected, most=1e-6):
    assert len(found) == len(expected), (len(found), len(expected))
    difference = max(abs(a - b) for a, b in zip(found, expected))
    assert difference <= most, f"largest difference {difference}"


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def with_openai(address):
    import openai

    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    expected = embed(address, TEXTS)
    # By default the package requests base64 and decodes it.
    for fields in [{}, {"encoding_format": "float"}]:
        answer = client.embeddings.create(model="english", input=TEXTS, **fields)
        assert answer.model == "english" and answer.object == "list"
        assert answer.usage.prompt_tokens == answer.usage.total_tokens > len(TEXTS)
        assert [row.index for row in answer.data] == [0, 1, 2]
        for row, vector in zip(answer.data, expected):
            assert_close(row.embedding, vector)
    one = client.embeddings.create(model="english", input=TEXTS[0], dimensions=64).data[0].embedding
    assert len(one) == 64 and abs(math.hypot(*one) - 1) < 1e-5
    assert [model.id for model in client.models.list()] == ["english"]
    assert client.models.retrieve("english").id == "english"
    error = refused(openai.NotFoundError, lambda: client.embeddings.create(model="other", input="a"))
    assert error.code == "model_not_found" and error.param == "model", error
    error = refused(openai.BadRequestError, lambda: client.embeddings.create(model="english", input=[1, 2]))
    assert "token ids are not accepted" in error.message, error
    long = ["word " * 5000]
    error = refused(openai.APIStatusError, lambda: client.embeddings.create(model="english", input=long))
    assert error.status_code == 413 and "5002 words" in error.message, error


def with_openai_and_token(program):
    import openai

    with server(program, "--api-key", "s3cret") as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="s3cret", max_retries=0)
        assert len(client.embeddings.create(model="english", input="a").data[0].embedding) == 1024
        stranger = client.with_options(api_key="wrong")
        error = refused(openai.AuthenticationError, lambda: stranger.embeddings.create(model="english", input="a"))
        assert error.code == "invalid_api_key", error


def with_hugging_face(address):
    import huggingface_hub

    expected = embed(address, TEXTS)
    for client in [huggingface_hub.InferenceClient(address), huggingface_hub.InferenceClient(f"{address}/embed")]:
        for text, vector in zip(TEXTS, expected):
            found = client.feature_extraction(text)
            assert found.shape == (1, 1024), found.shape
            assert_close(found[0].tolist(), vector)
    client = huggingface_hub.InferenceClient(address)
    raw = client.feature_extraction(TEXTS[0], normalize=False, truncate=True, truncation_direction="Right")
    assert_close(raw[0].tolist(), embed(address, TEXTS[0], normalize=False)[0])
    similar = huggingface_hub.InferenceClient(f"{address}/similarity")
    near, far = similar.sentence_similarity(TEXTS[0], [TEXTS[1], "Shares fell on Monday."])
    assert near > far + 0.2, (near, far)


def with_curl(address):
    def curl(*arguments):
        command = ["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}", *arguments]
        text, status = subprocess.run(command, check=True, capture_output=True, text=True).stdout.rsplit("\n", 1)
        return int(status), text

    json_type = ["--header", "Content-Type: application/json"]
    status, text = curl(f"{address}/embed", *json_type, "--data", json.dumps({"inputs": TEXTS}))
    assert status == 200 and json.loads(text) == embed(address, TEXTS)
    status, text = curl(f"{address}/embed", "--data", '{"inputs": "a"}')
    assert status == 415 and "application/json" in text, (status, text)
    assert curl(f"{address}/health") == (200, "")
    # curl sends `Expect: 100-continue` before a large body.
    large = json.dumps({"inputs": "a" * 3_000_000})
    process = ["curl", "--silent", "--write-out", "%{http_code}", "--output", "-", *json_type, "--data", "@-", f"{address}/embed"]
    answer = subprocess.run(process, input=large, check=True, capture_output=True, text=True).stdout
    assert answer.endswith("413") and "larger than the limit" in answer, answer


def main(program):
    has = lambda package: importlib.util.find_spec(package) is not None
    with server(program) as address:
        for name, is_there, test in [
            ("openai", has("openai"), with_openai),
            ("huggingface_hub", has("huggingface_hub"), with_hugging_face),
            ("curl", shutil.which("curl"), with_curl),
        ]:
            if is_there:
                test(address)
                print(f"{name}: passed")
            else:
                skipped(f"the server's test with {name}: it is not installed")
    if has("openai"):
        with_openai_and_token(program)
        print("openai with a token: passed")


main(sys.argv[1])
