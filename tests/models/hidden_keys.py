"""Hide each key of each config from the reader in turn, and count what it then makes of the file.

    python tests/models/hidden_keys.py             # every config at hand; needs transformers
    python tests/models/hidden_keys.py --renamed   # the same, with keys renamed to invented spellings

Not a test: pytest does not collect it; test_hidden_keys.py runs a part of it. A hidden key stays in the file,
but no look-up finds it, as if nobody had taught it to the reader. What follows is the same rotation, a
refusal, a key reported as not understood, or a silent misreading: another rotation, and nothing said.
"""

import argparse
import collections
import copy
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from rope_lib.models import read_model  # noqa: E402  # found by the path above

SAME, REFUSED, FLAGGED, SILENT = "same", "refused", "flagged", "SILENT"

# Invented spellings, by the end of a key that bears on rotation.
SPELLINGS = {
    "rope_theta": ("rotary_wavelength_constant", "positional_base", "theta_0", "wave_constant"),
    "rotary_emb_base": ("angular_base", "lambda_max"),
    "rope_scaling": ("position_rescaling", "context_extension", "stretch"),
    "rope_parameters": ("angular_parameters", "rotation", "pe_config"),
    "layer_types": ("mixer_schedule", "layer_kinds", "stack"),
    "no_rope_layers": ("unrotated", "position_free_layers"),
    "sliding_window": ("local_span", "attention_span", "receptive_field"),
    "sliding_window_pattern": ("locality_cycle", "global_every"),
    "partial_rotary_factor": ("rotation_share", "turned_fraction"),
    "rotary_pct": ("rotation_share", "turned_fraction"),
    "head_dim": ("width_per_head", "per_head_channels"),
    "num_hidden_layers": ("depth", "num_stages", "n_blocks"),
    "max_position_embeddings": ("longest_input", "context_limit"),
    "qk_rope_head_dim": ("rotated_key_channels",),
    "full_attention_interval": ("softmax_every",),
    "rope_type": ("flavour", "kind"),
    "factor": ("stretch", "multiple"),
    "original_max_position_embeddings": ("pretrained_length", "trained_on"),
    "rope_local_base_freq": ("short_range_base",),
}


class Hidden(str):
    """A name that equals no other: a look-up does not find its key, a walk through the keys sees it."""

    __slots__ = ()

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)


def rotation(config):
    """All that a reading says of the rotation, and the keys that it did not understand."""
    spec = read_model(config)
    return (spec.rotaries, spec.declared_context if spec.rotaries else None), spec.keys.not_understood


def paths(config, path=()):
    """Every key of a config, as the path to it."""
    for key, value in config.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from paths(value, (*path, key))


def renamed(config, path, name):
    """The config with another name for one key, in its old place."""
    copied = copy.deepcopy(config)
    target = copied
    for key in path[:-1]:
        target = target[key]
    items = list(target.items())
    target.clear()
    target.update({name if key == path[-1] else key: value for key, value in items})
    return copied


def outcome(config, path, name=None):
    """What becomes of a config when one of its keys is hidden, or has the invented `name`."""
    expected, before = rotation(config)
    try:
        read, not_understood = rotation(renamed(config, path, Hidden(path[-1]) if name is None else name))
    except ValueError:
        return REFUSED
    key = ".".join([*path[:-1], path[-1] if name is None else name])
    if key in not_understood or not_understood.keys() - before.keys():
        return FLAGGED
    return SAME if read == expected else SILENT


def own_configs():
    """Configs of the tests and of the atlas, by a name."""
    import fuzz_config
    import public_configs

    atlas = json.loads((ROOT / "rope_lib" / "models" / "atlas.json").read_text(encoding="utf-8"))["models"]
    return {
        **{f"test: {name}": config for name, config in fuzz_config.seeds().items()},
        **{f"public: {name}": config for name, (config, *_) in public_configs.PUBLIC.items()},
        **{f"atlas: {row['name']}": row["config"] for row in atlas},
    }


def class_configs():
    """The default config of every class of the installed transformers that describes text, and variations."""
    import logging

    from installed_transformers import config_class
    from transformers import CONFIG_MAPPING

    from rope_lib.models.reading import class_defaults

    logging.disable(logging.WARNING)
    for name, row in class_defaults()["models"].items():
        if "text" in row and name not in CONFIG_MAPPING:
            continue
        cls = config_class(name)
        varied = {"num_hidden_layers": 8} if "layer_types" not in row else {}
        other_base = {"rope_theta": 123_456.0} if "rope_theta" in row.get("rope_parameters", ()) else {}
        scaled = {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, **other_base}} if other_base else {}
        variants = {"depth": varied, "base": other_base, "yarn": scaled} if "text" not in row else {}
        for label, keys in {"default": {}, **variants}.items():
            if label != "default" and not keys:
                continue
            try:
                config = json.loads(json.dumps(cls(**keys).to_dict(), default=str))
                config["model_type"] = name
                read_model(config)
            except Exception:  # a class that refuses these keys, or that the reader refuses
                continue
            yield f"{label}: {name}", config


def measure(configs, *, spellings=False):
    """`(counts of outcomes, silent misreadings, false alarms, configs read)`."""
    counts, silent, alarms, number = collections.Counter(), [], [], 0
    for name, config in configs:
        number += 1
        not_understood = rotation(config)[1]
        if not_understood:
            alarms.append((name, dict(not_understood)))
        for path in list(paths(config)):
            for spelling in SPELLINGS.get(path[-1], ()) if spellings else (None,):
                found = outcome(config, path, spelling)
                counts[found] += 1
                if found == SILENT:
                    silent.append((name, ".".join(path), spelling))
    return counts, silent, alarms, number


def readable(configs):
    """The configs that are read at all."""
    for name, config in configs:
        try:
            read_model(config)
        except ValueError as error:
            print(f"refused {name}: {error}")
            continue
        yield name, config


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--renamed", action="store_true", help="rename keys to invented spellings")
    parser.add_argument("--own", action="store_true", help="configs of the tests and the atlas alone")
    arguments = parser.parse_args()
    configs = list(readable(own_configs().items())) + ([] if arguments.own else list(class_configs()))
    counts, silent, alarms, number = measure(configs, spellings=arguments.renamed)
    for name, not_understood in alarms:
        print(f"false alarm? {name}: {not_understood}")
    for case in silent:
        print("SILENT", *case)
    print(f"{number} configs, {counts.total():,} keys: {dict(counts)}; {len(alarms)} with an alarm")
    return bool(silent)


if __name__ == "__main__":
    sys.exit(main())
