"""What a verdict costs: one from a cold start, and many at once.

    python benchmarks/verdicts.py

Cold, `rope-lib check FILE` runs against `AutoConfig.from_pretrained` of transformers, which reads the same
file and judges nothing, and against the interpreter and numpy, without which neither could do.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from harness import by_turns, cold, keep  # before numpy: it sets the number of threads

# isort: split
import numpy as np
import pandas as pd

from rope_lib.models import atlas, judge, judge_all
from rope_lib.theory.bounds import SIGNIFICAND_BITS

CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 32,
    "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14_336,
    "vocab_size": 128_256, "max_position_embeddings": 8192, "rope_theta": 500_000.0,
}  # fmt: skip
AUTO_CONFIG = "import sys; from transformers import AutoConfig; AutoConfig.from_pretrained(sys.argv[1])"


def from_a_cold_start():
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(CONFIG))
        return cold(
            "one verdict from a config.json, in a fresh process",
            {
                "rope-lib check": [Path(python).with_name("rope-lib"), "check", config],
                "AutoConfig.from_pretrained": [python, "-c", AUTO_CONFIG, folder],
                "import numpy": [python, "-c", "import numpy"],
                "python alone": [python, "-c", "pass"],
            },
        )


def many_at_once():
    models = atlas()
    options = {
        "context": np.geomspace(512, 2**24, 50).round()[:, None, None],
        "epsilon": np.array([0.5, 0.8, 0.9, 0.95, 0.99])[:, None],
        "dtype": list(SIGNIFICAND_BITS),
    }
    count = len(models) * 50 * 5 * 4
    alone = [(model, context) for model in models for context in (8_192, 131_072)]
    return by_turns(
        f"{count:,} verdicts: {len(models)} models × 50 contexts × 5 ε × 4 number types",
        {
            "judge_all": lambda: judge_all(models, **options),
            "judge, each model over arrays": lambda: [judge(model, **options) for model in models],
            "judge, one by one": lambda: [judge(model, context=context) for model, context in alone],
        },
        {"judge, one by one": count / len(alone)},
    )


def main():
    load = os.getloadavg()
    runs = pd.concat([from_a_cold_start(), many_at_once()], ignore_index=True)
    keep("verdicts", load, ["numpy", "transformers"], runs=runs)


if __name__ == "__main__":
    main()
