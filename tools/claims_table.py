"""Write the table of verdicts into the README from the claims themselves.

    python tools/claims_table.py

Every claim is checked, which takes some minutes. A test asserts that the README's table is what this writes.
"""

from pathlib import Path

from rope_lib.claims import claims
from rope_lib.claims.summary import summary, with_summary

README = Path(__file__).resolve().parent.parent / "README.md"


def main() -> None:
    text = README.read_text(encoding="utf-8")
    table = summary({claim: claim.check() for claim in claims()})
    README.write_text(with_summary(text, table), encoding="utf-8")
    print(f"{README.name}: the verdicts on {len(claims())} claims")


if __name__ == "__main__":
    main()
