"""Losses and gradients of the training objectives, as PyTorch has them.

    python objectives.py > objectives.json

A bidirectional GRU over packed sentences, its states pooled by mean, max or last, and each
objective on top of it, without dropout. Written: the model's weights, the batches, and for each
case its losses, the number of right answers and the gradient of every weight; for the last case
the weights after three steps of Adam, the embeddings' rate being another.
"""

import json

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

WORDS, EMBEDDING, HIDDEN, TEACHER, LABELS, UNITS = 20, 6, 8, 5, 4, 7
BOS, EOS = 0, 2


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.src_embedding = torch.nn.Embedding(WORDS, EMBEDDING)
        self.encoder = torch.nn.GRU(EMBEDDING, HIDDEN // 2, bidirectional=True, batch_first=True)
        self.distillation = torch.nn.Linear(HIDDEN, TEACHER)
        self.single = [torch.nn.Linear(HIDDEN, UNITS), torch.nn.Linear(UNITS, LABELS)]
        self.pair = [torch.nn.Linear(4 * HIDDEN, UNITS), torch.nn.Linear(UNITS, LABELS)]

    def weights(self):
        named = {"src_embedding.weight": self.src_embedding.weight}
        named |= {f"encoder.{k}": w for k, w in self.encoder.named_parameters()}
        for name, layer in [
            ("distillations.0.head", self.distillation),
            ("classifiers.0.hidden", self.single[0]),
            ("classifiers.0.output", self.single[1]),
            ("classifiers.1.hidden", self.pair[0]),
            ("classifiers.1.output", self.pair[1]),
        ]:
            named |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
        return named

    def encode(self, sentences, pooling):
        lengths = torch.tensor([len(s) for s in sentences])
        padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sentences], True, 1)
        packed = pack_padded_sequence(
            self.src_embedding(padded), lengths, batch_first=True, enforce_sorted=False
        )
        states, last = self.encoder(packed)
        states, _ = pad_packed_sequence(states, batch_first=True)
        real = (torch.arange(states.shape[1])[None, :] < lengths[:, None])[:, :, None]
        if pooling == "mean":
            return (states * real).sum(1) / lengths[:, None]
        if pooling == "max":
            return states.masked_fill(~real, -torch.inf).amax(1)
        return torch.cat([last[1], last[0]], 1)  # backward, forward


def contrast(model, batch, pooling, temperature, widths):
    first, second, negatives = batch["first"], batch["second"], batch["negatives"]
    negatives = [s for s in negatives if s]
    n = len(first)
    vectors = model.encode(first + second + negatives, pooling)
    mask = torch.zeros(n, n + len(negatives))
    for i in range(n):
        own = (first[i], second[i])
        for j in range(n):
            if i != j and (first[j] in own or second[j] in own):
                mask[i, j] = -torch.inf
        for j, negative in enumerate(negatives):
            if negative in own:
                mask[i, n + j] = -torch.inf
    losses = []
    for width in widths + [HIDDEN]:
        unit = F.normalize(vectors[:, :width], dim=1)
        logits = unit[:n] @ unit[n:].T / temperature + mask
        right = torch.arange(n)
        back = logits[:, :n].T
        losses.append((F.cross_entropy(logits, right) + F.cross_entropy(back, right)) / 2)
    return [torch.stack(losses).mean()], int((logits.argmax(1) == right).sum())


def distillation(model, batch, pooling, temperature, weights):
    vectors = model.encode(batch["sentences"], pooling)
    teacher = F.normalize(torch.tensor(batch["vectors"]), dim=1)
    mapped = F.normalize(model.distillation(vectors), dim=1)
    unit = F.normalize(vectors, dim=1)
    right = torch.arange(len(vectors))
    losses = [
        1 - (mapped * teacher).sum(1).mean(),
        F.cross_entropy(mapped @ teacher.T / temperature, right),
        F.mse_loss(unit @ unit.T, teacher @ teacher.T),
    ]
    return [w * loss for w, loss in zip(weights, losses) if w > 0], 0


