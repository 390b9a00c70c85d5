"""Attack `report`, `train` and `sweep` with hostile inputs, up to where the long computing begins.

    python tests/attack/paths.py [INPUTS] [--jobs N] [--seed S] [--log FILE] [--only ATTACK]
    python tests/attack/paths.py --only "sweep: grids" --replay 12345

Not a test: pytest does not collect it. The commands run in processes of this program, in a sandbox full of a
user's files; measuring, training and the notebook are replaced by small results, all else is real. A command
must accept its input and write its result, or refuse it in one line with exit status 2 (1 where some of
several models failed), within 10 seconds of processor time and 2 GB, and leave nothing but its result: no
file of the user is lost, changed or moved, but for a folder that --force keeps as DIR.old.

Prints a table, attack × tried × survived, and what broke; the exit status is 1 if anything did.
"""

import json
import os
import pickle
import random
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "models")]
os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")

import fuzz_config  # noqa: E402  # found by the path above
import hostile  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from click.testing import CliRunner  # noqa: E402
from readers import mutated_bytes, mutated_toml  # noqa: E402
from reports import byte_tokenizer  # noqa: E402
from safetensors.torch import save  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

import rope_lib.measure.store as store  # noqa: E402
import rope_lib.report.findings as findings  # noqa: E402
import rope_lib.report.many as many  # noqa: E402
import rope_lib.report.plan as plan  # noqa: E402
import rope_lib.report.write as write  # noqa: E402
import rope_lib.runs.experiments as experiments  # noqa: E402
import rope_lib.train.loop as loop  # noqa: E402
import rope_lib.train.run as training  # noqa: E402
from rope_lib.cli import main  # noqa: E402
from rope_lib.runs.mark import write_mark  # noqa: E402
from rope_lib.runs.source import modules_sha256, source_sha256  # noqa: E402
from rope_lib.runs.store import save_tables  # noqa: E402
from rope_lib.runs.sweep import Failure, Swept  # noqa: E402

torch.set_num_threads(1)
TABLES = {"summary": pd.DataFrame({"x": [1.0]})}

TRAIN = """
seed = 0
model = { layers = 1, width = 8, heads = 1, head_dim = 4 }
task = { name = "recall", parameters = { pairs = 2, queries = 1 } }
training = { steps = 2, batch = 2, length = 16 }
evaluation = { lengths = [16], examples = 2, geometry = 1 }
"""
GRID = f"""kind = "train"
about = "tiny"
[fixed]{TRAIN.replace("seed = 0", "").replace("evaluation", "evaluation ")}
[axes]
spectrum.base = [4, 100]
seed = [0, 1]
[full]
axes.seed = [0, 1, 2]
"""


# What would take long, replaced


class _Found:
    """As much of a report's findings as writing them needs."""

    name = "model"

    def tables(self) -> dict[str, pd.DataFrame]:
        return TABLES


