#!/usr/bin/env python3
"""Writes small whole models, quantized by the libraries that people quantize models with, and what transformers
computes with the weights that those libraries make of them, into the folder given (tests/golden/hf-models).

A Llama of 2 layers is trained here for some seconds to continue sequences of a simple rule, so that its logits have
clear maxima. Every folder NAME has config.json, model.safetensors (or shards with their index) and expected.json, in
the form of the other *.expected.json of this folder: computed by transformers in F32 on the dequantized weights. quantd
loads each folder as it is (tests/runtime/model/hf_models_test.cc).

Who quantizes and dequantizes:
  bitsandbytes        transformers loads the model quantized and saves it; its dequantize() gives the weights
  compressed-tensors  compressed_tensors packs; transformers loads the result decompressed
  fp8-block           packed here by torch's cast; transformers loads the result dequantized
  others              the packers of make_hf_checkpoints.py; see there

    make_hf_models.py SOURCES tests/golden/hf-models      (SOURCES and needs as of make_hf_checkpoints.py)
"""

import json
import pathlib
import shutil
import sys
import tempfile

import safetensors.torch
import torch
import transformers

import make_hf_checkpoints as packers

VOCAB = 96
STEPS = 64
PROMPTS = [[7, 12], [3, 90, 41, 5, 77, 20, 61, 60, 33]]


def tiny_config(**more):
    return transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=1,
        eos_token_id=2, tie_word_embeddings=more.pop("tie_word_embeddings", False), **more)


def sequences(count, length, generator):
    """The next token follows from the last by one of two fixed random cycles; which, the one before it says."""
    rule = torch.Generator().manual_seed(5)
    tables = torch.empty(2, VOCAB, dtype=torch.long)
    for table in tables:
        cycle = torch.randperm(VOCAB, generator=rule)
        table[cycle] = cycle.roll(-1)
    tokens = torch.randint(3, VOCAB, (count, 2), generator=generator)
    for _ in range(length - 2):
        following = tables[tokens[:, -2] % 2, tokens[:, -1]]
        tokens = torch.cat([tokens, following[:, None]], 1)
    return tokens


def moe_config(kind, **more):
    """A mixture of experts of 2 layers: the Qwen3-MoE or Mixtral of the same size."""
    shared = dict(vocab_size=VOCAB, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                  head_dim=16, max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2)
    if kind == "mixtral":
        return transformers.MixtralConfig(**shared, intermediate_size=64, num_local_experts=4, num_experts_per_tok=2)
    return transformers.Qwen3MoeConfig(**shared, intermediate_size=128, moe_intermediate_size=64, num_experts=6,
                                       num_experts_per_tok=2, norm_topk_prob=True)


def trained(config, steps=160):
    torch.manual_seed(11)
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    generator = torch.Generator().manual_seed(3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=8e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        tokens = sequences(32, 24, generator)
        loss = model(input_ids=tokens, labels=tokens).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"trained to a loss of {loss.item():.3f}")
    return model.eval()


@torch.no_grad()
def expectation(model):
    cases = []
    for prompt in PROMPTS:
        tokens, margins, first = list(prompt), [], None
        for _ in range(STEPS):
            logits = model(input_ids=torch.tensor([tokens])).logits[0, -1].double()
            first = logits if first is None else first
            best = logits.topk(2)
            margins.append(round((best.values[0] - best.values[1]).item(), 4))
            tokens.append(best.indices[0].item())
        cases.append({"prompt_ids": prompt, "logits_after_prompt": [float(f"{x:.6g}") for x in first.tolist()],
                      "greedy_ids": tokens[len(prompt):], "greedy_margin": margins})
    return cases


def write_expected(folder, model):
    (folder / "expected.json").write_text(json.dumps(expectation(model.float().eval())) + "\n")
    for name in ("generation_config.json",):
        (folder / name).unlink(missing_ok=True)


def new_folder(out, name):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def linears(model):
    return [(name, module) for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and name != "lm_head"]


