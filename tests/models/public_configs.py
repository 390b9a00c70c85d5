"""Configs of published models of many families: the keys of public copies, and what is the right reading.

`PUBLIC`: name → `(config, rotaries, judged)`, where `rotaries` lists for each spectrum `(kind, number of its
layers, base, rotated channels, window, type of scaling)`, by the code of each family. `judged` is "read"
where nothing is left open, "flagged" where the file holds a key whose meaning the reader must leave open, and
"refused" where no reading is right. Long lists that bear on nothing here are left out, or made up.
"""

import json
from pathlib import Path

_FILE = Path(__file__).resolve().parents[1] / "golden" / "families.json"

PUBLIC = {
    name: (row["config"], row["rotaries"] and [tuple(one) for one in row["rotaries"]], row["judged"])
    for name, row in json.loads(_FILE.read_text(encoding="utf-8")).items()
}
