"""Small checkpoints with random weights and everything else as their makers have it, each with its own logits.

The weights are far larger than those that training begins with, biases and norms included, so that a tensor that is
left out, transposed or permuted wrongly changes the logits by much more than rounding does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from torch import nn

from tests.conversion.refact_reference import RefactReference
from tests.conversion.vocabularies import write_tokenizer

# Threads of two libraries on the same few cores wait for each other in busy loops.
torch.set_num_threads(1)

Logits = Callable[[list[int]], Any]  # n ids → (n, n_vocab)

WIDTH, N_HEADS, N_LAYERS = 256, 4, 3


@dataclass(frozen=True)
class Made:
    folder: Path
    logits: Logits


def randomized(model: nn.Module, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                is_norm = name.endswith("weight")
                parameter.copy_(float(is_norm) + 0.2 * torch.randn_like(parameter))
            else:
                parameter.normal_(0, 1.5 / parameter.shape[1] ** 0.5)
    return model.eval()


def logits_of(model: nn.Module) -> Logits:
    @torch.no_grad()
    def logits(ids: list[int]) -> Any:
        return model(torch.tensor([ids])).logits[0].numpy()

    return logits


def folder_for(path: Path, vocabulary: str, config: dict[str, Any], renamed: dict[int, str] | None = None) -> Path:
    path.mkdir(parents=True)
    write_tokenizer(vocabulary, path / "tokenizer.json", renamed)
    (path / "config.json").write_text(json.dumps(config))
    return path


def save(folder: Path, tensors: dict[str, Any], file: str = "model.safetensors") -> None:
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / file)


def arrays(model: nn.Module) -> dict[str, Any]:
    return {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}


def published(path: Path, vocabulary: str, model: Any, **save_settings: Any) -> Made:
    """As transformers itself saves it."""
    randomized(model)
    model.save_pretrained(path, **save_settings)
    write_tokenizer(vocabulary, path / "tokenizer.json")
    return Made(path, logits_of(model))


def bigcode_config(**settings: Any) -> transformers.GPTBigCodeConfig:
    given = {"n_embd": WIDTH, "n_head": N_HEADS, "n_layer": N_LAYERS, "n_positions": 8192, "vocab_size": 49152}
    return transformers.GPTBigCodeConfig(**(given | settings), bos_token_id=0, eos_token_id=0)


def starcoder(path: Path) -> Made:
    model = transformers.GPTBigCodeForCausalLM(bigcode_config())
    return published(path / "starcoderbase-tiny", "starcoder", model)


def starcoder_in_shards(path: Path) -> Made:
    model = transformers.GPTBigCodeForCausalLM(bigcode_config())
    return published(path / "starcoderbase-tiny", "starcoder", model, max_shard_size="8MB")


def starcoder_with_keys_for_each_head(path: Path) -> Made:
    model = transformers.GPTBigCodeForCausalLM(bigcode_config(multi_query=False))
    return published(path / "starcoder-mha", "starcoder", model)


SANTACODER = {
    "architectures": ["GPT2LMHeadCustomModel"],
    "model_type": "gpt2",
    "attention_head_type": "multiquery",
    "n_embd": WIDTH,
    "n_head": N_HEADS,
    "n_layer": N_LAYERS,
    "n_inner": 4 * WIDTH,
    "n_positions": 2048,
    "vocab_size": 49280,
    "layer_norm_epsilon": 1e-5,
    "bos_token_id": 49152,
    "eos_token_id": 49152,
}
SANTACODER_SENTINELS = ("<|endoftext|>", "<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>")


def santacoder(path: Path) -> Made:
    """The original: queries apart from keys and values, and matrices with the input first (GPT-2's Conv1D)."""
    model = randomized(transformers.GPTBigCodeForCausalLM(bigcode_config(n_positions=2048, vocab_size=49280)))
    folder = folder_for(path / "santacoder", "starcoder", SANTACODER, {id: f"<old_{id}>" for id in range(19)})
    _add_sentinels(folder / "tokenizer.json", SANTACODER_SENTINELS)
    save(folder, dict(_in_santacoder_names(arrays(model))))
    return Made(folder, logits_of(model))


def _add_sentinels(path: Path, texts: tuple[str, ...]) -> None:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.add_special_tokens(list(texts))
    tokenizer.save(str(path))


def _in_santacoder_names(tensors: dict[str, Any]) -> Any:
    for name, tensor in tensors.items():
        turned = tensor.T if ".h." in name and tensor.ndim == 2 else tensor
        if ".c_attn." in name:
            yield name.replace("c_attn", "q_attn"), turned[..., :WIDTH]
            yield name.replace("c_attn", "kv_attn"), turned[..., WIDTH:]
        elif name != "lm_head.weight":
            yield name, turned
    for layer in range(N_LAYERS):
        yield f"transformer.h.{layer}.attn.bias", np.tril(np.ones((1, 1, 8, 8), dtype=bool))


def santacoder_converted(path: Path) -> Made:
    """gpt_bigcode-santacoder: the same model with transformers' own names."""
    config = bigcode_config(n_positions=2048, vocab_size=49280)
    made = published(path / "gpt_bigcode-santacoder", "starcoder", transformers.GPTBigCodeForCausalLM(config))
    write_tokenizer("starcoder", made.folder / "tokenizer.json", {id: f"<old_{id}>" for id in range(19)})
    _add_sentinels(made.folder / "tokenizer.json", SANTACODER_SENTINELS)
    return made


def neox_config(**settings: Any) -> transformers.GPTNeoXConfig:
    given = {
        "hidden_size": WIDTH,
        "num_attention_heads": N_HEADS,
        "num_hidden_layers": N_LAYERS,
        "intermediate_size": 4 * WIDTH,
        "max_position_embeddings": 2048,
        "vocab_size": 50432,
        "rotary_pct": 0.25,
    }
    return transformers.GPTNeoXConfig(**(given | settings))


def fim_neox(path: Path) -> Made:
    return published(path / "FIM-NeoX-1.3B", "gpt-neox", transformers.GPTNeoXForCausalLM(neox_config()))


def neox_one_after_the_other(path: Path) -> Made:
    """Without the parallel residual, and with all of each head rotated."""
    config = neox_config(use_parallel_residual=False, rotary_pct=1.0)
    return published(path / "FIM-NeoX-sequential", "gpt-neox", transformers.GPTNeoXForCausalLM(config))


def fim_neox_for_torch(path: Path) -> Made:
    """As CarperAI published it: pytorch_model.bin."""
    made = fim_neox(path)
    model = transformers.GPTNeoXForCausalLM.from_pretrained(made.folder)
    tensors = {name.replace("lm_head", "embed_out"): tensor for name, tensor in model.state_dict().items()}
    torch.save(tensors, made.folder / "pytorch_model.bin")
    (made.folder / "model.safetensors").unlink()
    return made


def refact(path: Path) -> Made:
    return _refact(path, RefactReference.tensors)


def early_refact(path: Path) -> Made:
    return _refact(path, RefactReference.early_tensors)


def _refact(path: Path, tensors_of: Callable[[RefactReference], dict[str, Any]]) -> Made:
    reference = RefactReference(width=WIDTH, n_heads=N_HEADS, n_layers=N_LAYERS, n_vocab=49216)
    folder = folder_for(path / "Refact-1_6B-fim", "refact", reference.config)
    save(folder, tensors_of(reference))
    return Made(folder, reference.logits)


LLAMA = {
    "hidden_size": WIDTH,
    "num_attention_heads": N_HEADS,
    "num_key_value_heads": 2,
    "num_hidden_layers": N_LAYERS,
    "intermediate_size": 512,
}


def deepseek_coder(path: Path) -> Made:
    scaling = {"rope_type": "linear", "factor": 4.0, "rope_theta": 100000.0}
    config = transformers.LlamaConfig(
        **LLAMA, vocab_size=32256, max_position_embeddings=16384, rope_parameters=scaling, bos_token_id=32013
    )
    return published(path / "deepseek-coder-tiny", "deepseek-coder", transformers.LlamaForCausalLM(config))


def qwen2_coder(path: Path) -> Made:
    config = transformers.Qwen2Config(**LLAMA, vocab_size=151936, tie_word_embeddings=True)
    return published(path / "Qwen2-tiny", "qwen2", transformers.Qwen2ForCausalLM(config))


def starcoder2(path: Path) -> Made:
    config = transformers.Starcoder2Config(
        **LLAMA, vocab_size=49152, sliding_window=None, bos_token_id=0, eos_token_id=0
    )
    return published(path / "starcoder2-tiny", "starcoder", transformers.Starcoder2ForCausalLM(config))


def starcoder_gptq(path: Path) -> Made:
    """TheBloke/starcoder-GPTQ: one group, columns sorted by importance."""
    return _gptq(path, -1)


def starcoder_gptq_in_groups(path: Path) -> Made:
    return _gptq(path, 128)


def _gptq(path: Path, group_size: int) -> Made:
    model = randomized(transformers.GPTBigCodeForCausalLM(bigcode_config()))
    random = np.random.default_rng(1)
    tensors = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and ".h." in name:
            parts, weight = quantized_layer(module.weight.detach().numpy(), group_size, random)
            tensors |= {f"{name}.{part}": of for part, of in parts.items()}
            module.weight.data = torch.from_numpy(weight)
    kept = {name: of for name, of in arrays(model).items() if name.removesuffix("weight") + "qweight" not in tensors}
    tensors |= {name: of.astype(np.float16) for name, of in kept.items() if name != "lm_head.weight"}
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1 or parameter.shape[0] > 8000:
                parameter.copy_(parameter.half().float())
    folder = folder_for(path / "starcoder-GPTQ", "starcoder", bigcode_config().to_dict() | ARCHITECTURE)
    settings = {"bits": 4, "group_size": group_size, "desc_act": True, "sym": True, "model_file_base_name": "gptq"}
    (folder / "quantize_config.json").write_text(json.dumps(settings))
    save(folder, tensors, f"gptq_model-4bit-{group_size}g.safetensors")
    return Made(folder, logits_of(model))


ARCHITECTURE = {"architectures": ["GPTBigCodeForCausalLM"]}


def quantized_layer(weight: Any, group_size: int, random: Any) -> tuple[dict[str, Any], Any]:
    """The parts of a layer as AutoGPTQ writes them, and the weight (n_out, n_in) that they stand for."""
    n_out, n_in = weight.shape
    n_groups = 1 if group_size < 0 else n_in // group_size
    groups = random.permutation(np.arange(n_in) * n_groups // n_in)
    scales = np.stack([np.abs(weight[:, groups == g]).max(axis=1) / 7.5 for g in range(n_groups)])
    scales = scales.astype(np.float16).astype(np.float32)  # (n_groups, n_out)
    zeros = random.integers(6, 10, (n_groups, n_out))
    q = np.clip(np.rint(weight.T / scales[groups] + zeros[groups]), 0, 15).astype(np.int64)  # (n_in, n_out)
    parts = {
        "qweight": packed(q),
        "qzeros": packed((zeros - 1).T).T,
        "scales": scales.astype(np.float16),
        "g_idx": groups.astype(np.int32),
    }
    return parts, (scales[groups] * (q - zeros[groups])).T.astype(np.float32)


def packed(numbers: Any) -> Any:
    """(8 n, m) numbers of 4 bits → (n, m) int32, the first of eight in the lowest bits."""
    eights = numbers.reshape(-1, 8, numbers.shape[1])
    words = sum(eights[:, i].astype(np.int64) << (4 * i) for i in range(8))
    return words.astype(np.uint32).view(np.int32)
