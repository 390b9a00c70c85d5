"""Load a tokenizer and run it where a hostile one cannot take the command down.

The engine behind a tokenizer is compiled code that ends the whole process where it cannot go on. A child
process therefore goes first, within limits of time and memory, with the same tokenizer and the same text.
"""

import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import tokenizers

from rope_lib.models.checks import shortened

from .folder import line_of
from .huggingface import AutoTokenizer, PreTrainedTokenizerBase, quiet

MEMORY, MEMORY_PER_BYTE = 2**31, 512  # bytes, and for each byte of the tokenizer and of the text
SECONDS, BYTES_PER_SECOND = 10, 200_000  # of the processor; good ones need a tenth of it
_PATIENCE = 20  # times as long may pass on a busy machine

# Reads a tokenizer and a text, which follow each other on standard input, and encodes the text.
_CHILD = """
import resource, sys
folder, size, memory, seconds = sys.argv[1], *map(int, sys.argv[2:])
for limit, value in (resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds):
    try:
        resource.setrlimit(limit, (value, value))
    except (OSError, ValueError):
        pass  # not every system has every limit
sys.path.append(folder)
from tokenizers import Tokenizer
data = sys.stdin.buffer.read()
Tokenizer.from_str(data[:size].decode()).encode(data[size:].decode())
"""


def load_tokenizer(scratch: Path, source: object, **options: object) -> PreTrainedTokenizerBase:
    """The tokenizer of a scratch folder that holds accepted files.

    `options` name the file to read it from, if it is not a file of its own. Raises ValueError, in one line,
    for one that cannot be loaded.
    """
    file = scratch / "tokenizer.json"
    try:
        if file.exists():
            check_encoding(file.read_text(encoding="utf-8"), "a text")
        with quiet():
            return AutoTokenizer.from_pretrained(
                scratch, local_files_only=True, trust_remote_code=False, **options
            )
    except Exception as error:  # what the loader raises depends on the damage
        raise ValueError(f"{source}: cannot be loaded (its tokenizer: {line_of(error)})") from error


def check_text(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    """Raise ValueError if a tokenizer fails on a text."""
    engine = getattr(tokenizer, "backend_tokenizer", None)
    if isinstance(engine, tokenizers.Tokenizer):
        check_encoding(engine.to_str(), text)


@lru_cache(maxsize=4)
def check_encoding(tokenizer: str, text: str) -> None:
    """Encode a text in a child process by a tokenizer, given as JSON.

    Raises ValueError, in one line, if the child fails, is ended, or needs more than 2 GiB and 512 bytes for
    each byte that it is given, or more than 10 seconds and one for each 200,000 bytes.
    """
    try:
        given, read = tokenizer.encode(), text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"text must be UTF-8 ({line_of(error)})") from None
    size = len(given) + len(read)
    where = str(Path(tokenizers.__file__).parent.parent)
    seconds = SECONDS + size // BYTES_PER_SECOND
    numbers = map(str, (len(given), MEMORY + MEMORY_PER_BYTE * size, seconds))
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD, where, *numbers],
            input=given + read,
            capture_output=True,
            timeout=_PATIENCE * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"tokenizer must encode the text within {_PATIENCE * seconds} seconds") from None
    if ended.returncode < 0:
        ending = signal.Signals(-ended.returncode).name
        limits = f"the limits of {seconds} seconds and {MEMORY // 2**30} GiB"
        raise ValueError(f"tokenizer must encode the text within {limits}, but ended with {ending}")
    if ended.returncode:
        lines = ended.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise ValueError(f"tokenizer must encode the text, got {shortened(lines[-1], 300)}")
