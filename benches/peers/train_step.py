"""Times a training step of the reference's model in PyTorch on the CPU.

    pip install torch numpy
    python benches/peers/train_step.py [--threads N] [--steps N] [--fused] paper|small|encoder

The model is the reference's skip-thought task: a bidirectional packed GRU encoder, two conditional
GRU decoders that go word by word with a context term in each gate, a softmax over all words with
padding masked by weight, clipping by the global norm, Adam. Prints one JSON object.
`cargo run --release -p gensen-train --example train_step` measures the same on our side.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

PAD = 1
SENTENCES = 48
SIZES = {  # embedding, encoder width, decoder width, source words, target words
    "paper": (512, 2048, 2048, 80_000, 30_000),
    "small": (256, 512, 512, 20_000, 20_000),
    "encoder": (512, 2048, 0, 1_000, 0),
}


def lengths(stride):
    """From 7 to 27, 17 in the mean, in an order of its own for each stride."""
    return [7 + (i * stride % SENTENCES) * 20 // (SENTENCES - 1) for i in range(SENTENCES)]


def padded(lengths, words):
    ids = torch.full((len(lengths), max(lengths)), PAD)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(4, words, (length,))
    return ids


class Encoder(nn.Module):
    def __init__(self, embedding, width, words):
        super().__init__()
        self.embedding = nn.Embedding(words, embedding)
        self.gru = nn.GRU(embedding, width // 2, bidirectional=True, batch_first=True)

    def forward(self, ids, lengths):
        packed = pack_padded_sequence(self.embedding(ids), lengths, batch_first=True)
        states, last = self.gru(packed)
        states, _ = pad_packed_sequence(states, batch_first=True)
        return states, torch.cat([last[1], last[0]], 1)


class Decoder(nn.Module):
    def __init__(self, embedding, width, context, words):
        super().__init__()
        self.embedding = nn.Embedding(words, embedding)
        self.input = nn.Linear(embedding, 3 * width)
        self.hidden = nn.Linear(width, 3 * width)
        self.context = nn.Linear(context, 3 * width)
        self.output = nn.Linear(width, words)

    def step(self, x, state, context):
        x_r, x_z, x_n = self.input(x).chunk(3, 1)
        h_r, h_z, h_n = self.hidden(state).chunk(3, 1)
        c_r, c_z, c_n = self.context(context).chunk(3, 1)
        r = torch.sigmoid(x_r + h_r + c_r)
        z = torch.sigmoid(x_z + h_z + c_z)
        n = torch.tanh(x_n + r * h_n + c_n)
        return n + z * (state - n)

    def forward(self, ids, context):
        state, states = context, []
        for x in self.embedding(ids).transpose(0, 1):
            state = self.step(x, state, context)
            states.append(state)
        return self.output(torch.stack(states, 1))


class Training:
    """One step of skip-thought training a call."""

    def __init__(self, size, fused):
        embedding, width, state, source, target = SIZES[size]
        self.encoder = Encoder(embedding, width, source)
        self.decoders = nn.ModuleList(Decoder(embedding, state, width, target) for _ in range(2))
        # Part of the model, but without a part in this task.
        self.inference = nn.Sequential(nn.Linear(4 * width, 512), nn.Linear(512, 3))
        mask = torch.ones(target)
        mask[PAD] = 0
        self.loss = nn.CrossEntropyLoss(weight=mask)
        modules = nn.ModuleList([self.encoder, self.decoders, self.inference])
        self.parameters = list(modules.parameters())
        self.adam = torch.optim.Adam(self.parameters, lr=1e-4, fused=fused)
        self.lengths = sorted(lengths(1), reverse=True)
        self.source = padded(self.lengths, source)
        self.targets = [(padded(lengths(k), target), padded(lengths(k), target)) for k in (5, 7)]

    def __call__(self):
        self.adam.zero_grad()
        _, context = self.encoder(self.source, self.lengths)
        loss = 0
        for decoder, (inputs, outputs) in zip(self.decoders, self.targets):
            logits = decoder(inputs, context)
            loss = loss + self.loss(logits.flatten(0, 1), outputs.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.adam.step()
        loss.item()


class Encoding:
    """One forward and backward pass of the encoder a call."""

    def __init__(self):
        embedding, width, _, words, _ = SIZES["encoder"]
        self.encoder = Encoder(embedding, width, words)
        self.lengths = sorted(lengths(1), reverse=True)
        self.ids = padded(self.lengths, words)
        self.weight = torch.rand(SENTENCES, max(self.lengths), width)

    def __call__(self):
        self.encoder.zero_grad()
        states, _ = self.encoder(self.ids, self.lengths)
        (states * self.weight).sum().backward()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=3, help="timed steps after a warm-up")
    parser.add_argument("--fused", action="store_true", help="PyTorch's fused Adam")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    fused = True if arguments.fused else None
    step = Encoding() if arguments.size == "encoder" else Training(arguments.size, fused)
    step()
    wall, processor = [], []
    for _ in range(arguments.steps):
        started = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    result = {
        "name": arguments.size,
        "seconds": statistics.median(wall),
        "cpu_seconds": statistics.median(processor),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "threads": arguments.threads,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
