"""The peers of `gensen serve`: an encoder behind FastAPI, in the way their documentation shows it.

    venv/bin/pip install fastapi uvicorn sentence-transformers     # and this project's Python package, for gensen
    venv/bin/python benches/peers/serve.py gensen --port 8001
    venv/bin/python benches/peers/serve.py minilm --port 8002 [--model FOLDER]

Both answer `POST /embed` as text-embeddings-inference does: {"inputs": [...]}, a vector of length 1 for each.
"""

import argparse

import fastapi
import pydantic
import uvicorn


class Request(pydantic.BaseModel):
    inputs: str | list[str]


def encoder(name, model):
    """Texts to an array of vectors of length 1."""
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

    # No `async`: FastAPI runs it on a thread of its pool, so that connections are served meanwhile.
    @app.post("/embed")
    def embed(request: Request) -> list[list[float]]:
        texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
        return encode(texts).tolist()

    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


main()