def with_config(folder, model, quantization):
    config = json.loads(model.config.to_json_string())
    config["architectures"] = [type(model).__name__]
    if quantization:
        config["quantization_config"] = quantization
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def by_module(out, name, model, quantization, pack):
    """pack(weight) -> (tensors by suffix, the weight that the library makes of them), for every linear module of the
    layers; the others stay in F16."""
    folder = new_folder(out, name)
    copy = trained_copy(model)
    tensors = {key: value.half() for key, value in copy.state_dict().items()}
    for module_name, module in linears(copy):
        parts, weight = pack(module.weight.detach().float())
        del tensors[module_name + ".weight"]
        tensors |= {module_name + suffix: tensor.contiguous() for suffix, tensor in parts.items()}
        module.weight.data = weight.float()
    keep_as_stored(copy, tensors)
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with_config(folder, copy, quantization)
    write_expected(folder, copy)
    return folder, copy


def experts_by_module(out, name, model, quantization, pack, modules=(".experts.", ".self_attn.")):
    """As by_module, for a mixture of experts: the attention's and each expert's matrices, which lie one by one in the
    file though transformers holds those of a layer as one parameter. `modules`: parts of the names of those quantized."""
    folder = new_folder(out, name)
    with tempfile.TemporaryDirectory() as plain_folder:
        model.save_pretrained(plain_folder)
        stored = safetensors.torch.load_file(pathlib.Path(plain_folder) / "model.safetensors")
        tensors, weights = {}, {}
        for key, value in stored.items():
            module_name = key.removesuffix(".weight")
            if value.ndim == 2 and any(part in key for part in modules):
                parts, weight = pack(value.float())
                tensors |= {module_name + suffix: tensor.contiguous() for suffix, tensor in parts.items()}
                weights[key] = weight.float().contiguous()
            else:
                tensors[key] = value.half()
                weights[key] = tensors[key].float()
        safetensors.torch.save_file(weights, pathlib.Path(plain_folder) / "model.safetensors", {"format": "pt"})
        copy = transformers.AutoModelForCausalLM.from_pretrained(plain_folder, dtype=torch.float32)
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with_config(folder, copy, quantization)
    write_expected(folder, copy)


def trained_copy(model):
    copy = transformers.LlamaForCausalLM(model.config).float().eval()
    copy.load_state_dict(model.state_dict())
    return copy


def keep_as_stored(model, tensors):
    """The parameters that are stored as they are get the values that F16 leaves of them."""
    for key, value in model.state_dict().items():
        if key in tensors and tensors[key].dtype == torch.float16:
            value.copy_(tensors[key].float())


def check_against_transformers(folder, model, **options):
    """transformers must make the same of the folder as was expected, but for what it rounds to BF16 on the way."""
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options).eval()
    tokens = torch.tensor([PROMPTS[1]])
    with torch.no_grad():
        ours, theirs = model(input_ids=tokens).logits, loaded(input_ids=tokens).logits
    error = ((ours - theirs).abs().max() / ours.abs().max()).item()
    print(f"{folder.name}: transformers' own loading differs by {error:.1e}")
    assert error < 5e-3, folder.name


# --- by library ---


def plain(out, name, model, dtype, **save):
    folder = new_folder(out, name)
    copy = trained_copy(model).to(dtype)
    copy.save_pretrained(folder, **save)
    write_expected(folder, copy)


def bitsandbytes(out, name, model, **options):
    folder = new_folder(out, name)
    with tempfile.TemporaryDirectory() as base:
        trained_copy(model).half().save_pretrained(base)
        quantized = transformers.AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float16, device_map="cpu", quantization_config=transformers.BitsAndBytesConfig(**options))
    quantized.save_pretrained(folder)
    write_expected(folder, quantized.dequantize(torch.float32))


def with_outliers(model, features=(3, 30, 61), factor=40.0):
    """The same function, in which some features of what the norms give are far larger than the others, as trained
    models of some size have them."""
    copy = trained_copy(model)
    features = list(features)
    with torch.no_grad():
        for layer in copy.model.layers:
            for norm, readers in ((layer.input_layernorm, ("q_proj", "k_proj", "v_proj")),
                                  (layer.post_attention_layernorm, ("gate_proj", "up_proj"))):
                norm.weight[features] *= factor
                for name, module in layer.named_modules():
                    if name.split(".")[-1] in readers:
                        module.weight[:, features] /= factor
    return copy


