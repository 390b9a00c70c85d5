"""Try every intervention on the packaged model and keep the tables in `results/interventions`.

    python tools/interventions.py

Over an hour on two cores: a pass over 16,384 tokens for each intervention. Interrupted, it goes on where
it was. Chapter 14 draws from the tables and runs one intervention again.
"""

from pathlib import Path

from rope_lib.measure.load import load_model, tokenize
from rope_lib.measure.store import identity
from rope_lib.measure.text import reference_text, text_sha256
from rope_lib.measure.trials import try_interventions
from rope_lib.runs.store import circumstances, save_tables

LENGTHS = [8_192, 10_240, 12_288, 16_384]
RESULTS = Path(__file__).resolve().parent.parent / "results" / "interventions"


def main():
    text = reference_text()
    model = load_model()
    tokens = tokenize(model, text, max(LENGTHS))
    tables = try_interventions(model, tokens, LENGTHS)
    about = {
        "command": "python tools/interventions.py",
        "inputs": identity(model, tokens, lengths=LENGTHS),
        "text_sha256": text_sha256(text),
    }
    save_tables(RESULTS, tables, circumstances() | about)
    print(f"{RESULTS}: {', '.join(f'{name} ({len(table):,} rows)' for name, table in tables.items())}")


if __name__ == "__main__":
    main()