def _no_training(config, folder, **_):
    """Tables, and the checkpoint that training leaves."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / loop.CHECKPOINT).write_bytes(b"")
    return TABLES


def _no_cells(cells, compute, folder, **_):
    """All cells failed, as if their workers had died at once."""
    cells = list(cells)
    return Swept((), (), tuple(Failure(cell, "not computed here") for cell in cells[:1]))


@cache
def _modules_sha256(modules: tuple[str, ...], folders: tuple[str, ...]) -> str:
    return modules_sha256(modules, folders)


def replace_computing() -> None:
    """Replace what takes long by small results."""
    plan.timed_pass = lambda subject, longest: (min(plan.TIMED, longest), 0.01)
    write.examine = lambda *_: _Found()
    write._executed = lambda parameters, path, *_: path.write_text("notebook")
    write.page = lambda *_: "page"
    write._about = lambda *_: {}
    training.run = _no_training
    text = findings.reference_text()[:9_000]
    findings.reference_text = lambda: text
    write.gc = SimpleNamespace(collect=lambda: None)
    experiments.source_sha256 = cache(lambda folders: source_sha256(folders))
    store.modules_sha256 = lambda modules, folders: _modules_sha256(tuple(modules), folders)
    experiments.run_cells = _no_cells
    many.run_cells = _no_cells
    sys.modules.pop("ipykernel", None)  # by which a notebook is known, whose command is not recorded


# The sandbox


WORK = "work"  # the folder of a sandbox in which commands run


class Sandbox:
    """Folders of a user, full of work, in one of which the commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder / "sandbox", folder / "sandbox" / WORK
        for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR", "HF_HOME"):
            os.environ[name] = str(self.folder / name.lower())
        tempfile.tempdir = str(self.folder / "tmpdir")
        self.furnish()

    def furnish(self) -> None:
        """Make all folders anew, and remember them."""
        template = self.folder.with_name("template")
        os.chdir(self.folder.parent)
        shutil.rmtree(self.folder, ignore_errors=True)
        if template.exists():
            shutil.copytree(template, self.folder, symlinks=True)
            os.chdir(self.work)
        else:
            self._fill()
            shutil.copytree(self.folder, template, symlinks=True)
        self.before = self.state()

    def _fill(self) -> None:
        for name in ("home", "xdg_cache_home", "tmpdir", "hf_home", WORK, "elsewhere"):
            (self.folder / name).mkdir(parents=True)
        os.chdir(self.work)
        for folder in ("mine", "mine/deep/er", "mine-training", "../elsewhere", "default", "claims"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / "note.txt").write_text(f"my work in {folder}")
        Path("file.txt").write_text("my file")
        Path("empty").mkdir()
        Path("link").symlink_to("mine")
        Path("away").symlink_to("../elsewhere")
        Path("loop").symlink_to("loop")
        Path("nothing").symlink_to("nowhere/at/all")
        for maker in ("train", "sweep", "report"):
            save_tables(f"ours-{maker}", TABLES, {"name": maker})
        save_tables("ours-sweeps/default", TABLES, {"name": "sweep"})
        Path("page").mkdir()
        (Path("page") / "report.html").write_text("page")
        write_mark(Path("page"), "report")
        save_tables("changed", TABLES, {"name": "train"})
        (Path("changed") / "note.txt").write_text("added")
        Path("text.txt").write_text("one two three four five six seven. " * 40)
        Path("train.toml").write_text(TRAIN)
        Path("grid.toml").write_text(GRID)

    def state(self) -> dict[str, tuple]:
        """All paths with what would change if they were touched."""
        found: dict[str, tuple] = {}
        for parent, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                path = os.path.join(parent, name)
                seen = os.lstat(path)
                kind = stat.S_IFMT(seen.st_mode)
                touched = (0, 0) if stat.S_ISDIR(kind) else (seen.st_size, seen.st_mtime_ns)
                found[path] = (kind, seen.st_ino, *touched)
        return found

    def put(self, path: str | Path, content: str | bytes) -> Path:
        """Write an input into the folder."""
        place = self.work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    def check(self, before: dict[str, tuple], status: int, out: str | None, force: bool) -> None:
        """Raise AssertionError for harm that a command did since `before`."""
        after = self.state()
        if after != before:
            place = None if out is None else os.path.realpath(os.path.join(self.work, out))
            _check_harm(before, after, status, place, force, str(self.folder))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _check_harm(before, after, status: int, out: str | None, force: bool, root: str) -> None:
    """Raise AssertionError unless only `out` was written, and only what commands had made is gone."""
    places = {entry: path for path, entry in after.items()}
    for path, entry in before.items():
        if after.get(path) == entry or (status != 2 and _replaceable(path, before, out, root)):
            continue
        where = places.get(entry)
        kept = out is not None and where is not None and _within(path, out)
        kept = kept and where.startswith(out) and ".old" in where[len(out) :]
        assert force, f"{path[len(root) :]!r} is now {where!r}"
        assert kept, f"{path[len(root) :]!r} is now {where!r}"
    for path in after.keys() - before.keys():
        name = path[len(root) :]
        assert status != 2, f"{name!r} was left after a refusal"
        assert ".scratch-" not in name, f"{name!r} was left"
        assert not name.endswith(".lock"), f"{name!r} was left"
        in_work = path.removeprefix(f"{root}/{WORK}/")  # unchanged for what lies elsewhere
        defaults = in_work.startswith(("rope-train-", "rope-sweep-", "rope-report"))
        ours = defaults if out is None else _within(out, path) or path.startswith(out)
        # Beside the link, as everything of a link.
        ours = ours or in_work.startswith(("away-training", "link-training"))
        assert ours or name.startswith("/xdg_cache_home"), f"{name!r} was written"


