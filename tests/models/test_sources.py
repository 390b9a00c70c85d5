"""Where a model is found: a dict, a file, a folder, the local cache of the Hub."""

import os

import pytest
from model_configs import LLAMA, SMALL, refused

from rope_lib.models import read_model


def test_dict_file_and_folder_are_read_alike(file):
    path = file(LLAMA)
    spec = read_model(path)
    assert spec == read_model(str(path)) == read_model(os.fsencode(path)) == read_model(path.parent)
    assert spec.rotaries == read_model(LLAMA).rotaries
    assert spec.name == path.parent.name


def test_the_name_of_a_dict_is_the_one_that_it_gives():
    assert read_model({**LLAMA, "_name_or_path": "meta-llama/Llama-3.1-8B/"}).name == "Llama-3.1-8B"
    assert read_model({**LLAMA, "architectures": ["LlamaForCausalLM"]}).name == "LlamaForCausalLM"
    assert read_model(LLAMA).name == "llama"
    assert read_model(SMALL).name == "unknown"


def test_a_config_of_another_name(file):
    assert read_model(file(LLAMA, "mine.json")).name == "mine"


@pytest.mark.parametrize("source", [None, 3, 1.5, ["config.json"], ({},), {1}])
def test_what_is_no_source(source):
    got = type(source).__name__
    assert refused(source) == f"source must be a dict, a path or a Hugging Face id, got {got}"


@pytest.mark.parametrize(
    "source", ["", "nowhere.json", "/nowhere/at/all", "a\nb", "a\0b", b"\xff\xfe", "\ud800"]
)
def test_what_is_not_there(source):
    assert refused(source, FileNotFoundError).endswith(
        ": no such file, folder or Hugging Face id (owner/name)"
    )


def test_a_path_longer_than_any():
    with pytest.raises(OSError, match="File name too long"):
        read_model("a" * 5000)


def test_a_symlink_loop(tmp_path):
    (tmp_path / "config.json").symlink_to(tmp_path / "config.json")
    assert "no such file" in refused(tmp_path / "config.json", FileNotFoundError)
    assert "holds no config.json" in refused(tmp_path, FileNotFoundError)


def test_a_folder_without_a_model(tmp_path):
    line = refused(tmp_path, FileNotFoundError)
    assert line == f"{tmp_path}: holds no config.json, params.json or .gguf"


def test_a_folder_named_like_a_file(tmp_path):
    (tmp_path / "model.gguf").mkdir()
    assert "holds no config.json" in refused(tmp_path / "model.gguf", FileNotFoundError)


def test_a_folder_with_several_gguf_files(tmp_path):
    for name in "a.gguf", "b.gguf":
        (tmp_path / name).write_bytes(b"")
    assert refused(tmp_path) == f"{tmp_path}: holds 2 .gguf files, name the one to read"


def test_a_pipe_is_not_waited_for(tmp_path):
    for name in "config.json", "model.gguf":
        os.mkfifo(tmp_path / name)
        assert refused(tmp_path / name) == f"{tmp_path / name}: must be a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(file):
    path = file(LLAMA)
    path.chmod(0)
    assert str(path) in refused(path, PermissionError)


def test_a_path_with_control_characters(tmp_path, file):
    for name in "a\nb.json", "a\nb/config.json", "a\x1bb.gguf":
        line = refused(file(b"[", name))
        assert line.startswith(repr(str(tmp_path / name)))
    (tmp_path / "c\nd").mkdir()
    assert "holds no config.json" in refused(tmp_path / "c\nd", FileNotFoundError)


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"])
def test_an_id_in_the_cache(variable, tmp_path, file, monkeypatch):
    below = {"HF_HUB_CACHE": "", "HF_HOME": "hub/", "XDG_CACHE_HOME": "huggingface/hub/"}[variable]
    for name in "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    repository = f"{below}models--owner--a-model"
    assert "no config of that id in the cache" in refused("owner/a-model", FileNotFoundError)
    file({**LLAMA, "rope_theta": 1.0}, f"{repository}/snapshots/0000/config.json")
    file(LLAMA, f"{repository}/snapshots/1234/config.json")
    file(b"1234\n", f"{repository}/refs/main")
    spec = read_model("owner/a-model")
    assert (spec.name, spec.rotaries[0].base) == ("a-model", 500_000.0)


def test_an_id_in_the_cache_without_a_reference(tmp_path, file, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    file(LLAMA, "models--o--m/snapshots/1234/config.json")
    assert read_model("o/m").num_layers == 4
    file(b"\xff\0/..", "models--o--m/refs/main")
    assert read_model("o/m").num_layers == 4


def test_a_folder_of_that_name_goes_before_the_cache(tmp_path, file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file(LLAMA, "owner/model/config.json")
    assert read_model("owner/model").num_layers == 4


def test_a_snapshot_of_the_cache_has_its_models_name(file):
    blob = file(LLAMA, "models--o--a-model/blobs/5f3a")
    link = blob.parents[1] / "snapshots" / "1234" / "config.json"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    assert read_model(link).name == read_model(link.parent).name == "a-model"


def test_a_folder_by_a_relative_path(file, monkeypatch):
    monkeypatch.chdir(file(LLAMA, "Llama-3/config.json").parent)
    assert read_model("config.json").name == read_model(".").name == "Llama-3"


@pytest.mark.parametrize("name", ["5f3a", "model.bin", "config.json"])
def test_a_gguf_file_is_known_by_its_first_bytes(file, name):
    line = refused(file(b"GGUF\x09\0\0\0", name))
    assert "the version" in line
