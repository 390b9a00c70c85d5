"""Where a command's SOURCE is read from: a file, a folder, the cache of the Hub, or the atlas."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rope_lib.models import ModelSpec

ATLAS = "atlas:"


def read_source(source: str, *, download: bool = False) -> ModelSpec:
    """The model of a SOURCE. Raises ValueError and OSError as `read_model` and `atlas_model` do.

    >>> read_source("atlas:Llama 3.1 8B").num_layers
    32
    """
    if source.startswith(ATLAS):
        from rope_lib.models.atlas import atlas_model

        return atlas_model(source.removeprefix(ATLAS))
    from rope_lib.models import read_model

    return read_model(source, download=download)
