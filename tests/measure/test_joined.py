"""A file in parts, each in a package: joined once, made anew where damaged, refused where it is another."""

import hashlib

import pytest

from rope_lib.measure import joined as module
from rope_lib.measure.joined import joined

PIECES = (b"one, ", b"two, ", b"three")
WHOLE = b"".join(PIECES)
SHA256 = hashlib.sha256(WHOLE).hexdigest()
PACKAGES = tuple(f"pieces_of_a_test_{number}" for number in range(3))


@pytest.fixture(autouse=True)
def packages(monkeypatch, tmp_path):
    """Three packages that hold a piece each, whose code must not run; the folder in which they are."""
    folder = tmp_path / "packages"
    for number, (package, piece) in enumerate(zip(PACKAGES, PIECES, strict=True)):
        (folder / package / "data").mkdir(parents=True)
        (folder / package / "__init__.py").write_text("raise SystemExit")
        (folder / package / "data" / f"model.gguf.part{number}").write_bytes(piece)
        (folder / package / "data" / "NOTICE").write_text("terms")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(module, "user_cache_path", lambda name: tmp_path / "cache")
    return folder


def test_pieces_are_joined_in_the_order_of_the_packages():
    file = joined("model.gguf", SHA256, PACKAGES)
    assert file.name == "model.gguf"
    assert file.read_bytes() == WHOLE


def test_what_is_joined_needs_no_packages(monkeypatch):
    file = joined("model.gguf", SHA256, PACKAGES)
    monkeypatch.setattr(module, "_piece", None)
    assert joined("model.gguf", SHA256, ()) == file


def test_a_damaged_file_is_made_anew():
    joined("model.gguf", SHA256, PACKAGES).write_bytes(b"damaged")
    assert joined("model.gguf", SHA256, PACKAGES).read_bytes() == WHOLE


def test_pieces_of_another_file_are_refused_and_nothing_is_kept(packages, tmp_path):
    (packages / PACKAGES[1] / "data" / "model.gguf.part1").write_bytes(b"2, ")
    with pytest.raises(ValueError, match="must have SHA-256"):
        joined("model.gguf", SHA256, PACKAGES)
    assert not list((tmp_path / "cache" / "joined").glob("[!.]*"))


def test_a_package_that_is_not_there_is_named(packages):
    with pytest.raises(FileNotFoundError, match="the package pieces_of_a_test_9 must be installed"):
        joined("model.gguf", SHA256, (*PACKAGES, "pieces_of_a_test_9"))
    (packages / PACKAGES[2] / "data" / "model.gguf.part2").unlink()
    with pytest.raises(FileNotFoundError, match="the package pieces_of_a_test_2 must be installed and hold"):
        joined("model.gguf", SHA256, PACKAGES)
