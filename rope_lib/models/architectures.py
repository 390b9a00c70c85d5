"""What llama.cpp knows of each architecture of a GGUF file and writes into no file: one row for each.

The facts are those of llama.cpp at commit 0c1e57098, which llama-cpp-python 0.3.36 builds: what
`load_arch_hparams` sets and what the graph rotates, both in the file of src/models that a row names, and the
list in `llama_model_rope_type` of src/llama-model.cpp. tests/models/llama_cpp.json holds what llama.cpp
itself computes from files of these architectures, and the tests compare. An architecture without a row is
not understood: its file is read by the ordinary rules, and the account says so.
"""

from dataclasses import dataclass
from enum import Enum, auto

LLAMA_CPP = "the code of llama.cpp"


class Rotating(Enum):
    """Which layers with attention the graph of an architecture rotates."""

    ALL = auto()
    NONE = auto()
    SLIDING = auto()  # sliding layers only
    SLIDING_IF_ANY = auto()  # sliding layers only; in a model without any, all
    SLIDING_AND_DENSE = auto()  # sliding layers, and the first ones, which have no experts
    NOT_LAST_OF_FOUR = auto()  # all but layers 3, 7, 11, …
    NOT_FIRST_OF_FOUR = auto()  # all but layers 0, 4, 8, …; in a model without windows, all
    LISTED = auto()  # those of attention.rope_pattern, else all


class Scaled(Enum):
    """What a file's scaling does to sliding layers."""

    ALL = auto()  # the same as to the others
    NOT = auto()  # nothing
    TEMPERATURE = auto()  # no frequency changes; a temperature that the file states multiplies theirs


@dataclass(frozen=True)
class Windows:
    """Which layers have a sliding window, and what differs in them.

    A window that is neither stated nor in the code is missing, unless it `is_optional`. Where a file states
    no pattern, one layer in `full_every` sees all; with None, the file must list the layers.
    """

    full_every: int | None = None
    full_first: bool = False  # the first of each group sees all, not the last
    everywhere: bool = False  # every layer with attention slides, whatever the file lists
    tokens: int | None = None  # the window where the file states none
    is_fixed: bool = False  # `tokens` is the window, whatever the file states but 0
    is_optional: bool = False  # where no window is stated, or a window of 0, no layer slides
    none_at_zero: bool = False  # a window of 0 says that no layer slides
    beyond_half: int | None = None  # the window is its half and so many tokens, on each side; None: one-sided
    is_chunk: bool = False
    only_of: int | None = None  # only models of so many layers have windows
    base: float | None = None  # of sliding layers, where the file states none; None: that of the others
    reads_base: bool = True  # rope.freq_base_swa
    scaled: Scaled = Scaled.ALL
    reads_divisors: bool = True  # rope_freqs.weight is for sliding layers too
    reads_sizes: bool = False  # rope.dimension_count_swa and attention.key_length_swa


@dataclass(frozen=True)
class Architecture:
    """What the code of an architecture does that its files do not say. The defaults are the ordinary.

    In every architecture, a layer whose attention.head_count_kv is 0 has no attention.
    """

    place: str  # the file in src/models
    rotating: Rotating = Rotating.ALL
    windows: Windows | None = None  # None: no layer has a window, whatever the file states
    full_attention_interval: int | None = None  # of the layers that keep no state, where the file states none
    finetuned_switches: bool = False  # rope.scaling.finetuned = false says that no layer rotates
    rotates_of: int | None = None  # only models of so many layers rotate
    alibi_of: int | None = None  # models of so many layers have ALiBi and no RoPE
    full_share: float = 1.0  # of rope.dimension_count, in layers that see all
    has_compressed_layers: bool = False  # attention.compress_ratios tells kinds, one with a base of its own
    fixed_base: float | None = None  # whatever the file states, and without any scaling
    has_axes: bool = False  # rope.dimension_sections
    has_alpha: bool = False  # rope.scaling.alpha stretches the base
    reads_ramp: bool = False  # rope.scaling.yarn_beta_fast and yarn_beta_slow
    reads_ramp_share: bool = False  # rope.scaling.yarn_ext_factor
    beta_fast: float = 32.0  # where the file states none
    log_multiplier: float | None = None  # what divides rope.scaling.yarn_log_multiplier; None: it is not read
    log_multiplier_cancels: bool = False  # it stands for mscale too, so that no temperature is left
    has_temperature: bool = True  # of YaRN
    loops: str | None = None  # the key that says how often all layers run
    unused: tuple[str, ...] = ()  # keys that files of it hold and its code passes over, on purpose
    is_draft: bool = False  # drafts tokens for a larger model, from that model's own values


