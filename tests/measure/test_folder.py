"""Folders of strangers: only safetensors of the folder become weights, and nothing in it chooses code."""

import json
import time

import pytest
import torch
from reports import byte_tokenizer
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from rope_lib.measure.folder import known_extra
from rope_lib.measure.load import load_model, token_ids

UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=256, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def folder(network, tmp_path):
    path = tmp_path / "model"
    network.save_pretrained(path)
    byte_tokenizer().save_pretrained(path)
    return path


@pytest.fixture
def shards(network, tmp_path):
    path = tmp_path / "shards"
    network.save_pretrained(path, max_shard_size="40KB")
    return path


def edit(path, change):
    """Change the JSON of a file."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def set_config(folder, **values):
    edit(folder / "config.json", lambda config: config.update(values))


def set_weights(folder, change):
    """Change the tensors of a folder."""
    weights = load_file(folder / "model.safetensors")
    weights = {name: weight.clone() for name, weight in weights.items()}
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def refused(folder, message, kind=ValueError):
    """Assert that a folder is refused within seconds, in one line that ends like this."""
    began = time.perf_counter()
    with pytest.raises(kind, match=rf"^[^\n]*{message}$"):
        load_model(folder)
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda weights: weights.update(more=torch.ones(3)),
            "1 tensor is not part of this model: more",
        ),
        (
            lambda weights: weights.update({UP + "_": weights.pop(UP)}),
            r"1 weight is missing: model\.layers\.1\.mlp\.up_proj\.weight",
        ),
        (
            lambda weights: weights.update({UP: weights[UP].T.contiguous()}),
            r"weight model\.layers\.1\.mlp\.up_proj\.weight must have shape \[48, 32\], got \[32, 48\]",
        ),
        (
            lambda weights: weights[UP].view(-1)[7:8].fill_(float("nan")),
            r"weight model\.layers\.1\.mlp\.up_proj\.weight must be finite in float32",
        ),
        (
            lambda weights: weights[UP].view(-1)[7:8].fill_(float("-inf")),
            r"weight model\.layers\.1\.mlp\.up_proj\.weight must be finite in float32",
        ),
        (
            lambda weights: weights.update({UP: weights[UP].to(torch.float8_e4m3fn)}),
            r"tensor model\.layers\.1\.mlp\.up_proj\.weight must hold F64, F32, F16, BF16, got F8_E4M3",
        ),
    ],
)
def test_what_is_wrong_with_a_tensor_is_named(folder, change, message):
    set_weights(folder, change)
    refused(folder, message)


def test_a_weight_too_large_for_the_number_type_is_named(folder):
    set_weights(folder, lambda weights: weights[UP].mul_(1e8))
    assert load_model(folder, dtype="bfloat16")
    with pytest.raises(ValueError, match=r"up_proj\.weight must be finite in float16$"):
        load_model(folder, dtype="float16")


def test_buffers_and_ties_are_no_extras(network, tmp_path):
    config = network.config.to_dict() | {"tie_word_embeddings": True}
    torch.manual_seed(0)
    tied = LlamaForCausalLM(LlamaConfig.from_dict(config))
    tied.save_pretrained(tmp_path)

    def change(weights):
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
        weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
        weights["model.rotary_emb.inv_freq"] = torch.ones(4)

    set_weights(tmp_path, change)
    loaded = load_model(tmp_path).network
    for name, weight in tied.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])


def test_layers_that_predict_ahead_are_known_only_where_the_config_has_them():
    name = "model.layers.2.mlp.up_proj.weight"
    assert known_extra(name, {"num_hidden_layers": 2, "num_nextn_predict_layers": 1})
    assert not known_extra(name, {"num_hidden_layers": 2})
    assert not known_extra(name, {"num_hidden_layers": 2, "num_nextn_predict_layers": 0})
    assert not known_extra("model.layers.3.mlp.up_proj.weight", {"num_hidden_layers": 2})


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "../model/model.safetensors",
        "sub/model.safetensors",
        "/etc/passwd",
        ".hidden.safetensors",
        "a\n.safetensors",
        "",
        3,
        None,
        ["model.safetensors"],
    ],
)
def test_an_index_names_plain_safetensors_only(shards, network, name):
    torch.save(network.state_dict(), shards / "pytorch_model.bin")
    edit(
        shards / "model.safetensors.index.json",
        lambda index: index["weight_map"].update({"lm_head.weight": name}),
    )
    refused(shards, r"index\.json: weights must be \*\.safetensors of the same folder, got .*")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {}}', "[" * 9000]
)
def test_a_malformed_index_is_named(shards, content):
    (shards / "model.safetensors.index.json").write_text(content)
    refused(shards, r"index\.json: must .*")


def test_a_tensor_in_two_files_is_refused(shards):
    first, second, *_ = sorted(shards.glob("*.safetensors"))
    again, *_ = (first, load_file(second))[1].items()
    save_file(dict([again]) | load_file(first), first, metadata={"format": "pt"})
    refused(shards, r"tensor [\w.]+ must be in one file only")


def test_links_out_of_the_folder_are_refused(folder, tmp_path):
    outside = tmp_path / "outside"
    (folder / "model.safetensors").rename(outside)
    (folder / "model.safetensors").symlink_to(outside)
    refused(folder, r"model\.safetensors: must lie in its folder, got a link to .*outside")
    (folder / "model.safetensors").unlink()
    outside.rename(folder / "model.safetensors")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("/dev/zero")
    refused(folder, r"tokenizer\.json: must lie in its folder, got a link to /dev/zero")


def test_links_within_the_cache_of_a_repository_are_followed(folder, tmp_path, network):
    """As Hugging Face lays it out: each file of a snapshot is a link to a blob."""
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(repository / "blobs" / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    loaded = load_model(snapshot).network
    assert torch.equal(loaded.get_parameter(UP), network.get_parameter(UP))


@pytest.mark.parametrize(
    "values",
    [
        {"attn_implementation": "nobody/kernel"},
        {"_attn_implementation": "nobody/kernel:forward"},
        {"_attn_implementation_internal": "flash_attention_2"},
        {"experts_implementation": "nobody/kernel"},
        {"use_kernels": True, "kernel_config": {"Any": "nobody/kernel"}},
        {"transformers_weights": "pytorch_model.bin"},
        {"auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "nobody/model--own.Own"}},
        {"fusion_config": {"all": True}},
    ],
)
def test_what_chooses_code_has_no_effect(folder, network, values):
    set_config(folder, **values)
    loaded = load_model(folder).network
    assert type(loaded) is LlamaForCausalLM
    assert loaded.config._attn_implementation == "sdpa"
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "fp8", "nobody"])
def test_quantized_weights_are_refused(folder, method):
    set_config(folder, quantization_config={"quant_method": method})
    refused(folder, rf"config\.json: weights must be plain numbers, got quantization_config '{method}'")


def test_other_files_of_a_folder_are_not_read(folder, tmp_path):
    ran = tmp_path / "ran"
    for name in ("own.py", "generate.py", "custom_generate/generate.py", "torch.py", "tokenizers.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"open({str(ran)!r}, 'w')")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "nobody/nothing"}')
    (folder / "generation_config.json").write_text("{")
    edit(
        folder / "tokenizer_config.json",
        lambda config: config.update(
            auto_map={"AutoTokenizer": ["own.Own", "own.Own"]}, vocab_file="/dev/zero"
        ),
    )
    assert len(token_ids(load_model(folder), "a text")) == 6
    assert not ran.exists()


@pytest.mark.parametrize("name", ["AutoModelForCausalLM", "AutoTokenizer", "pipeline", "os.system", 3, []])
def test_a_tokenizers_class_is_a_tokenizer(folder, name):
    edit(folder / "tokenizer_config.json", lambda config: config.update(tokenizer_class=name))
    refused(folder, r"tokenizer_config\.json: tokenizer_class must be a tokenizer of transformers, got .*")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_labels": 10**8}, r"num_labels must be at most 65536 for 21 tensors, got 100000000"),
        ({"num_hidden_layers": 10_000}, r"num_hidden_layers must be at most 256 for 21 tensors, got 10000"),
        ({"vocab_size": 10**13}, r"vocab_size must be at most 1000000000000 for 21 tensors, got 10{13}"),
        (
            {"hidden_size": 10**6},
            r"config describes .* numbers, and the tensors hold 33,952; .*must have shape.*",
        ),
        (
            {"vocab_size": 10**9},
            r"config describes .* numbers, and the tensors hold 33,952; .*must have shape.*",
        ),
        ({"intermediate_size": 10**11}, r".* cannot be loaded \(.*\)|config describes .*"),
        ({"hidden_size": 0}, ".*"),
        ({"hidden_size": -32}, ".*"),
        ({"num_attention_heads": "4"}, ".*"),
        ({"num_attention_heads": None}, ".*"),
        ({"head_dim": 10**9}, ".*"),
        ({"rope_parameters": {"rope_type": "nobody", "rope_theta": 1e4}}, ".*"),
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_allocated(folder, values, message):
    set_config(folder, **values)
    refused(folder, message)


def test_tokens_beyond_the_vocabulary_are_refused(network, tmp_path):
    small = LlamaForCausalLM(LlamaConfig.from_dict(network.config.to_dict() | {"vocab_size": 50}))
    small.save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"^tokenizer must give tokens below 50, the vocabulary of .*, got "):
        token_ids(load_model(tmp_path), "a text")


PADDING = {
    "strategy": {"Fixed": 2**60},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "",
}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"padding": PADDING}, r"tokenizer must encode .* ended with SIGABRT\)"),
        ({"model": {"type": "WordPiece"}}, r"tokenizer must encode the text, got .*"),
        ({"version": "9"}, r"tokenizer must encode the text, got .*"),
    ],
)
def test_a_tokenizer_that_ends_its_process_is_refused(folder, values, message):
    edit(folder / "tokenizer.json", lambda tokenizer: tokenizer.update(values))
    refused(folder, rf"cannot be loaded \(its tokenizer: .*{message}.*")


def test_a_tokenizer_that_fails_on_the_text_alone_is_refused(folder):
    """It has no token for what it does not know, which shows with the text."""
    words = {"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "##"}
    words |= {"max_input_chars_per_word": 9, "vocab": {"a": 0, "text": 1}}

    def change(tokenizer):
        tokenizer.update(model=words, pre_tokenizer={"type": "Whitespace"})

    edit(folder / "tokenizer.json", change)
    model = load_model(folder)
    with pytest.raises(ValueError, match=r"^tokenizer must encode the text, got .*UNK.*"):
        token_ids(model, "another text")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 99_999])
def test_a_damaged_tokenizer_is_named(folder, content):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        refused(folder, rf".*{name}: must be a JSON object .*|.*cannot be loaded \(its tokenizer: .*")
        (folder / name).write_bytes(whole)


@pytest.mark.parametrize("longest", [{}, "64", [1]])
def test_a_tokenizer_that_fails_on_a_text_is_named(longest, folder):
    edit(folder / "tokenizer_config.json", lambda config: config.update(model_max_length=longest))
    model = load_model(folder)
    with pytest.raises(ValueError, match="model: its tokenizer must encode the text") as caught:
        token_ids(model, "some text")
    assert "\n" not in str(caught.value)
