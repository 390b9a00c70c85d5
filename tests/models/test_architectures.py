"""What llama.cpp knows of an architecture and no file says, by kinds of rules, each with its siblings."""

import math

import pytest
from gguf_headers import header_file

from rope_lib.models import read_model
from rope_lib.models.architectures import ARCHITECTURES, Rotating, Scaled
from rope_lib.models.gguf_header import Header
from rope_lib.models.gguf_keys import BASE_SLIDING, OF_ROTATION, PATTERN, WINDOW

HEADER = {
    "block_count": 12,
    "context_length": 131_072,
    "embedding_length": 1024,
    "attention.head_count": 8,
    "rope.freq_base": 700_000.0,
}
YARN = {
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 8.0,
    "rope.scaling.original_context_length": 8192,
}
EVERY_LAYER = tuple(range(12))


# The headers of six public models, cut down, and what of each layer rotates in llama.cpp.
PUBLIC = {
    "Baichuan 13B": (
        "baichuan",
        {
            "block_count": 40,
            "embedding_length": 5120,
            "attention.head_count": 40,
            "rope.dimension_count": 128,
        },
        [],
    ),
    "Granite 4 with its rotation off": (
        "granitehybrid",
        {
            "block_count": 8,
            "embedding_length": 2048,
            "attention.head_count": 32,
            "attention.head_count_kv": [0, 0, 0, 0, 0, 8, 0, 0],
            "rope.dimension_count": 64,
            "rope.freq_base": 10_000.0,
            "rope.scaling.finetuned": False,
        },
        [],
    ),
    "OLMo 3": (
        "olmo2",
        {
            "block_count": 8,
            "embedding_length": 5120,
            "attention.head_count": 40,
            "attention.head_count_kv": 8,
            "attention.sliding_window": 4096,
            "attention.sliding_window_pattern": [True, True, True, False] * 2,
            "rope.freq_base": 500_000.0,
            **YARN,
        },
        [("full", (3, 7), 5e5, "yarn"), ("sliding", (0, 1, 2, 4, 5, 6), 5e5, "default")],
    ),
    "Gemma 3n": (
        "gemma3n",
        {
            "block_count": 10,
            "attention.key_length": 256,
            "attention.sliding_window": 512,
            "attention.sliding_window_pattern": [True, True, True, True, False] * 2,
            "rope.freq_base": 1e6,
        },
        [("full", (4, 9), 1e6, "default"), ("sliding", (0, 1, 2, 3, 5, 6, 7, 8), 1e4, "default")],
    ),
    "ModernBERT": (
        "modern-bert",
        {
            "block_count": 6,
            "attention.sliding_window": 128,
            "attention.sliding_window_pattern": 3,
            "rope.freq_base": 160_000.0,
            "rope.freq_base_swa": 10_000.0,
        },
        [("full", (0, 3), 1.6e5, "default"), ("sliding", (1, 2, 4, 5), 1e4, "default")],
    ),
    "Qwen3-Next without an interval": (
        "qwen3next",
        {
            "block_count": 8,
            "attention.key_length": 256,
            "rope.dimension_count": 64,
            "rope.freq_base": 1e7,
        },
        [("full", (3, 7), 1e7, "default")],
    ),
}


@pytest.fixture
def read(tmp_path):
    """Read a header with some keys changed; None leaves a key out."""

    def read_header(architecture, keys=None, others=None, divisors=None):
        path = tmp_path / "model.gguf"
        return read_model(header_file(path, architecture, {**HEADER, **(keys or {})}, others, divisors))

    return read_header