def classification(model, batch, pooling):
    u = model.encode(batch["first"], pooling)
    hidden, output = model.single
    if batch["second"]:
        v = model.encode(batch["second"], pooling)
        u = torch.cat([u, v, (u - v).abs(), u * v], 1)
        hidden, output = model.pair
    logits = output(F.relu(hidden(u)))
    labels = torch.tensor(batch["labels"])
    return [F.cross_entropy(logits, labels)], int((logits.argmax(1) == labels).sum())


def rounded(tensor):
    return [float(f"{x:.8g}") for x in tensor.detach().flatten().tolist()]


def main():
    torch.manual_seed(7)
    torch.set_num_threads(1)
    model = Model()

    def sentence(length):
        return [BOS] + torch.randint(4, WORDS, (length,)).tolist() + [EOS]

    first = [sentence(k) for k in (3, 1, 6, 2, 4)]
    second = [sentence(k) for k in (2, 5, 1, 3, 7)]
    negatives = [sentence(4), [], sentence(2), [], []]
    batches = {
        "pairs": {"first": first, "second": second, "negatives": negatives},
        "without negatives": {"first": first, "second": second, "negatives": [[]] * 5},
        # A first sentence twice, a second one that is another pair's first, a second one twice, and
        # a hard negative that is the pair's own.
        "duplicates": {
            "first": [first[0], first[0], first[2], first[3], first[4], second[1]],
            "second": [second[0], second[1], first[3], second[3], second[3], first[1]],
            "negatives": [second[0], [], negatives[0], [], second[3], []],
        },
        "distillation": {"sentences": first, "vectors": torch.randn(5, TEACHER).tolist()},
        "single": {"first": first, "second": [], "labels": [0, 3, 1, 1, 2]},
        "pair": {"first": first, "second": second, "labels": [2, 0, 3, 1, 1]},
    }
    weights = {name: rounded(w) for name, w in model.weights().items()}
    cases = []

    def add(batch, pooling, objective, *rest, **settings):
        model.zero_grad()
        losses, correct = objective(model, batches[batch], pooling, *rest)
        sum(losses).backward()
        grads = {k: rounded(w.grad) for k, w in model.weights().items() if w.grad is not None}
        cases.append(
            {
                "batch": batch,
                "pooling": pooling,
                "losses": [loss.item() for loss in losses],
                "correct": correct,
                "gradients": grads,
                **settings,
            }
        )

    def zero_grad():
        for w in model.weights().values():
            w.grad = None

    model.zero_grad = zero_grad
    for pooling in ("last", "mean", "max"):
        add("pairs", pooling, contrast, 0.05, [], temperature=0.05, widths=[])
        for batch in ("single", "pair"):
            add(batch, pooling, classification)
        weights_of = [1.0, 0.2, 10.0]
        add("distillation", pooling, distillation, 0.05, weights_of, temperature=0.05, weights=weights_of)
    add("without negatives", "mean", contrast, 0.1, [], temperature=0.1, widths=[])
    add("pairs", "mean", contrast, 0.1, [2, 5], temperature=0.1, widths=[2, 5])
    add("duplicates", "mean", contrast, 0.1, [3], temperature=0.1, widths=[3])
    some = [0.0, 1.5, 2.0]
    add("distillation", "mean", distillation, 0.1, some, temperature=0.1, weights=some)

    embedding = model.src_embedding.weight
    others = [w for w in model.weights().values() if w is not embedding]
    adam = torch.optim.Adam([{"params": others, "lr": 0.01}, {"params": [embedding], "lr": 0.003}])
    for _ in range(3):
        zero_grad()
        losses, _ = distillation(model, batches["distillation"], "mean", 0.05, [1.0, 0.2, 10.0])
        sum(losses).backward()
        torch.nn.utils.clip_grad_norm_(list(model.weights().values()), 0.5, foreach=False)
        adam.step()
    stepped = {name: rounded(w) for name, w in model.weights().items()}
    shapes = {name: list(w.shape) for name, w in model.weights().items()}
    golden = {"shapes": shapes, "weights": weights, "batches": batches, "cases": cases}
    golden["after three steps"] = stepped
    print(json.dumps(golden, separators=(",", ":")))


main()
