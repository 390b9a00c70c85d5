"""What a report says, as Markdown made from what was found: no number in it is typed by hand.

Plain Markdown without math or roles, so that it reads the same in the book, in Jupyter and on the page.
"""

import re
from collections.abc import Iterator, Mapping

import pandas as pd
from IPython.display import Markdown

from rope_lib.figures import tables
from rope_lib.findings.breaks import FEW
from rope_lib.findings.kept import Json
from rope_lib.models.record import BOUND_NAMES, base_text, scaling_text
from rope_lib.models.spec import scopes
from rope_lib.models.summary import record_sentence

from .findings import Findings, fix_rows, worst_heads

WORST = 6  # heads listed
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|$#~])")


def plain(text: object) -> str:
    r"""Text of a model's files with Markdown's special characters escaped, in one line.

    >>> plain("rope_theta | <b>")
    'rope\\_theta \\| \\<b\\>'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def glance(found: Findings) -> Markdown:
    """The answers at a glance: a table of questions."""
    rows = [
        ["declared context", f"{found.declared:,} tokens"],
        ["paper A's verdict there", found.record["verdict"].replace("_", " ")],
        ["record of such verdicts", _track_record(found.record["record"])],
        ["no pair turns farther than in training", _seen(found.record)],
        ["measured", f"up to {found.longest:,} tokens"],
        ["breaks", _where(found)],
        ["what would fix it", _remedy(found)],
    ]
    return tables.markdown(rows, ["question", "answer"])


def _track_record(record: Mapping[str, Json]) -> str:
    """How often the verdicts are wrong about published models, in a few words."""
    wrong, cases = record["bounds_misjudge"], record["cases"]
    rival = record["training_length_misjudges"]
    return f"{wrong} of {cases} published runs misjudged; by training length alone, {rival}"


def _seen(record: Mapping[str, Json]) -> str:
    """The length up to which no pair of any spectrum meets an angle that training did not show."""
    training = record["training"]["shown"]
    if training is None or not record["rotaries"]:
        return "not known: nothing states the length of its training"
    reaches = [rotary["seen_angles"]["after"] for rotary in record["rotaries"]]
    limited = [reach for reach in reaches if reach is not None]
    length = f"up to {int(min(limited)):,} tokens" if limited else "at any length"
    return f"{length} (training on {training['length']:,}, {training['provenance']})"


def _where(found: Findings) -> str:
    if found.break_point is None:
        return "not within what was measured"
    return f"at {found.break_point:,} tokens, {found.break_point / found.declared:.2f} × the declared context"


def _remedy(found: Findings) -> str:
    if found.break_point is None:
        return "nothing to fix within these lengths"
    if not found.fixes:
        return "not tried: no fix of these applies to this model"
    rows = fix_rows(found).iloc[1:]
    best = rows.loc[rows.past.idxmin()]
    return f"{best.label} {_effect(best, fix_rows(found).iloc[0])}"


def _effect(row: pd.Series, unchanged: pd.Series) -> str:
    """What a fix does to the loss past the break point."""
    if row.restores:
        return "restores the loss"
    return "lowers the loss, not back into its band" if row.past < unchanged.past else "does not help"


def numbers(found: Findings) -> Markdown:
    """Each number that a verdict rests on, and where it comes from."""
    record = found.record
    rows = [["layers", f"{record['num_layers']:,}", *_origin(record, "num_layers")]]
    rows.append(["declared context", f"{record['declared_context']:,}", *_origin(record, "context")])
    if record["original_context"] is not None:
        original = f"{record['original_context']:,}"
        rows.append(["original context", original, *_origin(record, "original_context")])
    if record["unrotated_layers"]:
        without = f"{len(record['unrotated_layers'])}"
        rows.append(["layers without rotation", without, *_origin(record, "unrotated_layers")])
    kinds = [rotary["kind"] for rotary in record["rotaries"]]
    for scope, rotary in zip(scopes(kinds), record["rotaries"], strict=True):
        rows += _rotary_rows(record, rotary, scope)
    return tables.markdown(rows, ["quantity", "value", "provenance", "from"])


def _rotary_rows(record: Mapping[str, Json], rotary: Mapping[str, Json], scope: str) -> Iterator[list[str]]:
    of = f" ({rotary['kind']} attention)" if len(record["rotaries"]) > 1 else ""
    rotating = 2 * sum(frequency > 0 for frequency in rotary["inv_freq"])
    yield [f"layers that rotate so{of}", f"{len(rotary['layers'])}", "derived", "the layers of this spectrum"]
    yield [f"base{of}", base_text(rotary["base"]), *_origin(record, f"{scope}base")]
    channels = f"{rotating} of {rotary['head_dim']}"
    yield [f"channels that rotate{of}", channels, *_origin(record, f"{scope}rotary_dim")]
    if rotary["window"] is not None:
        yield [f"window{of}", f"{rotary['window']:,}", *_origin(record, f"{scope}window")]
    yield [f"scaling{of}", plain(scaling_text(rotary["scaling"])), *_origin(record, f"{scope}scaling")]
    if rotary["effective_base"] != rotary["base"]:
        stretch = "base × how far the slowest pair slows"
        yield [f"effective base{of}", base_text(rotary["effective_base"]), "derived", stretch]


def _origin(record: Mapping[str, Json], quantity: str) -> tuple[str, str]:
    """The provenance of a quantity, and its source."""
    if quantity not in record["provenance"]:
        return "–", "–"
    return record["provenance"][quantity].replace("_", " "), plain(record["sources"][quantity])


def bounds(found: Findings) -> Markdown:
    """Paper A's bounds at the declared context and that of Men et al., and whether each holds."""
    rows = []
    for rotary in found.record["rotaries"]:
        of = f" ({rotary['kind']} attention)" if len(found.record["rotaries"]) > 1 else ""
        for name, bound in rotary["bounds"].items():
            rows.append([BOUND_NAMES[name] + of, *_bound_cells(name, bound, rotary["effective_base"])])
    return tables.markdown(rows, ["bound", "on the base", "effective base", "holds"])


