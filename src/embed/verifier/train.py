"""Trains the verifier's head (src/embed/export/verifier.rs says what it is) and writes head.safetensors beside this file.

The encoder stays as it is: the states of its tokens are computed once, by the very ONNX file that `dejavu` exported for
the embedder (DEJAVU_HOME/exports), and only the head learns, from clusters of requests (tests/pairs/clusters).

    pip install numpy onnx onnxruntime==1.31.1 tokenizers torch safetensors
    python train.py --encoder ENCODER.onnx --tokenizer ~/.cache/dejavu/models/all-MiniLM-L6-v2/tokenizer.json

Two cores take half an hour. `--start HEAD --also 0.35 PAIRS.jsonl --epochs 4 --rate 0.0011` goes on from a head, with pairs of
other sources beside the clusters, each with the weight of its loss (rows of `a`, `b`, `same`, such as neighbours in real
traffic). With `--score FILE.jsonl` it trains nothing and prints how well the head tells those pairs apart.
docs/decisions/006-a-verifier-of-our-own.md says what the shipped head has learned from.
"""

import argparse
import json
import math
import random
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

HERE = Path(__file__).resolve().parent
LAYERS = [0, 3, 6]  # as in verifier.rs, like the two below
WIDTH, HEADS = 128, 4
STATE = 384
CLS, SEP = 101, 102
WINDOW = 128  # longer texts are cut for training


class Head(nn.Module):
    """What verifier.rs writes as a graph, for batches of padded pairs."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(len(LAYERS)))
        self.inp, self.n0 = nn.Linear(len(LAYERS) * STATE, WIDTH), nn.LayerNorm(WIDTH)
        self.match = nn.Linear(WIDTH, WIDTH, bias=False)
        self.cmp, self.n1 = nn.Linear(4 * WIDTH, WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.o, self.n2 = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)
        self.f1, self.f2, self.n3 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH), nn.LayerNorm(WIDTH)
        self.w = nn.Linear(WIDTH, 1)
        self.p1, self.p2 = nn.Linear(6 * WIDTH, WIDTH), nn.Linear(WIDTH, 1)
        self.drop = nn.Dropout(0.15)

    def tokens(self, states):
        """States `[texts, tokens, 3 * 384]` to `[texts, tokens, WIDTH]`."""
        levels = F.layer_norm(states.unflatten(-1, (len(LAYERS), STATE)), (STATE,)) * self.scale[:, None]
        return self.n0(F.gelu(self.inp(self.drop(levels.flatten(-2)))))

    def attend(self, queries, keys, values, mask, sharpness):
        apart = lambda x: x.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2)
        scores = apart(queries) @ apart(keys).transpose(2, 3) * (sharpness / math.sqrt(WIDTH // HEADS))
        shares = scores.masked_fill(~mask[:, None, None, :], -1e4).softmax(-1)
        return (shares @ apart(values)).transpose(1, 2).flatten(-2)

    def side(self, x, x_mask, y, y_mask):
        found = self.attend(self.match(x), self.match(y), y, y_mask, 4.0)
        compared = self.cmp(self.drop(torch.cat([x, found, (x - found).abs(), x * found], -1)))
        c = self.n1(x + F.gelu(compared))
        c = self.n2(c + self.drop(self.o(self.attend(*self.qkv(c).chunk(3, -1), x_mask, 1.0))))
        c = self.n3(c + self.drop(self.f2(F.gelu(self.f1(c)))))
        shares = self.w(c).masked_fill(~x_mask[..., None], -1e4).softmax(1)
        mean = (c * x_mask[..., None]).sum(1) / x_mask.sum(1, keepdim=True)
        most = c.masked_fill(~x_mask[..., None], -1e4).max(1).values
        return torch.cat([(c * shares).sum(1), mean, most], -1)

    def forward(self, x, x_mask, y, y_mask):
        there, back = self.side(x, x_mask, y, y_mask), self.side(y, y_mask, x, x_mask)
        both = torch.cat([there + back, (there - back).abs()], -1)
        return self.p2(self.drop(F.gelu(self.p1(self.drop(both)))))[..., 0]


class States:
    """The encoder's states of many texts."""

    def __init__(self, texts, encoder, tokenizer):
        model = onnx.load(encoder)
        norms = [node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization"]
        wanted = [norms[2 * layer] for layer in LAYERS]
        model.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in wanted)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        tokenizer = Tokenizer.from_file(str(tokenizer))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.of, self.place = [], {}
        for text in texts:
            if text in self.place:
                continue
            ids = np.array([[CLS, *tokenizer.encode(text, add_special_tokens=False).ids[: WINDOW - 2], SEP]])
            inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            self.place[text] = len(self.of)
            self.of.append(np.concatenate([level[0] for level in session.run(wanted, inputs)], 1).astype(np.float16))
            if len(self.of) % 5000 == 0:
                print(f"{len(self.of)} texts", flush=True)
        means = np.stack([states[:, -STATE:].astype(np.float32).mean(0) for states in self.of])
        self.vectors = means / np.linalg.norm(means, axis=1, keepdims=True)

    def batch(self, places):
        longest = max(len(self.of[place]) for place in places)
        states = np.zeros((len(places), longest, len(LAYERS) * STATE), np.float32)
        mask = np.zeros((len(places), longest), bool)
        for row, place in enumerate(places):
            length = len(self.of[place])
            states[row, :length], mask[row, :length] = self.of[place], True
        return torch.from_numpy(states), torch.from_numpy(mask)