def compressed(out, name, model, quant_format, args, activations=None):
    config = packers.compressed_of(torch.randn(64, 64), quant_format, args, activations)[0]

    def pack(weight):
        return packers.compressed_of(weight.to(torch.bfloat16), quant_format, args, activations)[1:]

    folder, copy = by_module(out, name, model, config, pack)
    check_against_transformers(folder, copy, quantization_config=transformers.CompressedTensorsConfig(
        run_compressed=False))


def compressed_act_order(out, name, model, args):
    config = packers.compressed_of(torch.randn(64, 64), "pack-quantized", args)[0]

    def pack(weight):
        order = torch.randperm(weight.shape[1])
        sorted_weight = torch.empty_like(weight)
        sorted_weight[:, order] = weight  # column order[i] is feature i
        _, packed, _ = packers.compressed_of(sorted_weight.to(torch.bfloat16), "pack-quantized", args)
        scales = packed[".weight_scale"].float().repeat_interleave(args["group_size"], 1)[:, order]
        codes = (weight / scales).round().clamp(-8, 7).to(torch.int8)
        return packed, packers.in_group_order(config, packed, args, order, codes)

    by_module(out, name, model, config, pack)


def fp8_block(out, name, model, block):
    folder, copy = by_module(out, name, model, packers.fp8_config(block), lambda weight: packers.fp8_of(weight, block))
    check_against_transformers(folder, copy, quantization_config=transformers.FineGrainedFP8Config(
        weight_block_size=block, dequantize=True))


