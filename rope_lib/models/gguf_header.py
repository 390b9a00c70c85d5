"""The header of a GGUF file as its readers use it: values by llama.cpp's names, and where each came from."""

from collections.abc import Callable
from typing import Any, TypeVar

from . import checks
from .account import Ledger
from .architectures import LLAMA_CPP, Architecture
from .gguf import Metadata, Tensors

Value = TypeVar("Value")


class Header:
    """One pass over the metadata of a model: checked values, with their provenance, and notes."""

    def __init__(self, metadata: Metadata, tensors: Tensors, architecture: str, row: Architecture) -> None:
        self.metadata, self.tensors = metadata, tensors
        self.architecture, self.row = architecture, row
        self.ledger = Ledger(read={"general.architecture"})
        self.provenance: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.notes: list[str] = []
        self.scope = ""  # prefix of each quantity recorded: the kind of layers that it is for

    @property
    def code(self) -> str:
        """Where llama.cpp says what no file of this architecture does."""
        return f"{LLAMA_CPP}, src/models/{self.row.place.partition(':')[0]}"

    def key(self, name: str) -> str:
        """The full name of a key."""
        return f"{self.architecture}.{name}"

    def value(self, name: str) -> Any:
        """The value under a name, or None."""
        key = self.key(name)
        if key in self.metadata:
            self.ledger.read.add(key)
        return self.metadata.get(key)

    def checked(self, name: str, check: Callable[[str, Any], Value]) -> Value | None:
        """The checked value under a name, or None."""
        value = self.value(name)
        return None if value is None else check(self.key(name), value)

    def needed(self, name: str, check: Callable[[str, Any], Value]) -> Value:
        """The checked value under a name. Raises ValueError where there is none."""
        value = self.checked(name, check)
        if value is None:
            raise ValueError(f"{self.key(name)} is missing")
        return value

    def doubt(self, name: str) -> None:
        """Say of a key that its value was not understood."""
        self.ledger.doubted.add(self.key(name))

    def per_layer(self, name: str, num_layers: int) -> tuple[Any, ...] | None:
        """The value for each layer of an array that the file lists under a name, or None for another value.

        A file may list layers that predict tokens ahead behind the model's own.
        """
        value = self.value(name)
        if not isinstance(value, tuple):
            return None
        if len(value) < num_layers:
            wanted = f"list one entry for each of {num_layers} layers"
            raise ValueError(f"{self.key(name)} must {wanted}, got {len(value)} entries")
        return value[:num_layers]

    def record(self, quantity: str, provenance: str, source: str) -> None:
        """Remember where a quantity came from: one of `spec.PROVENANCE`, and the key or the reason."""
        self.provenance[self.scope + quantity] = provenance
        self.sources[self.scope + quantity] = source


def size_at(header: Header, name: str, limit: int) -> int | None:
    """A size of the model in channels or heads, or None; of a list by layer, the first that is not 0."""
    value = header.value(name)
    if isinstance(value, tuple) and value:
        value = next((one for one in value if one), 0)
    return None if value is None else checks.whole_number_to(limit)(header.key(name), value)