def needed(row, depth=12):
    """The keys without which llama.cpp refuses a file of this architecture."""
    keys = {}
    if row.windows is not None:
        keys[WINDOW] = 64
        if row.windows.full_every is None and not row.windows.everywhere:
            keys[PATTERN] = [layer % 3 != 1 for layer in range(depth)]
    if row.has_compressed_layers:
        ratios = [0, 4, 128] * (depth // 3)
        keys |= {"attention.compress_ratios": ratios, "attention.compress_rope_freq_base": 160_000.0}
    return keys


def by_kind(spec):
    return {rotary.kind: rotary for rotary in spec.rotaries}


@pytest.mark.parametrize("model", PUBLIC)
def test_public_models(read, model):
    architecture, keys, expected = PUBLIC[model]
    spec = read(architecture, keys)
    found = [(one.kind, one.layers, one.base, one.scaling["type"]) for one in spec.rotaries]
    assert found == expected
    assert not spec.keys.not_understood


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_row_is_read(read, architecture):
    row = ARCHITECTURES[architecture]
    spec = read(architecture, needed(row))
    rotated = {layer for rotary in spec.rotaries for layer in rotary.layers}
    assert rotated | set(spec.unrotated_layers) == set(range(spec.num_layers))
    assert bool(rotated) == (row.rotating is not Rotating.NONE and row.rotates_of is None)
    if row.rotates_of is None and row.fixed_base is None and (row.windows is None or not row.windows.only_of):
        assert not spec.keys.not_understood
    assert all(source for source in spec.sources.values())


@pytest.mark.parametrize("architecture", [name for name, row in ARCHITECTURES.items() if row.windows])
def test_windows(read, architecture):
    row = ARCHITECTURES[architecture]
    windows = row.windows
    depth = windows.only_of or 12
    keys = {**needed(row, depth), "block_count": depth}
    spec = read(architecture, keys)
    kinds = by_kind(spec)
    sliding = kinds.get("chunked" if windows.is_chunk else "sliding")
    assert sliding is not None
    if not row.has_compressed_layers:
        assert sliding.base == (windows.base or 700_000)
    if windows.is_fixed:
        assert sliding.window == windows.tokens
    else:
        assert sliding.window == (64 if windows.beyond_half is None else 32 + windows.beyond_half)
    other = read(architecture, {**keys, BASE_SLIDING: 33_333.0})
    found = by_kind(other).get(sliding.kind)
    assert found.base == (33_333 if windows.reads_base else sliding.base)
    named = f"{architecture}.{BASE_SLIDING}"
    assert (named in other.keys.not_understood) == (not windows.reads_base)


@pytest.mark.parametrize(
    "architecture",
    [name for name, row in ARCHITECTURES.items() if row.windows and row.windows.full_every],
)
def test_a_pattern_of_the_file_goes_before_that_of_the_code(read, architecture):
    row = ARCHITECTURES[architecture]
    depth = row.windows.only_of or 12
    keys = {**needed(row, depth), "block_count": depth}

    def slides(more):
        spec = read(architecture, {**keys, **more})
        return {
            layer
            for rotary in spec.rotaries
            if rotary.kind in ("sliding", "chunked")
            for layer in rotary.layers
        }

    of_code, every = slides({}), row.windows.full_every
    last = 0 if row.windows.full_first else every - 1
    assert of_code <= {layer for layer in range(depth) if layer % every != last}
    assert slides({PATTERN: every}) == of_code
    assert slides({PATTERN: 3}) <= {layer for layer in range(depth) if layer % 3 != (0 if last == 0 else 2)}
    listed = [layer % 5 == 2 for layer in range(depth)]
    assert slides({PATTERN: listed}) <= {layer for layer in range(depth) if listed[layer]}
    spec = read(architecture, {**keys, PATTERN: listed})
    assert spec.provenance["layers"] == "explicit"


@pytest.mark.parametrize("architecture", [name for name, row in ARCHITECTURES.items() if row.windows])
def test_a_window_that_is_missing_or_0(read, architecture):
    row = ARCHITECTURES[architecture]
    keys = {key: value for key, value in needed(row).items() if key != WINDOW}
    if row.windows.is_optional:
        for without in (keys, {**keys, WINDOW: 0}):
            assert all(rotary.kind == "full" for rotary in read(architecture, without).rotaries)
    elif row.windows.tokens is None:
        with pytest.raises(ValueError, match=rf"{architecture}\.attention\.sliding_window is missing"):
            read(architecture, keys)
    elif row.windows.only_of is None:
        assert any(rotary.window == row.windows.tokens for rotary in read(architecture, keys).rotaries)


@pytest.mark.parametrize(
    "architecture", ["dots3note", "gemma4", "granite_swa", "mimo2", "spark2_5", "step35"]
)
def test_an_architecture_whose_files_must_list_their_windows(read, architecture):
    with pytest.raises(ValueError, match="sliding_window_pattern must list which layers slide, got 3"):
        read(architecture, {WINDOW: 64, PATTERN: 3})


@pytest.mark.parametrize("architecture", [name for name, row in ARCHITECTURES.items() if row.windows])
def test_what_yarn_does_to_windows(read, architecture):
    row = ARCHITECTURES[architecture]
    depth = row.windows.only_of or 12
    spec = read(architecture, {**needed(row, depth), "block_count": depth, **YARN})
    kinds = by_kind(spec)
    sliding = kinds.get("sliding") or kinds["chunked"]
    if row.has_compressed_layers:
        assert sliding.scaling == {"type": "default"}
        assert kinds["compressed_sparse"].spectrum(65_536)[1] == 1
        return
    assert (sliding.scaling["type"] == "yarn") == (row.windows.scaled is Scaled.ALL)
    if "full" in kinds:
        assert kinds["full"].scaling["type"] == "yarn"
        assert kinds["full"].spectrum(65_536)[1] == pytest.approx(0.1 * math.log(8) + 1)


@pytest.mark.parametrize(
    "architecture", [name for name, row in ARCHITECTURES.items() if row.full_attention_interval]
)
def test_layers_with_a_state(read, architecture):
    every = ARCHITECTURES[architecture].full_attention_interval
    (rotary,) = read(architecture).rotaries
    assert rotary.layers == tuple(range(every - 1, 12, every))
    (rotary,) = read(architecture, {"full_attention_interval": 3}).rotaries
    assert rotary.layers == (2, 5, 8, 11)
    listed = [layer not in (1, 8) for layer in EVERY_LAYER]
    spec = read(architecture, {"attention.recurrent_layers": listed})
    assert spec.rotaries[0].layers == (1, 8)
    assert spec.provenance["layers"] == "explicit"


@pytest.mark.parametrize(
    "architecture", ["granitehybrid", "lfm2", "lfm2moe", "plamo2", "bailingmoe3", "deci"]
)
def test_layers_without_key_heads_do_not_rotate(read, architecture):
    spec = read(architecture, {"attention.head_count_kv": [0, 0, 8] * 4})
    assert spec.rotaries[0].layers == (2, 5, 8, 11)


@pytest.mark.parametrize(
    "architecture", [name for name, row in ARCHITECTURES.items() if row.finetuned_switches]
)
def test_finetuned_switches_the_rotation_of_granite(read, architecture):
    assert read(architecture).unrotated_layers == ()
    assert read(architecture, {"rope.scaling.finetuned": True}).unrotated_layers == ()
    spec = read(architecture, {"rope.scaling.finetuned": False})
    assert spec.unrotated_layers == EVERY_LAYER
    assert spec.provenance["unrotated_layers"] == "explicit"


@pytest.mark.parametrize("architecture", ["llama", "minicpm", "granitemoe", "qwen2", "falcon-h1", "olmo2"])
def test_finetuned_is_no_switch_elsewhere(read, architecture):
    assert read(architecture, {"rope.scaling.finetuned": False}).unrotated_layers == ()


@pytest.mark.parametrize(
    ("depth", "rotates", "understood"), [(32, True, True), (40, False, True), (30, False, False)]
)
def test_baichuan_by_its_depth(read, depth, rotates, understood):
    spec = read("baichuan", {"block_count": depth})
    assert bool(spec.rotaries) == rotates
    assert ("baichuan.block_count" not in spec.keys.not_understood) == understood


def test_exaone_4_by_its_depth(read):
    small = read("exaone4", {"block_count": 30, WINDOW: 4096})
    assert (small.unrotated_layers, small.rotaries[0].window) == ((), None)
    large = read("exaone4", {"block_count": 64})
    assert (large.unrotated_layers, large.rotaries[0].window) == (tuple(range(3, 64, 4)), 4096)


def test_first_dense_layers_of_command_a_rotate(read):
    spec = read("cohere2moe", {WINDOW: 64, "leading_dense_block_count": 1})
    assert spec.unrotated_layers == (4, 8)  # dense first: 0, 4 and 8 see all, and 0 is a dense layer


def test_layers_that_are_listed(read):
    keys = {WINDOW: 64, PATTERN: [True, False] * 6, "attention.rope_pattern": [True, True, False] * 4}
    assert read("granite_swa", keys).unrotated_layers == (2, 5, 8, 11)


def test_smallthinker_without_windows_rotates_all(read):
    assert read("smallthinker", {WINDOW: 64}).unrotated_layers == (0, 4, 8)
    assert read("smallthinker", {WINDOW: 0}).unrotated_layers == ()


def test_llama_4_without_chunks(read):
    spec = read("llama4", {WINDOW: 0})
    assert (spec.unrotated_layers, spec.rotaries[0].kind) == ((11,), "full")
    assert "all layers but the last" in spec.notes[0]


def test_the_first_layer_with_heads_gives_their_size(read):
    heads = [0, 0, 8, 16] * 3
    spec = read("deci", {"attention.head_count": heads, "attention.head_count_kv": heads})
    assert (spec.rotaries[0].head_dim, spec.unrotated_layers) == (128, (0, 1, 4, 5, 8, 9))


def test_step_rotates_half_in_full_layers(read):
    kinds = by_kind(read("step35", {**needed(ARCHITECTURES["step35"]), "rope.dimension_count": 128}))
    assert (kinds["full"].rotary_dim, kinds["sliding"].rotary_dim) == (64, 128)


def test_cogvlm_has_a_base_of_its_own(read):
    spec = read("cogvlm", {"rope.freq_base": 500_000.0})
    assert spec.rotaries[0].base == 10_000
    assert spec.keys.not_understood == {"cogvlm.rope.freq_base": 500_000.0}


def test_layers_that_run_again(read):
    assert read("nanbeige", {"num_loops": 2}).num_layers == 24


def test_hunyuan_stretches_its_base_by_alpha(read):
    spec = read("hunyuan_vl", {"rope.scaling.alpha": 1000.0, "rope.scaling.type": "none"})
    assert spec.rotaries[0].effective_base(4096) == pytest.approx(700_000 * 1000, rel=1e-3)


def test_ramps_of_yarn(read):
    ramp = {"rope.scaling.yarn_beta_fast": 16.0, "rope.scaling.yarn_beta_slow": 2.0}
    for architecture in ("grok", "mistral3"):
        spec = read(architecture, {**YARN, **ramp})
        assert (spec.rotaries[0].scaling["beta_fast"], spec.rotaries[0].scaling["beta_slow"]) == (16, 2)
        assert not spec.keys.not_understood
    assert read("grok", YARN).rotaries[0].scaling["beta_fast"] == 8
    spec = read("deepseek2", {**YARN, **ramp})  # as Kimi K2 writes: llama.cpp runs 32 and 1 all the same
    assert "beta_fast" not in spec.rotaries[0].scaling
    assert spec.keys.not_understood.keys() == {f"deepseek2.{key}" for key in ramp}
    assert any("yarn_beta_fast is 16.0: llama.cpp does not read it" in note for note in spec.notes)


@pytest.mark.parametrize(
    ("architecture", "multiplier", "factor"),
    [
        ("deepseek2", 0.1, 1.0),
        ("deepseek2", 0.0707, 1.0),
        ("deepseek32", 0.1, 1.0),
        ("deepseek32", 0.05, (0.1 * math.log(8) + 1) / (0.05 * math.log(8) + 1)),
        ("mistral4", 0.1, 1.0),
        ("mistral3", 1.0, 1.0),
    ],
)
def test_temperatures_of_yarn(read, architecture, multiplier, factor):
    spec = read(architecture, {**YARN, "rope.scaling.yarn_log_multiplier": multiplier})
    assert spec.rotaries[0].spectrum(65_536)[1] == pytest.approx(factor, rel=1e-6)
    assert not spec.keys.not_understood


def test_a_temperature_that_no_scaling_takes_is_reported(read):
    spec = read("llama", {"rope.scaling.attn_factor": 1.25})
    assert spec.keys.not_understood == {"llama.rope.scaling.attn_factor": 1.25}


def test_divisors_and_a_factor_both_count(read):
    spec = read("llama", {"rope.scaling.factor": 2.0}, divisors={"rope_freqs.weight": [4.0] * 64})
    assert spec.rotaries[0].spectrum(4096)[0][0] == 1 / 8


def test_an_unknown_architecture_is_not_understood(read):
    spec = read("next-months", {WINDOW: 64, "attention.rope_every": 3, "rope.new_key": 1.0})
    assert spec.rotaries[0].layers == EVERY_LAYER
    named = {"general.architecture", *(f"next-months.{key}" for key in (WINDOW, "attention.rope_every"))}
    assert named | {"next-months.rope.new_key"} == set(spec.keys.not_understood)
    assert "next-months" in spec.notes[0]


def test_a_file_of_no_text_model_is_refused(read):
    with pytest.raises(ValueError, match=r"general\.architecture must name a model of text, got 'clip'"):
        read("clip")


@pytest.mark.parametrize("kind", ["adapter", "imatrix", "mmproj", "vocab"])
def test_a_file_of_no_model_is_refused(read, kind):
    with pytest.raises(ValueError, match=rf"general\.type must be 'model', got '{kind}'"):
        read("llama", others={"general.type": kind})


def test_a_draft_is_called_one(read):
    assert "drafts tokens for a larger model" in read("eagle3").notes[0]


OTHERS = {
    "general.type": "model",
    "general.name": "Base Model",
    "general.basename": "base",
    "general.base_model.count": 1,
    "general.base_model.0.name": "rotary",
    "general.file_type": 7,
    "general.quantization_version": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.token_type": [1, 1, 3],
    "tokenizer.ggml.add_space_prefix": False,
    "tokenizer.chat_template": "{{ layers }}",
    "quantize.imatrix.entries_count": 3,
    "split.no": 0,
}
SILENT = {
    "vocab_size": 1000,
    "feed_forward_length": [64] * 12,
    "expert_feed_forward_length": 64,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "attention.value_length": 128,
    "attention.q_lora_rank": 8,
    "ssm.conv_kernel": 4,
    "vision.block_count": 27,
    "vision.attention.head_count": 16,
    "vision.rope.freq_base": 10_000.0,
}


def test_common_keys_raise_no_alarm(read):
    keys = read("llama", SILENT, OTHERS).keys
    assert not keys.not_understood
    assert {f"llama.{key}" for key in SILENT} | OTHERS.keys() <= keys.inert.keys()


@pytest.mark.parametrize(
    "key",
    ["general.rope_base", "mistral.rope.freq_base", "llama.rope.freq_base_mid",
     "llama.attention.nope_interval", "llama.attention.global_layers", "llama.attention.key_dim",
     "rope.freq_base"],
)  # fmt: skip
def test_a_new_key_is_reported(read, key):
    assert read("llama", others={key: 3.0}).keys.not_understood == {key: 3.0}


@pytest.mark.parametrize("name", OF_ROTATION)
def test_a_key_by_next_months_name_is_reported(read, name):
    named = f"llama.{name}_by_layer"
    assert read("llama", {f"{name}_by_layer": 3}).keys.not_understood == {named: 3}


def everything(row):
    """Keys that change what llama.cpp does with a file of this architecture, as many as it reads."""
    depth = (row.windows.only_of if row.windows else None) or row.rotates_of or 12
    keys = {**HEADER, **YARN, **needed(row, depth), "block_count": depth, "attention.key_length": 64}
    keys |= {"rope.dimension_count": 32, "nextn_predict_layers": 1, "rope.scaling.attn_factor": 1.25}
    if row.windows is not None:
        keys[PATTERN] = [layer % 5 == 2 for layer in range(depth)]
        keys[BASE_SLIDING] = 33_333.0
        if row.windows.reads_sizes:
            keys |= {"rope.dimension_count_swa": 16, "attention.key_length_swa": 48}
    if row.full_attention_interval:
        keys["full_attention_interval"] = 3
    else:
        keys["attention.head_count_kv"] = [8, 0, 8] * (depth // 3) + [8] * (depth % 3)
    optional = {
        "leading_dense_block_count": row.rotating is Rotating.SLIDING_AND_DENSE and 1,
        "attention.rope_pattern": row.rotating is Rotating.LISTED and [True, True, False] * 4,
        "rope.scaling.finetuned": row.finetuned_switches and False,
        "rope.scaling.yarn_log_multiplier": row.log_multiplier and not row.log_multiplier_cancels and 0.05,
        "rope.scaling.yarn_beta_fast": row.reads_ramp and 16.0,
        "rope.scaling.yarn_beta_slow": row.reads_ramp and 2.0,
        "num_loops": row.loops and 2,
    }
    if row.finetuned_switches:
        return keys, {"rope.scaling.finetuned": False}
    return {**keys, **{key: value for key, value in optional.items() if value}}, {}


def rotation(spec):
    rotaries = {
        (
            rotary.layers,
            rotary.kind,
            rotary.base,
            rotary.head_dim,
            rotary.rotary_dim,
            rotary.window,
            rotary.scaling,
        )
        for rotary in spec.rotaries
    }
    return rotaries, spec.unrotated_layers, spec.num_layers, spec.declared_context


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_key_that_no_reader_looked_at_is_never_silent(read, monkeypatch, architecture):
    """Hide each key that is read, in turn: the reading stays, or the key is named, or the file is refused."""
    row = ARCHITECTURES[architecture]
    keys, switch = everything(row)
    whole = read(architecture, {**keys, **switch})
    value = Header.value
    tried = [key.removeprefix(f"{architecture}.") for key in whole.keys.read if key.startswith(architecture)]
    assert tried
    for hidden in tried:
        monkeypatch.setattr(
            Header,
            "value",
            lambda header, name, hidden=hidden: None if name == hidden else value(header, name),
        )
        try:
            spec = read(architecture, {**keys, **switch})
        except ValueError:
            continue
        named = f"{architecture}.{hidden}" in spec.keys.not_understood
        assert named or rotation(spec) == rotation(whole), hidden
