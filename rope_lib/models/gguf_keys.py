"""The keys of a GGUF file under the names of llama.cpp, and the account of those that were read.

Names are without the architecture that stands before them in a file: `rope.freq_base` for
`llama.rope.freq_base`. The names are those of src/llama-arch.cpp in llama.cpp and of its Python package gguf.
"""

import re
from collections.abc import Mapping
from typing import Any

from .account import Ledger, account
from .architectures import Architecture, Rotating
from .spec import Account

BLOCKS, CONTEXT, WIDTH = "block_count", "context_length", "embedding_length"
AHEAD, LOOPS = "nextn_predict_layers", "num_loops"
HEADS, KV_HEADS = "attention.head_count", "attention.head_count_kv"
HEAD, HEAD_MLA = "attention.key_length", "attention.key_length_mla"
HEAD_SLIDING, HEAD_MLA_SLIDING = "attention.key_length_swa", "attention.key_length_mla_swa"
WINDOW, PATTERN = "attention.sliding_window", "attention.sliding_window_pattern"
INTERVAL, RECURRENT = "full_attention_interval", "attention.recurrent_layers"
ROTATING, DENSE = "attention.rope_pattern", "leading_dense_block_count"
RATIOS, COMPRESSED_BASE = "attention.compress_ratios", "attention.compress_rope_freq_base"
ROTARY, ROTARY_SLIDING, AXES = "rope.dimension_count", "rope.dimension_count_swa", "rope.dimension_sections"
BASE, BASE_SLIDING = "rope.freq_base", "rope.freq_base_swa"
TYPE, FACTOR, OLD_FACTOR = "rope.scaling.type", "rope.scaling.factor", "rope.scale_linear"
ORIGINAL, FINETUNED = "rope.scaling.original_context_length", "rope.scaling.finetuned"
TEMPERATURE, ALPHA = "rope.scaling.attn_factor", "rope.scaling.alpha"
BETA_FAST, BETA_SLOW = "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow"
RAMPED, RAMP_TEMPERATURE = "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor"
LOG_MULTIPLIER = "rope.scaling.yarn_log_multiplier"

OF_WINDOWS = (WINDOW, PATTERN, BASE_SLIDING, HEAD_SLIDING, HEAD_MLA_SLIDING, ROTARY_SLIDING)
SIZES_OF_SLIDING = (HEAD_SLIDING, ROTARY_SLIDING)
OF_YARN = (BETA_FAST, BETA_SLOW, RAMPED, RAMP_TEMPERATURE, LOG_MULTIPLIER)
OF_ROTATION = (
    WIDTH, HEADS, KV_HEADS, HEAD, HEAD_MLA, *OF_WINDOWS, INTERVAL, RECURRENT, ROTATING, DENSE, RATIOS,
    COMPRESSED_BASE, ROTARY, AXES, BASE, TYPE, FACTOR, OLD_FACTOR, ORIGINAL, FINETUNED, TEMPERATURE, ALPHA,
    *OF_YARN, LOOPS,
)  # fmt: skip

