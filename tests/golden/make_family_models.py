#!/usr/bin/env python3
"""Writes a small random model of every family, and the logits that transformers computes with it.

Each family NAME gets, in the folder given (tests/golden/families):
    NAME/config.json, NAME/model.safetensors   as transformers saves it, in BF16
    NAME.gguf                                  the same weights in F32, with the names and changes of llama.cpp's converters,
                                               for families that those convert
    NAME.expected.json                         cases as in README.md, computed in float64

Weights are large enough that every part of a layer moves the logits, and exact in BF16, so that both files hold the same
numbers. Prompts are longer than the sliding windows. Needs torch, transformers and gguf from PyPI.

    make_family_models.py tests/golden/families [NAME ...]
"""

import argparse
import copy
import json
import math
import pathlib
import shutil
import tempfile

import gguf
import numpy
import safetensors.torch
import torch
import transformers

VOCAB, PROMPTS, GENERATED = 96, (3, 29), 12

# What all share; each family then says what it is about.
BASE = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
            pad_token_id=0)
# GGUF has no key for the scale of attention, so it is that of head_dim here.
GEMMA = dict(head_dim=16, sliding_window=8, query_pre_attn_scalar=16, hidden_activation="gelu_pytorch_tanh")


def rope(theta, **more):
    return dict(rope_type="default", rope_theta=theta, **more)


# name: (architecture of GGUF, or None where it has no form there; configuration)
FAMILIES = {
    "llama": ("llama", transformers.LlamaConfig(**BASE, rope_parameters=rope(500.0))),
    "mistral": ("llama", transformers.MistralConfig(**BASE, head_dim=16, sliding_window=8,
                                                    rope_parameters=rope(1000.0))),
    "qwen2": ("qwen2", transformers.Qwen2Config(**BASE, tie_word_embeddings=True, rope_parameters=rope(1000.0))),
    "qwen3": ("qwen3", transformers.Qwen3Config(**BASE, head_dim=16, rope_parameters=rope(1000.0))),
    "gemma2": ("gemma2", transformers.Gemma2Config(**BASE, **GEMMA, attn_logit_softcapping=5.0,
                                                   final_logit_softcapping=4.0)),
    "gemma3": ("gemma3", transformers.Gemma3TextConfig(
        **dict(BASE, num_hidden_layers=7, intermediate_size=40), **GEMMA,
        layer_types=["sliding_attention"] * 5 + ["full_attention", "sliding_attention"],
        rope_parameters={"full_attention": dict(rope_type="linear", factor=8.0, rope_theta=100000.0),
                         "sliding_attention": rope(500.0)})),
    "phi3": ("phi3", transformers.Phi3Config(**BASE, sliding_window=8, original_max_position_embeddings=128,
                                             rope_parameters=rope(1000.0, partial_rotary_factor=0.5))),
    # Case 0 stays within the original context, case 1 does not: transformers then takes the other factors.
    "phi3-longrope": ("phi3", transformers.Phi3Config(**BASE, original_max_position_embeddings=16, rope_parameters=dict(
        rope_type="longrope", rope_theta=1000.0, partial_rotary_factor=0.5, original_max_position_embeddings=16,
        short_factor=[1.0, 1.5], long_factor=[2.0, 5.0]))),
    "mixtral": ("llama", transformers.MixtralConfig(**BASE, num_local_experts=4, num_experts_per_tok=2,
                                                    rope_parameters=rope(1000.0))),
    "qwen3moe": ("qwen3moe", transformers.Qwen3MoeConfig(**BASE, head_dim=16, moe_intermediate_size=24, num_experts=6,
                                                         num_experts_per_tok=3, norm_topk_prob=True,
                                                         rope_parameters=rope(1000.0))),
    # Layers 0, 1 and 2 have one feed-forward block for all rows. llama.cpp's converter has no names for those.
    "qwen3moe-dense": (None, transformers.Qwen3MoeConfig(
        **dict(BASE, num_hidden_layers=4), head_dim=16, moe_intermediate_size=24, num_experts=6, num_experts_per_tok=3,
        norm_topk_prob=True, decoder_sparse_step=2, mlp_only_layers=[1], rope_parameters=rope(1000.0))),
}


# Others: by their order. Those of mixtures leave the routers so far from a tie that inputs rounded to BF16 pick the same
# experts.
SEEDS = {"phi3-longrope": 21, "mixtral": 48, "qwen3moe": 9, "qwen3moe-dense": 19}