def texts_of(cluster):
    """Five that ask the same, four traps, two of the same topic, in this order."""
    return [cluster["ask"], *cluster["same"], *(text for _, text in cluster["other"]), *cluster["topic"]]


def pairs_of(rng):
    """One epoch's pairs of a cluster, by the places of their texts, with their labels."""
    same = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    traps = [(i, j) for i in range(1, 5) for j in range(5, 9)]
    topic = [(i, j) for i in range(5) for j in (9, 10)]
    pairs = [(i, j, 1.0) for i, j in rng.sample(same, 6)]
    pairs += [(0, j, 0.0) for j in range(5, 9)]
    pairs += [(i, j, 0.0) for i, j in rng.sample(traps, 3) + rng.sample(topic, 1)]
    if rng.random() < 0.15:
        pairs.append((*[rng.randrange(9)] * 2, 1.0))
    return pairs


def batches(near, size, rng):
    """Clusters in batches of about `size`, each with two of its neighbours where they are still to be had."""
    left, order, now = set(range(len(near))), list(range(len(near))), []
    rng.shuffle(order)
    groups = []
    for cluster in order:
        if cluster in left:
            left.discard(cluster)
            group = [cluster, *[int(n) for n in near[cluster] if n in left][:2]]
            left.difference_update(group)
            groups.append(group)
    rng.shuffle(groups)
    for group in groups:
        now += group
        if len(now) >= size:
            yield now
            now = []
    if now:
        yield now


