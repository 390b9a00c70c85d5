"""Write down what the kept results say of retrofits, for `rope-lib extend` to read without pandas.

python tools/retrofit_costs.py            # write rope_lib/models/retrofit_costs.csv
"""

import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rope_lib.findings.kept import kept  # noqa: E402
from rope_lib.findings.long_inputs import of_dtype  # noqa: E402
from rope_lib.findings.retrofit_costs import costs  # noqa: E402
from rope_lib.models.atlas import atlas_model  # noqa: E402

TARGET = ROOT / "rope_lib" / "models" / "retrofit_costs.csv"
MODEL = "SmolLM2 135M"  # in the atlas: the model of the results declares its context
TEXTS = {
    "interventions": "CPython's language reference",
    "long_input": "CPython's language reference, then docstrings of its library",
}


def table() -> pd.DataFrame:
    """One row for each method and result, numbers to 4 decimals."""
    trained = atlas_model(MODEL).declared_context
    parts = []
    for name, text in TEXTS.items():
        tables, provenance = kept(name)
        model = provenance["inputs"]["model"]
        assert model.startswith(MODEL.replace(" ", "-")), model
        losses = of_dtype(tables, "float32")["losses"] if "dtype" in tables["losses"] else tables["losses"]
        part = costs(losses, trained).reset_index()
        parts.append(
            part.assign(trained=trained, model=model, text=text, result=name, date=provenance["utc"][:10])
        )
    return pd.concat(parts, ignore_index=True).round(4)


if __name__ == "__main__":
    table().to_csv(TARGET, index=False, lineterminator="\n")