# Keys of a model that say nothing of rotation, by the reason. * stands for any characters, in names that do
# not speak of rotation themselves.
_INERT = {
    "the vocabulary": ("vocab_size", "pooling_type", "classifier.*", "decoder_start_token_id"),
    "the feed-forward part of a layer": (
        "feed_forward_length", "*_feed_forward_length", "expert_*", "experts_per_group", "moe_*", "swiglu_*",
        "interleave_moe_layer_step", "moe_every_n_layers", "activation*", "hidden_act*", "xielu.*",
        "router_*", "use_parallel_residual", "hash_layer_count",
    ),
    "normalization, and scales of embeddings, residuals, logits and scores": (
        "attention.layer_norm*", "attention.group_norm*", "attention.scale", "attention.output_scale",
        "attention.value_scale", "attention.temperature_*", "attention.clamp_kqv", "*_softcapping",
        "logit_scale",
        "residual_scale", "embedding_scale", "swin_norm", "norm_before_*", "attn_res.*",
        "skip_loop_final_norm",
        "hyper_connection.*", "attention.causal", "attention.max_alibi_bias", "rescale_every_n_layers",
    ),
    "how keys and values are kept or compressed": (
        "attention.value_length*", "attention.value_length_swa", "attention.value_length_mla_swa",
        "attention.*_lora_rank", "attention.kv_lora_rank_swa", "attention.shared_kv_layers",
        "attention.output_group_count", "attention.relative_buckets_count",
    ),
    "which earlier tokens a sparse attention keeps": ("attention.indexer.*",),
    "the part of a layer that keeps a state": (
        "ssm.*", "wkv.*", "kda.*", "shortconv.*", "time_*_extra_dim", "token_shift_count",
    ),
    "inputs beside the token embedding": (
        "embedding_length_out", "embedding_length_per_layer_input", "features_length", "altup.*",
        "n_deepstack_layers", "deepstack_mapping",
        "ple.*",
        "dense_*_feat_*", "adapters.*", "tensor_data_layout",
    ),
    "the model that this one drafts for": (
        "target_*", "block_size", "conv_kernel_size", "conv_group_size", "selector_*", "extract_layers",
        "n_embd_tgt",
    ),
    "another part than the text model": (
        "vision.*", "audio.*", "mm.*", "projector.*", "posnet.*", "convnext.*", "decoder_block_count",
        "hrm.*",
    ),
}  # fmt: skip
_SPEAKS = re.compile(
    "rope|rot|theta|loop|yarn|ntk|alibi|freq|base(?!_model|name)|context|position|window|swa|slid|pattern|interval|scaling"
)
_OTHER_PARTS = re.compile(r"(?:vision|audio|mm|projector)\.")

# Keys that are of no architecture.
_OF_FILES = {
    "general.": "a name, a source or a license",
    "tokenizer.": "the tokenizer",
    "split.": "how the file is split",
    "quantize.": "how the weights were quantized",
    "xielu.": "the feed-forward part of a layer",
}


def _patterns() -> dict[str, re.Pattern[str]]:
    return {
        reason: re.compile(
            "|".join(re.escape(name).replace(r"\*", ".*") for name in names if "*" in name) or "(?!)"
        )
        for reason, names in _INERT.items()
    }


_COMPILED = _patterns()
_EXACT = {name: reason for reason, names in _INERT.items() for name in names if "*" not in name}


# Values with which a key changes nothing, where it might; and keys whose value may be that of another.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    WINDOW: (0,), PATTERN: (False, 1), INTERVAL: (0, 1), RECURRENT: (0,), ROTATING: (1,), RATIOS: (0,),
    COMPRESSED_BASE: (0,), ALPHA: (0, 1), BETA_FAST: (32,), BETA_SLOW: (1,), RAMPED: (-1, 1),
    RAMP_TEMPERATURE: (1,), LOG_MULTIPLIER: (0,), LOOPS: (0, 1), BASE: (10_000,), TYPE: ("none",),
    FACTOR: (0, 1), OLD_FACTOR: (0, 1), TEMPERATURE: (1,),
}  # fmt: skip
_SAME = {BASE_SLIDING: BASE, HEAD_SLIDING: HEAD, HEAD_MLA_SLIDING: HEAD_MLA, ROTARY_SLIDING: ROTARY}
_DEFAULTS = {BASE: 10_000.0}


def why_inert(name: str) -> str | None:
    """The reason for a key that says nothing of rotation in any architecture, or None.

    >>> why_inert("feed_forward_length"), why_inert("attention.rope_length")
    ('the feed-forward part of a layer', None)
    """
    if name in _EXACT:
        return _EXACT[name]
    if _SPEAKS.search(name) and not _OTHER_PARTS.match(name):
        return None
    return next((reason for reason, pattern in _COMPILED.items() if pattern.fullmatch(name)), None)