# Architectures that the list of llama.cpp names, and that have no row here.
WITHOUT_ROW = {
    "clip": "no model of text: the encoder of images or sound that stands beside one",
    "gptj": "llama.cpp names it and has no code that runs it",
}

# All layers rotate in the same way, by rope.freq_base and the file's scaling.
_ORDINARY = {
    "apertus": "apertus.cpp", "arcee": "arcee.cpp", "arctic": "arctic.cpp", "bailingmoe": "bailingmoe.cpp",
    "bailingmoe2": "bailingmoe2.cpp", "bitnet": "bitnet.cpp", "chameleon": "chameleon.cpp",
    "chatglm": "chatglm.cpp", "codeshell": "codeshell.cpp", "command-r": "command-r.cpp", "dbrx": "dbrx.cpp",
    "deepseek": "deepseek.cpp", "deepseek2-ocr": "deepseek2ocr.cpp", "dots1": "dots1.cpp",
    "dream": "dream.cpp", "ernie4_5-moe": "ernie4-5-moe.cpp", "eurobert": "eurobert.cpp",
    "exaone": "exaone.cpp", "falcon": "falcon.cpp", "falcon-h1": "falcon-h1.cpp", "gemma": "gemma.cpp",
    "gptneox": "gptneox.cpp", "granitemoe": "granite-moe.cpp", "grovemoe": "grovemoe.cpp",
    "hrm_text": "hrm-text.cpp", "hunyuan-moe": "hunyuan-moe.cpp", "hy_v3": "hy-v3.cpp", "hy_v4": "hy-v4.cpp",
    "internlm2": "internlm2.cpp", "jais2": "jais2.cpp", "jina-bert-v3": "bert.cpp", "llada": "llada.cpp",
    "llada-moe": "llada-moe.cpp", "llama": "llama.cpp", "llama-embed": "llama-embed.cpp",
    "maincoder": "maincoder.cpp", "minicpm": "minicpm.cpp", "minicpm3": "minicpm3.cpp",
    "minimax-m2": "minimax-m2.cpp", "minimax-m3": "minimax-m3.cpp", "nemotron": "nemotron.cpp",
    "neo-bert": "neo-bert.cpp", "nomic-bert": "bert.cpp", "nomic-bert-moe": "bert.cpp", "olmo": "olmo.cpp",
    "olmoe": "olmoe.cpp", "openelm": "openelm.cpp", "orion": "orion.cpp",
    "pangu-embedded": "pangu-embed.cpp", "phi2": "phi2.cpp", "plamo": "plamo.cpp", "plm": "plm.cpp",
    "pockettts": "pockettts.cpp", "qwen": "qwen.cpp", "qwen2": "qwen2.cpp", "qwen2moe": "qwen2moe.cpp",
    "qwen3": "qwen3.cpp", "qwen3moe": "qwen3moe.cpp", "rnd1": "rnd1.cpp", "seed_oss": "seed-oss.cpp",
    "stablelm": "stablelm.cpp", "starcoder2": "starcoder2.cpp", "talkie": "talkie.cpp",
    "xverse": "xverse.cpp",
}  # fmt: skip

_UNROTATED = {
    "arwkv7": "arwkv7.cpp", "bert": "bert.cpp: positions are learned", "bloom": "bloom.cpp: ALiBi",
    "glm5-next": "glm5-next.cpp", "gpt2": "gpt2.cpp: positions are learned", "jais": "jais.cpp: ALiBi",
    "jamba": "jamba.cpp", "jina-bert-v2": "bert.cpp: ALiBi", "kimi-k3": "kimi-k3.cpp",
    "kimi-linear": "kimi-linear.cpp", "mamba": "mamba.cpp", "mamba2": "mamba2.cpp", "mpt": "mpt.cpp: ALiBi",
    "nemotron_h": "nemotron-h.cpp", "nemotron_h_moe": "nemotron-h.cpp", "refact": "refact.cpp: ALiBi",
    "rwkv6": "rwkv6.cpp", "rwkv6qwen2": "rwkv6qwen2.cpp", "rwkv7": "rwkv7.cpp",
    "starcoder": "starcoder.cpp: positions are learned", "t5": "t5.cpp: relative biases",
    "t5encoder": "t5.cpp: relative biases", "wavtokenizer-dec": "wavtokenizer-dec.cpp",
}  # fmt: skip

