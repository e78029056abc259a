#!/usr/bin/env python3
"""Checks that the libraries that people load quantized models with read the folders that `quantd quantize` writes, and
compute with them what quantd does: the logits behind some prompts, within 2e-2 of the largest, and, where the folder has
a tokenizer.json, the token ids of the texts of tokenizers/texts.json, exactly.

    check_written_models.py --quantd build/release/bin/quantd FOLDER... [--sources SOURCES]

Every FOLDER is one that quantd wrote: bitsandbytes and compressed-tensors are loaded by transformers as anybody would;
GPTQ and AWQ on a machine without a GPU by the modules of GPTQModel and AutoAWQ that unpack, one weight at a time (SOURCES
and needs as of make_hf_checkpoints.py), into a model of transformers in F32. quantd computes with activations in 8 bits,
which is most of the difference: models of random weights, which amplify it, differ by more than that.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import safetensors.torch
import torch
import transformers

import make_hf_checkpoints as packers

TOKENS = [7, 12, 45, 90, 41, 5, 77, 20, 61, 60, 33, 18]
TOLERANCE = 2e-2


def stored(folder):
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= safetensors.torch.load_file(file)
    return tensors


def gptqmodel_weight(sources, config, parts):
    linear = packers.import_gptqmodel(sources)
    k = parts["g_idx"].shape[0]
    n = parts["scales"].shape[1]
    layer = linear(bits=config["bits"], group_size=config["group_size"], sym=config["sym"],
                   desc_act=config["desc_act"], in_features=k, out_features=n, bias=False)
    words = parts["qzeros"].to(torch.int64) & 0xFFFFFFFF  # format v1, as the library's convert_gptq_v1_to_v2_format
    if config["bits"] == 3:
        raise SystemExit("3 bits: GPTQModel itself converts them only while it loads a model")
    words = (words + packers.word_ones(config["bits"])) & 0xFFFFFFFF
    layer.qzeros = torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)
    for name in ("qweight", "scales", "g_idx"):
        setattr(layer, name, parts[name])
    layer.post_init()
    layer.scales = layer.scales.float()
    return layer.dequantize_weight().T


def awq_weight(sources, config, parts):
    root = sources / "autoawq-0.2.9/awq"
    packers.shell("awq", root)
    packers.shell("awq.utils", root / "utils")
    import importlib

    packing = importlib.import_module("awq.utils.packing_utils")
    size = config["group_size"] if config["group_size"] != -1 else parts["qweight"].shape[0]
    return packing.dequantize_gemm(parts["qweight"], parts["qzeros"], parts["scales"].float(), 4, size).T


def unpacked(folder, sources, config, weight_of):
    """The model of the folder in F32, with the weights that the library unpacks."""
    tensors = stored(folder)
    modules = {}
    for name in list(tensors):
        module, _, part = name.rpartition(".")
        if part in ("qweight", "qzeros", "scales", "g_idx"):
            modules.setdefault(module, {})[part] = tensors.pop(name)
    for module, parts in modules.items():
        tensors[module + ".weight"] = weight_of(sources, config, parts)
    plain = json.loads((folder / "config.json").read_text())
    del plain["quantization_config"]
    made = transformers.AutoConfig.for_model(**plain)
    model = transformers.AutoModelForCausalLM.from_config(made, dtype=torch.float32)
    missing, unexpected = model.load_state_dict({key: value.float() for key, value in tensors.items()}, strict=False)
    tied = {"lm_head.weight"} if made.tie_word_embeddings else set()
    assert not unexpected and set(missing) <= tied, (missing, unexpected)
    return model


def load(folder, sources):
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    method = config["quant_method"]
    if method == "gptq":
        return unpacked(folder, sources, config, gptqmodel_weight)
    if method == "awq":
        return unpacked(folder, sources, config, awq_weight)
    options = {}
    if method == "compressed-tensors":
        options["quantization_config"] = transformers.CompressedTensorsConfig(run_compressed=False)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu", **options)


def quantd_logits(quantd, folder, tokens):
    """Those behind the last token."""
    ids = ",".join(str(token) for token in tokens)
    command = [quantd, "run", folder, "--token-ids", ids, "-n", "1", "--ignore-eos", "--logits", "--json", "--quiet"]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return torch.tensor(json.loads(made.stdout)["logits_after_prompt"], dtype=torch.float64)


def different_ids(quantd, folder):
    """The texts, and of how many, that transformers gives other ids than quantd."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    entries = json.loads((pathlib.Path(__file__).parent / "tokenizers/texts.json").read_text())
    texts = [entry["text"] for entry in entries if "text" in entry]
    different = []
    for text in texts:
        command = [quantd, "tokenize", folder, "--special", "--json"]
        made = subprocess.run(command, input=text.encode(), check=True, capture_output=True)
        if json.loads(made.stdout) != tokenizer(text, add_special_tokens=False).input_ids:
            different.append(text)
    return different, len(texts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--quantd", required=True)
    parser.add_argument("--sources", type=pathlib.Path)
    arguments = parser.parse_args()
    failed = False
    for folder in arguments.folders:
        model = load(folder, arguments.sources).eval()
        with torch.no_grad():
            theirs = model(input_ids=torch.tensor([TOKENS])).logits[0].double()
        error = 0.0
        for count in (1, 5, len(TOKENS)):
            ours = quantd_logits(arguments.quantd, folder, TOKENS[:count])
            error = max(error, ((ours - theirs[count - 1]).abs().max() / theirs[count - 1].abs().max()).item())
        print(f"{folder}: {error:.1e} of the largest logit")
        failed |= not error < TOLERANCE
        if (folder / "tokenizer.json").exists():
            different, count = different_ids(arguments.quantd, folder)
            print(f"{folder}: {count - len(different)} of {count} texts have the same ids", *map(repr, different))
            failed |= bool(different)
    sys.exit(failed)


if __name__ == "__main__":
    main()
