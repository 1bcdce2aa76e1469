"""Encodes sentences as the PyTorch reference path does, and times it.

    pip install torch numpy safetensors
    cargo run --release -p gensen-bench --bin encode_speed -- make FOLDER
    python benches/peers/encode.py [OPTION]... FOLDER [CASE]...

FOLDER holds a model folder `model` and the sentences `snli.txt` and `news.txt`. The path is the
reference's: words are looked up one by one, batches are taken in input order, sorted within and
packed, `nn.GRU` runs over them, and each batch's vectors are copied to the host. With `--best`,
batches are of sentences of similar lengths, words travel packed, and vectors are copied once, at the
end. A case is `snli-32-f32`: the file, the batch size (1: one call a sentence) and `f32`, `bf16`
(embeddings and GRU) or `i8` (torch's dynamic quantisation, on the CPU). `first` encodes one sentence and ends; `vectors-f32=FILE`
writes the first 64 vectors as raw numbers. One JSON object a case is printed.
"""

import allocator  # noqa: F401, first: it may start the program again

import argparse
import json
import pathlib
import resource
import statistics
import time
import warnings

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch.utils.flop_counter import FlopCounterMode

FILES = ["snli-1", "snli-32", "snli-128", "news-32"]
CASES = [f"{file}-{precision}" for precision in ("f32", "bf16", "i8") for file in FILES]
BOS, PAD, EOS, UNK = range(4)
warnings.simplefilter("ignore")  # torch announces the move of its quantised layers to another package


class Encoder:
    def __init__(self, folder, precision, device):
        self.device = device
        words = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self.ids = {word: i for i, word in enumerate(words)}
        tensors = load_file(folder / "model.safetensors")
        rows, size = tensors["src_embedding.weight"].shape
        hidden = tensors["encoder.weight_hh_l0"].shape[1]
        self.embedding = nn.Embedding(rows, size)
        self.gru = nn.GRU(size, hidden, bidirectional="encoder.weight_hh_l0_reverse" in tensors, batch_first=True)
        self.embedding.weight.data = tensors.pop("src_embedding.weight").float()
        self.gru.load_state_dict({name.removeprefix("encoder."): tensor.float() for name, tensor in tensors.items()})
        self.embedding, self.gru = self.embedding.to(device), self.gru.to(device)
        if precision == "bf16":
            self.embedding, self.gru = self.embedding.bfloat16(), self.gru.bfloat16()
        if precision == "i8":
            holder = nn.ModuleDict({"gru": self.gru})
            self.gru = torch.ao.quantization.quantize_dynamic(holder, {nn.GRU}, dtype=torch.qint8)["gru"]

    def padded(self, sentences):
        """Ids and lengths, longest first, and their original positions."""
        batch = [[BOS, *(self.ids.get(word, UNK) for word in text.split()), EOS] for text in sentences]
        lengths = torch.tensor([len(ids) for ids in batch])
        lengths, order = lengths.sort(descending=True)
        longest = int(lengths[0])
        ids = torch.tensor([batch[i] + [PAD] * (longest - len(batch[i])) for i in order.tolist()])
        return ids, lengths, order

    @torch.no_grad()
    def encode(self, sentences, batch):
        """The last states [backward, forward] of each sentence."""
        vectors = []
        for start in range(0, len(sentences), batch):
            ids, lengths, order = self.padded(sentences[start : start + batch])
            packed = pack_padded_sequence(self.embedding(ids.to(self.device)), lengths, batch_first=True)
            _, last = self.gru(packed)
            vectors.append(torch.cat([last[1], last[0]], 1).float().cpu()[order.argsort()])
        return torch.cat(vectors)

    @torch.no_grad()
    def encode_best(self, sentences, batch):
        """The same vectors."""
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i].split()), reverse=True)
        vectors, places = [], []
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            ids, lengths, within = self.padded([sentences[i] for i in chosen])
            packed = pack_padded_sequence(ids, lengths, batch_first=True)
            words = packed.data.pin_memory() if self.device.type == "cuda" else packed.data
            words = self.embedding(words.to(self.device, non_blocking=True))
            _, last = self.gru(PackedSequence(words, packed.batch_sizes))
            vectors.append(torch.cat([last[1], last[0]], 1).float())
            places += [chosen[i] for i in within.tolist()]
        return torch.cat(vectors).cpu()[torch.tensor(places).argsort()]


def measure(folder, case, options):
    file, batch, precision = case.split("-")
    batch = int(batch)
    sentences = (folder / f"{file}.txt").read_text(encoding="utf-8").splitlines()
    sentences = sentences[: 128 if batch == 1 else max(2048, 8 * batch) if file == "snli" else 768]
    encoder = Encoder(folder / "model", precision, options.device)
    encode = encoder.encode_best if options.best else encoder.encode
    encode(sentences if options.passes > 1 else sentences[:batch], batch)
    wall, processor = [], []
    for _ in range(options.passes):
        started = time.perf_counter(), time.process_time()
        vectors = encode(sentences, batch)  # on the host: nothing is left to wait for
        wall.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
        assert len(vectors) == len(sentences)
    result = {
        "name": case,
        "sentences": len(sentences),
        "threads": torch.get_num_threads(),
        "seconds": statistics.median(wall),
        "cpu_seconds": statistics.median(processor),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    if options.device.type == "cuda":
        # Reserved memory, as for ours; only PyTorch could report the peak in use.
        result["device_peak_bytes"] = torch.cuda.max_memory_reserved(options.device)
        result["device_allocated_bytes"] = torch.cuda.max_memory_allocated(options.device)
    if options.operations:
        # Quantised products are not counted, but are as many.
        counted = Encoder(folder / "model", "f32", options.device) if precision == "i8" else encoder
        with FlopCounterMode(display=False) as operations:
            counted.encode_best(sentences, batch)
        result["operations"] = operations.get_total_flops()
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"), help="cpu, cuda, cuda:1")
    parser.add_argument("--passes", type=int, default=1, help="timed passes; of several, after one that is not timed")
    parser.add_argument("--tf32", action="store_true", help="tensor cores for f32 products, with 10 bits of precision")
    parser.add_argument("--operations", action="store_true", help="also count those of the products, in one more pass")
    parser.add_argument("--best", action="store_true", help="the same task written for speed")
    options = parser.parse_args()
    folder = options.folder
    # cuDNN's GRU uses TF32 by default, here and in libtorch.
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
    first = (folder / "snli.txt").read_text(encoding="utf-8").splitlines()[:64]
    for case in options.cases or CASES:
        what, _, place = case.partition("=")
        precision = what.removeprefix("vectors-") if place else "f32"
        if what == "first":
            Encoder(folder / "model", "f32", options.device).encode(first[:1], 1)
        elif place:
            encoder = Encoder(folder / "model", precision, options.device)
            vectors = encoder.encode_best(first, 16) if options.best else encoder.encode(first, 64)
            vectors.numpy().tofile(place)
        else:
            print(json.dumps(measure(folder, case, options)), flush=True)


main()
