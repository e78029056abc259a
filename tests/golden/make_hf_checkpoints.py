#!/usr/bin/env python3
"""Writes small quantized checkpoints, made by the libraries that people quantize models with, and what those
libraries make of them, into the folder given (tests/golden/hf).

Every folder NAME has config.json, model.safetensors with the tensors of one linear module, "layer", and
expected.safetensors with its weight [N, K] as the library dequantizes it, in F32. quantd's readers are tested against
the latter (tests/runtime/formats/hf_golden_test.cc).

Needs, in a virtual environment: torch, transformers, compressed-tensors, bitsandbytes and safetensors from PyPI, and
unpacked beside each other in the folder SOURCES the sources of auto-gptq 0.7.1 (its wheel), autoawq 0.2.9 and
gptqmodel 7.7.0. Only the modules that pack are imported from these three.

    make_hf_checkpoints.py SOURCES tests/golden/hf
"""

import importlib
import json
import pathlib
import sys
import types

import safetensors.torch
import torch

N, K = 32, 64


def shell(name, path, **attributes):
    """A package that finds its modules under `path` without running its own __init__, which would import all of a
    library."""
    module = types.ModuleType(name)
    module.__path__ = [str(path)]
    for key, value in attributes.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def weights(n=N, k=K, offset=0.0):
    return torch.randn(n, k) * 0.05 + offset


def save(out, name, config, tensors, expected, more={}):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "quantization_config": config}, indent=1) + "\n")
    named = {"layer" + suffix: tensor.contiguous() for suffix, tensor in tensors.items()}
    safetensors.torch.save_file(named, folder / "model.safetensors")
    more = {key: tensor.float().contiguous() for key, tensor in more.items()}
    safetensors.torch.save_file({"layer": expected.float().contiguous()} | more, folder / "expected.safetensors")


# --- GPTQ ---


def group_quantization(weight, bits, group, sym, g_idx):
    """Scales and zero points [N, G] of the plain rounding that GPTQ improves on."""
    groups = int(g_idx.max()) + 1
    scales, zeros = [], []
    top = 2**bits - 1
    for g in range(groups):
        part = weight[:, g_idx == g]
        low, high = part.amin(1).clamp(max=0), part.amax(1).clamp(min=0)
        if sym:
            reach = torch.maximum(low.abs(), high)
            low, high = -reach, reach
        scale = ((high - low) / top).half().float()
        scales.append(scale)
        zeros.append(torch.full_like(scale, 2 ** (bits - 1)) if sym else torch.round(-low / scale).clamp(0, top))
    return torch.stack(scales, 1), torch.stack(zeros, 1)


def on_grid(weight, scales, zeros, bits, g_idx):
    """The weight rounded to what its codes can say."""
    scale, zero = scales[:, g_idx], zeros[:, g_idx]
    return (torch.round(weight / scale + zero).clamp(0, 2**bits - 1) - zero) * scale


def linear_of(weight):
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight.data = weight.clone()
    return linear


def gptq_config(bits, group, sym, act, checkpoint_format, **more):
    return {"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": act, "sym": sym,
            "checkpoint_format": checkpoint_format, **more}


def auto_gptq_of(sources, weight, bits, group, sym):
    """Of a weight [N, K]: the tensors of its module by suffix, and what the library makes of them; so below."""
    shell("auto_gptq", sources / "auto_gptq")
    shell("auto_gptq.nn_modules", sources / "auto_gptq/nn_modules")
    shell("auto_gptq.nn_modules.qlinear", sources / "auto_gptq/nn_modules/qlinear")
    module = importlib.import_module("auto_gptq.nn_modules.qlinear.qlinear_cuda_old")
    n, k = weight.shape
    size = k if group == -1 else group
    g_idx = torch.arange(k) // size
    scales, zeros = group_quantization(weight, bits, size, sym, g_idx)
    weight = on_grid(weight, scales, zeros, bits, g_idx)
    layer = module.QuantLinear(bits, group, k, n, bias=False)
    layer.pack(linear_of(weight), scales.clone(), zeros.clone(), g_idx=None)
    tensors = {"." + key: tensor for key, tensor in layer.state_dict().items() if key != "bias"}
    tensors[".scales"] = tensors[".scales"].half()
    tensors[".g_idx"] = g_idx.int()
    return tensors, layer(torch.eye(k)).T


