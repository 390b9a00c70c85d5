"""What is special about a model type, and no file of such a model says: one row for each.

`FAMILIES` goes by the `model_type` of a config.json, `ARCHITECTURES` by the `general.architecture` of a GGUF
file. A type without a row is ordinary. To teach the readers another family, add its row; what its class in
transformers assumes stands in class_defaults.json, which tools/class_defaults.py makes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class Rotating(Enum):
    """Which layers with attention the code of a family rotates."""

    ALL = auto()
    SLIDING = auto()  # sliding layers only
    SLIDING_IF_ANY = auto()  # sliding layers only; without a window, all


@dataclass(frozen=True)
class Family:
    """What the code of a model type does that its configs do not say. The defaults are the ordinary."""

    base: float | None = None  # in its code, where neither its configs nor transformers state one
    base_multiplier: str | None = None  # the key of a number that multiplies `base`
    rotated_share: float | None = None  # of a head, where no key and no class states it
    rotating: Rotating = Rotating.ALL
    has_own_rule_for_dense_layers: bool = False  # first, dense layers follow a rule that is not read: refused
    is_off_without_base: bool = False  # rope_parameters without a base say that nothing rotates
    head_dim_is_quotient: bool = True  # hidden_size / num_attention_heads, where head_dim is not stated
    scales_sliding_layers: bool = False  # by the config's one object, where the class has one for each kind
    yarn_attention_factor: float | None = None  # where the scaling object of a YaRN states none
    rotates_nothing: bool = False  # although its configs may hold a base
    alibi_depth: int | None = None  # the number of layers of the models of this type that have ALiBi
    layers_per_block: int = 1  # attention layers in each of the blocks that `num_layers` counts
    cross_attention_layers: tuple[
        int, ...
    ] = ()  # (depth, layers that attend to images, where none are stated)
    halves_two_sided_window: tuple[object, ...] = ()  # values of use_bidirectional_attention that halve it
    inert: Mapping[str, str] = field(default_factory=dict)  # key → why it does not bear on rotation here
    yarn_with_long_factor: str = "yarn"  # the scaling that its code runs under that name, given long_factor


ORDINARY = Family()

FAMILIES = {
    "afmoe": Family(rotating=Rotating.SLIDING),
    "aquila": Family(base=10_000.0),
    "baichuan": Family(base=10_000.0, alibi_depth=40),  # the 13B; the 7B has 32 layers
    "chatglm": Family(base=10_000.0, base_multiplier="rope_ratio", rotated_share=0.5),
    "clvp_encoder": Family(base=10_000.0),
    "codegen": Family(base=10_000.0),
    "cohere2": Family(rotating=Rotating.SLIDING),
    "cohere2_moe": Family(rotating=Rotating.SLIDING, has_own_rule_for_dense_layers=True),  # Command A+
    "deepseek": Family(base=10_000.0),
    "deepseek_v4": Family(yarn_attention_factor=1.0),
    "exaone4": Family(rotating=Rotating.SLIDING_IF_ANY),
    "exaone4_5": Family(rotating=Rotating.SLIDING_IF_ANY),
    "exaone_moe": Family(rotating=Rotating.SLIDING_IF_ANY),
    "flint": Family(rotating=Rotating.SLIDING),
    "diffusion_gemma_text": Family(halves_two_sided_window=("all",)),
    "gemma3_text": Family(halves_two_sided_window=(True,)),  # EmbeddingGemma
    "gemma4_text": Family(halves_two_sided_window=("all",)),
    "gemma4_unified_text": Family(halves_two_sided_window=("all",)),
    "doge": Family(inert={"keep_window_size": "it masks tokens by their weight, not by their position"}),
    "gptj": Family(base=10_000.0),
    "gpt_refact": Family(rotates_nothing=True),
    "granite_speech": Family(inert={"window_size": "of the projector of speech"}),
    "granite_speech_plus": Family(inert={"window_size": "of the projector of speech"}),
    "hrm_text": Family(inert={"num_layers_per_stack": "num_hidden_layers counts the layers of all cycles"}),
    "idefics3": Family(inert={"scale_factor": "of the pixels of images"}),
    "internlm": Family(base=10_000.0),
    "kolibri1": Family(rotating=Rotating.SLIDING_IF_ANY),
    "jamba": Family(rotates_nothing=True),
    "kimi_linear": Family(rotates_nothing=True),
    "longcat_flash": Family(layers_per_block=2),
    "longcat_flash_ngram": Family(layers_per_block=2),
    "mllama_text_model": Family(cross_attention_layers=(40, 3, 8, 13, 18, 23, 28, 33, 38)),
    "modernbert": Family(scales_sliding_layers=True),
    "modernbert-decoder": Family(scales_sliding_layers=True),
    "nemotron_h": Family(rotates_nothing=True),
    "olmo_hybrid": Family(is_off_without_base=True),
    "orion": Family(base=10_000.0),
    "phi-msft": Family(base=10_000.0),
    "phi3": Family(yarn_with_long_factor="longrope"),
    "phi3_v": Family(yarn_with_long_factor="longrope"),
    "phi3small": Family(yarn_with_long_factor="longrope"),
    "RefinedWeb": Family(base=10_000.0),
    "RefinedWebModel": Family(base=10_000.0),
    "roformer": Family(base=10_000.0),
    "seamless_m4t": Family(inert={"rotary_embedding_base": "of its encoder of speech"}),
    "smolvlm": Family(inert={"scale_factor": "of the pixels of images"}),
    "t5gemma": Family(inert={"encoder": "the encoder, beside the decoder that is read"}),
    "t5gemma2": Family(inert={"encoder": "the encoder, beside the decoder that is read"}),
    "phi4flash": Family(rotates_nothing=True),
    "rwkv5": Family(rotates_nothing=True),
    "rwkv6": Family(rotates_nothing=True),
    "rwkv7": Family(rotates_nothing=True),
    "xverse": Family(base=10_000.0),
    "zamba2": Family(head_dim_is_quotient=False),  # it attends to two streams at once
}


def family(model_type: str) -> Family:
    """The row of a model type, an ordinary one where there is none.

    >>> family("chatglm").base_multiplier, family("llama") == ORDINARY
    ('rope_ratio', True)
    """
    return FAMILIES.get(model_type, ORDINARY)


@dataclass(frozen=True)
class Architecture:
    """What llama.cpp knows of an architecture and writes into no file. The defaults are the ordinary."""

    has_rope: bool = True
    full_every: int | None = None  # one layer in so many sees all, where a file does not list sliding layers
    rotates_full_layers: bool = True  # where other layers have a window
    no_rope_every: int | None = None  # one layer in so many does not rotate
    sliding_base: float | None = None  # the base of sliding layers, which the others' scaling leaves alone
    chunk: int | None = None  # tokens of a chunk, where windows are chunks and the file states no size


ORDINARY_ARCHITECTURE = Architecture()

ARCHITECTURES = {
    "afmoe": Architecture(full_every=4, rotates_full_layers=False),
    "arwkv7": Architecture(has_rope=False),
    "bert": Architecture(has_rope=False),
    "bloom": Architecture(has_rope=False),
    "clip": Architecture(has_rope=False),
    "cohere2": Architecture(full_every=4, rotates_full_layers=False),
    "exaone4": Architecture(full_every=4, rotates_full_layers=False),
    "gemma2": Architecture(full_every=2),
    "gemma3": Architecture(full_every=6, sliding_base=10_000.0),
    "gpt-oss": Architecture(full_every=2),
    "gpt2": Architecture(has_rope=False),
    "jais": Architecture(has_rope=False),
    "jamba": Architecture(has_rope=False),
    "jina-bert-v2": Architecture(has_rope=False),
    "kimi-linear": Architecture(has_rope=False),
    "llama4": Architecture(full_every=4, rotates_full_layers=False, chunk=8192),
    "mamba": Architecture(has_rope=False),
    "mamba2": Architecture(has_rope=False),
    "mpt": Architecture(has_rope=False),
    "nemotron_h": Architecture(has_rope=False),
    "nemotron_h_moe": Architecture(has_rope=False),
    "nomic-bert-none": Architecture(has_rope=False),
    "olmo2": Architecture(full_every=4),
    "refact": Architecture(has_rope=False),
    "rwkv6": Architecture(has_rope=False),
    "rwkv6qwen2": Architecture(has_rope=False),
    "rwkv7": Architecture(has_rope=False),
    "smollm3": Architecture(no_rope_every=4),
    "starcoder": Architecture(has_rope=False),
    "t5": Architecture(has_rope=False),
    "t5encoder": Architecture(has_rope=False),
    "wavtokenizer-dec": Architecture(has_rope=False),
}


def architecture_of(name: str) -> Architecture:
    """The row of an architecture of llama.cpp, an ordinary one where there is none.

    >>> architecture_of("gemma3").full_every, architecture_of("llama") == ORDINARY_ARCHITECTURE
    (6, True)
    """
    return ARCHITECTURES.get(name, ORDINARY_ARCHITECTURE)
