"""Loading from folders, shards, GGUF files and the cache, and the refusals, on a random small model."""

import hashlib
import json
from functools import partial

import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, ViTConfig

from rope_lib.measure import load
from rope_lib.measure.device import choose_device
from rope_lib.measure.load import load_model, packaged_model, provenance, tokenize

TOKENS = torch.arange(8)[None]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        eos_token_id=None,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def folder(network, tmp_path):
    """A saved model whose name has a point in it, as published models' do."""
    path = tmp_path / "tiny-1.5B"
    network.save_pretrained(path)
    return path


def logits(network):
    with torch.inference_mode():
        return network(TOKENS).logits


def edit_config(folder, **values):
    config = json.loads((folder / "config.json").read_text()) | values
    (folder / "config.json").write_text(json.dumps(config))


def test_a_folder_without_a_tokenizer_loads(folder, network):
    model = load_model(folder, device="cpu")
    assert (model.name, model.tokenizer) == ("tiny-1.5B", None)
    assert (model.device, model.dtype) == ("cpu", "float32")
    assert model.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert torch.equal(logits(model.network), logits(network))
    assert not model.network.training
    with pytest.raises(
        ValueError, match=r"^model must have a tokenizer to read a text, and tiny-1\.5B has none$"
    ):
        tokenize(model, "a text", 2)


def test_a_relative_path_still_has_a_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert load_model(".", device="cpu").name == "tiny-1.5B"


