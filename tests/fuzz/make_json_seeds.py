#!/usr/bin/env python3
"""Writes the seeds of the safetensors, safetensors_index, hf_config, hf_checkpoint and tokenizer_json fuzzers into the
folder given (tests/fuzz/corpus): small valid inputs that reach every branch of the readers. Deterministic: the
seeds are committed, this program says where they came from."""

import json
import pathlib
import struct
import sys


def safetensors(header, data):
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


SAFETENSORS = {
    "none": safetensors({}, b""),
    "one": safetensors({"w": entry("F32", [2, 3], 0, 24)}, bytes(24)),
    "metadata": safetensors({"__metadata__": {"format": "pt"}, "w": entry("BF16", [4], 0, 8)}, bytes(8)),
    "kinds": safetensors(
        {
            "model.w.qweight": entry("I32", [1, 2], 0, 8),
            "scalar": entry("F8_E4M3", [], 8, 9),
            "empty": entry("I64", [0, 5], 9, 9),
            "packed": entry("F4", [2, 3], 9, 12),
        },
        bytes(range(12)),
    ),
}

INDEX = {
    "two": {
        "metadata": {"total_size": 32},
        "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"},
    },
}

GENERATION = {
    "do_sample": True,
    "temperature": 0.6,
    "top_p": 0.9,
    "top_k": 20,
    "eos_token_id": [2, 7],
    "max_new_tokens": 100,
}


def quantized(**config):
    return {"model_type": "llama", "quantization_config": config}


def compressed(**group):
    groups = {"group_0": {"targets": ["Linear"], **group}}
    return quantized(quant_method="compressed-tensors", format="pack-quantized", config_groups=groups, ignore=["lm_head"])


CONFIGS = {
    "plain": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "bos_token_id": 1, "eos_token_id": 2},
    "text": {"model_type": "gemma3", "text_config": {"hidden_size": 8, "quantization_config": {"quant_method": "mxfp4"}}},
    "gptq": quantized(quant_method="gptq", bits=4, group_size=128, desc_act=True, sym=True, checkpoint_format="gptq_v2"),
    "awq": quantized(quant_method="awq", bits=4, group_size=128, zero_point=True, version="gemm"),
    "bnb": quantized(quant_method="bitsandbytes", load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True),
    "int8": quantized(quant_method="bitsandbytes", load_in_8bit=True, llm_int8_threshold=6.0),
    "packed": compressed(weights={"num_bits": 4, "type": "int", "symmetric": False, "strategy": "group", "group_size": 32}),
    "w8a8": compressed(weights={"num_bits": 8, "strategy": "channel"}, format="int-quantized",
                       input_activations={"num_bits": 8, "strategy": "token", "dynamic": True}),
    "fp8": quantized(quant_method="fp8", weight_block_size=[128, 128], activation_scheme="dynamic", fmt="e4m3"),
    "fbgemm": quantized(quant_method="fbgemm_fp8", activation_scale_ub=1200.0),
}


def part(kind, **members):
    return {"type": kind, **members}


def sequence(name, *parts):
    return {"type": "Sequence", name: list(parts)}


LETTERS = {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "Ġ": 4, "Ġab": 5, "▁": 6, "##b": 7, "the": 8}
ADDED = [
    {"id": 9, "content": "<s>", "special": True, "normalized": False},
    {"id": 10, "content": "</s>", "special": True, "lstrip": True, "rstrip": True},
    {"id": 11, "content": "ab ", "normalized": True, "single_word": True},
]
TEMPLATE = part("TemplateProcessing", single=[{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                special_tokens={"<s>": {"id": "<s>", "ids": [9], "tokens": ["<s>"]}})
TOKENIZERS = {
    "byte_level": {
        "normalizer": part("NFC"),
        "pre_tokenizer": sequence("pretokenizers", part("Split", pattern={"Regex": r"\p{L}+|\s+(?!\S)"}, behavior="Isolated"),
                                  part("Digits", individual_digits=True), part("ByteLevel", add_prefix_space=True)),
        "post_processor": sequence("processors", part("ByteLevel"), TEMPLATE),
        "decoder": part("ByteLevel"),
        "model": part("BPE", unk_token="<unk>", fuse_unk=True, vocab=LETTERS, merges=["a b", ["Ġ", "ab"]]),
    },
    "fallback": {
        "normalizer": sequence("normalizers", part("Prepend", prepend="▁"),
                               part("Replace", pattern={"String": " "}, content="▁")),
        "decoder": sequence("decoders", part("Replace", pattern={"String": "▁"}, content=" "), part("ByteFallback"),
                            part("Fuse"), part("Strip", content=" ", start=1, stop=0)),
        "model": part("BPE", unk_token="<unk>", byte_fallback=True, vocab=LETTERS, merges=["a b"], ignore_merges=True),
    },
    "unigram": {
        "normalizer": sequence("normalizers", part("Nmt"), part("NFKD"), part("StripAccents"), part("Strip")),
        "pre_tokenizer": part("Metaspace", replacement="▁", prepend_scheme="first", split=True),
        "decoder": part("Metaspace", replacement="▁"),
        "model": part("Unigram", unk_id=0, vocab=[[text, -id] for text, id in LETTERS.items()]),
    },
    "wordpiece": {
        "normalizer": part("BertNormalizer", strip_accents=None),
        "pre_tokenizer": part("BertPreTokenizer"),
        "post_processor": part("BertProcessing", cls=["<s>", 9], sep=["</s>", 10]),
        "decoder": part("WordPiece", prefix="##"),
        "model": part("WordPiece", unk_token="<unk>", vocab=LETTERS),
    },
    "wordlevel": {
        "pre_tokenizer": sequence("pretokenizers", part("Whitespace"), part("Punctuation", behavior="Contiguous")),
        "model": part("WordLevel", unk_token="<unk>", vocab=LETTERS),
    },
}


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def sentencepiece(kind):
    pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3), ("▁ab", 1), ("ab", 1), ("a", 1), ("b", 1), ("▁", 1), ("<0x41>", 6)]
    model = b"".join(
        field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", -i) + bytes([3 << 3, type_]))
        for i, (text, type_) in enumerate(pieces))
    return model + field(2, bytes([3 << 3, kind])) + field(3, bytes([3 << 3, 1, 4 << 3, 1]))


