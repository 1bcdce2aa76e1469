"""The objectives of `train_step.py` that compare or label sentence vectors.

Sizes are near those of `configs/english.toml`: 28,000 words of 256 numbers, a GRU of 512 a direction, means of states. Written
for speed: one GRU call on all sentences, packed and sorted by length. `plain_loss` is the same objective written
plainly, a sentence at a time, for `--check`.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, normalize, relu
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

WORDS, EMBEDDING, WIDTH, TEACHER, UNITS, LABELS = 28_000, 256, 1_024, 384, 512, 3
TEMPERATURE = 0.05
MATRIX, CONTRAST = 10.0, 0.2  # weights of distillation's losses beside the cosine's
CASES = ("pairs", "hard-negatives", "next-sentence", "distillation", "classification", "pair-classification")


def words_of(case, batch, lengths):
    """Sentences as lists of words: one, two or three an example, all first ones before all second ones."""
    groups = {"distillation": 1, "classification": 1, "hard-negatives": 3}.get(case, 2)
    drawn = [[torch.randint(4, WORDS, (n,)) for n in lengths(batch, k)] for k in (1, 5, 7)[:groups]]
    if case == "next-sentence":
        # Every eighth pair's second sentence is the next pair's first.
        first, second = drawn
        for k in range(0, batch - 1, 8):
            first[k + 1] = second[k]
    return [sentence for group in drawn for sentence in group]


def mask_of(sentences, n):
    """Added to the logits [n, candidates]: minus infinity for what is no negative, because the pairs have a sentence in
    common."""
    numbers = {}
    ids = [numbers.setdefault(tuple(s.tolist()), len(numbers)) for s in sentences]
    own = torch.tensor([ids[:n], ids[n : 2 * n]]).T
    common = (own[:, None, :, None] == own[None, :, None, :]).flatten(2).any(2)
    common.fill_diagonal_(False)
    negatives = (own[:, None, :] == torch.tensor(ids[2 * n :])[None, :, None]).any(2)
    masked = torch.cat([common, negatives], 1)
    return torch.zeros(masked.shape).masked_fill(masked, -torch.inf) if masked.any() else None


class Objective(nn.Module):
    """A model with the head that a case needs."""

    def __init__(self, case):
        super().__init__()
        self.case = case
        self.embedding = nn.Embedding(WORDS, EMBEDDING)
        self.gru = nn.GRU(EMBEDDING, WIDTH // 2, bidirectional=True, batch_first=True)
        if case == "distillation":
            self.head = nn.Linear(WIDTH, TEACHER)
        elif case.endswith("classification"):
            features = 4 * WIDTH if case == "pair-classification" else WIDTH
            self.hidden, self.output = nn.Linear(features, UNITS), nn.Linear(UNITS, LABELS)

    def prepared(self, batch, lengths):
        """The work of a data loader, outside the timed step."""
        sentences = words_of(self.case, batch, lengths)
        counts = torch.tensor([len(s) for s in sentences])
        padded = nn.utils.rnn.pad_sequence(sentences, batch_first=True)
        packed = pack_padded_sequence(padded, counts, batch_first=True, enforce_sorted=False)
        compares = not self.case.endswith("classification") and self.case != "distillation"
        return {
            "examples": batch,
            "sentences": sentences,
            "packed": packed,
            "counts": counts[:, None],
            "mask": mask_of(sentences, batch) if compares else None,
            "teacher": normalize(torch.randn(batch, TEACHER), dim=1),
            "labels": torch.randint(LABELS, (batch,)),
        }

    def encode(self, packed, counts):
        states, _ = self.gru(PackedSequence(self.embedding(packed.data), *packed[1:]))
        # Padding is zero.
        return pad_packed_sequence(states, batch_first=True)[0].float().sum(1) / counts

    def forward(self, batch):
        vectors = self.encode(batch["packed"], batch["counts"])
        n = batch["examples"]
        if self.case == "distillation":
            return self.distillation(vectors, batch["teacher"])
        if self.case.endswith("classification"):
            return cross_entropy(self.logits(vectors, n), batch["labels"])
        unit = normalize(vectors, dim=1)
        logits = unit[:n] @ unit[n:].T / TEMPERATURE
        if batch["mask"] is not None:
            logits = logits + batch["mask"]
        right = torch.arange(n)
        return (cross_entropy(logits, right) + cross_entropy(logits[:, :n].T, right)) / 2

    def distillation(self, vectors, teacher):
        mapped, unit = normalize(self.head(vectors), dim=1), normalize(vectors, dim=1)
        cosines = mapped @ teacher.T
        contrast = cross_entropy(cosines / TEMPERATURE, torch.arange(len(vectors)))
        matrix = mse_loss(unit @ unit.T, teacher @ teacher.T)
        return 1 - (mapped * teacher).sum(1).mean() + CONTRAST * contrast + MATRIX * matrix

    def logits(self, vectors, n):
        u = vectors[:n]
        if self.case == "pair-classification":
            v = vectors[n:]
            u = torch.cat([u, v, (u - v).abs(), u * v], 1)
        return self.output(relu(self.hidden(u)))

    def plain_loss(self, batch):
        """The same, one sentence and one pair at a time."""
        sentences, n = batch["sentences"], batch["examples"]
        vectors = [self.gru(self.embedding(sentence[None]))[0][0].mean(0) for sentence in sentences]
        cosine = torch.cosine_similarity

        def cross(scores, right):
            """Of one example, by scores that may be left out."""
            return torch.stack([s for s in scores if s is not None]).logsumexp(0) - scores[right]

        if self.case == "distillation":
            loss, teacher = 0, batch["teacher"]
            for i in range(n):
                scores = [cosine(self.head(vectors[i]), t, dim=0) for t in teacher]
                own = torch.stack([cosine(vectors[i], other, dim=0) for other in vectors])
                theirs = torch.stack([cosine(teacher[i], other, dim=0) for other in teacher])
                loss = loss + 1 - scores[i] + CONTRAST * cross([s / TEMPERATURE for s in scores], i)
                loss = loss + MATRIX * (own - theirs).square().mean()
            return loss / n
        if self.case.endswith("classification"):
            loss = 0
            for i, label in enumerate(batch["labels"]):
                u = vectors[i]
                if self.case == "pair-classification":
                    v = vectors[n + i]
                    u = torch.cat([u, v, (u - v).abs(), u * v])
                loss = loss + cross(list(self.output(relu(self.hidden(u)))), label)
            return loss / n
        texts = [tuple(s.tolist()) for s in sentences]
        loss = 0
        for i in range(n):
            own = (texts[i], texts[n + i])

            def score(a, b):
                return cosine(vectors[a], vectors[b], dim=0) / TEMPERATURE

            common = [j != i and (texts[j] in own or texts[n + j] in own) for j in range(n)]
            there = [None if common[j] else score(i, n + j) for j in range(n)]
            there += [None if texts[k] in own else score(i, k) for k in range(2 * n, len(texts))]
            back = [None if common[j] else score(j, n + i) for j in range(n)]
            loss = loss + cross(there, i) + cross(back, i)
        return loss / (2 * n)