def main():
    sources, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    wanted = sys.argv[3:]
    base = trained(tiny_config())
    P = packers

    def add(name, function, *arguments, **options):
        if not wanted or name in wanted:
            function(out, name, *arguments, **options)

    # Full precision: shards, tied embeddings, stretched contexts.
    add("float-bf16-sharded", plain, base, torch.bfloat16, max_shard_size="100KB")
    if not wanted or "float-f16-tied-llama3" in wanted:
        llama3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0,
                  "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
        add("float-f16-tied-llama3", plain, trained(tiny_config(rope_parameters=llama3, tie_word_embeddings=True)),
            torch.float16)
    if not wanted or "float-f16-yarn" in wanted:
        yarn = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
        stretched = transformers.LlamaForCausalLM(tiny_config(rope_parameters=yarn)).eval()
        stretched.load_state_dict(base.state_dict())
        add("float-f16-yarn", plain, stretched, torch.float16)

    add("bnb-nf4", bitsandbytes, base, load_in_4bit=True, bnb_4bit_quant_type="nf4")
    add("bnb-nf4-double", bitsandbytes, base, load_in_4bit=True, bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True)
    add("bnb-fp4", bitsandbytes, base, load_in_4bit=True, bnb_4bit_quant_type="fp4")
    add("bnb-int8", bitsandbytes, base, load_in_8bit=True)
    add("bnb-int8-outliers", bitsandbytes, with_outliers(base), load_in_8bit=True)

    for bits, group, sym in ((4, 32, True), (8, -1, True), (3, 32, True)):
        add(f"gptq-{bits}-v1", by_module, base, P.gptq_config(bits, group, sym, False, "gptq"),
            lambda weight, b=bits, g=group, s=sym: P.auto_gptq_of(sources, weight, b, g, s))
    linear = P.import_gptqmodel(sources)
    for name, bits, group, sym, act, version in (("gptq-4-v2-act-order", 4, 32, True, True, 2),
                                                 ("gptq-4-v1-asym-act-order", 4, 16, False, True, 1),
                                                 ("gptq-8-v2-asym", 8, 32, False, False, 2),
                                                 ("gptq-2-v2-asym", 2, 16, False, False, 2)):
        add(name, by_module, base, P.gptq_config(bits, group, sym, act, "gptq" if version == 1 else "gptq_v2"),
            lambda weight, a=(bits, group, sym, act, version): P.gptqmodel_of(linear, weight, *a))
    add("awq-g32", by_module, base, P.awq_config(32), lambda weight: P.awq_of(sources, weight, 32))

    grouped = {"num_bits": 4, "strategy": "group", "group_size": 32}
    token = {"num_bits": 8, "strategy": "token", "dynamic": True}
    add("compressed-w4-g32", compressed, base, "pack-quantized", grouped)
    add("compressed-w4-g32-asym", compressed, base, "pack-quantized", grouped | {"symmetric": False})
    add("compressed-w4-g32-act-order", compressed_act_order, base, grouped)
    add("compressed-w8-channel", compressed, base, "pack-quantized", {"num_bits": 8, "strategy": "channel"})
    add("compressed-w8a8-dynamic", compressed, base, "int-quantized", {"num_bits": 8, "strategy": "channel"},
        activations=token)
    add("compressed-w8a8-static", compressed, base, "int-quantized", {"num_bits": 8, "strategy": "channel"},
        activations={"num_bits": 8, "strategy": "tensor", "dynamic": False})
    floats = {"num_bits": 8, "type": "float"}
    add("compressed-fp8-channel", compressed, base, "float-quantized", floats | {"strategy": "channel"},
        activations=token | {"type": "float"})
    add("compressed-fp8-tensor", compressed, base, "float-quantized", floats | {"strategy": "tensor"})

    add("mxfp4", by_module, base, {"quant_method": "mxfp4"}, P.mxfp4_of)

    # Mixtures of experts.
    mixture = {}

    def add_mixture(kind, name, *arguments):
        if not wanted or name in wanted:
            mixture[kind] = mixture.get(kind) or trained(moe_config(kind))
            experts_by_module(out, name, mixture[kind], *arguments)

    add_mixture("qwen3moe", "qwen3moe-gptq-4-v1", P.gptq_config(4, 32, True, False, "gptq"),
                lambda weight: P.auto_gptq_of(sources, weight, 4, 32, True))
    add_mixture("qwen3moe", "qwen3moe-gptq-4-v2-act-order", P.gptq_config(4, 32, True, True, "gptq_v2"),
                lambda weight: P.gptqmodel_of(linear, weight, 4, 32, True, True, 2))
    add_mixture("mixtral", "mixtral-awq-g32", P.awq_config(32), lambda weight: P.awq_of(sources, weight, 32))
    # With bitsandbytes transformers 5 leaves experts as they are; 4 quantized each of them, and what picks them too.
    add_mixture("qwen3moe", "qwen3moe-bnb-nf4", P.bnb_four_bits_config("nf4", True),
                lambda weight: P.bnb_four_bits_of(weight, "nf4", True), (".experts.", ".self_attn.", ".mlp.gate."))
    add_mixture("qwen3moe", "qwen3moe-fp8-block", P.fp8_config([32, 32]), lambda weight: P.fp8_of(weight, [32, 32]))
    add_mixture("qwen3moe", "qwen3moe-mxfp4", {"quant_method": "mxfp4"}, P.mxfp4_of)
    for kind, name, form, args in (("qwen3moe", "qwen3moe-compressed-mxfp4", "mxfp4-pack-quantized", P.MXFP4_ARGS),
                                   ("mixtral", "mixtral-compressed-w4-g32", "pack-quantized", grouped),
                                   ("qwen3moe", "qwen3moe-compressed-w8a8", "int-quantized",
                                    {"num_bits": 8, "strategy": "channel"})):
        add_mixture(kind, name, P.compressed_of(torch.randn(64, 64), form, args)[0],
                    lambda weight, f=form, a=args: P.compressed_of(weight.to(torch.bfloat16), f, a)[1:])

    add("fp8-tensor", by_module, base, P.fp8_config(None), lambda weight: P.fp8_of(weight, None))
    add("fp8-block", fp8_block, base, [32, 32])
    add("fbgemm-fp8", by_module, base, P.fbgemm_fp8_config(), P.fbgemm_fp8_of)


if __name__ == "__main__":
    main()
