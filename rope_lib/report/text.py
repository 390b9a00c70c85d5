"""What a report says, as Markdown made from what was found: no number in it is typed by hand.

Plain Markdown without math or roles, so that it reads the same in the book, in Jupyter and on the page.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from IPython.display import Markdown

from rope_lib.figures import tables
from rope_lib.findings.breaks import FEW
from rope_lib.findings.kept import Json
from rope_lib.models.record import BOUND_NAMES, base_text, holds, scaling_text
from rope_lib.models.spec import scopes
from rope_lib.models.summary import record_sentence

from .findings import Findings, fix_rows, worst_heads
from .several import ranged, spanned

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
        ["declared length", f"{found.declared:,} tokens"],
        ["paper A's verdict there", found.record["verdict"].replace("_", " ")],
        ["record of such verdicts", _track_record(found.record["record"])],
        ["no pair turns farther than in training", _seen(found.record)],
        ["measured", f"up to {found.longest:,} tokens{_of_texts(found)}"],
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


def _of_texts(found: Findings) -> str:
    return f", on {len(found.every)} texts" if found.others else ""


def _where(found: Findings) -> str:
    if not found.broken:
        return "not within what was measured"
    points = [each.break_point for each in found.broken if each.break_point is not None]
    share = spanned([point / found.declared for point in points], 2)
    where = f"at {spanned(points, 0)} tokens, {share} × the declared length"
    return f"on {len(points)} of {len(found.every)} texts, {where}" if found.others else where


def _remedy(found: Findings) -> str:
    if not found.broken:
        return "nothing to fix within these lengths"
    if not found.broken[0].fixes:
        return "not tried: no fix of these applies to this model"
    tables = [fix_rows(each) for each in found.broken]
    best = sum(rows.past for rows in tables)[1:].idxmin()
    effects = [_effect(rows.loc[best], rows.iloc[0]) for rows in tables]
    return f"{tables[0].label[best]} {_counted(effects)}"


def _counted(effects: Sequence[str]) -> str:
    """Effects on several texts, each with the number of the texts; one effect, or the same on all, alone.

    >>> _counted(["helps", "helps"]), _counted(["helps", "does not", "helps"])
    ('helps', 'helps (2 texts); does not (1 text)')
    """
    counts = Counter(effects)
    if len(counts) == 1:
        return effects[0]
    return "; ".join(f"{effect} ({n} text{'s' if n > 1 else ''})" for effect, n in counts.items())


def _effect(row: pd.Series, unchanged: pd.Series) -> str:
    """What a fix does to the loss past the break point."""
    if row.restores:
        return "restores the loss"
    return "lowers the loss, not back into its band" if row.past < unchanged.past else "does not help"


def numbers(found: Findings) -> Markdown:
    """Each number that a verdict rests on, and where it comes from."""
    record = found.record
    rows = [["layers", f"{record['num_layers']:,}", *_origin(record, "num_layers")]]
    rows.append(["declared length", f"{record['declared_context']:,}", *_origin(record, "context")])
    if record["original_context"] is not None:
        original = f"{record['original_context']:,}"
        rows.append(["original length", original, *_origin(record, "original_context")])
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
    """Paper A's bounds at the declared length and that of Men et al., and whether each holds."""
    rows = []
    for rotary in found.record["rotaries"]:
        of = f" ({rotary['kind']} attention)" if len(found.record["rotaries"]) > 1 else ""
        for name in rotary["bounds"]:
            rows.append([BOUND_NAMES[name] + of, *_bound_cells(rotary, name)])
    return tables.markdown(rows, ["bound", "on the base", "effective base", "holds"])


def _bound_cells(rotary: Mapping[str, Json], name: str) -> tuple[str, str, str]:
    bound, base = rotary["bounds"][name], base_text(rotary["effective_base"])
    if bound is None:
        return "not tabulated here", base, "–"
    side = "below" if name == "precision" else "at least"
    return f"{side} {base_text(bound)}", base, "yes" if holds(rotary, name) else "no"


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
    """Where the loss leaves its band: in sentences for one text, in a table for several."""
    if found.others:
        return _breaking_by_text(found)
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
    text += f"{point / found.declared:.2f} times the declared length; "
    text += f"over all these positions the loss is {fix_rows(found).iloc[0].past:.2f} nats."
    if len(bins) < FEW:
        text += f" That rests on {len(bins)} × {found.bin} tokens, which is little evidence."
    return text


def _breaking_by_text(found: Findings) -> Markdown:
    rows = []
    for each in found.every:
        lowest, highest = each.band
        cells = [plain(each.text), f"{lowest:.2f} to {highest:.2f}"]
        if each.break_point is None:
            cells += ["none seen" if each.longest > each.declared else "not asked", "–", "–", "–"]
        else:
            past = each.bins[each.bins.index >= each.break_point]
            ratio, loss = each.break_point / each.declared, fix_rows(each).iloc[0].past
            cells += [f"{each.break_point:,}", f"{ratio:.2f}", f"{loss:.2f}", f"{len(past)} × {each.bin}"]
        rows.append(cells)
    headings = ["text", "band", "break (tokens)", "× declared length", "loss past it", "tokens past it"]
    return tables.markdown(rows, headings)