def _replaceable(path: str, before: dict[str, tuple], out: str | None, root: str) -> bool:
    """Whether a path lies in the output, and is of an earlier result or an empty folder."""
    if out is None or not _within(path, out):
        return False
    is_empty = before[path][0] == stat.S_IFDIR and not any(other.startswith(path + "/") for other in before)
    return is_empty or path.startswith((f"{root}/{WORK}/ours-", f"{root}/{WORK}/page"))


@cache  # a process has one
def sandbox(folder: Path) -> Sandbox:
    return Sandbox(folder)


def tried(box: Sandbox, arguments: list[str], out: str | None, force: bool = False) -> str:
    """Run a command, and check how it ended and what it left."""
    arguments = [*arguments, *(["--out", out] if out is not None else []), *(["--force"] if force else [])]
    before, sys.argv = box.state(), ["rope-lib", *arguments]
    result = CliRunner().invoke(main, arguments)
    status, said = result.exit_code, result.stderr
    box.check(before, status, out, force)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"{type(result.exception).__name__}") from result.exception
    assert status in (0, 1, 2), (status, said)
    assert "Traceback" not in said, said
    assert "Error: unexpected" not in said, said
    assert all(line.isprintable() for line in (result.stdout + said).split("\n")), result.output
    lines = said.splitlines()
    assert status == 0 or (lines and lines[-1].startswith("Error: ")), said
    assert sum(line.startswith("Error: ") for line in lines) == (status != 0), said
    assert status != 2 or len(lines) == 1 or lines[0].startswith("Usage: ") or arguments[0] != "train", said
    return {0: "accepted", 1: "failed", 2: "refused"}[status]


# What is drawn

NAMES = [
    "", ".", "..", "../..", "/", "out", "out/", "./out", "out/deep/er", "x/../out", "mine", "mine/",
    "mine/deep", "mine/new", "link", "link/new", "away", "away/new", "loop", "loop/x", "nothing",
    "nothing/x", "file.txt",
    "file.txt/x", "text.txt", "empty", "ours-train", "ours-sweep", "ours-report", "ours-sweeps",
    "ours-sweeps/default", "page", "changed", "claims", "default", "mixed", "mine-training", "~", "~/x", "-x",
    "--force", "*", "$HOME", "a b", "o" * 250, "o" * 256, "o/" * 200 + "o", "o" * 5000, "\x1b[31m",
    "new\nline",
    "\u202e", "名", "é", os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff\xfe"), "/dev/null", "/dev/null/x",
    "/proc/out", "/proc/self/cwd/out", "/sys/out", "/dev/full/x", "../elsewhere", "../elsewhere/new",
    "out.old",
    "con", ".hidden", "..x", " ", "'", '"', "\\", "out\t", "http://x/y", "s3://bucket/out", "org/name",
    "/dev/fd/0", "cells", "provenance.json", "grid.toml", "train.toml",
]  # fmt: skip
NUMBERS = [
    "0", "-1", "1", "2", "3", "64", "128", "10**9", "9" * 30, "9" * 320, "9" * 5000, "nan", "inf", "1e400",
    "x",
    "", " ", "64,128", "128,64", "64,", ",", "64,,128", "64,x", "0,64", "-1,64", "64,64", "1_000", "1e3", "٣",
    "64,10000000", ",".join(["64"] * 500), ",".join(map(str, range(2, 300))), "\x1b[31m", "0x40", "64.0",
]  # fmt: skip
DEVICES = [
    "auto",
    "cpu",
    "cpu",
    "cpu",
    "cuda",
    "cuda:9",
    "mps",
    "meta",
    "cpu:0",
    "cpu:1",
    "xla",
    "",
    "\n",
    "GPU",
]
DTYPES = ["float32", "float32", "bfloat16", "float16", "float64", "int8", "", "x\x1b", "torch.float32", "F32"]
MARKS = [
    b"", b"{", b"[]", b"null", b"\xff", b'{"provenance": 1}', b'{"provenance": {"name": "train"}}',
    b'{"provenance": {"name": "train"}, "files": {"note.txt": ""}}',
    b'{"provenance": {"name": "train"}, "files": {"../mine/note.txt": ""}, "tables": {}}',
    b'{"provenance": {"name": "train"}, "files": [["note.txt", ""]]}',
    b'{"provenance": {"name": ["train"]}, "files": {"note.txt": 3}}',
    b'{"provenance": {"name": "train"}, "tables": {"../../x": "a", "note": "b"}}',
    b'{"provenance": {"name": {"a": 1}}, "tables": {}}', b'{"a":' * 100_000,
    b'{"provenance": {"name": "\\u001b[31m", "inputs": {"grid": 1, "size": 2}}, "tables": {}}',
    b'{"provenance": {"name": "train", "inputs": 3}, "tables": null}',
]  # fmt: skip