def auto_gptq(out, sources, name, bits, group, sym):
    save(out, name, gptq_config(bits, group, sym, False, "gptq"), *auto_gptq_of(sources, weights(), bits, group, sym))


def import_gptqmodel(sources):
    root = sources / "gptqmodel-7.7.0/gptqmodel"
    shell("gptqmodel", root, DEBUG_ON=False)
    for package in ("models", "nn_modules", "adapter", "looper"):
        shell("gptqmodel." + package, root / package)
    quantization = shell("gptqmodel.quantization", root / "quantization")
    config = importlib.import_module("gptqmodel.quantization.config")
    quantization.FORMAT, quantization.METHOD = config.FORMAT, config.METHOD
    return importlib.import_module("gptqmodel.nn_modules.qlinear.torch").TorchLinear


def word_ones(bits):
    return sum(1 << shift for shift in range(0, 32, bits))


def group_index(k, group, act):
    """The group of each input feature."""
    g_idx = torch.arange(k) // (k if group == -1 else group)
    return g_idx[torch.randperm(k)] if act else g_idx


def gptqmodel_of(linear_class, weight, bits, group, sym, act, version, g_idx=None):
    n, k = weight.shape
    if g_idx is None:
        g_idx = group_index(k, group, act)
    scales, zeros = group_quantization(weight, bits, group, sym, g_idx)
    weight = on_grid(weight, scales, zeros, bits, g_idx)
    layer = linear_class(bits=bits, group_size=group, sym=sym, desc_act=act, in_features=k, out_features=n, bias=False)
    layer.pack_original(linear_of(weight), scales.clone(), zeros.clone(), g_idx.int())
    layer.post_init()
    tensors = {"." + key: getattr(layer, key).clone() for key in ("qweight", "qzeros", "scales", "g_idx")}
    layer.scales = layer.scales.float()
    expected = layer.dequantize_weight().T
    if version == 1:  # as the library's convert_gptq_v2_to_v1_format_module does
        words = tensors[".qzeros"].to(torch.int64) & 0xFFFFFFFF
        words = (words - word_ones(bits)) & 0xFFFFFFFF
        tensors[".qzeros"] = torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)
    return tensors, expected


def gptqmodel(out, linear_class, name, bits, group, sym, act, version, offset=0.0):
    g_idx = group_index(K, group, act)
    parts = gptqmodel_of(linear_class, weights(offset=offset), bits, group, sym, act, version, g_idx)
    save(out, name, gptq_config(bits, group, sym, act, "gptq" if version == 1 else "gptq_v2"), *parts)


# --- AWQ ---


def awq_config(group):
    return {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True, "version": "gemm"}


def awq_of(sources, weight, group):
    root = sources / "autoawq-0.2.9/awq"
    for package in ("awq", "awq.modules", "awq.modules.linear", "awq.utils"):
        shell(package, root.parent / package.replace(".", "/"))
    module = importlib.import_module("awq.modules.linear.gemm")
    packing = importlib.import_module("awq.utils.packing_utils")
    k = weight.shape[1]
    size = k if group == -1 else group
    g_idx = torch.arange(k) // size
    scales, zeros = group_quantization(weight, 4, size, False, g_idx)
    weight = on_grid(weight, scales, zeros, 4, g_idx)
    layer = module.WQLinear_GEMM.from_linear(
        linear_of(weight), 4, size, scales=scales.T.contiguous(), zeros=zeros.T.contiguous())
    tensors = {"." + key: getattr(layer, key) for key in ("qweight", "qzeros", "scales")}
    return tensors, packing.dequantize_gemm(layer.qweight, layer.qzeros, layer.scales.float(), 4, size).T


def awq(out, sources, name, group):
    save(out, name, awq_config(group), *awq_of(sources, weights(offset=0.02), group))


# --- bitsandbytes ---


