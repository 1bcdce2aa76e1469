"""Encodes sentences as the PyTorch reference path does, and times it.

    pip install torch numpy safetensors
    cargo run --release -p gensen-model --example encode_speed -- make FOLDER
    python benches/peers/encode.py FOLDER [CASE]...

FOLDER holds a model folder `model` and the sentences `snli.txt` and `news.txt`. The path is the
reference's: words are looked up one by one, batches are taken in input order, sorted within and
packed, and `nn.GRU` runs over them. A case is `snli-32-f32`: the file, the batch size (1: one call a
sentence) and `f32` or `i8` (torch's dynamic quantisation). `first` encodes one sentence and ends;
`vectors-f32=FILE` writes the first 64 vectors as raw numbers. One JSON object a case is printed.
"""

import json
import pathlib
import resource
import sys
import time
import warnings

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

CASES = ["snli-1-f32", "snli-32-f32", "snli-128-f32", "news-32-f32", "snli-1-i8", "snli-32-i8", "snli-128-i8", "news-32-i8"]
BOS, PAD, EOS, UNK = range(4)
warnings.simplefilter("ignore")  # torch says that its quantised layers will move to another package


class Encoder:
    def __init__(self, folder, precision):
        words = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self.ids = {word: i for i, word in enumerate(words)}
        tensors = load_file(folder / "model.safetensors")
        rows, size = tensors["src_embedding.weight"].shape
        hidden = tensors["encoder.weight_hh_l0"].shape[1]
        self.embedding = nn.Embedding(rows, size)
        self.gru = nn.GRU(size, hidden, bidirectional="encoder.weight_hh_l0_reverse" in tensors, batch_first=True)
        self.embedding.weight.data = tensors.pop("src_embedding.weight").float()
        self.gru.load_state_dict({name.removeprefix("encoder."): tensor.float() for name, tensor in tensors.items()})
        if precision == "i8":
            holder = nn.ModuleDict({"gru": self.gru})
            self.gru = torch.ao.quantization.quantize_dynamic(holder, {nn.GRU}, dtype=torch.qint8)["gru"]

    @torch.no_grad()
    def encode(self, sentences):
        """The last states [backward, forward] of one batch, in input order."""
        batch = [[BOS, *(self.ids.get(word, UNK) for word in text.split()), EOS] for text in sentences]
        lengths = torch.tensor([len(ids) for ids in batch])
        lengths, order = lengths.sort(descending=True)
        longest = int(lengths[0])
        padded = torch.tensor([batch[i] + [PAD] * (longest - len(batch[i])) for i in order.tolist()])
        packed = pack_padded_sequence(self.embedding(padded), lengths, batch_first=True)
        _, last = self.gru(packed)
        vectors = torch.cat([last[1], last[0]], 1)
        return vectors[order.argsort()]


def measure(folder, case):
    file, batch, precision = case.split("-")
    batch = int(batch)
    sentences = (folder / f"{file}.txt").read_text(encoding="utf-8").splitlines()
    sentences = sentences[: 128 if batch == 1 else 2048 if file == "snli" else 768]
    encoder = Encoder(folder / "model", precision)
    encoder.encode(sentences[:batch])
    wall, processor = time.perf_counter(), time.process_time()
    vectors = [encoder.encode(sentences[i : i + batch]) for i in range(0, len(sentences), batch)]
    assert sum(map(len, vectors)) == len(sentences)
    seconds, processor = time.perf_counter() - wall, time.process_time() - processor
    return {
        "name": case,
        "sentences": len(sentences),
        "threads": torch.get_num_threads(),
        "seconds": seconds,
        "cpu_seconds": processor,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def main():
    folder, *cases = sys.argv[1:]
    folder = pathlib.Path(folder)
    first = (folder / "snli.txt").read_text(encoding="utf-8").splitlines()[:64]
    for case in cases or CASES:
        what, _, place = case.partition("=")
        if what == "first":
            Encoder(folder / "model", "f32").encode(first[:1])
        elif place:
            vectors = Encoder(folder / "model", what.removeprefix("vectors-")).encode(first)
            vectors.numpy().tofile(place)
        else:
            print(json.dumps(measure(folder, case)), flush=True)


main()