def unread(row: Architecture, name: str, rotates: bool, slides: bool, yarn: bool) -> dict[str, str]:
    """The keys of rotation that llama.cpp does not read for an architecture `name`, with the reason.

    `rotates`, `slides` and `yarn` say of the model whether any layer rotates or has a window, and whether
    its scaling is YaRN.
    """
    if not rotates:
        return dict.fromkeys(OF_ROTATION, f"llama.cpp runs it without RoPE ({row.place})")
    never = f"llama.cpp does not read it for {name} ({row.place})"
    windows = row.windows
    found: dict[str, str] = {}
    if windows is None or (windows.only_of and not slides):
        found |= dict.fromkeys(OF_WINDOWS, never)
    else:
        found |= {} if windows.reads_base else {BASE_SLIDING: never}
        found |= {} if windows.reads_sizes else dict.fromkeys(SIZES_OF_SLIDING, never)
        found |= {PATTERN: never} if windows.everywhere else {}
        if not slides:
            found |= dict.fromkeys((key for key in OF_WINDOWS if key != WINDOW), "no layer has a window")
    without = {
        (INTERVAL, RECURRENT): row.full_attention_interval is None,
        (ROTATING,): row.rotating is not Rotating.LISTED,
        (DENSE,): row.rotating is not Rotating.SLIDING_AND_DENSE,
        (RATIOS, COMPRESSED_BASE): not row.has_compressed_layers,
        (AXES,): not row.has_axes,
        (ALPHA,): not row.has_alpha,
        (BETA_FAST, BETA_SLOW): not row.reads_ramp,
        (RAMPED, RAMP_TEMPERATURE): not row.reads_ramp_share,
        (LOG_MULTIPLIER,): row.log_multiplier is None,
        (LOOPS,): row.loops is None,
        (FINETUNED,): not row.finetuned_switches,
        (BASE, TYPE, FACTOR, OLD_FACTOR, ORIGINAL, TEMPERATURE): row.fixed_base is not None,
    }
    for names, applies in without.items():
        found |= dict.fromkeys(names, never) if applies else {}
    if not yarn:
        found |= dict.fromkeys(OF_YARN, "it is for YaRN alone")
    elif row.reads_ramp_share:
        found[RAMP_TEMPERATURE] = "YaRN's own temperature replaces it"
    return found


def says_nothing(name: str, value: Any, metadata: Mapping[str, Any], architecture: str) -> bool:
    """Whether a key that llama.cpp does not read would change nothing if it were read.

    >>> says_nothing("rope.scaling.yarn_beta_fast", 32.0, {}, "llama")
    True
    >>> says_nothing("rope.scaling.yarn_beta_fast", 1.0, {}, "llama")
    False
    """
    if name in _SAME:
        return bool(value == metadata.get(f"{architecture}.{_SAME[name]}", _DEFAULTS.get(_SAME[name])))
    if name not in _NEUTRAL:
        return True
    return all(one in _NEUTRAL[name] for one in (value if isinstance(value, tuple) else (value,)))


def account_of(
    metadata: Mapping[str, Any], architecture: str, ledger: Ledger, inert: Mapping[str, str], num_layers: int
) -> Account:
    """The account of a file's keys. `inert` holds those, of the architecture, that do not bear on it."""
    start = f"{architecture}."
    for key in metadata:
        if key in ledger.read or key in ledger.doubted:
            continue
        if key.startswith(start):
            name = key.removeprefix(start)
            reason = inert.get(name) or why_inert(name)
            if reason is None and (name in OF_ROTATION or _SPEAKS.search(name)):
                ledger.doubted.add(key)
        else:
            part = key.partition(".")[0] + "."
            reason = _OF_FILES.get(part)
            if part == "general." and _SPEAKS.search(key):
                reason = None
        if reason is not None:
            ledger.inert[key] = reason
    return account(metadata, ledger, num_layers)
