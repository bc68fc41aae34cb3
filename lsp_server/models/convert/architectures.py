"""What the tensors and settings of each architecture are called there, and in a GGUF file: a table, one row for each.

`{i}` stands for the number of a layer. The names of GGUF files are llama.cpp's, as are the keys of its metadata. What a
checkpoint holds beyond its row is refused: a tensor left out by mistake would make a model that writes nonsense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lsp_server.errors import ModelFileError
from lsp_server.models.convert.checkpoint import Checkpoint
from lsp_server.models.convert.settings import (
    Settings,
    bigcode_settings,
    llama_settings,
    neox_settings,
    one_of,
    refact_settings,
    starcoder2_settings,
)
from lsp_server.models.convert.steps import (
    Step,
    bigcode_qkv,
    by_head,
    centered_columns,
    centered_rows,
    either,
    first_half,
    joined,
    rotary_pairs,
    second_half,
    transposed,
)
from lsp_server.models.convert.tensors import Tensor

KINDS = ("weight", "bias")


@dataclass(frozen=True, slots=True)
class Row:
    """`target` is made of `sources` of the checkpoint, each with ".weight" and, where there is one, ".bias"."""

    target: str
    sources: tuple[str, ...]
    step: Step = joined
    untied: bool = False  # only where the output is not the embedding once more


@dataclass(frozen=True, slots=True)
class Architecture:
    gguf: str  # its name in GGUF files
    settings: Settings
    rows: tuple[Row, ...]
    ignored: str  # buffers, which are computed anyway
    tied: bool = False  # is the output the embedding once more, where the checkpoint does not say


def row(target: str, *sources: str, step: Step = joined) -> Row:
    return Row(target, sources, step)


def in_layers(prefix: str, *rows: Row) -> tuple[Row, ...]:
    return tuple(
        replace(row, target=f"blk.{{i}}.{row.target}", sources=tuple(f"{prefix}.{{i}}.{of}" for of in row.sources))
        for row in rows
    )


OUTPUT = Row("output", ("lm_head",), untied=True)

GPT2_BUFFERS = r"transformer\.(bias|h\.\d+\.attn\.(bias|masked_bias))$"
GPT2_ENDS = (
    row("token_embd", "transformer.wte"),
    row("position_embd", "transformer.wpe"),
    row("output_norm", "transformer.ln_f"),
    OUTPUT,
)
GPT2_NORMS = (row("attn_norm", "ln_1"), row("ffn_norm", "ln_2"))


def _bigcode(qkv: Row, step: Step) -> Architecture:
    layers = in_layers(
        "transformer.h",
        *GPT2_NORMS,
        qkv,
        row("attn_output", "attn.c_proj", step=step),
        row("ffn_up", "mlp.c_fc", step=step),
        row("ffn_down", "mlp.c_proj", step=step),
    )
    return Architecture("starcoder", bigcode_settings, GPT2_ENDS + layers, GPT2_BUFFERS, tied=True)


BIGCODE = _bigcode(row("attn_qkv", "attn.c_attn", step=bigcode_qkv), joined)
SANTACODER = _bigcode(row("attn_qkv", "attn.q_attn", "attn.kv_attn", step=transposed), transposed)


def _refact(*inner: Row) -> Architecture:
    """Refact normalises with LayerNorm and llama.cpp's refact with RMSNorm, which leaves the mean in.

    The two are the same for numbers whose mean is 0: so everything that is added up between the layers is centred, and
    nothing else changes, since LayerNorm takes the mean out anyway (Ashkboos et al. 2024, arXiv 2401.15024, 3.1).
    """
    ends = (
        row("token_embd", "transformer.wte", step=centered_rows),
        row("output_norm", "ln_f"),
        # Where the output is the embedding, it is what that was before it was centred.
        row("output", "lm_head", "transformer.wte", step=either),
    )
    layers = in_layers(
        "transformer.h",
        *GPT2_NORMS,
        row("attn_q", "attn.q"),
        *inner,
        row("attn_output", "attn.c_proj", step=centered_columns),
        row("ffn_down", "mlp.c_proj", step=centered_columns),
    )
    return Architecture("refact", refact_settings, ends + layers, GPT2_BUFFERS)


REFACT = _refact(
    row("attn_k", "attn.kv", step=first_half),
    row("attn_v", "attn.kv", step=second_half),
    row("ffn_gate", "mlp.gate_up_proj", step=first_half),
    row("ffn_up", "mlp.gate_up_proj", step=second_half),
)
# The names before its first release.
EARLY_REFACT = _refact(
    row("attn_k", "attn.k"), row("attn_v", "attn.v"), row("ffn_gate", "mlp.linear_1"), row("ffn_up", "mlp.linear_3")
)

NEOX = Architecture(
    "gptneox",
    neox_settings,
    (
        row("token_embd", "gpt_neox.embed_in"),
        row("output_norm", "gpt_neox.final_layer_norm"),
        row("output", "embed_out", "lm_head", "gpt_neox.embed_in", step=either),
        *in_layers(
            "gpt_neox.layers",
            row("attn_norm", "input_layernorm"),
            row("ffn_norm", "post_attention_layernorm"),
            row("attn_qkv", "attention.query_key_value", step=by_head),
            row("attn_output", "attention.dense"),
            row("ffn_up", "mlp.dense_h_to_4h"),
            row("ffn_down", "mlp.dense_4h_to_h"),
        ),
    ),
    r"gpt_neox\.layers\.\d+\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$",
)

LLAMA_ENDS = (row("token_embd", "model.embed_tokens"), row("output_norm", "model.norm"), OUTPUT)
GATED = (row("ffn_gate", "mlp.gate_proj"), row("ffn_up", "mlp.up_proj"), row("ffn_down", "mlp.down_proj"))
PLAIN = (row("ffn_up", "mlp.c_fc"), row("ffn_down", "mlp.c_proj"))
ROTARY_BUFFERS = r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$"


def _llama_like(
    gguf: str, settings: Settings, ffn: tuple[Row, ...], q: Step = joined, k: Step = joined
) -> Architecture:
    layers = in_layers(
        "model.layers",
        row("attn_norm", "input_layernorm"),
        row("ffn_norm", "post_attention_layernorm"),
        row("attn_q", "self_attn.q_proj", step=q),
        row("attn_k", "self_attn.k_proj", step=k),
        row("attn_v", "self_attn.v_proj"),
        row("attn_output", "self_attn.o_proj"),
        *ffn,
    )
    return Architecture(gguf, settings, LLAMA_ENDS + layers, ROTARY_BUFFERS)


LLAMA = _llama_like(
    "llama",
    llama_settings,
    GATED,
    rotary_pairs("num_attention_heads"),
    rotary_pairs("num_key_value_heads", "num_attention_heads"),
)

# As `architectures` in config.json names them.
ARCHITECTURES = {
    "GPTBigCodeForCausalLM": BIGCODE,
    "GPTBigCodeLMHeadModel": BIGCODE,
    "GPT2LMHeadCustomModel": SANTACODER,
    "GPTRefactForCausalLM": REFACT,
    "GPTNeoXForCausalLM": NEOX,
    "LlamaForCausalLM": LLAMA,
    "LLaMAForCausalLM": LLAMA,
    "Qwen2ForCausalLM": _llama_like("qwen2", llama_settings, GATED),
    "Starcoder2ForCausalLM": _llama_like("starcoder2", starcoder2_settings, PLAIN),
}


def architecture_of(checkpoint: Checkpoint) -> Architecture:
    """Raises ModelFileError for a model of another architecture."""
    names = checkpoint.config.get("architectures") or [checkpoint.config.get("model_type", "")]
    row = next((ARCHITECTURES[name] for name in names if name in ARCHITECTURES), None)
    if row is None:
        raise ModelFileError(
            f"{checkpoint.name} is a {names[0] or 'model without a named architecture'}, and only"
            f" {', '.join(sorted(ARCHITECTURES))} can be converted; look for the same model as GGUF"
        )
    return EARLY_REFACT if row is REFACT and "transformer.h.0.attn.k.weight" in checkpoint.tensors else row


def converted_tensors(checkpoint: Checkpoint, architecture: Architecture) -> dict[str, Tensor]:
    """The tensors of the new file by name. Raises ModelFileError where some are missing or left over."""
    n_layers = int(one_of(checkpoint.config, "num_hidden_layers", "n_layer"))
    tied = bool(checkpoint.config.get("tie_word_embeddings", architecture.tied))
    taken: set[str] = set()
    tensors: dict[str, Tensor] = {}
    for row in architecture.rows:
        for i in range(n_layers) if "{i}" in row.target else (0,):
            tensors |= dict(_made(row, i, checkpoint, tied, taken))
    left = [name for name in checkpoint.tensors if name not in taken and not re.match(architecture.ignored, name)]
    if left:
        raise ModelFileError(
            f"{checkpoint.name} holds {left[0]}, which {architecture.gguf} models do not have; choose another one"
        )
    return tensors


def _made(row: Row, i: int, checkpoint: Checkpoint, tied: bool, taken: set[str]) -> Iterator[tuple[str, Tensor]]:
    for kind in KINDS:
        names = [f"{source.format(i=i)}.{kind}" for source in row.sources]
        present = [name for name in names if name in checkpoint.tensors]
        wanted = present[:1] or names if row.step is either else names
        if present != wanted and (present or kind == "weight") and not (row.step is either or row.untied):
            missing = next(name for name in wanted if name not in present)
            raise ModelFileError(f"{checkpoint.name} lacks {missing}; download the whole checkpoint")
        taken.update(present)
        if present and not (row.untied and tied):
            parts = [checkpoint.tensors[name] for name in wanted]
            try:
                yield f"{row.target.format(i=i)}.{kind}", row.step(parts, checkpoint.config)
            except ValueError as error:
                reason = f"{wanted[0]} of {checkpoint.name} has not the shape that config.json gives it"
                raise ModelFileError(f"{reason}; download the whole checkpoint") from error
