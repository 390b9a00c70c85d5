"""GGUF files: every tensor is accounted for before anything is kept; what is kept is checked when used."""

import numpy as np
import pytest
import tiny_gguf
import torch
import transformers

from rope_lib.measure import converted
from rope_lib.measure.load import load_model, tokenize
from rope_lib.runs.mark import file_sha256


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the test's own: the folder of converted models."""
    monkeypatch.setattr(converted, "user_cache_path", lambda name: tmp_path / name)
    return tmp_path / "rope-lib" / "models"


@pytest.fixture
def gguf(tmp_path):
    return tiny_gguf.write(tmp_path / "tiny.gguf", tiny_gguf.tensors())


def kept(cache):
    """The converted models in the cache; locks do not count."""
    return [path for path in cache.iterdir() if not path.name.endswith(".lock")] if cache.exists() else []


def test_a_good_file_is_converted_once_and_then_read_from_the_cache(gguf, cache, monkeypatch):
    model = load_model(gguf)
    weights = tiny_gguf.tensors()
    up = model.network.get_parameter("model.layers.1.mlp.up_proj.weight")
    assert np.array_equal(up.numpy(force=True), weights["blk.1.ffn_up.weight"])
    assert len(tokenize(model, "some text", 9)) == 9
    monkeypatch.setattr(converted, "convert", None)
    again = load_model(gguf)
    for name, weight in model.network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name])
    (folder,) = kept(cache)
    assert folder.name == f"tiny-{model.sha256[:16]}"


def test_what_killed_runs_of_earlier_versions_left_is_removed(gguf, cache):
    for name in ("tmpab_12xyz", "tmp00000000"):
        (cache / name / "made").mkdir(parents=True)
        (cache / name / "made" / "model.safetensors").touch()
    for name in ("tmp", "tmp-mine-1234", "other"):
        (cache / name).mkdir()
    load_model(gguf)
    names = {path.name for path in kept(cache)} - {f"tiny-{file_sha256(gguf)[:16]}"}
    assert names == {"tmp", "tmp-mine-1234", "other"}


def renamed(weights):
    weights["blk.1.attn_qq.weight"] = weights.pop("blk.1.attn_q.weight")


def lacking(weights):
    del weights["blk.1.attn_q.weight"]


def with_one_more(weights):
    weights["blk.1.attn_q.bias"] = np.zeros(tiny_gguf.HIDDEN, np.float32)


def with_another_layer(weights):
    weights["blk.2.attn_q.weight"] = weights["blk.1.attn_q.weight"]


def of_another_shape(weights):
    weights["blk.1.ffn_up.weight"] = weights["blk.1.ffn_up.weight"][:, :16].copy()


def not_finite(weights):
    weights["blk.1.ffn_up.weight"][3, 5] = np.nan


def infinite(weights):
    weights["output_norm.weight"][0] = np.inf


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (renamed, r"1 weight is missing: model\.layers\.1\.self_attn\.q_proj\.weight"),
        (lacking, r"1 weight is missing: model\.layers\.1\.self_attn\.q_proj\.weight"),
        (with_one_more, r"1 tensor is not part of this model: blk\.1\.attn_q\.bias"),
        (with_another_layer, r"1 tensor is not part of this model: blk\.2\.attn_q\.weight"),
        (
            of_another_shape,
            r"weight model\.layers\.1\.mlp\.up_proj\.weight must have shape \[48, 32\], got \[48, 16\]",
        ),
        (not_finite, r"weight model\.layers\.1\.mlp\.up_proj\.weight must be finite in float32"),
        (infinite, r"weight model\.norm\.weight must be finite in float32"),
    ],
)
def test_what_is_wrong_with_a_tensor_is_named_and_nothing_is_kept(tmp_path, cache, damage, reason):
    weights = tiny_gguf.tensors()
    damage(weights)
    file = tiny_gguf.write(tmp_path / "bad.gguf", weights)
    with pytest.raises(ValueError, match=rf"^[^\n]*bad\.gguf: {reason}$"):
        load_model(file)
    assert kept(cache) == []


