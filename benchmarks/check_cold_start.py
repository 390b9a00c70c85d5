"""How long `rope-lib check` takes from a cold process, against the interpreter and its one large import.

Ten runs each, interleaved so that a busy moment falls on all; prints the least, the median and the most, and
the ratio of medians to `import numpy`, which no verdict can do without.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "head_dim": 128,
    "max_position_embeddings": 8192,
    "rope_theta": 500_000,
}
RUNS = 10


def main():
    command = Path(sys.executable).with_name("rope-lib")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(CONFIG))
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import numpy": [sys.executable, "-c", "import numpy"],
            "rope-lib check": [command, "check", config],
        }
        seconds = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, arguments in commands.items():
                start = time.perf_counter()
                subprocess.run(arguments, check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - start)
    numpy = statistics.median(seconds["import numpy"])
    for name, runs in seconds.items():
        median = statistics.median(runs)
        spread = f"{min(runs):.3f} / {median:.3f} / {max(runs):.3f} s"
        print(f"{name:<16}{spread}   {median / numpy:.2f} × import numpy")


if __name__ == "__main__":
    main()