def _out(generator: random.Random) -> str | None:
    if generator.random() < 0.3:
        return None
    name = generator.choice(NAMES)
    return (
        name + generator.choice(["", "", "", "/", "/new", ".old", "\x7f"]) if name not in ("", "/") else name
    )


def _odd_contents(generator: random.Random, box: Sandbox) -> None:
    """Give a folder of the user a hostile mark, or contents that are no plain files."""
    place = box.work / generator.choice(
        ["claims", "changed", "mine", "empty", "ours-train", "default", "page"]
    )
    odd = generator.choice(["mark", "mark", "mark", "link", "pipe", "marked pipe", "folder", "leftover"])
    mark = place / "provenance.json"
    if odd == "mark":
        content = generator.choice(MARKS)
        mark.write_bytes(mutated_bytes(content, generator) if generator.random() < 0.3 else content)
    elif odd == "link":
        (place / "escape").symlink_to(generator.choice(["../file.txt", "../mine", "/", "escape", "none"]))
    elif odd == "pipe":
        os.mkfifo(place / "pipe")
    elif odd == "leftover":
        (place / ".out.scratch-user" / "made").mkdir(parents=True)
    else:
        mark.unlink(missing_ok=True)
        os.mkfifo(mark) if odd == "marked pipe" else mark.mkdir()


def _option(generator: random.Random, name: str, values: list[str], chance: float = 0.4) -> list[str]:
    return [name, generator.choice(values)] if generator.random() < chance else []


# Reports