def bnb_four_bits_of(weight, quant_type, nested):
    """(tensors by suffix, the weight that the library makes of them)"""
    import bitsandbytes.functional as F

    n, k = weight.shape
    codes, state = F.quantize_4bit(weight.half(), blocksize=64, quant_type=quant_type, compress_statistics=nested)
    tensors = {".weight": codes}
    tensors |= {".weight." + key: tensor for key, tensor in state.as_dict(packed=True).items()}
    if k % state.blocksize == 0:
        state.dtype = torch.float32
        expected = F.dequantize_4bit(codes, state)
    else:  # 0.50.2 quantizes the flattened matrix, but on a CPU begins blocks anew at each row when it dequantizes
        nibbles = torch.stack([codes.flatten() >> 4, codes.flatten() & 15], 1).flatten().long()
        expected = (state.code[nibbles].reshape(-1, state.blocksize) * state.absmax[:, None]).reshape(n, k)
    return tensors, expected


def bnb_four_bits_config(quant_type, nested):
    return {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": quant_type,
            "bnb_4bit_use_double_quant": nested}


def bnb_four_bits(out, name, quant_type, nested, n=N, k=K):
    save(out, name, bnb_four_bits_config(quant_type, nested),
         *bnb_four_bits_of(weights(n, k), quant_type, nested))


def bnb_int8(out, name):
    import bitsandbytes.functional as F

    codes, scales, _ = F.int8_vectorwise_quant(weights().half())
    tensors = {".weight": codes, ".SCB": scales, ".weight_format": torch.tensor(0, dtype=torch.uint8)}
    save(out, name, {"quant_method": "bitsandbytes", "load_in_8bit": True}, tensors,
         F.int8_vectorwise_dequant(codes, scales))


def bnb_int8_outliers(out, name):
    """Also x [6, K] and its product by the library's own linear module, in F32: y of each row by itself, y_together of
    all rows as a batch, in which the library takes for an outlier what one is in any row."""
    import bitsandbytes as bnb

    generator = torch.Generator().manual_seed(31)
    n, k, large = 32, 128, [5, 64, 127]
    linear = bnb.nn.Linear8bitLt(k, n, bias=False, has_fp16_weights=False, threshold=6.0)
    linear.load_state_dict({"weight": (torch.randn(n, k, generator=generator) * 0.05).half()})
    linear = linear.to("cpu").eval()
    x = torch.randn(6, k, generator=generator).clamp(-4, 4)
    x[:4, large] = torch.tensor([[9.0, -30, 60], [-60, 7, 12], [6, 100, -8], [200, -6, 31]])
    x[4, 64] = -45  # and none in the last
    x = x.half()
    with torch.no_grad():
        product = {"x": x, "y": torch.cat([linear(row[None]) for row in x]), "y_together": linear(x)}
    tensors = {".weight": linear.state_dict()["weight"], ".SCB": linear.state_dict()["SCB"],
               ".weight_format": torch.tensor(0, dtype=torch.uint8)}
    save(out, name, {"quant_method": "bitsandbytes", "load_in_8bit": True, "llm_int8_threshold": 6.0}, tensors,
         bnb.functional.int8_vectorwise_dequant(tensors[".weight"], tensors[".SCB"]), product)


# --- compressed-tensors ---


def compressed_config(format, scheme):
    return {"quant_method": "compressed-tensors", "format": format, "ignore": ["lm_head"],
            "config_groups": {"group_0": json.loads(scheme.model_dump_json(exclude_none=True))}}