def _bound_cells(name: str, bound: float | None, base: float) -> tuple[str, str, str]:
    if bound is None:
        return "not tabulated here", base_text(base), "–"
    side, holds = ("below", base < bound) if name == "precision" else ("at least", base >= bound)
    return f"{side} {base_text(bound)}", base_text(base), "yes" if holds else "no"


def verdict(found: Findings) -> Markdown:
    """The verdict with its reasons and its record; what is known besides, and what nobody knows."""
    named = found.record["verdict"].replace("_", " ")
    parts = {
        f"Paper A's verdict at {found.declared:,} tokens: **{named}**.": found.record["reasons"],
        "What such a verdict is worth:": [record_sentence(found.record["record"])],
        "What is known besides:": found.record["summary"]["known"] if found.record["rotaries"] else [],
        "What nobody knows:": found.record["summary"]["unknown"],
    }
    blocks = [
        "\n".join([heading, "", *(f"- {plain(sentence)}" for sentence in sentences)])
        for heading, sentences in parts.items()
        if sentences
    ]
    return Markdown("\n\n".join(blocks))


def breaking(found: Findings) -> Markdown:
    """Where the loss leaves its band, in sentences."""
    lowest, highest = found.band
    text = (
        f"Within the declared {found.declared:,} tokens, the mean loss of {found.bin} tokens at a time lies "
    )
    text += f"between {lowest:.2f} and {highest:.2f} nats. "
    if found.longest <= found.declared:
        text += f"The longest input has {found.longest:,} tokens, so nothing is said of a break."
    elif found.break_point is None:
        text += f"It does not stay above this band: up to {found.longest:,} tokens no break is seen."
    else:
        text += _broken(found, found.break_point)
    return Markdown(text)


