"""A GenSen sentence encoder as a module of sentence-transformers.

    SentenceTransformer("the folder of this file", trust_remote_code=True)

gives the vectors of `gensen embed`. Written by `gensen export-sentence-transformers`; licence: MIT or
Apache-2.0, at your choice (of this file; the model's own is on its card).
"""

import json
import math
import os
import re
import shutil
from collections import Counter, defaultdict

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

START, PADDING, END, UNKNOWN = range(4)


def whitespace(text):
    """Splits a tokenised text at ASCII white space."""
    return [word for word in re.split("[ \t\n\v\f\r]+", text) if word]


CLITICS = ["'ll", "'re", "'ve", "n't"]
JOINED = [
    ("cannot", "can not"),
    ("d'ye", "d' ye"),
    ("gimme", "gim me"),
    ("gonna", "gon na"),
    ("gotta", "got ta"),
    ("lemme", "lem me"),
    ("more'n", "more 'n"),
    ("'tis", "'t is"),
    ("'twas", "'t was"),
    ("wanna", "wan na"),
]


def large(word):
    """The word with a capital first letter."""
    first = re.search("[a-z]", word).start()
    return word[:first] + word[first].upper() + word[first + 1 :]


def penn_treebank(text):
    """Splits a text with the Penn Treebank's tokeniser of 1995."""
    text = re.sub('^"', "`` ", text)
    text = re.sub(r'([ (\[{<])"', r"\1 `` ", text)
    text = text.replace("...", " ... ")
    text = re.sub("([,;:@#$%&])", r" \1 ", text)
    text = final_stop(text)
    text = re.sub("([?!])", r" \1 ", text)
    text = re.sub(r"([\[\](){}<>])", r" \1 ", text)
    text = text.replace("--", " -- ")
    text = f" {text} ".replace('"', " '' ")
    text = re.sub("([^'])' ", r"\1 ' ", text)
    text = re.sub("'([sSmMdD]) ", r" '\1 ", text)
    for clitic in CLITICS + [clitic.upper() for clitic in CLITICS]:
        text = text.replace(f"{clitic} ", f" {clitic} ")
    for joined, apart in JOINED:
        forms = {f" {joined} ": f" {apart} ", f" {large(joined)} ": f" {large(apart)} "}
        text = re.sub("|".join(forms), lambda match, forms=forms: forms[match.group()], text)
    return whitespace(text)


def final_stop(text):
    """Separates the full stop at the end of a line, and closing punctuation after it."""
    end = text.rstrip(" \t")
    sentence = end.rstrip("])}>\"'")
    stem = sentence[:-1]
    if sentence.endswith(".") and stem and not stem.endswith("."):
        return f"{stem} .{end[len(sentence):]} "
    return text


TOKENIZERS = {"whitespace": whitespace, "ptb": penn_treebank}