def test_shards_load_as_one_and_hash_in_the_order_of_their_names(network, tmp_path):
    network.save_pretrained(tmp_path, max_shard_size="10KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    model = load_model(tmp_path, device="cpu")
    digests = "".join(hashlib.sha256(shard.read_bytes()).hexdigest() for shard in shards)
    assert model.sha256 == hashlib.sha256(digests.encode()).hexdigest()
    assert torch.equal(logits(model.network), logits(network))
    shards[0].unlink()
    with pytest.raises(
        FileNotFoundError, match=r"weights must be safetensors, model-00001-of-\d+\.safetensors"
    ):
        load_model(tmp_path, device="cpu")


@pytest.mark.parametrize("dtype", load.DTYPES)
def test_weights_take_the_dtype_asked_for(folder, dtype):
    model = load_model(folder, device="cpu", dtype=dtype)
    assert {parameter.dtype for parameter in model.network.parameters()} == {getattr(torch, dtype)}
    assert model.dtype == dtype
    assert provenance(model, "").endswith(f", {dtype} on cpu" if dtype != "float32" else "e3b0c44298fc")


def test_auto_takes_the_best_device_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert [choose_device(name) for name in ("auto", "mps", "cuda:1")] == ["cuda", "mps", "cuda:1"]
    assert [load._dtype(None, device) for device in ("cuda:1", "mps", "cpu")] == [
        torch.bfloat16,
        torch.float32,
        torch.float32,
    ]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"


def test_a_device_or_dtype_that_is_not_there_is_refused(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for options, message in (
        ({"device": "tpu"}, r"device must be auto or one that this machine has \(.*cpu\), got 'tpu'"),
        ({"device": "cuda:1"}, r"device must be auto or one that this machine has \(.*cpu\), got 'cuda:1'"),
        ({"dtype": "float64"}, r"dtype must be one of float32, bfloat16, float16, got 'float64'"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            load_model(folder, **options)
    with pytest.raises(ValueError, match=r"^source must be a path or a Hugging Face id, got int$"):
        load_model(3)


def test_missing_weights_are_refused_not_made_up(folder):
    """transformers would fill them with random numbers and warn."""
    edit_config(folder, num_hidden_layers=3)
    with pytest.raises(
        ValueError, match=r"^.*tiny-1\.5B: 9 weights are missing, among them model\.layers\.2\.[\w.]+$"
    ):
        load_model(folder, device="cpu")


def test_other_formats_of_weights_are_refused(folder, network):
    (folder / "model.safetensors").unlink()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(
        FileNotFoundError, match=r"tiny-1\.5B: weights must be safetensors, model\.safetensors is not there"
    ):
        load_model(folder, device="cpu")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"hidden_size": 64},
            r"tiny-1\.5B: weight model\.embed_tokens\.weight must have shape \[64, 64\], got \[64, 32\]",
        ),
        ({"model_type": "nobody"}, r"tiny-1\.5B: model_type 'nobody' is unknown \(transformers \S+\)"),
        (
            {"model_type": "nobody", "auto_map": {"AutoModelForCausalLM": "modeling.Model"}},
            r"tiny-1\.5B: model_type 'nobody' needs code of its own, which is never run \(transformers \S+\)",
        ),
        ({"model_type": "t5"}, r"tiny-1\.5B: cannot be loaded \(ValueError: .+\)"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_refused_in_one_line(folder, values, reason):
    edit_config(folder, **values)
    with pytest.raises(ValueError, match=f"^[^\\n]*{reason}$"):
        load_model(folder, device="cpu")


def test_a_models_own_code_is_never_run(folder, tmp_path):
    """A known architecture that also brings code loads by transformers' own."""
    edit_config(folder, auto_map={"AutoModelForCausalLM": "modeling.Model", "AutoConfig": "modeling.Config"})
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert type(load_model(folder, device="cpu").network) is LlamaForCausalLM
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_damaged_config_is_named(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"tiny-1\.5B/config\.json: must be a JSON object"):
        load_model(folder, device="cpu")


def test_damaged_weights_are_named(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(
        ValueError, match=r"model\.safetensors: must be a whole file of safetensors \(\w+: .+\)$"
    ):
        load_model(folder, device="cpu")


def test_a_model_without_a_head_that_predicts_is_refused(tmp_path):
    ViTConfig().save_pretrained(tmp_path)
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"cannot be loaded"):
        load_model(tmp_path, device="cpu")


def cached(network, cache):
    """A Hugging Face cache that holds `network` as owner/tiny-1.5B."""
    repository = cache / "models--owner--tiny-1.5B"
    network.save_pretrained(repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)


def test_an_id_is_looked_up_in_the_local_cache(network, tmp_path, monkeypatch):
    cached(network, tmp_path)
    monkeypatch.setattr(load, "snapshot_download", partial(load.snapshot_download, cache_dir=tmp_path))
    model = load_model("owner/tiny-1.5B", device="cpu")
    assert model.name == "tiny-1.5B"
    assert torch.equal(logits(model.network), logits(network))
    with pytest.raises(
        FileNotFoundError, match=r"^owner/other: must be in the local cache, or download=True \("
    ):
        load_model("owner/other", device="cpu")


def test_an_id_is_fetched_only_if_asked_and_then_no_more_than_is_loaded(folder, monkeypatch):
    asked = []

    def fetch(repository, **options):
        asked.append((repository, options["local_files_only"]))
        assert not any(pattern.endswith((".bin", ".py", ".pt")) for pattern in options["allow_patterns"])
        return str(folder)

    monkeypatch.setattr(load, "snapshot_download", fetch)
    load_model("owner/tiny", device="cpu")
    load_model("owner/tiny", device="cpu", download=True)
    assert asked == [("owner/tiny", True), ("owner/tiny", False)]


def test_a_fetch_that_fails_says_so(monkeypatch):
    def fail(*args, **options):
        raise OSError("no network\nat all")

    monkeypatch.setattr(load, "snapshot_download", fail)
    with pytest.raises(
        FileNotFoundError, match=r"^owner/tiny: could not be fetched \(OSError: no network\)$"
    ):
        load_model("owner/tiny", download=True)


@pytest.mark.model
def test_a_folder_with_one_gguf_stands_for_it():
    """The packaged model's folder holds that file and no config."""
    model, file = load_model(packaged_model().parent, device="cpu"), packaged_model()
    assert model.name == file.stem
    assert model.tokenizer is not None
