#!/usr/bin/env python3
"""Writes the seeds of the safetensors, safetensors_index and hf_config fuzzers into the folder given
(tests/fuzz/corpus): small valid inputs that reach every branch of the readers. Deterministic: the
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


def main():
    corpus = pathlib.Path(sys.argv[1])
    seeds = {"safetensors/" + name: data for name, data in SAFETENSORS.items()}
    seeds |= {"safetensors_index/" + name: json.dumps(index).encode() for name, index in INDEX.items()}
    seeds |= {"hf_config/" + name: json.dumps(config).encode() for name, config in CONFIGS.items()}
    seeds["hf_config/generation"] = json.dumps(CONFIGS["plain"]).encode() + b"\0" + json.dumps(GENERATION).encode()
    for name, data in seeds.items():
        path = corpus / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