def make_model(config, seed):
    """A model of random weights that are exact in BF16."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager",
                                                          experts_implementation="eager")
    zero_centred = config.model_type.startswith("gemma")  # norms multiply by 1 + weight
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                value = torch.randn_like(parameter) * 0.2 + (0 if zero_centred else 1)
            elif parameter.ndim == 1:
                value = torch.randn_like(parameter) * 0.5
            elif "embed_tokens" in name:
                value = torch.randn_like(parameter) * (0.3 if zero_centred else 1)
            else:
                value = torch.randn_like(parameter) * 1.5 / parameter.shape[-1] ** 0.5
            parameter.copy_(value.bfloat16())
    return model.eval()


def permute(weight, heads):
    """Rows of Q or K so that what rotates together is side by side."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def stack_experts(tensors):
    """Experts one by one -> one tensor for all of a layer, under the name that the converters give it."""
    stacked, names = {}, {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}
    for name in sorted(tensors):
        if ".experts." not in name:
            stacked[name] = tensors[name]
            continue
        head, _, tail = name.partition(".experts.")
        index, part, _ = tail.split(".")
        merged = f"{head.replace('block_sparse_moe', 'mlp')}.experts.{names.get(part, part)}.weight"
        stacked.setdefault(merged, {})[int(index)] = tensors[name]
    return {name: torch.stack([value[i] for i in range(len(value))]) if isinstance(value, dict) else value
            for name, value in stacked.items()}


def write_metadata(writer, config, name):
    writer.add_name(f"{name}, random weights")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope_parameters = config.rope_parameters
    rope_parameters = rope_parameters.get("full_attention", rope_parameters)
    writer.add_rope_freq_base(rope_parameters["rope_theta"])
    if rope_parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope_parameters["factor"])
    if rope_parameters["rope_type"] == "longrope":
        original = rope_parameters["original_max_position_embeddings"]
        stretched = config.max_position_embeddings / original
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(stretched) / math.log(original)))
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if head_dim != config.hidden_size // config.num_attention_heads:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if config.model_type == "phi3":
        writer.add_rope_dimension_count(int(head_dim * rope_parameters["partial_rotary_factor"]))
    if config.model_type == "gemma3_text":
        writer.add_rope_freq_base_swa(config.rope_parameters["sliding_attention"]["rope_theta"])
    optional = (("sliding_window", writer.add_sliding_window),
                ("attn_logit_softcapping", writer.add_attn_logit_softcapping),
                ("final_logit_softcapping", writer.add_final_logit_softcapping),
                ("num_local_experts", writer.add_expert_count), ("num_experts", writer.add_expert_count),
                ("num_experts_per_tok", writer.add_expert_used_count),
                ("moe_intermediate_size", writer.add_expert_feed_forward_length))
    seen = set()
    for attribute, add in optional:
        value = getattr(config, attribute, None)
        if value and add not in seen:
            add(value)
            seen.add(add)


def write_gguf(path, architecture, config, tensors):
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, architecture)
    write_metadata(writer, config, path.stem)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in stack_experts(tensors).items():
        value = tensor.float()
        part = name.split(".")[-2]
        if architecture == "llama" and part in heads:
            value = permute(value, heads[part])
        if architecture.startswith("gemma") and part.endswith("norm"):
            value = value + 1
        ours = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert ours is not None, name
        writer.add_tensor(ours, numpy.ascontiguousarray(value.numpy()))
    for length in ("long", "short"):
        factors = config.rope_parameters.get(f"{length}_factor")
        if factors:
            writer.add_tensor(f"rope_factors_{length}.weight", numpy.array(factors, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def expected_cases(model):
    """In float64; each token of the continuation from the whole text anew, so no cache is trusted."""
    model = model.double()
    cases = []
    for length in PROMPTS:
        prompt = torch.randint(3, VOCAB, (length,), generator=torch.Generator().manual_seed(length)).tolist()
        ids, margins, first = list(prompt), [], None
        for _ in range(GENERATED):
            with torch.no_grad():
                logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
            first = logits if first is None else first
            best = torch.topk(logits, 2)
            margins.append(float(best.values[0] - best.values[1]))
            ids.append(int(best.indices[0]))
        cases.append({"prompt_ids": prompt, "logits_after_prompt": [float(f"{x:.7g}") for x in first.tolist()],
                      "greedy_ids": ids[length:], "greedy_margin": [float(f"{x:.4g}") for x in margins]})
    return cases


def make(out, name, seed):
    architecture, config = FAMILIES[name]
    model = make_model(config, seed)
    cases = expected_cases(copy.deepcopy(model))
    (out / name).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as saved:
        model.bfloat16().save_pretrained(saved)
        for file in ("config.json", "model.safetensors"):
            shutil.copy(pathlib.Path(saved) / file, out / name / file)
    tensors = safetensors.torch.load_file(out / name / "model.safetensors")
    if architecture:
        write_gguf(out / f"{name}.gguf", architecture, config, tensors)
    lines = ",\n".join(json.dumps(case) for case in cases)
    (out / f"{name}.expected.json").write_text(f"[\n{lines}\n]\n")
    largest = max(abs(x) for case in cases for x in case["logits_after_prompt"])
    print(f"{name}: {len(tensors)} tensors, largest logit {largest:.3g}, "
          f"least margin {min(min(case['greedy_margin']) for case in cases):.2g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("names", nargs="*", default=list(FAMILIES), metavar="NAME")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or FAMILIES:
        make(args.out, name, seed=SEEDS.get(name, 1 + list(FAMILIES).index(name)))


if __name__ == "__main__":
    main()