ARCHITECTURES: dict[str, Architecture] = {
    **{name: Architecture(place) for name, place in _ORDINARY.items()},
    **{name: Architecture(place, Rotating.NONE) for name, place in _UNROTATED.items()},
    "afmoe": Architecture("afmoe.cpp", Rotating.NOT_LAST_OF_FOUR, Windows(full_every=4, is_optional=True)),
    "baichuan": Architecture("baichuan.cpp", rotates_of=32, alibi_of=40),  # the 7B, the 13B
    "bailingmoe3": Architecture("bailingmoe3.cpp", has_axes=True),
    "cogvlm": Architecture("cogvlm.cpp", fixed_base=10_000.0),
    "cohere2": Architecture("cohere2.cpp", Rotating.SLIDING, Windows(full_every=4, reads_base=False)),
    "cohere2moe": Architecture(
        "cohere2moe.cpp",
        Rotating.SLIDING_AND_DENSE,
        Windows(full_every=4, full_first=True, reads_base=False),
    ),
    "deci": Architecture("deci.cpp"),
    "deepseek2": Architecture("deepseek2.cpp", log_multiplier=0.1, log_multiplier_cancels=True),
    "deepseek32": Architecture("deepseek32.cpp", has_axes=True, log_multiplier=0.1),
    "deepseek4": Architecture(
        "deepseek4.cpp",
        windows=Windows(everywhere=True, reads_base=False),
        has_compressed_layers=True,
        has_temperature=False,
    ),
    "dflash": Architecture(
        "dflash.cpp", windows=Windows(is_optional=True, reads_base=False), has_axes=True, is_draft=True
    ),
    "dots3note": Architecture(
        "dots3note.cpp",
        windows=Windows(base=10_000.0),
        unused=("attention.key_length_swa",),  # of the latent, not of a head
    ),
    "eagle3": Architecture("eagle3.cpp", is_draft=True),
    "ernie4_5": Architecture("ernie4-5.cpp", has_axes=True),
    "exaone-moe": Architecture("exaone-moe.cpp", Rotating.SLIDING, Windows(full_every=4, reads_base=False)),
    "exaone4": Architecture(
        "exaone4.cpp",
        Rotating.SLIDING_IF_ANY,
        Windows(full_every=4, tokens=4096, only_of=64, reads_base=False),  # the 32B
    ),
    "gemma-embedding": Architecture(
        "gemma-embedding.cpp",
        windows=Windows(full_every=6, beyond_half=1, base=10_000.0, scaled=Scaled.TEMPERATURE),
    ),
    "gemma2": Architecture("gemma2.cpp", windows=Windows(full_every=2, tokens=4096)),
    "gemma3": Architecture(
        "gemma3.cpp",
        windows=Windows(full_every=6, is_optional=True, base=10_000.0, scaled=Scaled.TEMPERATURE),
    ),
    "gemma3n": Architecture(
        "gemma3n.cpp", windows=Windows(full_every=5, base=10_000.0, scaled=Scaled.TEMPERATURE)
    ),
    "gemma4": Architecture(
        "gemma4.cpp",
        windows=Windows(reads_sizes=True, base=10_000.0, scaled=Scaled.TEMPERATURE, reads_divisors=False),
    ),
    "gemma4-assistant": Architecture(
        "gemma4-assistant.cpp",
        windows=Windows(reads_sizes=True, base=10_000.0, scaled=Scaled.TEMPERATURE, reads_divisors=False),
        is_draft=True,
    ),
    "glm-dsa": Architecture("glm-dsa.cpp", has_axes=True),
    "glm4": Architecture("glm4.cpp", has_axes=True),
    "glm4moe": Architecture("glm4-moe.cpp", has_axes=True),
    "gpt-oss": Architecture("openai-moe.cpp", windows=Windows(full_every=2)),
    "granite": Architecture("granite.cpp", finetuned_switches=True),
    "granite_swa": Architecture("granite-swa.cpp", Rotating.LISTED, Windows(reads_base=False)),
    "granitehybrid": Architecture("granite-hybrid.cpp", finetuned_switches=True),
    "graniteswitch": Architecture("granite-switch.cpp", finetuned_switches=True),
    "grok": Architecture("grok.cpp", reads_ramp=True, reads_ramp_share=True, beta_fast=8.0),
    "hunyuan_vl": Architecture("hunyuan-vl.cpp", has_axes=True, has_alpha=True),
    "hunyuan-dense": Architecture("hunyuan-vl.cpp", has_axes=True, has_alpha=True),
    "laguna": Architecture(
        "laguna.cpp",
        windows=Windows(reads_sizes=True, full_every=4, full_first=True, is_optional=True, scaled=Scaled.NOT),
    ),
    "lfm2": Architecture("lfm2.cpp", windows=Windows(everywhere=True, is_optional=True, reads_base=False)),
    "lfm2moe": Architecture("lfm2moe.cpp"),
    "llama4": Architecture(
        "llama4.cpp",
        Rotating.NOT_LAST_OF_FOUR,
        Windows(full_every=4, tokens=8192, is_fixed=True, none_at_zero=True, is_chunk=True),
    ),
    "maple": Architecture("maple.cpp", Rotating.SLIDING, Windows(reads_sizes=True)),
    "mellum": Architecture(
        "mellum.cpp", windows=Windows(full_every=4, is_optional=True, reads_base=False, scaled=Scaled.NOT)
    ),
    "mimo2": Architecture("mimo2.cpp", windows=Windows(base=10_000.0, scaled=Scaled.TEMPERATURE)),
    "minimax-01": Architecture("minimax-01.cpp", full_attention_interval=8),
    "mistral3": Architecture("mistral3.cpp", reads_ramp=True, log_multiplier=1.0),
    "mistral4": Architecture("deepseek2.cpp", log_multiplier=0.1),
    "modern-bert": Architecture(
        "modern-bert.cpp",
        windows=Windows(
            full_every=3,
            full_first=True,
            is_optional=True,
            beyond_half=0,
            base=10_000.0,
            scaled=Scaled.TEMPERATURE,
        ),
    ),
    "muse-glimmer": Architecture(
        "muse-glimmer.cpp", Rotating.SLIDING, Windows(full_every=4, scaled=Scaled.TEMPERATURE)
    ),
    "nanbeige": Architecture("nanbeige.cpp", loops="num_loops"),
    "olmo2": Architecture(
        "olmo2.cpp", windows=Windows(full_every=4, is_optional=True, reads_base=False, scaled=Scaled.NOT)
    ),
    "paddleocr": Architecture("ernie4-5.cpp", has_axes=True),
    "phi3": Architecture("phi3.cpp", unused=("attention.sliding_window",)),  # "Phi SWA is currently disabled"
    "phimoe": Architecture("phi3.cpp", unused=("attention.sliding_window",)),
    "plamo2": Architecture("plamo2.cpp"),
    "plamo3": Architecture(
        "plamo3.cpp",
        windows=Windows(full_every=8, is_optional=True, base=10_000.0, scaled=Scaled.TEMPERATURE),
    ),
    "qwen2vl": Architecture("qwen2vl.cpp", has_axes=True),
    "qwen35": Architecture("qwen35.cpp", full_attention_interval=4, has_axes=True),
    "qwen35moe": Architecture("qwen35moe.cpp", full_attention_interval=4, has_axes=True),
    "qwen3next": Architecture("qwen3next.cpp", full_attention_interval=4),
    "qwen3tts": Architecture("qwen3vl.cpp", has_axes=True),
    "qwen3vl": Architecture("qwen3vl.cpp", has_axes=True),
    "qwen3vlmoe": Architecture("qwen3vlmoe.cpp", has_axes=True),
    "qwen4exp": Architecture(
        "qwen4exp.cpp", full_attention_interval=4, has_axes=True, unused=("attention.compress_ratios",)
    ),
    "smallthinker": Architecture(
        "smallthinker.cpp",
        Rotating.NOT_FIRST_OF_FOUR,
        Windows(full_every=4, full_first=True, tokens=4096, is_fixed=True, is_optional=True),
    ),
    "smollm3": Architecture("smollm3.cpp", Rotating.NOT_LAST_OF_FOUR),
    "spark2_5": Architecture("spark2-5.cpp", windows=Windows(reads_sizes=True)),
    "step35": Architecture(
        "step35.cpp",
        windows=Windows(reads_sizes=True, base=10_000.0, scaled=Scaled.TEMPERATURE, reads_divisors=False),
        full_share=0.5,
    ),
}
