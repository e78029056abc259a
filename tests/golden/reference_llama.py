#!/usr/bin/env python3
"""Reference output of a Llama-family GGUF model in float64, sharing no code with quantd.

Reads the file itself, turns every weight into float64 (whatever its format: the arithmetic is then
exact enough to call the result THE answer), runs prompts through the model and continues them
greedily. Output: a JSON list of {prompt_ids, logits_after_prompt, greedy_ids, greedy_margin}, where
the margin is the gap between the best two logits at each step: where it is small, a program with
less precise arithmetic may rightly choose the other token.

    reference_llama.py model.gguf --prompt-ids 1,403,407 --prompt-ids 5,6 -n 64 -o out.json
    reference_llama.py model.gguf --check out.json

Needs numpy.
"""

import argparse
import json
import mmap
import struct
import sys

import numpy as np

# Metadata value types: struct codes of the scalars; 8 is a string, 9 an array.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Reader:
    """Little-endian values, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def scalar(self, code):
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def string(self):
        length = self.scalar("Q")
        self.at += length
        return self.data[self.at - length : self.at].decode("utf-8", "replace")

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            element, count = self.scalar("I"), self.scalar("Q")
            return [self.value(element) for _ in range(count)]
        return self.scalar(SCALARS[kind])


def halves(raw):
    """float16 fields [blocks, bytes] as float64 [blocks, 1]."""
    return np.ascontiguousarray(raw).view("<f2").astype(np.float64)


def nibbles(raw):
    """16 bytes of a block: weights 0..15 are the low halves, 16..31 the high ones."""
    return np.concatenate([raw & 15, raw >> 4], axis=1).astype(np.float64)


def fifth_bits(raw):
    """Bit j of the 32-bit field belongs to weight j; given the value it has as bit 4."""
    word = np.ascontiguousarray(raw).view("<u4")
    return ((word >> np.arange(32, dtype=np.uint32)) & 1).astype(np.float64) * 16


def q8_0(b):
    return halves(b[:, :2]) * np.ascontiguousarray(b[:, 2:]).view(np.int8)


def q4_0(b):
    return halves(b[:, :2]) * (nibbles(b[:, 2:]) - 8)


def q4_1(b):
    return halves(b[:, :2]) * nibbles(b[:, 4:]) + halves(b[:, 2:4])


def q5_0(b):
    return halves(b[:, :2]) * (nibbles(b[:, 6:]) + fifth_bits(b[:, 2:6]) - 16)


def q5_1(b):
    return halves(b[:, :2]) * (nibbles(b[:, 8:]) + fifth_bits(b[:, 4:8])) + halves(b[:, 2:4])


def q6_k(b):
    low, high = b[:, :128].astype(np.int64), b[:, 128:192].astype(np.int64)
    scales = np.ascontiguousarray(b[:, 192:208]).view(np.int8).astype(np.float64)
    codes = []
    for half in range(2):
        l, h = low[:, 64 * half : 64 * half + 64], high[:, 32 * half : 32 * half + 32]
        codes += [(l[:, :32] & 15) | (h & 3) << 4, (l[:, 32:] & 15) | (h >> 2 & 3) << 4]
        codes += [(l[:, :32] >> 4) | (h >> 4 & 3) << 4, (l[:, 32:] >> 4) | (h >> 6) << 4]
    codes = np.concatenate(codes, axis=1) - 32
    return halves(b[:, 208:]) * np.repeat(scales, 16, axis=1) * codes


# Tensor type: name, weights per block, bytes per block, decoder of raw blocks [count, bytes].
FORMATS = {
    0: ("F32", 1, 4, lambda b: np.ascontiguousarray(b).view("<f4").astype(np.float64)),
    1: ("F16", 1, 2, halves),
    2: ("Q4_0", 32, 18, q4_0),
    3: ("Q4_1", 32, 20, q4_1),
    6: ("Q5_0", 32, 22, q5_0),
    7: ("Q5_1", 32, 24, q5_1),
    8: ("Q8_0", 32, 34, q8_0),
    14: ("Q6_K", 256, 210, q6_k),
    30: (
        "BF16",
        1,
        2,
        lambda b: (np.ascontiguousarray(b).view("<u2").astype(np.uint32) << 16)
        .view(np.float32)
        .astype(np.float64),
    ),
}


def read_gguf(path):
    """Metadata and tensors (float64, output features first) of a file."""
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    reader = Reader(data)
    if data[:4] != b"GGUF":
        sys.exit(f"{path}: not a GGUF file")
    reader.at = 4
    version = reader.scalar("I")
    if version not in (2, 3):
        sys.exit(f"{path}: GGUF version {version}; this program reads 2 and 3")
    tensor_count, key_count = reader.scalar("Q"), reader.scalar("Q")
    metadata = {}
    for _ in range(key_count):
        key = reader.string()
        metadata[key] = reader.value(reader.scalar("I"))
    infos = []
    for _ in range(tensor_count):
        name = reader.string()
        shape = [reader.scalar("Q") for _ in range(reader.scalar("I"))]
        infos.append((name, shape, reader.scalar("I"), reader.scalar("Q")))
    alignment = metadata.get("general.alignment", 32)
    start = -(-reader.at // alignment) * alignment
    tensors = {}
    for name, shape, kind, offset in infos:
        if kind not in FORMATS:
            sys.exit(f"{path}: {name}: tensor type {kind} is not known to this program")
        _, block, size, decode = FORMATS[kind]
        blocks = int(np.prod(shape)) // block
        raw = np.frombuffer(data, np.uint8, blocks * size, start + offset).reshape(blocks, size)
        tensors[name] = decode(raw).reshape(shape[::-1])
    return metadata, tensors


class Llama:
    """The forward pass, token by token, with a cache of keys and values."""

    def __init__(self, path):
        self.meta, self.weights = read_gguf(path)
        if self.meta["general.architecture"] != "llama":
            sys.exit(f"{path}: general.architecture: {self.meta['general.architecture']}, not llama")
        if self.key("rope.scaling.type", "none") not in ("none", "linear"):
            sys.exit(f"{path}: llama.rope.scaling.type: only none and linear are known here")
        self.layers, self.heads = self.key("block_count"), self.key("attention.head_count")
        self.kv_heads = self.key("attention.head_count_kv", self.heads)
        self.head_dim = self.key("attention.key_length", self.key("embedding_length") // self.heads)
        self.eps = self.key("attention.layer_norm_rms_epsilon")
        dim = self.key("rope.dimension_count", self.head_dim)
        frequency = self.key("rope.freq_base", 10000.0) ** (-np.arange(0, dim, 2) / dim)
        frequency = frequency / self.weights.get("rope_freqs.weight", 1.0)
        self.frequency = frequency / self.key("rope.scaling.factor", 1.0)
        self.reset()

    def key(self, name, default=None):
        value = self.meta.get("llama." + name, default)
        if value is None:
            sys.exit(f"llama.{name}: missing")
        return value

    def reset(self):
        self.cache = [([], []) for _ in range(self.layers)]

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x) + self.eps) * self.weights[name]

    def rotate(self, x, position):
        """Rotates adjacent pairs of the first dimensions of each head: GGUF's Llama order."""
        angle = position * self.frequency
        cos, sin, dim = np.cos(angle), np.sin(angle), 2 * len(self.frequency)
        even, odd, out = x[:, 0:dim:2], x[:, 1:dim:2], x.copy()
        out[:, 0:dim:2], out[:, 1:dim:2] = even * cos - odd * sin, even * sin + odd * cos
        return out

    def attention(self, x, layer):
        weight = lambda part: self.weights[f"blk.{layer}.{part}.weight"]
        keys, values = self.cache[layer]
        position = len(keys)
        q = self.rotate((weight("attn_q") @ x).reshape(self.heads, self.head_dim), position)
        k = (weight("attn_k") @ x).reshape(self.kv_heads, self.head_dim)
        keys.append(self.rotate(k, position))
        values.append((weight("attn_v") @ x).reshape(self.kv_heads, self.head_dim))
        share = self.heads // self.kv_heads
        key_rows = np.repeat(np.stack(keys), share, axis=1)
        value_rows = np.repeat(np.stack(values), share, axis=1)
        scores = np.einsum("hd,thd->ht", q, key_rows) / np.sqrt(self.head_dim)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        return weight("attn_output") @ np.einsum("ht,thd->hd", scores, value_rows).ravel()

    def feed_forward(self, x, layer):
        weight = lambda part: self.weights[f"blk.{layer}.{part}.weight"]
        gate = weight("ffn_gate") @ x
        return weight("ffn_down") @ (gate / (1 + np.exp(-gate)) * (weight("ffn_up") @ x))

    def step(self, token):
        """Logits after one more token."""
        embedding = self.weights["token_embd.weight"]
        x = embedding[token]
        for layer in range(self.layers):
            x = x + self.attention(self.norm(x, f"blk.{layer}.attn_norm.weight"), layer)
            x = x + self.feed_forward(self.norm(x, f"blk.{layer}.ffn_norm.weight"), layer)
        return self.weights.get("output.weight", embedding) @ self.norm(x, "output_norm.weight")

    def case(self, prompt, count):
        """One element of the output list."""
        self.reset()
        for token in prompt:
            logits = self.step(token)
        after_prompt, ids, margins = logits, [], []
        for _ in range(count):
            best, second = np.argsort(-logits, kind="stable")[:2]
            ids.append(int(best))
            margins.append(float(logits[best] - logits[second]))
            if len(ids) < count:
                logits = self.step(ids[-1])
        return {
            "prompt_ids": list(prompt),
            "logits_after_prompt": [round(float(v), 5) for v in after_prompt],
            "greedy_ids": ids,
            "greedy_margin": [round(m, 4) for m in margins],
        }