def checkpoint(weight, **config):
    """A model of one layer, 32 wide, whose linear modules have the tensors weight(rows, columns): (dtype, shape, bytes)
    by suffix. Its configuration stands in the metadata."""
    shapes = {"self_attn.q_proj": (32, 32), "self_attn.k_proj": (32, 32), "self_attn.v_proj": (32, 32),
              "self_attn.o_proj": (32, 32), "mlp.gate_proj": (32, 32), "mlp.up_proj": (32, 32), "mlp.down_proj": (32, 32)}
    plain = {"model.embed_tokens.weight": [3, 32], "model.norm.weight": [32],
             "model.layers.0.input_layernorm.weight": [32], "model.layers.0.post_attention_layernorm.weight": [32]}
    tensors = {name: ("F16", shape, bytes(2 * shape[0] * (shape[1] if len(shape) == 2 else 1)))
               for name, shape in plain.items()}
    for module, shape in shapes.items():
        for suffix, tensor in weight(*shape).items():
            tensors[f"model.layers.0.{module}.{suffix}"] = tensor
    config = {"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32,
              "num_attention_heads": 2, "vocab_size": 3, "max_position_embeddings": 64, "tie_word_embeddings": True, **config}
    header, data = {"__metadata__": {"config": json.dumps(config)}}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = entry(dtype, shape, len(data), len(data) + len(content))
        data += content
    return safetensors(header, data)


def plain_weight(n, k):
    return {"weight": ("BF16", [n, k], bytes(2 * n * k))}


def gptq_weight(n, k):
    return {"qweight": ("I32", [k // 8, n], bytes(k * n // 2)), "qzeros": ("I32", [1, n // 8], bytes(n // 2)),
            "scales": ("F16", [1, n], bytes(2 * n)), "g_idx": ("I32", [k], bytes(4 * k))}


def fp8_weight(n, k):
    return {"weight": ("F8_E4M3", [n, k], bytes(n * k)), "weight_scale": ("F32", [n, 1], bytes(4 * n))}


CHECKPOINTS = {
    "plain": checkpoint(plain_weight, rope_scaling={"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
                                                    "high_freq_factor": 4, "original_max_position_embeddings": 16}),
    "gptq": checkpoint(gptq_weight, quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 32}),
    "fp8": checkpoint(fp8_weight, rope_parameters={"rope_type": "yarn", "factor": 4, "rope_theta": 1e4},
                      quantization_config={"quant_method": "fp8"}),
}


def main():
    corpus = pathlib.Path(sys.argv[1])
    seeds = {"safetensors/" + name: data for name, data in SAFETENSORS.items()}
    seeds |= {"safetensors_index/" + name: json.dumps(index).encode() for name, index in INDEX.items()}
    seeds |= {"hf_config/" + name: json.dumps(config).encode() for name, config in CONFIGS.items()}
    seeds |= {"hf_checkpoint/" + name: data for name, data in CHECKPOINTS.items()}
    seeds["hf_config/generation"] = json.dumps(CONFIGS["plain"]).encode() + b"\0" + json.dumps(GENERATION).encode()
    seeds |= {
        "tokenizer_json/" + name: json.dumps({**tokenizer, "added_tokens": ADDED}, ensure_ascii=False).encode()
        for name, tokenizer in TOKENIZERS.items()
    }
    seeds |= {"tokenizer_json/model_" + name: sentencepiece(kind) for name, kind in {"unigram": 1, "bpe": 2}.items()}
    for name, data in seeds.items():
        path = corpus / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