# What a table of the geometry shows: columns of a summary, the heading and the digits of each.
_MEANS = {
    "nll_last": ("loss at the end", 2),
    "key_stable_rank_pre": ("rank before", 2),
    "key_stable_rank_post": ("rank after", 2),
    "key_fsv_ratio": ("FSV ratio", 2),
    "silhouette_post": ("silhouette", 2),
    "sink_attention": ("sink", 3),
}


def geometry(found: Findings) -> Markdown:
    """The means over heads at each length; those of layers with a window in a table of their own."""
    whole = _means([each.summary for each in found.every], list(_MEANS))
    windowed = [each.summary_windowed for each in found.every if each.summary_windowed is not None]
    layers = found.sweep.heads.layer.nunique()
    if not windowed and found.windowed:
        return Markdown(
            f"All {layers} layers have a window, beyond which a query sees no token.\n\n{whole.data}"
        )
    if not windowed:
        return whole
    columns = [name for name in _MEANS if name not in ("nll_last", "sink_attention")]
    parts = [
        f"Layers that see every token ({layers - len(found.windowed)} of {layers}):",
        whole.data,
        f"Layers with a window ({len(found.windowed)} of {layers}), where most queries cannot see token 0:",
        _means(windowed, columns).data,
    ]
    return Markdown("\n\n".join(parts))


def _means(summaries: Sequence[pd.DataFrame], columns: Sequence[str]) -> Markdown:
    """A table of the means over heads, one row for each length, with their range over texts."""
    rows = [
        [
            f"{length:,.0f}",
            *(ranged([each[name].iloc[row] for each in summaries], _MEANS[name][1]) for name in columns),
        ]
        for row, length in enumerate(summaries[0].length)
    ]
    return tables.markdown(rows, ["tokens", *(_MEANS[name][0] for name in columns)])


def dispersed_heads(found: Findings) -> Markdown:
    """The key heads whose first singular value the rotation lowers most, at the longest length."""
    heads = mean_heads(found)
    keys = heads.groupby(["layer", "key_head", "windowed"]).agg(
        fsv_ratio=("fsv_ratio", "first"), inside=("sink_inside", "mean"), longest=("sink_longest", "mean")
    )
    worst = keys.round({"fsv_ratio": 2}).reset_index().sort_values(["fsv_ratio", "layer", "key_head"])
    headings = ["layer", "key head", "FSV ratio", *_sink_headings(found)]
    rows = [
        [row.layer, row.key_head, f"{row.fsv_ratio:.2f}", *_sinks(row.inside, row.longest, row.windowed)]
        for row in worst.head(WORST).itertuples()
    ]
    if found.inside == found.longest:  # one length, one column
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return tables.markdown(rows, headings)


def sinkless_heads(found: Findings) -> Markdown:
    """The query heads that lose most of their attention to token 0 past the declared length."""
    heads = mean_heads(found)
    heads = heads[~heads.windowed].round({"sink_loss": 2})
    worst = heads.sort_values(["sink_loss", "layer", "head"], ascending=[False, True, True]).head(WORST)
    if found.longest <= found.declared or worst.empty:
        return Markdown("No length past the declared length was measured in a layer that sees token 0.")
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


def _sinks(inside: float, longest: float, windowed: bool) -> list[str]:
    return ["window", "window"] if windowed else [f"{inside:.2f}", f"{longest:.2f}"]


def _sink_headings(found: Findings) -> list[str]:
    return [f"sink at {found.inside:,}", f"sink at {found.longest:,}"]


def mean_heads(found: Findings) -> pd.DataFrame:
    """`worst_heads`, the mean over the texts."""
    every = pd.concat([worst_heads(each) for each in found.every])
    return every.groupby(["layer", "head", "key_head", "windowed"], as_index=False).mean()


def remedies(found: Findings) -> Markdown:
    """What the fixes do to the loss, or why none was tried."""
    if not found.broken:
        return Markdown(f"Within {found.longest:,} tokens nothing needs fixing.")
    if not found.broken[0].fixes:
        return Markdown(f"None of the three was tried: {plain(found.broken[0].untried)}.")
    every = [fix_rows(each) for each in found.broken]
    cells = [
        [
            row.label,
            ranged([rows.inside[number] for rows in every], 2),
            ranged([rows.past[number] for rows in every], 2),
            "–" if number == 0 else _counted([_effect(rows.loc[number], rows.iloc[0]) for rows in every]),
        ]
        for number, row in every[0].iterrows()
    ]
    points = spanned([each.break_point for each in found.broken if each.break_point is not None], 0)
    return tables.markdown(cells, ["rotation", "loss inside", f"loss from {points} on", "effect"])
