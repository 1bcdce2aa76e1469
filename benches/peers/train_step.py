"""Times a training step of the reference's model in PyTorch.

    pip install torch numpy
    python benches/peers/train_step.py [OPTION]... paper|small|encoder

The model is the reference's skip-thought task: a bidirectional packed GRU encoder, two conditional
GRU decoders that go word by word with a context term in each gate, a softmax over all words with
padding masked by weight, clipping by the global norm, Adam. `--best` is the same task as one would
write it for speed today: everything packed, each decoder one call of `nn.GRU` with the context as a
part of every step's input (the same gates), the softmax over real words alone, fused Adam. `--check`
compares the losses and gradients of both. Prints one JSON object.
Sentence vectors' objectives (`objectives.py`) are written for speed alone; their `--check` compares the same, written
plainly. `cargo run --release -p gensen-bench --bin train_step` measures the same on our side.
"""

import allocator  # noqa: F401, first: it may start the program again

import argparse
import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils.flop_counter import FlopCounterMode

import objectives

PAD = 1
SIZES = {  # embedding, encoder width, decoder width, source words, target words
    "paper": (512, 2048, 2048, 80_000, 30_000),
    "small": (256, 512, 512, 20_000, 20_000),
    "encoder": (512, 2048, 0, 1_000, 0),
}


