"""Peers of `gensen serve`: encoders behind FastAPI, as its documentation shows.

    venv/bin/pip install fastapi uvicorn sentence-transformers     # and this project's Python package, for gensen
    venv/bin/python benches/peers/serve.py gensen --port 8001
    venv/bin/python benches/peers/serve.py minilm --port 8002 [--model FOLDER]

Both serve text-embeddings-inference's `POST /embed`: {"inputs": [...]} to a list of normalised vectors.
"""

import allocator  # noqa: F401, first: it may start the program again

import argparse

import fastapi
import pydantic
import uvicorn


class Request(pydantic.BaseModel):
    inputs: str | list[str]


def encoder(name, model):
    """A function from texts to normalised vectors."""
    if name == "gensen":
        import gensen

        encoder = gensen.SentenceEncoder(model or "english")
    else:
        import sentence_transformers

        encoder = sentence_transformers.SentenceTransformer(model or "sentence-transformers/all-MiniLM-L6-v2", device="cpu")
    return lambda texts: encoder.encode(texts, normalize_embeddings=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=["gensen", "minilm"])
    parser.add_argument("--model")
    parser.add_argument("--port", type=int, default=8001)
    arguments = parser.parse_args()
    encode = encoder(arguments.name, arguments.model)
    encode(["warm up"])
    app = fastapi.FastAPI()

    # Without `async`, FastAPI runs this on its thread pool, so that it does not block the event loop.
    @app.post("/embed")
    def embed(request: Request) -> list[list[float]]:
        texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
        return encode(texts).tolist()

    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


main()