def test_frequencies_and_an_output_matrix_are_no_extras(tmp_path, cache):
    weights = tiny_gguf.tensors()
    weights["rope_freqs.weight"] = np.ones(4, np.float32)
    weights["output.weight"] = 2 * weights["token_embd.weight"]
    model = load_model(tiny_gguf.write(tmp_path / "untied.gguf", weights))
    output = model.network.get_output_embeddings().weight.numpy(force=True)
    assert np.array_equal(output, weights["output.weight"])


def test_frequencies_that_transformers_would_not_scale_are_refused(tmp_path, cache):
    weights = tiny_gguf.tensors()
    weights["rope_freqs.weight"] = np.array([1, 1, 8, 8], np.float32)
    file = tiny_gguf.write(tmp_path / "scaled.gguf", weights)
    with pytest.raises(ValueError, match=r"rope_freqs\.weight scales the rotation, and transformers"):
        load_model(file)
    assert kept(cache) == []


def test_more_layers_than_tensors_are_refused_at_once(tmp_path, cache):
    file = tiny_gguf.write(tmp_path / "deep.gguf", {}, layers=10_000)
    with pytest.raises(ValueError, match=r"deep\.gguf \(ValueError: llama\.block_count must be at most 0"):
        load_model(file)


def test_what_stands_beside_a_gguf_is_not_read(gguf, cache, tmp_path):
    """transformers would take the tokenizer's class, and code, from there, and ask on standard input."""
    (tmp_path / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["own.Own", null]}}')
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "nobody/nothing"}')
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert load_model(gguf).tokenizer is not None
    assert not (tmp_path / "ran").exists()


def zeroed(folder):
    with open(folder / "model.safetensors", "r+b") as file:
        file.seek(-400, 2)
        file.write(bytes(400))


def truncated(folder):
    path = folder / "model.safetensors"
    data = path.read_bytes()[:-100]
    path.unlink()
    path.write_bytes(data)


def emptied(folder):
    for path in folder.iterdir():
        path.unlink()
        path.touch()


def edited(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"rope_theta": 10000.0', '"rope_theta": 20000.0'))


def removed(folder):
    (folder / "tokenizer.json").unlink()


def unmarked(folder):
    """As earlier releases left it, which checked nothing."""
    (folder / "sha256.json").unlink()


@pytest.mark.parametrize("damage", [zeroed, truncated, emptied, edited, removed, unmarked])
def test_what_is_damaged_in_the_cache_is_made_anew(gguf, cache, damage):
    # Copies: what is loaded in the file's own number type is the file, mapped into memory.
    good = {name: weight.clone() for name, weight in load_model(gguf).network.state_dict().items()}
    (folder,) = kept(cache)
    names = {path.name for path in folder.iterdir()}
    damage(folder)
    assert not converted.is_whole(folder)
    again = load_model(gguf)
    assert kept(cache) == [folder]
    assert {path.name for path in folder.iterdir()} == names
    assert converted.is_whole(folder)
    for name, weight in again.network.state_dict().items():
        assert torch.equal(weight, good[name])


def test_scratch_of_a_killed_conversion_is_removed(gguf, cache):
    load_model(gguf)
    (folder,) = kept(cache)
    (folder / "config.json").unlink()
    left = cache / f".{folder.name}.scratch-deadbeef"
    left.mkdir()
    load_model(gguf)
    assert kept(cache) == [folder]


def test_a_disk_that_is_full_is_not_blamed_on_the_file(gguf, cache, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(converted, "save_model", full)
    with pytest.raises(OSError, match=r"the converted tiny\.gguf could not be written \(OSError: .*No space"):
        load_model(gguf)
    assert kept(cache) == []


def test_a_conversion_that_another_process_finished_meanwhile_is_used(gguf, cache, monkeypatch):
    """Whoever waits for the lock finds the folder when it is its turn."""
    load_model(gguf)
    (folder,) = kept(cache)
    answers = iter([False, True])
    monkeypatch.setattr(converted, "is_whole", lambda folder: next(answers))
    monkeypatch.setattr(converted, "convert", None)
    assert converted.dequantized(gguf, folder.name.removeprefix("tiny-")) == folder


def test_no_kernel_is_asked_for():
    """Kernels come from the hub and run."""
    assert transformers.integrations.hub_kernels._kernels_enabled is False
