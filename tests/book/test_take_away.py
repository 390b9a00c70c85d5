"""The zip to take along: what is in it, and that the same files make the same zip."""

import zipfile

import pytest
from extensions import extension
from sphinx.errors import ExtensionError


@pytest.fixture
def take_away(root):
    return extension(root, "take_away")


@pytest.mark.slow
def test_the_zip_holds_the_wheel_with_its_results_and_every_notebook(take_away, root, tmp_path):
    target = tmp_path / take_away.NAME
    take_away.build(root, target)
    with zipfile.ZipFile(target) as archive:
        names = {name.removeprefix("rope-companion/") for name in archive.namelist()}
        [wheel] = [name for name in names if name.endswith(".whl")]
        archive.extract(f"rope-companion/{wheel}", tmp_path)
        readme = archive.read("rope-companion/README.md").decode()
    assert {f"notebooks/{file.name}" for file in (root / "notebooks").glob("*.ipynb")} <= names
    assert {"README.md", "LICENSE", *take_away.REQUIREMENTS} <= names
    assert f"pip install --no-deps {wheel}" in readme
    with zipfile.ZipFile(tmp_path / "rope-companion" / wheel) as library:
        inside = library.namelist()
    assert any(name.endswith(".parquet") for name in inside)
    weights = {name for name in inside if name.endswith((".safetensors", ".gguf", ".pt"))}
    byte_models = ("rope", "rope_id")
    assert weights == {f"rope_lib/results/byte_models/{name}/model.safetensors" for name in byte_models}


def test_a_changed_notebook_is_another_zip(take_away, root, tmp_path, monkeypatch):
    (tmp_path / "a").write_text("1")
    monkeypatch.setattr(take_away, "parts", lambda root: [root / "a"])
    first = take_away.digest(tmp_path)
    assert take_away.digest(tmp_path) == first
    (tmp_path / "a").write_text("2")
    assert take_away.digest(tmp_path) != first


def test_a_zip_that_is_too_large_is_refused(take_away, root, tmp_path, monkeypatch):
    def tiny_wheel(root, folder):
        (folder / "a-1-py3-none-any.whl").write_bytes(b"")
        return folder / "a-1-py3-none-any.whl"

    monkeypatch.setattr(take_away, "build_wheel", tiny_wheel)
    monkeypatch.setattr(take_away, "LIMIT", 1000)
    with pytest.raises(ExtensionError, match=r"must stay below 0\.001 MB"):
        take_away.build(root, tmp_path / take_away.NAME)
    assert not (tmp_path / take_away.NAME).exists()
