"""`rope-lib forecast`: how a model's keys will look on a longer input, from one pass over a short one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from rope_lib.runs.errors import one_line, printable

from .options import InputError, Json, Number, json_option, needs, print_json, print_lines

if TYPE_CHECKING:
    from torch import Tensor

    from rope_lib.measure.load import LanguageModel

TIMES = 16  # the length that is forecast over the one that is read, unless given
LEAST_TOKENS, LEAST_LENGTH = 64, 2
CHARACTERS = 64  # of a text's file that are read for each token

# The measures of a layer: their columns in `measure.forecast.Forecast.keys`, and how a terminal names them.
MEASURES = {"stable_rank": "stable rank", "fsv_ratio": "first s.v.", "mean_cosine": "mean cosine"}


@click.command()
@click.argument("model", required=False)
@click.option("--length", type=Number(int), help=f"Tokens to forecast.  [default: {TIMES} times those read]")
@click.option(
    "--tokens", type=Number(int), default=1_024, show_default=True, help="Tokens of the text to read."
)
@click.option(
    "--text",
    "text_file",
    metavar="FILE",
    help="Text to read, in UTF-8.  [default: Python's language reference]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@json_option
@click.option("--download", is_flag=True, help="Fetch a Hugging Face id that is not cached.")
def forecast(
    model: str | None,
    length: int | None,
    tokens: int,
    text_file: str | None,
    device: str,
    as_json: bool,
    download: bool,
) -> None:
    """Forecast how far a model's keys disperse on a long input, from one pass over a short one.

    MODEL is a folder, a .gguf file or a Hugging Face id in the local cache; the default is the packaged
    SmolLM2. Numbers are means over the key heads of a layer: the stable rank, the first singular value after
    the rotation over that before, and the mean cosine of two keys, each as measured on the short input and
    as forecast. Of a layer with a window they are of the keys within it, which are all that a query sees.

    \b
    Examples:
      rope-lib forecast
      rope-lib forecast path/to/model --length 131072
      rope-lib forecast org/name --text book.txt --json
    """
    wanted = TIMES * tokens if length is None else length
    for option, count, least in (("--tokens", tokens, LEAST_TOKENS), ("--length", wanted, LEAST_LENGTH)):
        if count < least:
            raise InputError(f"{option} must be at least {least}, got {count}")
    try:
        with needs("a forecast needs", "report"):
            from rope_lib.measure.load import load_model, tokenize
            from rope_lib.measure.text import reference_text
            from rope_lib.report.source import text_path
        if text_file is None:
            text = reference_text()
        else:
            with text_path(text_file).open(encoding="utf-8") as file:
                text = file.read(CHARACTERS * tokens)
        loaded = load_model(model, device=device, download=download)
        found = _record(loaded, tokenize(loaded, text, tokens), wanted)
    except UnicodeDecodeError:
        raise InputError(f"text must be in UTF-8, got {printable(str(text_file))}") from None
    except (ValueError, OSError) as error:
        raise InputError(one_line(error)) from None
    if as_json:
        print_json(found)
    else:
        print_lines(_lines(found))


def _record(model: LanguageModel, tokens: Tensor, length: int) -> dict[str, Json]:
    """The forecast as JSON."""
    from rope_lib.findings.forecast import by_layer
    from rope_lib.measure.forecast import forecast as forecast_model

    config = model.network.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    lengths = {length, min(window or length, length)}
    keys = forecast_model(model, tokens, lengths).keys
    table = by_layer(keys, length)
    layers = [
        {"layer": int(layer), "window": None if math.isnan(row.window) else int(row.window)}
        | {"keys": int(row["keys"])}
        | {name: {"now": float(row[f"{name}_now"]), "forecast": float(row[name])} for name in MEASURES}
        for layer, row in table.iterrows()
    ]
    return {
        "model": model.name,
        "tokens": len(tokens),
        "length": length,
        "declared": getattr(config, "max_position_embeddings", None),
        "layers": layers,
        "without_rotation": config.num_hidden_layers - len(layers),
        "not_covered": list(NOT_COVERED),
    }


NOT_COVERED = (
    "how the network's own keys change with another text, and where a model has lost its way",
    "attention and loss: the forecast is of geometry, and names no length at which a model fails",
)


def _lines(found: dict[str, Json]) -> Iterator[str]:
    """The forecast as lines of a terminal."""
    declared = f", which declares {found['declared']:,}" if found["declared"] else ""
    yield f"{printable(found['model'])}{declared}"
    yield f"keys after the rotation on {found['tokens']:,} tokens → as forecast on {found['length']:,}"
    yield "layer  window" + "".join(f"{name:>18}" for name in MEASURES.values())
    for layer in found["layers"]:
        window = "all" if layer["window"] is None else f"{layer['window']:,}"
        cells = (f"{layer[name]['now']:.2f} → {layer[name]['forecast']:.2f}" for name in MEASURES)
        yield f"{layer['layer']:>5}{window:>8}" + "".join(f"{cell:>18}" for cell in cells)
    if len(found["layers"]) > 1:
        yield f"{'mean':>5}{'':>8}" + "".join(f"{_mean(found['layers'], name):>18}" for name in MEASURES)
    if found["without_rotation"]:
        yield f"Layers that do not rotate, and so do not disperse: {found['without_rotation']}"
    yield "Not covered:"
    yield from (f"  {each}" for each in found["not_covered"])


def _mean(layers: Json, name: str) -> str:
    """The mean over layers of a measure, now and as forecast, as a cell of the terminal."""
    now, then = (sum(layer[name][when] for layer in layers) / len(layers) for when in ("now", "forecast"))
    return f"{now:.2f} → {then:.2f}"
