"""Attack the loading of models: tensors renamed, lost or spoiled, caches damaged, files with flipped bytes.

Prints how many attacks of each kind were tried and survived; the exit status is 1 if one was not. What is
survived: the model is refused in one line and nothing of it is kept, or it is loaded with finite weights, and
all of it within seconds.

    python tests/attack/weights.py --tries 200
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tiny_gguf
from reports import byte_tokenizer

from rope_lib.measure import converted
from rope_lib.measure.huggingface import quiet
from rope_lib.measure.load import load_model, token_ids

SECONDS = 10.0  # that a refusal may take

Attack = tuple[
    str, Callable[[Path], Path], bool
]  # its kind, what makes the model, whether it must be refused


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tries", type=int, default=100, help="of each kind that is drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tried: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        converted.user_cache_path = lambda name: folder / "cache"  # type: ignore[assignment] # not the user's
        for kind, problem in _problems(folder, options.tries, random.Random(options.seed)):
            tried[kind] += 1
            survived[kind] += problem is None
            if problem is not None:
                print(f"{kind}: {problem}", file=sys.stderr)
    width = max(map(len, tried))
    print(f"{'attack':{width}}  tried  survived")
    for kind in tried:
        print(f"{kind:{width}}  {tried[kind]:5}  {survived[kind]:8}")
    return int(tried != survived)


def _problems(folder: Path, tries: int, draw: random.Random) -> Iterator[tuple[str, str | None]]:
    """The kind of each attack, and what went wrong or None."""
    for number, (kind, make, refuse) in enumerate(_attacks(tries, draw)):
        scratch = folder / str(number)
        scratch.mkdir()
        yield kind, _problem(make(scratch), folder / "cache", refuse)
        shutil.rmtree(scratch)
    yield from _damaged_caches(folder, tries, draw)


def _problem(model: Path, cache: Path, refuse: bool) -> str | None:
    """What went wrong when a model was loaded, or None."""
    shutil.rmtree(cache, ignore_errors=True)
    began = time.perf_counter()
    try:
        loaded = load_model(model)
        if loaded.tokenizer is not None:
            token_ids(loaded, "some text")
    except (ValueError, OSError) as error:
        if "\n" in str(error) or not str(error).strip():
            return f"not one line: {error!r}"
        models = cache / "models"
        kept = [path for path in models.iterdir() if path.suffix != ".lock"] if models.exists() else []
        if any(not converted.is_whole(path) for path in kept):
            return f"kept {kept[0]}"
    except Exception as error:
        return f"not refused but failed: {error!r}"
    else:
        if refuse:
            return "loaded"
        if not all(weight.isfinite().all() for weight in loaded.network.state_dict().values()):
            return "loaded with weights that are not finite"
    seconds = time.perf_counter() - began
    return f"took {seconds:.1f} seconds" if seconds > SECONDS else None


def _attacks(tries: int, draw: random.Random) -> Iterator[Attack]:
    """Every kind of attack on a file of weights and what is beside it."""
    spoilers: dict[str, Callable[[dict, str], None]] = {
        "renamed": lambda weights, name: weights.update({name + "_": weights.pop(name)}),
        "lost": lambda weights, name: weights.pop(name) is None,
        "of another shape": lambda weights, name: weights.update({name: weights[name][:-1]}),
        "not a number": lambda weights, name: weights[name].reshape(-1).__setitem__(0, np.nan),
        "infinite": lambda weights, name: weights[name].reshape(-1).__setitem__(-1, np.inf),
        "too much": lambda weights, name: weights.update({"more." + name: weights[name].copy()}),
    }
    for kind, spoil in spoilers.items():
        for name in tiny_gguf.tensors():
            yield f"GGUF: tensor {kind}", _spoiled_gguf(spoil, name), True
        for name in _network().state_dict():
            yield f"safetensors: tensor {kind}", _spoiled_safetensors(spoil, name), True
    for _ in range(tries):
        yield "GGUF: bytes of the header flipped", _flipped_gguf(draw), False
        yield "GGUF: cut short", _cut_gguf(draw), False
        for file in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"):
            yield f"folder: bytes of {file} flipped", _flipped(file, draw), False


def _network() -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=256, **sizes))


def _saved(scratch: Path) -> Path:
    with quiet():
        _network().save_pretrained(scratch / "model")
        byte_tokenizer().save_pretrained(scratch / "model")
    return scratch / "model"


def _spoiled_gguf(spoil: Callable[[dict, str], None], name: str) -> Callable[[Path], Path]:
    def make(scratch: Path) -> Path:
        weights = tiny_gguf.tensors()
        spoil(weights, name)
        return tiny_gguf.write(scratch / "model.gguf", weights)

    return make


def _spoiled_safetensors(spoil: Callable[[dict, str], None], name: str) -> Callable[[Path], Path]:
    def make(scratch: Path) -> Path:
        folder = _saved(scratch)
        weights = {
            key: weight.numpy().copy() for key, weight in load_file(folder / "model.safetensors").items()
        }
        spoil(weights, name)
        save_file(
            {key: torch.from_numpy(weight.copy()) for key, weight in weights.items()},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )
        return folder

    return make


def _flip(path: Path, draw: random.Random, end: int) -> None:
    """Replace a few bytes of a file, before `end`."""
    data = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 1, 2, 8])):
        data[draw.randrange(min(end, len(data)))] = draw.randrange(256)
    path.write_bytes(data)


def _flipped_gguf(draw: random.Random) -> Callable[[Path], Path]:
    def make(scratch: Path) -> Path:
        file = tiny_gguf.write(scratch / "model.gguf", tiny_gguf.tensors())
        _flip(file, draw, 6000)
        return file

    return make


def _cut_gguf(draw: random.Random) -> Callable[[Path], Path]:
    def make(scratch: Path) -> Path:
        file = tiny_gguf.write(scratch / "model.gguf", tiny_gguf.tensors())
        file.write_bytes(file.read_bytes()[: draw.randrange(file.stat().st_size)])
        return file

    return make


def _flipped(name: str, draw: random.Random) -> Callable[[Path], Path]:
    def make(scratch: Path) -> Path:
        folder = _saved(scratch)
        _flip(folder / name, draw, 2500)
        return folder

    return make


def _damaged_caches(folder: Path, tries: int, draw: random.Random) -> Iterator[tuple[str, str | None]]:
    """Damage a converted model again and again: the weights loaded next are those of the first time."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    file = tiny_gguf.write(folder / "model.gguf", tiny_gguf.tensors())
    first = {name: weight.clone() for name, weight in load_model(file).network.state_dict().items()}
    for _ in range(tries):
        (kept,) = (path for path in (folder / "cache" / "models").iterdir() if path.is_dir())
        path = draw.choice(sorted(kept.iterdir()))
        data = bytearray(path.read_bytes())
        path.unlink()
        how = draw.choice(["lost", "cut", "zeroed"])
        start = draw.randrange(len(data))
        if how == "zeroed":
            data[start : start + 64] = bytes(len(data[start : start + 64]))
        if how != "lost":
            path.write_bytes(data[:start] if how == "cut" else data)
        try:
            again = load_model(file).network.state_dict()
            same = all(torch.equal(weight, first[name]) for name, weight in again.items())
            yield f"cache: a file {how}", None if same else f"{path.name}: other weights"
        except Exception as error:
            yield f"cache: a file {how}", f"{path.name}: {error!r}"


if __name__ == "__main__":
    sys.exit(main())
