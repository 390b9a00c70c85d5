"""What a report will cost, and the lengths that this machine can afford."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tqdm import tqdm
from transformers import PreTrainedModel

from rope_lib.measure.interventions import UNCHANGED
from rope_lib.measure.memory import available_bytes, check_fits, longest_that_fits, needed_bytes, stated_size
from rope_lib.measure.sweep import depends_on_length, measure_pass

from .findings import FIXES, Subject

SHORTEST = 512  # tokens: the shortest of the default lengths
BUDGET = 600  # seconds that the default lengths may take
TIMED = 256  # tokens of the first timed pass
TELLING = 1.0  # seconds: shorter passes measure a device's delays rather than its speed

_GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """The lengths to measure, with an estimate of their cost; `cuts` says in sentences what was left out."""

    lengths: tuple[int, ...]
    seconds: float  # of all passes, those of the fixes included
    needed: int  # bytes of the longest pass, beyond the weights
    available: int  # bytes
    cuts: tuple[str, ...]


def plan(subject: Subject, lengths: Sequence[int] | None = None) -> Plan:
    """The `Plan` of a report on a `report.findings.Subject`; without `lengths` it chooses them.

    Raises ValueError where no length fits in memory or the shortest text, and where the longest of those
    given does not.
    """
    network = subject.model.network
    available = available_bytes(network.device)
    wanted = default_lengths(subject.declared) if lengths is None else sorted({int(one) for one in lengths})
    if lengths is not None and (not wanted or wanted[0] < 2 or wanted[-1] > len(subject.tokens)):
        raise ValueError(
            f"lengths must be whole numbers from 2 to {len(subject.tokens)} (the tokens of the text), "
            f"got {list(lengths)}"
        )
    if wanted[0] > len(subject.tokens):
        raise ValueError(
            f"text must have at least {wanted[0]:,} tokens, unless lengths are given, "
            f"got {len(subject.tokens):,}"
        )
    check_fits(network, wanted[0] if lengths is None else wanted[-1], available)
    most = {
        f"the text has {len(subject.tokens):,} tokens": len(subject.tokens),
        f"{available / _GIB:.1f} GiB of memory are free": longest_that_fits(network, available),
    }
    probe, seconds = timed_pass(subject, min(wanted[-1], max(min(most.values()), wanted[0])))
    rate = seconds / cost(network, probe)

    def duration(chosen: Sequence[int]) -> float:
        return rate * len(subject.texts) * sum(cost(network, length) for length in passes(subject, chosen))

    affordable = [n for n in wanted if duration([m for m in wanted if m <= n]) <= BUDGET]
    most[f"more would take over {BUDGET // 60} minutes"] = max(affordable, default=wanted[0])
    chosen, cuts = cut(wanted, most) if lengths is None else (wanted, list[str]())
    needed = needed_bytes(network, chosen[-1])
    return Plan(tuple(chosen), duration(chosen), needed, available, tuple(cuts))


def default_lengths(declared: int) -> list[int]:
    """The declared length, twice that, and the powers of two from `SHORTEST` up to it.

    >>> default_lengths(3_000)
    [512, 1024, 2048, 3000, 4096, 6000]
    """
    powers = [
        2**power for power in range((2 * declared).bit_length()) if SHORTEST <= 2**power <= 2 * declared
    ]
    return sorted({*powers, declared, 2 * declared})


def cut(lengths: list[int], most: Mapping[str, int]) -> tuple[list[int], list[str]]:
    """The lengths within every limit of `most`, which maps reasons to tokens, and what was cut in sentences.

    The shortest length stays in any case: the measurement itself refuses it if it must.

    >>> cut([512, 1024, 2048], {"the text has 1,500 tokens": 1500, "memory": 4096})
    ([512, 1024], ['Nothing above 1,024 tokens: the text has 1,500 tokens.'])
    """
    longest = max((n for n in lengths if n <= min(most.values())), default=lengths[0])
    if longest == lengths[-1]:
        return lengths, []
    following = lengths[lengths.index(longest) + 1]
    why = "; ".join(reason for reason, limit in most.items() if limit < following)
    return [n for n in lengths if n <= longest], [f"Nothing above {longest:,} tokens: {why}."]


def passes(subject: Subject, lengths: Sequence[int]) -> list[int]:
    """The length of each pass of a report on one text: those of the sweep, and at most one for each fix.

    The fixes are tried where a model may break within the lengths, each with a spectrum of its own.
    """
    apart = depends_on_length(subject.model.network)
    fixes = len(FIXES) if lengths[-1] > subject.declared else 0
    return [*(lengths if apart else lengths[-1:]), *[lengths[-1]] * fixes]


def cost(network: PreTrainedModel, length: int) -> float:
    """Floating-point operations of a pass: linear in its matrices, and quadratic in its attention."""
    config = network.config.get_text_config()
    matrices = sum(weight.numel() for weight in network.get_decoder().parameters() if weight.ndim > 1)
    heads = config.num_attention_heads * stated_size(config, "head_dim")
    attention = config.num_hidden_layers * max(config.hidden_size, heads)
    return 2 * matrices * length + 2 * attention * length**2


def timed_pass(subject: Subject, longest: int) -> tuple[int, float]:
    """The length and the seconds of a short measuring pass.

    Lengths double until a pass takes `TELLING` seconds, up to `longest`; the first pass warms up, and counts
    only where there is no longer one.
    """
    length, seconds = min(TIMED, longest), _seconds(subject, min(TIMED, longest))
    while length < longest:
        length = min(2 * length, longest)
        seconds = _seconds(subject, length)
        if seconds >= TELLING:
            break
    return length, seconds


def _seconds(subject: Subject, length: int) -> float:
    start = time.perf_counter()
    measure_pass(subject.model.network, subject.tokens[:length], [length], UNCHANGED, tqdm(disable=True))
    return time.perf_counter() - start


def estimate_line(planned: Plan) -> str:
    """A plan in one line, for the terminal."""
    minutes = planned.seconds / 60
    took = f"{minutes:.0f} minutes" if minutes >= 2 else f"{planned.seconds:.0f} seconds"
    lengths = ", ".join(f"{length:,}" for length in planned.lengths)
    memory = f"{planned.needed / _GIB:.1f} GiB of the {planned.available / _GIB:.1f} GiB that are free"
    return f"Lengths {lengths}. At most about {took}, and {memory}, beyond the weights."