def check(model, path):
    """Compares with an existing file; False if ids differ or numbers do by more than rounding."""
    with open(path, encoding="utf-8") as file:
        expected = json.load(file)
    good = True
    for number, want in enumerate(expected):
        got = model.case(want["prompt_ids"], len(want["greedy_ids"]))
        logits = np.abs(np.subtract(got["logits_after_prompt"], want["logits_after_prompt"])).max()
        margins = np.abs(np.subtract(got["greedy_margin"], want["greedy_margin"])).max()
        same = got["greedy_ids"] == want["greedy_ids"]
        good = good and same and logits < 2e-5 and margins < 2e-4
        print(
            f"case {number}: ids {'equal' if same else 'DIFFER'}, largest difference of logits "
            f"{logits:.1e}, of margins {margins:.1e}"
        )
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a .gguf file of a Llama-family model")
    parser.add_argument(
        "--prompt-ids", action="append", default=[], metavar="ID,ID,...", help="one prompt; repeatable"
    )
    parser.add_argument("-n", type=int, default=64, help="tokens to generate (default: 64)")
    parser.add_argument("-o", metavar="FILE", help="where the JSON goes (default: standard output)")
    parser.add_argument("--check", metavar="FILE", help="compare with this file instead of writing")
    args = parser.parse_args()
    model = Llama(args.model)
    if args.check:
        sys.exit(0 if check(model, args.check) else 1)
    if not args.prompt_ids:
        parser.error("--prompt-ids or --check is required")
    cases = [model.case([int(i) for i in p.split(",")], args.n) for p in args.prompt_ids]
    out = open(args.o, "w", encoding="utf-8") if args.o else sys.stdout
    json.dump(cases, out)
    out.write("\n")


if __name__ == "__main__":
    main()
