"""A stranger's folder: a module under every name that a command may import, leaving a mark if it runs."""

import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

from reports import TEXT

# What the packages look for and may not find: recorded by `tests/attack/strangers_code.py`.
OPTIONAL = """
    _pydev_bundle _pydevd_bundle _pydevd_bundle_ext _pydevd_frame_eval _pydevd_sys_monitoring
    argcomplete azure backports bcrypt black boto3 brotli brotlicffi chardet cityhash colorama crick cuda
    cython distributed_ucxx django envwrap flint fqdn gcsfs gilknocker github gmpy gmpy2 google h2
    ipywidgets isoduration java jsonpointer jupyter_server_proxy lz4 mistral_common mmh3 monkeytype
    mpl_toolkits
    opt_einsum org orjson prometheus_client pydevconsole pydevd_file_utils pydevd_plugins pydevd_tracing
    pydot pynvml rfc3339_validator rfc3986_validator rfc3987 rfc3987_syntax rmm scikits sentencepiece
    setproctitle simplejson sksparse snappy socksio substrait thread torch_xla torchcomms torchdistx triton
    uarray
    uri_template webcolors xxhash zstandard
"""
CUSTOMIZING = ("sitecustomize", "usercustomize", "ipython_config", "ipython_kernel_config", "jupyter_config")

TRAIN = """
model = { layers = 1, width = 8, heads = 1, head_dim = 4 }
task = { name = "recall", parameters = { pairs = 2, queries = 1 } }
training = { steps = 2, batch = 2, length = 16 }
evaluation = { lengths = [16], examples = 2, geometry = 1 }
"""
REPORT = ["--text", "text.txt", "--lengths", "64,128", "--device", "cpu", "--out", "out"]
QUICK = {
    "check": ["check", "config.json"],
    "compare": ["compare", "config.json", "first"],
    "bounds": ["bounds", "--context", 8192],
    "atlas": ["atlas", "qwen"],
    "claims": ["claims", "A1"],
}
SLOW = {
    "train": ["train", "train.toml", "--out", "trained"],
    "sweep": ["sweep", "grid.toml", "--workers", 1, "--out", "swept"],
    "report": ["report", ".", *REPORT],
    "reports": ["report", "first", "second", *REPORT[:-1], "reports"],
}

COMMAND = """
import sys
from rope_lib.__main__ import main
if __name__ == "__main__":
    sys.argv[0] = "rope-lib"
    sys.exit(main())
"""


def importable():
    """The top-level name of every module that this Python has, and of those that its packages look for."""
    installed = {module.name for module in pkgutil.iter_modules()}
    return sorted({*sys.stdlib_module_names, *installed, *OPTIONAL.split(), *CUSTOMIZING, "rope_lib"})


def plant(folder, marks, names=None):
    """Put modules into a folder, and what else names code to run; each that runs leaves a file in `marks`."""
    folder.mkdir(parents=True, exist_ok=True)
    marks.mkdir(exist_ok=True)
    for name in importable() if names is None else names:
        code = f"open({str(marks / name)!r}, 'w').close()\n"
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    (folder / "matplotlibrc").write_text("backend: module://json\n", encoding="utf-8")


def command_in(folder, *arguments, root, scratch, timeout=300, **variables):
    """Run `rope-lib` as its script does, in a stranger's folder, which environment variables name too."""
    script = scratch / "bin" / "rope-lib"
    script.parent.mkdir(exist_ok=True)
    script.write_text(COMMAND, encoding="utf-8")
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "PYTHONSTARTUP": "startup.py",
        "VIRTUAL_ENV": str(folder / "environment"),
        "TMPDIR": str(folder / "temporary"),
        **variables,
    }
    environment.pop("PYTHONSAFEPATH", None)
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def stranger_folder(folder, marks, model, names=None):
    """A folder with a model and all inputs, in which every place that one may import from is planted."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for place in (
        folder,
        folder / "temporary" / "dask-scratch-space",  # where Dask puts its processes' first import path
        folder / "environment" / "lib" / version / "site-packages",
    ):
        plant(place, marks, names)
    (folder / "startup.py").write_text(f"open({str(marks / 'startup')!r}, 'w').close()\n", encoding="utf-8")
    for place in (folder, folder / "first", folder / "second"):
        shutil.copytree(model, place, dirs_exist_ok=True)
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "train.toml").write_text(TRAIN, encoding="utf-8")
    grid = f'kind = "train"\n[fixed]{TRAIN}[axes]\nseed = [0]'
    (folder / "grid.toml").write_text(grid, encoding="utf-8")
    return folder


def left(marks):
    """The names of the modules that ran."""
    return sorted(path.name for path in Path(marks).iterdir())