def loss_of(head, states, places, batch, rng):
    """The loss over the pairs of some clusters, and over pairs across them, which merely are about the like."""
    rows = [place for cluster in batch for place in places[cluster]]
    vectors = states.vectors[rows]
    pairs = [(11 * k + i, 11 * k + j, label) for k in range(len(batch)) for i, j, label in pairs_of(rng)]
    for _ in range(3 * len(batch) // 2):
        k, m = rng.randrange(len(batch)), rng.randrange(len(batch))
        i, j = 11 * k + rng.randrange(5), 11 * m + rng.randrange(11)
        if k != m and vectors[i] @ vectors[j] < 0.8:
            pairs.append((i, j, 0.0))
    x, mask = states.batch(rows)
    tokens = head.tokens(x)
    lengths = mask.sum(1).numpy()
    pairs.sort(key=lambda pair: max(lengths[pair[0]], lengths[pair[1]]))
    logits = []
    for part in np.array_split(np.array([pair[:2] for pair in pairs]), 4):
        longest = lengths[part].max()
        one, other = torch.from_numpy(part[:, 0]), torch.from_numpy(part[:, 1])
        logits.append(head(tokens[one, :longest], mask[one, :longest], tokens[other, :longest], mask[other, :longest]))
    labels = torch.tensor([label for _, _, label in pairs])
    return F.binary_cross_entropy_with_logits(torch.cat(logits), labels * 0.96 + 0.02)


def also_of(head, states, rows, rng):
    """The loss over some pairs of another source: one of three asks the same."""
    same, apart = [row for row in rows if row["same"]], [row for row in rows if not row["same"]]
    some = rng.sample(same, min(12, len(same))) + rng.sample(apart, min(24, len(apart)))
    sides = [[states.place[row[side]] for row in some] for side in "ab"]
    (x, x_mask), (y, y_mask) = (states.batch(side) for side in sides)
    labels = torch.tensor([float(row["same"]) for row in some])
    return F.binary_cross_entropy_with_logits(head(head.tokens(x), x_mask, head.tokens(y), y_mask), labels * 0.96 + 0.02)


def train(head, clusters, also, states, epochs, seed, rate, size=6):
    """`also`: pairs of each other source, with the weight of its loss."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    places = [[states.place[text] for text in texts_of(cluster)] for cluster in clusters]
    asked = states.vectors[[of[0] for of in places]]
    alike = asked @ asked.T
    np.fill_diagonal(alike, -1)
    near = np.argsort(-alike, 1)[:, :12]
    steps = epochs * math.ceil(len(clusters) / size)
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=0.02)
    pace = lambda step: min(1, (step + 1) / (0.05 * steps + 1)) * max(0.02, 1 - step / steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, pace)
    for epoch in range(epochs):
        head.train()
        losses = []
        for batch in batches(near, size, rng):
            loss = loss_of(head, states, places, batch, rng)
            for weight, pairs in also:
                loss = loss + weight * also_of(head, states, pairs, rng)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {np.mean(losses):.4f}", flush=True)
    return head


@torch.no_grad()
def score(head, states, rows):
    """The logit of each row's pair."""
    head.eval()
    logits = []
    for row in rows:
        (x, x_mask), (y, y_mask) = (states.batch([states.place[row[side]]]) for side in "ab")
        logits.append(head(head.tokens(x), x_mask, head.tokens(y), y_mask).item())
    return np.array(logits)


def save(head, path):
    weights = {name: value.detach().to(torch.float16).contiguous() for name, value in head.state_dict().items()}
    weights["match.bias"] = torch.zeros(WIDTH, dtype=torch.float16)
    save_file(weights, str(path))


def load(path):
    weights = load_file(str(path))
    weights.pop("match.bias")
    head = Head()
    head.load_state_dict({name: value.float() for name, value in weights.items()})
    return head


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True, help="the encoder as dejavu exported it, in int8")
    parser.add_argument("--tokenizer", required=True, help="the default model's tokenizer.json")
    parser.add_argument("--clusters", default=HERE.parents[2] / "tests/pairs/clusters", type=Path)
    parser.add_argument("--head", default=HERE / "head.safetensors", type=Path)
    parser.add_argument("--start", type=Path, metavar="HEAD", help="a head to go on from")
    parser.add_argument(
        "--also", nargs=2, action="append", default=[], metavar=("WEIGHT", "FILE"), help="pairs of another source"
    )
    parser.add_argument("--epochs", default=5, type=int)
    parser.add_argument("--rate", default=0.0015, type=float)
    parser.add_argument("--seed", default=0, type=int)
    parser.add_argument("--score", type=Path, metavar="FILE")
    told = parser.parse_args()
    rows_of = lambda path: [json.loads(line) for line in path.read_text().splitlines()]
    if told.score:
        rows = rows_of(told.score)
        states = States([row[side] for row in rows for side in "ab"], told.encoder, told.tokenizer)
        logits, same = score(load(told.head), states, rows), np.array([row["same"] for row in rows])
        above = (logits[same][:, None] > logits[~same][None, :]).mean()
        print(f"{same.sum()} that ask the same, {(~same).sum()} that do not: area under the curve {above:.3f}")
        return
    clusters = [cluster for file in sorted(told.clusters.glob("*.jsonl")) for cluster in rows_of(file)]
    also = [(float(weight), rows_of(Path(file))) for weight, file in told.also]
    texts = [text for cluster in clusters for text in texts_of(cluster)]
    texts += [row[side] for _, pairs in also for row in pairs for side in "ab"]
    states = States(texts, told.encoder, told.tokenizer)
    head = load(told.start) if told.start else Head()
    save(train(head, clusters, also, states, told.epochs, told.seed, told.rate), told.head)


if __name__ == "__main__":
    main()