@cache
def _model() -> dict[str, bytes]:
    """The files of a tiny model with a tokenizer."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    network = LlamaForCausalLM(
        LlamaConfig(vocab_size=256, max_position_embeddings=64, num_key_value_heads=1, **sizes)
    )
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        byte_tokenizer().save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@cache
def _sharded() -> dict[str, bytes]:
    """The same model in two files with an index."""
    from safetensors.torch import load

    files = dict(_model())
    weights = load(files.pop("model.safetensors"))
    names = sorted(weights)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    places = {name: file for file, each in parts.items() for name in each}
    files |= {file: save({name: weights[name] for name in each}) for file, each in parts.items()}
    return files | {
        "model.safetensors.index.json": json.dumps({"metadata": {}, "weight_map": places}).encode()
    }


def _put_model(box: Sandbox, files: dict[str, bytes]) -> None:
    for file, content in files.items():
        box.put(Path("in-model") / file, content)


def in_sandbox(attempt: Callable[[random.Random, Sandbox], str]) -> Callable[[random.Random, Path], str]:
    """An attack that puts inputs named in-… into the sandbox, and runs a command; all is tidied up after."""

    def attack(generator: random.Random, folder: Path) -> str:
        box = sandbox(folder)
        try:
            return attempt(generator, box)
        finally:
            for name in os.listdir(box.work):
                if name.startswith("in-"):
                    path = box.work / name
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            if box.state() != box.before:
                box.furnish()

    return attack


def _tried(generator: random.Random, box: Sandbox, *arguments: str) -> str:
    """Run a command, sometimes with an output that is drawn, and with odd contents in the user's folders."""
    if generator.random() < 0.3:
        _odd_contents(generator, box)
    out = None
    if generator.random() < 0.7:
        out = generator.choice(NAMES)
        if out not in ("", "/") and generator.random() < 0.3:
            out += generator.choice(["/", "/new", ".old", "\x7f"])
    return tried(box, list(arguments), out, generator.random() < 0.2)


SOURCES = [
    *["in-model"] * 8, "in-model/", "./in-model", "in-model/config.json", "mine", "empty", "none", "org/name",
    "org/name/x", "file.txt", "/dev/null", "/dev/zero", "loop", "", ".", "/", "x\x1b.gguf",
    os.fsdecode(b"\xff"), "in-model/model.safetensors", "text.txt", "https://huggingface.co/org/name",
    "a" * 5000,
]  # fmt: skip


@in_sandbox
def report_options(generator: random.Random, box: Sandbox) -> str:
    """Odd options, models and outputs, of one model or of several."""
    _put_model(box, _model())
    options = [
        *_option(generator, "--lengths", NUMBERS),
        *_option(generator, "--device", DEVICES),
        *_option(generator, "--dtype", DTYPES, 0.3),
        *_option(generator, "--text", ["text.txt", "file.txt", *NAMES], 0.3),
        *_option(generator, "--workers", NUMBERS, 0.1),
        *_option(generator, "--scheduler", ["", "x", "tcp://", "\n"], 0.05),
        *(["--download"] if generator.random() < 0.05 else []),
    ]
    sources = generator.choices(SOURCES, k=generator.choice([1, 1, 1, 1, 2, 3]))
    return _tried(generator, box, "report", *options, *sources)


def drawn_text(generator: random.Random) -> bytes:
    """A text of any encoding and length, most of them short."""
    alphabet = generator.choice(
        ["ab ", "\x00", "\n\r", "é名\U0001f600", "\u202e\u2066", "\ufeff", "<b>|`$\\", "\x1b[31m", "0", " "]
    )
    length = generator.choice([0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 1000, 20_000])
    text = "".join(generator.choices(alphabet, k=length))
    encoding = generator.choice(["utf-8"] * 6 + ["utf-16", "utf-32", "utf-8-sig", "utf-7", "cp500"])
    data = text.encode(encoding, "replace")
    return mutated_bytes(data, generator) if generator.random() < 0.3 else data


@in_sandbox
def report_texts(generator: random.Random, box: Sandbox) -> str:
    """Texts: empty, short, long, of other encodings, and what is no regular file."""
    _put_model(box, _model())
    text = box.put("in-text", drawn_text(generator))
    odd = generator.random()
    if odd < 0.02:
        os.truncate(text, generator.choice([2**20, 2**24 + 1, 2**40]))
    elif odd < 0.1:
        text.unlink()
        generator.choice([
            text.mkdir, lambda: os.mkfifo(text), lambda: text.symlink_to("in-text"), lambda: None,
            lambda: text.symlink_to("/dev/zero"), lambda: text.symlink_to("/proc/self/mem"),
            lambda: text.symlink_to("text.txt"),
        ])()  # fmt: skip
    options = ["--text", "in-text", "--device", "cpu", *_option(generator, "--lengths", NUMBERS)]
    if generator.random() < 0.4:
        other = generator.choice(["in-other", "in-other", "in-text", "text.txt", "./in-text", "none", ""])
        if other == "in-other":
            box.put(other, drawn_text(generator))
        options += ["--text", other]
    return _tried(generator, box, "report", *options, "in-model")