def compressed_of(weight, format, args, activations=None):
    """Also the configuration, first."""
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    weight_args = QuantizationArgs(**args)
    inputs = QuantizationArgs(**activations) if activations else None
    scheme = QuantizationScheme(targets=["Linear"], weights=weight_args, input_activations=inputs)
    n, k = weight.shape
    strategy = weight_args.strategy
    if strategy == "group":
        parts = weight.reshape(n, -1, weight_args.group_size)
        low, high = parts.amin(2), parts.amax(2)
    elif strategy == "channel":
        low, high = weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
    elif strategy == "block":
        rows, cols = weight_args.block_structure
        padded = torch.nn.functional.pad(weight, (0, -k % cols, 0, -n % rows))
        parts = padded.reshape(padded.shape[0] // rows, rows, padded.shape[1] // cols, cols)
        low, high = parts.amin((1, 3)), parts.amax((1, 3))
    else:
        low, high = weight.amin().reshape(1), weight.amax().reshape(1)
    scale, zero = calculate_qparams(low, high, weight_args)
    state = {"weight": weight, "weight_scale": scale}
    if not weight_args.symmetric:
        state["weight_zero_point"] = zero
    compressor = BaseCompressor.get_value_from_registry(format)
    packed = compressor.compress(state, scheme)
    wide = {key: tensor.float() if key == "weight_scale" and tensor.is_floating_point() else tensor
            for key, tensor in packed.items()}
    expected = compressor.decompress(wide, scheme)["weight"]
    if inputs is not None and not inputs.dynamic:
        packed["input_scale"] = torch.tensor([0.05], dtype=weight.dtype)
    config = compressed_config(format, scheme)
    return config, {"." + key: tensor for key, tensor in packed.items()}, expected


def compressed(out, name, format, args, group_order=False, dtype=torch.bfloat16, n=N, k=K):
    weight = weights(n, k, offset=0.0 if args.get("symmetric", True) else 0.02).to(dtype)
    config, packed, expected = compressed_of(weight, format, args)
    if group_order:  # input features scattered over the groups, which earlier versions of the library wrote
        order = torch.randperm(k)
        codes = torch.randint(-8, 8, (n, k), dtype=torch.int8)
        expected = in_group_order(config, packed, args, order, codes)
    save(out, name, config, packed, expected)


def in_group_order(config, packed, args, order, codes):
    """Makes `packed` hold `codes`, input feature i being in the group of column order[i]. Returns the weight."""
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

    config["config_groups"]["group_0"]["weights"]["actorder"] = "group"
    g_idx = (torch.arange(codes.shape[1]) // args["group_size"])[order]
    packed[".weight_packed"] = pack_to_int32(codes, args["num_bits"])
    packed[".weight_g_idx"] = g_idx.int()
    return codes.float() * packed[".weight_scale"].float()[:, g_idx]


# --- FP8, MXFP4 ---


def fp8_config(block):
    config = {"quant_method": "fp8", "activation_scheme": "dynamic" if block else "static", "fmt": "e4m3"}
    return config | {"weight_block_size": block} if block else config


def fp8_of(weight, block):
    """As transformers' FineGrainedFP8 and AutoFP8 store it."""
    top = torch.finfo(torch.float8_e4m3fn).max
    if block is None:
        scale = weight.abs().amax() / top
        codes = (weight / scale).to(torch.float8_e4m3fn)
        tensors = {".weight": codes, ".weight_scale": scale.reshape(()), ".input_scale": torch.tensor(0.5)}
        return tensors, codes.float() * scale
    (n, k), (rows, cols) = weight.shape, block
    padded = torch.nn.functional.pad(weight, (0, -k % cols, 0, -n % rows))
    parts = padded.reshape(padded.shape[0] // rows, rows, padded.shape[1] // cols, cols)
    scale = parts.abs().amax((1, 3)) / top
    full = scale.repeat_interleave(rows, 0).repeat_interleave(cols, 1)[:n, :k]
    codes = (weight / full).to(torch.float8_e4m3fn)
    return {".weight": codes, ".weight_scale_inv": scale}, codes.float() * full


def fbgemm_fp8_config():
    return {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}


def fbgemm_fp8_of(weight):
    scale = weight.abs().amax(1, keepdim=True) / torch.finfo(torch.float8_e4m3fn).max
    codes = (weight / scale).to(torch.float8_e4m3fn)
    return {".weight": codes, ".weight_scale": scale}, codes.float() * scale


MXFP4_ARGS = {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32, "scale_dtype": "torch.uint8",
              "zp_dtype": "torch.uint8"}


def mxfp4_of(weight):
    """The bytes that compressed-tensors makes, under the names and in the shape of quant_method mxfp4."""
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    packed = compressed_of(weight.to(torch.bfloat16), "mxfp4-pack-quantized", MXFP4_ARGS)[1]
    scales = packed[".weight_scale"]
    blocks = packed[".weight_packed"].reshape(*scales.shape, 16)
    made = convert_moe_packed_tensors(blocks[None].clone(), scales[None].clone(), dtype=torch.float32)[0].T
    return {"_blocks": blocks, "_scales": scales}, made


def mxfp4(out, name):
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    experts, n, groups = 2, 16, 2
    blocks = torch.randint(0, 256, (experts, n, groups, 16), dtype=torch.uint8)
    scales = torch.randint(118, 126, (experts, n, groups), dtype=torch.uint8)
    # The library gives [experts, K, N].
    expected = convert_moe_packed_tensors(blocks.clone(), scales.clone(), dtype=torch.float32).transpose(1, 2)
    save(out, name, {"quant_method": "mxfp4"}, {"_blocks": blocks, "_scales": scales},
         expected.reshape(experts * n, groups * 32))


def main():
    torch.manual_seed(20240607)
    sources, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for bits, group, sym in ((2, 32, True), (3, 32, True), (4, 32, True), (8, -1, True)):
        auto_gptq(out, sources, f"gptq-{bits}-v1", bits, group, sym)
    torch_linear = import_gptqmodel(sources)
    gptqmodel(out, torch_linear, "gptq-2-v2-asym", 2, 32, False, False, 2)
    gptqmodel(out, torch_linear, "gptq-3-v2-asym", 3, -1, False, False, 2)
    gptqmodel(out, torch_linear, "gptq-4-v2-act-order", 4, 16, True, True, 2)
    gptqmodel(out, torch_linear, "gptq-4-v2-asym-act-order", 4, 32, False, True, 2)
    gptqmodel(out, torch_linear, "gptq-8-v2-asym", 8, 32, False, False, 2)
    # Weights that are nearly all positive: zero points of 0, which v1 stores with a borrow.
    gptqmodel(out, torch_linear, "gptq-4-v1-zero-borrows", 4, 16, False, False, 1, offset=0.06)
    awq(out, sources, "awq-g32", 32)
    awq(out, sources, "awq-channel", -1)
    for quant_type in ("nf4", "fp4"):
        bnb_four_bits(out, f"bnb-{quant_type}", quant_type, False)
        bnb_four_bits(out, f"bnb-{quant_type}-double", quant_type, True)
    bnb_four_bits(out, "bnb-nf4-blocks-across-rows", "nf4", False, k=96)
    bnb_int8(out, "bnb-int8")
    bnb_int8_outliers(out, "bnb-int8-outliers")
    grouped = {"num_bits": 4, "strategy": "group", "group_size": 32}
    compressed(out, "compressed-w4-g32", "pack-quantized", grouped)
    compressed(out, "compressed-w4-g32-asym", "pack-quantized", grouped | {"symmetric": False})
    compressed(out, "compressed-w4-g16-act-order", "pack-quantized",
               grouped | {"group_size": 16}, group_order=True)
    compressed(out, "compressed-w8-channel-packed", "pack-quantized", {"num_bits": 8, "strategy": "channel"}, k=62)
    compressed(out, "compressed-w4-channel-asym", "pack-quantized",
               {"num_bits": 4, "strategy": "channel", "symmetric": False}, dtype=torch.float16)
    compressed(out, "compressed-w8a8-channel", "int-quantized", {"num_bits": 8, "strategy": "channel"})
    compressed(out, "compressed-w8a8-tensor-asym", "int-quantized",
               {"num_bits": 8, "strategy": "tensor", "symmetric": False})
    floats = {"num_bits": 8, "type": "float"}
    compressed(out, "compressed-fp8-channel", "float-quantized", floats | {"strategy": "channel"})
    compressed(out, "compressed-fp8-tensor", "float-quantized", floats | {"strategy": "tensor"}, dtype=torch.float32)
    compressed(out, "compressed-fp8-block", "float-quantized",
               floats | {"strategy": "block", "block_structure": [32, 64]}, n=48, k=96)
    save(out, "fp8-tensor", fp8_config(None), *fp8_of(weights(48, 96), None))
    save(out, "fp8-block", fp8_config([32, 64]), *fp8_of(weights(48, 96), [32, 64]))
    save(out, "fbgemm-fp8", fbgemm_fp8_config(), *fbgemm_fp8_of(weights()))
    mxfp4(out, "mxfp4")
    compressed(out, "compressed-mxfp4", "mxfp4-pack-quantized", MXFP4_ARGS)


if __name__ == "__main__":
    main()