def lengths(sentences, stride):
    """Lengths from 7 to 27, with mean 17; `stride` determines their order."""
    return [7 + (i * stride % sentences) * 20 // (sentences - 1) for i in range(sentences)]


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


class Reference(nn.Module):
    """The model and its loss, the way the reference implementation computes it."""

    def __init__(self, size):
        super().__init__()
        embedding, width, state, source, target = SIZES[size]
        self.encoder = Encoder(embedding, width, source)
        self.decoders = nn.ModuleList(Decoder(embedding, state, width, target) for _ in range(2))
        # Part of the model, but unused in this task.
        self.inference = nn.Sequential(nn.Linear(4 * width, 512), nn.Linear(512, 3))
        mask = torch.ones(target)
        mask[PAD] = 0
        self.loss = nn.CrossEntropyLoss(weight=mask)

    def prepared(self, batch):
        return batch

    def forward(self, batch):
        source, lengths, targets = batch
        device = self.loss.weight.device
        _, context = self.encoder(source.to(device), lengths)
        loss = 0
        for decoder, (inputs, outputs, _) in zip(self.decoders, targets):
            logits = decoder(inputs.to(device), context)
            loss = loss + self.loss(logits.flatten(0, 1), outputs.to(device).flatten())
        return loss


class WholeDecoder(nn.Module):
    """A decoder with the weights of another, all time steps in one call."""

    def __init__(self, decoder):
        super().__init__()
        x, c, h = decoder.input, decoder.context, decoder.hidden
        self.embedding, self.output = decoder.embedding, decoder.output
        self.gru = nn.GRU(x.in_features + c.in_features, h.in_features)
        self.gru.weight_ih_l0.data = torch.cat([x.weight, c.weight], 1).data
        self.gru.bias_ih_l0.data = (x.bias + c.bias).data
        self.gru.weight_hh_l0.data, self.gru.bias_hh_l0.data = h.weight.data, h.bias.data

    def forward(self, ids, rows, context):
        x = torch.cat([self.embedding(ids.data), context.index_select(0, rows)], 1)
        states, _ = self.gru(PackedSequence(x, *ids[1:]), context.unsqueeze(0))
        return self.output(states.data)


class Best(nn.Module):
    """The model of a [`Reference`] and its loss, with the same weights."""

    def __init__(self, reference):
        super().__init__()
        self.encoder, self.inference = reference.encoder, reference.inference
        self.decoders = nn.ModuleList(map(WholeDecoder, reference.decoders))

    def prepared(self, batch):
        """Packs words, and beside each target word its sentence: what a data loader does ahead of time."""

        def pack(ids, lengths):
            packed = pack_padded_sequence(ids, lengths, batch_first=True, enforce_sorted=False)
            return packed.pin_memory() if torch.cuda.is_available() else packed

        source, lengths, targets = batch
        rows = torch.arange(len(lengths)).unsqueeze(1)
        return pack(source, lengths), [
            (pack(inputs, words), pack(outputs, words), pack(rows.expand_as(inputs), words))
            for inputs, outputs, words in targets
        ]

    def forward(self, batch):
        source, targets = batch
        device = self.encoder.embedding.weight.device
        source = source.to(device, non_blocking=True)
        words = self.encoder.embedding(source.data)
        _, last = self.encoder.gru(PackedSequence(words, *source[1:]))
        context = torch.cat([last[1], last[0]], 1)
        loss = 0
        for decoder, packed in zip(self.decoders, targets):
            inputs, outputs, rows = (x.to(device, non_blocking=True) for x in packed)
            loss = loss + cross_entropy(decoder(inputs, rows.data, context), outputs.data)
        return loss


class Training:
    """Each call is one step of skip-thought training."""

    def __init__(self, options, best):
        source, target = SIZES[options.size][3:]
        model = Reference(options.size)
        order = sorted(lengths(options.batch, 1), reverse=True)
        targets = [lengths(options.batch, k) for k in (5, 7)]
        targets = [(padded(words, target), padded(words, target), words) for words in targets]
        batch = (padded(order, source), order, targets)
        if best:
            model = Best(model)
        self.start(model, model.prepared(batch), options, best or options.fused)

    def start(self, model, batch, options, fused):
        mixed = options.precision != "f32"
        self.autocast = lambda: torch.autocast(options.device.type, torch.bfloat16, enabled=mixed)
        self.model, self.batch = model.to(options.device), batch
        self.parameters = list(model.parameters())
        self.adam = torch.optim.Adam(self.parameters, lr=1e-4, fused=True if fused else None)

    def loss(self):
        with self.autocast():
            return self.model(self.batch)

    def __call__(self):
        self.adam.zero_grad()
        loss = self.loss()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.adam.step()
        loss.item()


class ObjectiveTraining(Training):
    """Each call is one step of an objective of sentence vectors."""

    def __init__(self, options):
        model = objectives.Objective(options.size)
        self.start(model, model.prepared(options.batch, lengths), options, True)


class Encoding:
    """Each call is one forward and backward pass of the encoder."""

    def __init__(self, options):
        embedding, width, _, words, _ = SIZES["encoder"]
        self.encoder = Encoder(embedding, width, words).to(options.device)
        self.lengths = sorted(lengths(options.batch, 1), reverse=True)
        self.ids = padded(self.lengths, words)
        self.weight = torch.rand(options.batch, max(self.lengths), width).to(options.device)

    def __call__(self):
        self.encoder.zero_grad()
        states, _ = self.encoder(self.ids.to(self.weight.device), self.lengths)
        (states * self.weight).sum().backward()


def compared(options, losses, gradients):
    """The largest differences between two paths, relatively: of losses, of what gradients they share."""
    apart = [(x - gradients[1][name]).norm() / x.norm() for name, x in gradients[0].items()]
    result = {"name": options.size, "reference_loss": losses[0], "best_loss": losses[1]}
    result |= {"loss_difference": abs(losses[1] / losses[0] - 1), "gradient_difference": max(apart).item()}
    bounds = (1e-5, 1e-4) if options.precision == "f32" and not options.tf32 else (1e-2, 0.1)
    assert result["loss_difference"] < bounds[0] and result["gradient_difference"] < bounds[1], result
    return result


def check_objective(options):
    torch.manual_seed(1)
    training = ObjectiveTraining(options)
    losses, gradients = [], []
    for loss in (training.model.plain_loss(training.batch), training.loss()):
        training.adam.zero_grad()
        loss.backward()
        losses.append(loss.item())
        gradients.append({name: p.grad for name, p in training.model.named_parameters()})
    return compared(options, losses, gradients)


def check(options):
    """Compares the reference's path with the one written for speed."""
    losses, gradients = [], []
    for best in (False, True):
        torch.manual_seed(1)
        training = Training(options, best)
        loss = training.loss()
        loss.backward()
        losses.append(loss.item())
        model = training.model
        shared = {f"encoder.{name}": p.grad for name, p in model.encoder.named_parameters()}
        for k, decoder in enumerate(model.decoders):
            if best:
                inputs, hidden = decoder.gru.weight_ih_l0.grad, decoder.gru.weight_hh_l0.grad
            else:
                inputs = torch.cat([decoder.input.weight.grad, decoder.context.weight.grad], 1)
                hidden = decoder.hidden.weight.grad
            words, output = decoder.embedding.weight.grad, decoder.output.weight.grad
            shared |= {f"{k}.inputs": inputs, f"{k}.hidden": hidden, f"{k}.words": words, f"{k}.output": output}
        gradients.append(shared)
    return compared(options, losses, gradients)


def measure(options):
    torch.manual_seed(1)
    if options.size in objectives.CASES:
        step = ObjectiveTraining(options)
    else:
        step = Encoding(options) if options.size == "encoder" else Training(options, options.best)
    cuda = options.device.type == "cuda"

    def wait():
        if cuda:
            torch.cuda.synchronize(options.device)

    for _ in range(options.warm_up):
        step()
    wall, processor = [], []
    for _ in range(options.steps):
        wait()
        started = time.perf_counter(), time.process_time()
        step()
        wait()
        wall.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    result = {
        "name": options.size,
        "seconds": statistics.median(wall),
        "cpu_seconds": statistics.median(processor),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "threads": options.threads,
    }
    if cuda:
        # Reserved memory, as for ours; only PyTorch could report the peak in use.
        result["device_peak_bytes"] = torch.cuda.max_memory_reserved(options.device)
        result["device_allocated_bytes"] = torch.cuda.max_memory_allocated(options.device)
    if options.operations:
        with FlopCounterMode(display=False) as operations:
            step()
        result["operations"] = operations.get_total_flops()
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=[*SIZES, *objectives.CASES])
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"), help="cpu, cuda, cuda:1")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=48, help="sentences a step")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="bf16: by autocast")
    parser.add_argument("--tf32", action="store_true", help="tensor cores for f32 products, with 10 bits of precision")
    parser.add_argument("--warm-up", type=int, default=1, help="steps before the timed ones")
    parser.add_argument("--steps", type=int, default=3, help="timed steps")
    parser.add_argument("--fused", action="store_true", help="PyTorch's fused Adam")
    parser.add_argument("--operations", action="store_true", help="also count those of the products, in one more step")
    parser.add_argument("--best", action="store_true", help="the same task written for speed")
    parser.add_argument("--check", action="store_true", help="compare the reference's path with --best")
    options = parser.parse_args()
    if options.size == "encoder" and (options.best or options.check or options.precision != "f32"):
        parser.error("encoder: neither --best, --check nor --precision")
    torch.set_num_threads(options.threads)
    # cuDNN's GRU uses TF32 by default, here and in libtorch.
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
    if options.check:
        torch.backends.cudnn.allow_tf32 = options.tf32
    checked = check_objective if options.size in objectives.CASES else check
    print(json.dumps(checked(options) if options.check else measure(options)))


if __name__ == "__main__":
    main()