@in_sandbox
def report_configs(generator: random.Random, box: Sandbox) -> str:
    """Models with a config that was changed, as values or as bytes, or that is another model's."""
    files = dict(_model())
    config = json.loads(files["config.json"])
    if generator.random() < 0.1:
        config |= generator.choice(list(fuzz_config.seeds().values()))
    config = fuzz_config.mutate(config, generator)
    if generator.random() < 0.2:
        config[generator.choice(_RUNS_CODE)] = generator.choice(_CODE)
    is_text = generator.random() < 0.15
    files["config.json"] = fuzz_config.garbled(config, generator) if is_text else json.dumps(config).encode()
    return _hostile_model(generator, box, files)


_RUNS_CODE = [
    "auto_map", "_attn_implementation", "attn_implementation", "trust_remote_code", "quantization_config",
    "compression_config", "use_kernels", "kernel_config", "tokenizer_class", "transformers_weights",
    "custom_generate", "_experts_implementation", "tie_word_embeddings", "torch_dtype", "dtype",
    "architectures",
]  # fmt: skip
_CODE = [
    {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model", "AutoTokenizer": ["evil.T", None]},
    "kernels-community/evil", "org/evil@main:f", {"quant_method": "gptq", "bits": 4}, {"quant_method": "awq"},
    {"quant_method": "bitsandbytes", "load_in_4bit": True}, "pytorch_model.bin", True, None, 1, [], {},
    "evil",
    ["evil"], "Auto", "PreTrainedTokenizerFast", "../evil", "float8", "subprocess.run", "flash_attention_2",
]  # fmt: skip


class _Evil:
    """What leaves a mark when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return open, (self.mark, "w")


def _hostile_model(generator: random.Random, box: Sandbox, files: dict[str, bytes]) -> str:
    """Report on a model, sometimes with files beside it that would run as code."""
    _put_model(box, files)
    if generator.random() < 0.3:
        code = f"open({str(box.work / 'ran')!r}, 'w')\n"
        for name in ("evil.py", "modeling_llama.py", "tokenization_evil.py", "configuration_evil.py"):
            box.put(f"in-model/{name}", code)
        box.put("in-model/pytorch_model.bin", pickle.dumps(_Evil(str(box.work / "ran"))))
        box.put(
            "in-model/adapter_config.json", b'{"base_model_name_or_path": "org/evil", "peft_type": "LORA"}'
        )
        box.put("in-model/generation_config.json", json.dumps({"custom_generate": "evil.py", "x": [1]}))
        box.put("in-model/chat_template.jinja", "{{ cycler.__init__.__globals__.os.system('touch ran') }}")
    lengths = ["--lengths", "64,128"] if generator.random() < 0.5 else []
    options = ["--device", "cpu", "--text", "text.txt", *lengths]
    return tried(box, ["report", *options, "in-model"], generator.choice([None, "out"]))


@in_sandbox
def report_weights(generator: random.Random, box: Sandbox) -> str:
    """Models in several files, whose index or files were changed."""
    files = dict(_sharded())
    index = json.loads(files["model.safetensors.index.json"])
    names = list(index["weight_map"])
    for _ in range(generator.randint(1, 3)):
        name = generator.choice([*names, "x", ""])
        index["weight_map"][name] = generator.choice([
            "model-1.safetensors", "model-2.safetensors", "pytorch_model.bin", "../text.txt", "/etc/passwd",
            "../in-model/model-1.safetensors", "", ".safetensors", "none.safetensors", "x\x1b.safetensors",
            "a" * 5000 + ".safetensors", 1, None, [], {}, "model-1.safetensors\n", "MODEL-1.safetensors",
        ])  # fmt: skip
        if generator.random() < 0.2:
            del index["weight_map"][name]
    if generator.random() < 0.2:
        index = fuzz_config.mutate(index, generator)
    text = json.dumps(index).encode()
    files["model.safetensors.index.json"] = (
        mutated_bytes(text, generator) if generator.random() < 0.1 else text
    )
    if generator.random() < 0.4:
        name = generator.choice(sorted(file for file in files if file.endswith(".safetensors")))
        files[name] = mutated_bytes(files[name][:1000], generator) + files[name][1000:]
    for name in list(files):
        if generator.random() < 0.03:
            files[name] = generator.choice([b"", b"\xff" * 100, files["config.json"]])
    return _hostile_model(generator, box, files)


@in_sandbox
def report_tokenizers(generator: random.Random, box: Sandbox) -> str:
    """Models whose tokenizer was changed."""
    files = dict(_model())
    name = generator.choice(["tokenizer.json", "tokenizer.json", "tokenizer_config.json", "special"])
    if name == "special":
        odd = ["vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "special_tokens_map.json",
               "added_tokens.json", "tekken.json", "x.tiktoken"]  # fmt: skip
        for each in generator.sample(odd, 2):
            files[each] = generator.choice(
                [b"", b"{", b"[]", b'{"a": -1}', b"\xff" * 9, b"a b\n", b'{"<s>": 1}']
            )
        if generator.random() < 0.5:
            del files["tokenizer.json"]
    else:
        value = fuzz_config.mutate(json.loads(files[name]), generator)
        if name == "tokenizer_config.json":
            value = value if isinstance(value, dict) else {}
            value[generator.choice([*_RUNS_CODE, "vocab_file", "tokenizer_file", "extra_special_tokens",
                                    "model_max_length",
                                    "chat_template"])] = generator.choice(_CODE)  # fmt: skip
        is_text = generator.random() < 0.15
        files[name] = fuzz_config.garbled(value, generator) if is_text else json.dumps(value).encode()
    return _hostile_model(generator, box, files)


# Training


@in_sandbox
def train_configs(generator: random.Random, box: Sandbox) -> str:
    """Configs with values, lines or bytes changed, of any name."""
    seeds = [TRAIN, *_experiments(grids=False)]
    return _tried(generator, box, "train", _put_toml(generator, box, seeds), *_train_options(generator))


def _train_options(generator: random.Random) -> list[str]:
    return [
        *(["--device", generator.choice(DEVICES)] if generator.random() < 0.2 else ["--device", "cpu"]),
        *(["--keep"] if generator.random() < 0.2 else []),
    ]


@cache
def _experiments(*, grids: bool) -> list[str]:
    texts = [path.read_text() for path in sorted((ROOT / "experiments").glob("*.toml"))]
    return [text for text in texts if ("kind =" in text) == grids]


def _put_toml(generator: random.Random, box: Sandbox, seeds: list[str]) -> str:
    """The name of a TOML file that was changed, or of what is none."""
    odd = generator.random()
    if odd < 0.05:
        return generator.choice(NAMES)
    name = "in-" + generator.choice(
        ["a.toml", "a", "\x1b[31m.toml", "x y.toml", ".toml", "-.toml", "\udcff.toml"]
    )
    data = mutated_toml(generator.choice(seeds), generator)
    if odd < 0.08:
        data = generator.choice(
            [b"", b"\xff", b"a" * (2**20 + 1), b"[" * 9999, b"a." * 9999 + b"b = 1", b"\0" * 99]
        )
    box.put(name, data)
    return name


@in_sandbox
def train_outputs(generator: random.Random, box: Sandbox) -> str:
    """A good config, and odd outputs with odd contents."""
    return _tried(generator, box, "train", "train.toml", *_train_options(generator))


@in_sandbox
def train_checkpoints(generator: random.Random, box: Sandbox) -> str:
    """A run that goes on, really, from a checkpoint that was changed."""
    data = _checkpoint(box.folder)
    if generator.random() < 0.5:
        data = mutated_bytes(data[:1500], generator) + data[1500:]
    else:
        data = generator.choice([b"", data[: generator.randrange(len(data))], data + b"x", b"\xff" * 100])
    box.put(f"in-out-training/{loop.CHECKPOINT}", data)
    training.run = _REAL_RUN
    try:
        return tried(box, ["train", "train.toml", "--keep"], "in-out")
    finally:
        training.run = _no_training


_REAL_RUN = training.run


@cache
def _checkpoint(folder: Path) -> bytes:
    from rope_lib.train.config import Config

    with tempfile.TemporaryDirectory() as scratch:
        loop.train(Config.from_toml("train.toml"), scratch)
        return (Path(scratch) / loop.CHECKPOINT).read_bytes()


# Sweeps


@in_sandbox
def sweep_grids(generator: random.Random, box: Sandbox) -> str:
    """Grids with values, lines or bytes changed."""
    grid = _put_toml(generator, box, [GRID, GRID, *_experiments(grids=True)])
    return _tried(generator, box, "sweep", grid, *_sweep_options(generator))


def _sweep_options(generator: random.Random) -> list[str]:
    return [
        *_option(generator, "--size", ["default", "full", "", "x", "..", "../mine", "\x1b", "cells"], 0.3),
        *_option(generator, "--workers", NUMBERS, 0.2),
        *_option(generator, "--scheduler", ["", "x", "tcp://", "\n"], 0.05),
    ]


@in_sandbox
def sweep_outputs(generator: random.Random, box: Sandbox) -> str:
    """A good grid, and odd outputs with odd contents."""
    return _tried(generator, box, "sweep", "grid.toml", *_sweep_options(generator))


@in_sandbox
def sweep_entries(generator: random.Random, box: Sandbox) -> str:
    """Cells that are there already, with tables or a provenance that were changed."""
    from rope_lib.runs.grid import read_grid
    from rope_lib.runs.mark import file_sha256

    kind = experiments.KINDS["train"].inputs()
    for cell in read_grid("grid.toml").cells:
        entry = box.work / "in-out" / "cells" / cell.digest
        if generator.random() < 0.3:
            continue
        save_tables(entry, TABLES, {"inputs": {"cell": cell.values, **kind}, "seconds": 1.0})
        provenance, table = entry / "provenance.json", entry / "summary.parquet"
        odd = generator.choice(["none", "provenance", "table", "digest", "value", "lost"])
        if odd == "provenance":
            provenance.write_bytes(mutated_bytes(provenance.read_bytes(), generator))
        elif odd == "value":
            value = fuzz_config.mutate(json.loads(provenance.read_bytes()), generator)
            provenance.write_text(json.dumps(value))
        elif odd in ("table", "digest"):
            before = file_sha256(table)
            table.write_bytes(mutated_bytes(table.read_bytes(), generator))
            if odd == "digest":
                provenance.write_text(provenance.read_text().replace(before, file_sha256(table)))
        elif odd == "lost":
            generator.choice([provenance, table]).unlink()
    return tried(box, ["sweep", "grid.toml"], "in-out")


ATTACKS = {
    name: hostile.Attack(attempt, share, seconds=10.0, memory=2e9)
    for name, attempt, share in (
        ("report: options, models, outputs", report_options, 0.20),
        ("report: texts", report_texts, 0.08),
        ("report: configs", report_configs, 0.15),
        ("report: weights and index", report_weights, 0.08),
        ("report: tokenizers", report_tokenizers, 0.02),
        ("train: configs", train_configs, 0.15),
        ("train: outputs", train_outputs, 0.10),
        ("train: checkpoints", train_checkpoints, 0.02),
        ("sweep: grids", sweep_grids, 0.10),
        ("sweep: outputs", sweep_outputs, 0.08),
        ("sweep: cells that are there", sweep_entries, 0.02),
    )
}

if __name__ == "__main__":
    replace_computing()
    for prepare in (_model, _sharded):
        prepare()  # once, for all processes
    sys.exit(hostile.run(ATTACKS, "Run report, train and sweep on hostile inputs.", 5_000))