class Spelling:
    """An index of known words by character n-grams, to find those most similar to an unknown word."""

    def __init__(self, words):
        self.words_with = defaultdict(list)
        self.indexed = 0
        for number, word in enumerate(words[4:], 4):
            grams = self.grams(word)
            self.indexed += bool(grams)
            for gram in grams:
                self.words_with[gram].append(number)
        self.norms = Counter()
        for numbers in self.words_with.values():
            for number in numbers:
                self.norms[number] += self.weight(numbers) ** 2

    @staticmethod
    def grams(word):
        """The distinct n-grams of 3 to 5 characters; empty for tokens that are not words."""
        if len(word) > 64 or not any(map(str.isalnum, word)):
            return set()
        word = f"<{word}>"
        return {word[k : k + n] for n in (3, 4, 5) for k in range(len(word) - n + 1)}

    def weight(self, numbers):
        return max((self.indexed // max(len(numbers), 1)).bit_length() - 1, 0)

    def neighbours(self, word):
        """The nearest known words: at most 20 pairs of cosine and index, best first."""
        products, norm = Counter(), 0
        for gram in self.grams(word):
            numbers = self.words_with.get(gram, ())
            square = self.weight(numbers) ** 2
            norm += square
            for number in numbers if square else ():
                products[number] += square
        found = ((p / math.sqrt(norm * self.norms[number]), number) for number, p in products.items())
        found = sorted(found, key=lambda pair: (-pair[0], pair[1]))[:20]
        return found if found and found[0][0] >= 0.25 else []

    def embedding(self, word, known):
        """The weighted mean of the neighbours' rows of `known`, with the mean of their norms, or nothing."""
        neighbours = self.neighbours(word)
        if not neighbours:
            return None
        rows = known[[number for _, number in neighbours]].double().cpu()
        weights = torch.tensor([cosine**4 for cosine, _ in neighbours], dtype=torch.double)[:, None]
        mean = (weights * rows).sum(0)
        length = (weights * rows.norm(dim=1, keepdim=True)).sum() / weights.sum()
        return (mean * (length / mean.norm().clamp_min(1e-300))).float()


class GenSen(nn.Module):
    """Sentences in, vectors out: word embeddings, a bidirectional GRU, and pooling."""

    # Where `SentenceTransformer.save` has the files, so that the folder is a model folder again.
    save_in_root = True

    def __init__(self, config, words):
        super().__init__()
        if config["tokenizer"] not in TOKENIZERS:
            raise ValueError(f"the tokeniser `{config['tokenizer']}` is not among {list(TOKENIZERS)}")
        self.config = config
        self.words = words
        self.ids = {word: number for number, word in enumerate(words)}
        self.max_seq_length = None
        self.spelling = Spelling(words) if config.get("unknown_words") == "spelling" else None
        sizes = config["architecture"]
        directions = 1 + sizes["bidirectional"]
        self.src_embedding = nn.Embedding(sizes["vocabulary_size"], sizes["embedding_size"])
        self.encoder = nn.GRU(
            sizes["embedding_size"],
            sizes["hidden_size"] // directions,
            num_layers=sizes["layers"],
            bidirectional=sizes["bidirectional"],
            batch_first=True,
        )

    def tokens(self, text):
        """Splits a text like the model's training data."""
        if self.config["lowercase"]:
            # Character by character: a capital sigma at the end of a word is no exception.
            text = text.lower() if text.isascii() else "".join(map(str.lower, text))
        return TOKENIZERS[self.config["tokenizer"]](text)

    def preprocess(self, inputs, prompt=None, **_):
        """Converts texts to word ids [texts, longest] and their mask."""
        rows, spelled, embeddings = [], {}, []
        for text in inputs:
            words = [self.number(word, spelled, embeddings) for word in self.tokens((prompt or "") + text)]
            if self.max_seq_length is not None:
                words = words[: self.max_seq_length - 2]
            rows.append([START, *words, END])
        longest = max(map(len, rows))
        ids = torch.tensor([row + [PADDING] * (longest - len(row)) for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(longest)[None] < lengths[:, None]).long()
        features = {"input_ids": ids, "attention_mask": mask}
        if embeddings:
            features["spelled_embeddings"] = torch.stack(embeddings)
        return features

    def number(self, word, spelled, embeddings):
        """A word's id. Ids of words embedded by spelling follow the vocabulary's.

        `spelled` keeps the ids of unknown words, `embeddings` collects their rows.
        """
        number = self.ids.get(word)
        if number is not None:
            return number
        if self.spelling is None:
            return UNKNOWN
        if word not in spelled:
            spelled[word] = UNKNOWN
            row = self.spelling.embedding(word, self.src_embedding.weight.detach())
            if row is not None:
                spelled[word] = len(self.words) + len(embeddings)
                embeddings.append(row)
        return spelled[word]

    def tokenize(self, texts, **_):
        """Same as `preprocess`, under the name in earlier releases."""
        return self.preprocess(texts)

    def forward(self, features, **_):
        """Computes hidden states and vectors of word ids."""
        mask = features["attention_mask"]
        lengths = mask.sum(1)
        embeddings = self.src_embedding.weight
        if "spelled_embeddings" in features:
            embeddings = torch.cat([embeddings, features["spelled_embeddings"].to(embeddings)])
        words = nn.functional.embedding(features["input_ids"], embeddings)
        packed = pack_padded_sequence(words, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=mask.shape[1])
        features["token_embeddings"] = states
        features["sentence_embedding"] = self.pool(states, last, mask, lengths)
        return features

    def pool(self, states, last, mask, lengths):
        pooling = self.config["pooling"]
        if pooling == "last":
            # [backward, forward] of the top layer.
            directions = [last[-1], last[-2]] if self.encoder.bidirectional else [last[-1]]
            return torch.cat(directions, 1)
        if pooling == "mean":
            return states.sum(1) / lengths[:, None]
        if pooling == "max":
            states = states.masked_fill(mask[:, :, None] == 0, float("-inf"))
        return states.max(1).values

    def get_embedding_dimension(self):
        return self.config["architecture"]["hidden_size"]

    get_sentence_embedding_dimension = get_embedding_dimension

    def save(self, output_path, *_, **__):
        """Writes the model's files, which GenSen's own programs read, too."""
        # The ranges of the vectors are those of other weights, if these were trained.
        config = {key: value for key, value in self.config.items() if key != "ranges"}
        with open(os.path.join(output_path, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file, indent=2, ensure_ascii=False)
        with open(os.path.join(output_path, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
            file.writelines(word + "\n" for word in self.words)
        state = {name: value.contiguous().float().cpu() for name, value in self.state_dict().items()}
        save_file(state, os.path.join(output_path, "model.safetensors"))
        code = os.path.join(output_path, os.path.basename(__file__))
        if os.path.abspath(code) != os.path.abspath(__file__):
            shutil.copyfile(__file__, code)

    @staticmethod
    def load(input_path):
        """Reads the model in a folder."""
        with open(os.path.join(input_path, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        with open(os.path.join(input_path, "vocab.txt"), encoding="utf-8", newline="\n") as file:
            words = file.read().split("\n")[:-1]
        model = GenSen(config, words)
        stored = load_file(os.path.join(input_path, "model.safetensors"))
        state = {}
        for name, value in stored.items():
            if value.dtype == torch.int8:
                # A matrix of integers with a scale a row.
                value = value.float() * stored[name + ".scale"][:, None]
            if not name.endswith(".scale"):
                state[name] = value.float()
        model.load_state_dict(state)
        return model