def _broken(found: Findings, point: int) -> str:
    bins = found.bins[found.bins.index >= point]
    text = f"From **{point:,} tokens** on every mean lies above it, "
    text += f"{point / found.declared:.2f} times the declared context; "
    text += f"over all these positions the loss is {fix_rows(found).iloc[0].past:.2f} nats."
    if len(bins) < FEW:
        text += f" That rests on {len(bins)} × {found.bin} tokens, which is little evidence."
    return text


def geometry(found: Findings) -> Markdown:
    """The means over heads at each length."""
    rows = [
        [
            f"{row.length:,.0f}",
            f"{row.nll_last:.2f}",
            f"{row.key_stable_rank_pre:.2f}",
            f"{row.key_stable_rank_post:.2f}",
            f"{row.key_fsv_ratio:.2f}",
            f"{row.silhouette_post:.2f}",
            f"{row.sink_attention:.3f}",
        ]
        for row in found.summary.itertuples()
    ]
    headings = ["tokens", "loss at the end", "rank before", "rank after", "FSV ratio", "silhouette", "sink"]
    return tables.markdown(rows, headings)


def dispersed_heads(found: Findings) -> Markdown:
    """The key heads whose first singular value the rotation lowers most, at the longest length."""
    heads = worst_heads(found)
    keys = heads.groupby(["layer", "key_head"]).agg(
        fsv_ratio=("fsv_ratio", "first"), inside=("sink_inside", "mean"), longest=("sink_longest", "mean")
    )
    worst = keys.round({"fsv_ratio": 2}).reset_index().sort_values(["fsv_ratio", "layer", "key_head"])
    headings = ["layer", "key head", "FSV ratio", *_sink_headings(found)]
    rows = [
        [row.layer, row.key_head, f"{row.fsv_ratio:.2f}", f"{row.inside:.2f}", f"{row.longest:.2f}"]
        for row in worst.head(WORST).itertuples()
    ]
    if found.inside == found.longest:  # one length, one column
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return tables.markdown(rows, headings)


def sinkless_heads(found: Findings) -> Markdown:
    """The query heads that lose most of their attention to token 0 past the declared context."""
    heads = worst_heads(found)
    heads = heads[~heads.windowed].round({"sink_loss": 2})
    worst = heads.sort_values(["sink_loss", "layer", "head"], ascending=[False, True, True]).head(WORST)
    if found.longest <= found.declared or worst.empty:
        return Markdown("No length past the declared context was measured in a layer that sees token 0.")
    rows = [
        [
            row.layer,
            row.head,
            f"{row.sink_inside:.2f}",
            f"{row.sink_longest:.2f}",
            f"{row.sink_loss:.2f}",
            f"{row.fsv_ratio:.2f}",
        ]
        for row in worst.itertuples()
    ]
    headings = ["layer", "query head", *_sink_headings(found), "lost", "FSV ratio of its keys"]
    return tables.markdown(rows, headings)


def _sink_headings(found: Findings) -> list[str]:
    return [f"sink at {found.inside:,}", f"sink at {found.longest:,}"]


def remedies(found: Findings) -> Markdown:
    """What the fixes do to the loss, or why none was tried."""
    if found.break_point is None:
        return Markdown(f"Within {found.longest:,} tokens nothing needs fixing.")
    if not found.fixes:
        return Markdown(f"None of the three was tried: {plain(found.untried)}.")
    rows = fix_rows(found)
    unchanged = rows.iloc[0]
    cells = [
        [
            row.label,
            f"{row.inside:.2f}",
            f"{row.past:.2f}",
            "–" if number == 0 else _effect(row, unchanged),
        ]
        for number, row in rows.iterrows()
    ]
    return tables.markdown(
        cells, ["rotation", "loss inside", f"loss from {found.break_point:,} on", "effect"]
    )
