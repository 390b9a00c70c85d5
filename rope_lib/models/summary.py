"""A verdict for a reader in a hurry: what is known of a model, what paper A says, and what nobody knows.

Sentences made from the plain data of `record.record`, the same in the terminal, in JSON and in a report.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = Any


def summary(record: Mapping[str, Json], why: Iterable[str]) -> dict[str, list[str]]:
    """The sentences under "known", "opinion" and "unknown"; `why` gives the reasons of the verdicts.

    >>> from rope_lib.models import judge
    >>> from rope_lib.models.atlas import atlas_model
    >>> from rope_lib.models.record import record
    >>> found = record(judge(atlas_model("Llama 3.1 8B")))["summary"]
    >>> found["known"][0]
    'LLaMA-3.1 8B works at 32,768 tokens; degrades at 131,072.'
    """
    if not record["rotaries"]:
        return {
            "known": list(why),
            "opinion": ["None: the bounds are about rotary embeddings."],
            "unknown": [],
        }
    return {
        "known": [*_runs(record), *_seen(record), *_longest(record)],
        "opinion": [*why, record_sentence(record["record"])],
        "unknown": list(_unknown(record)),
    }


def record_sentence(found: Mapping[str, Json]) -> str:
    """The record of the verdicts in one sentence, from the plain data of `track_record.TrackRecord`.

    >>> from dataclasses import asdict
    >>> from rope_lib.models.track_record import track_record
    >>> print(record_sentence(asdict(track_record())).split(";")[0])
    Record: of 22 published runs known to work or fail, these bounds misjudge 11
    """
    return (
        f"Record: of {found['cases']} published runs known to work or fail, these bounds misjudge "
        f"{found['bounds_misjudge']}; training length alone misjudges {found['training_length_misjudges']}; "
        f"seen angles {found['seen_angles_misjudge']} of the {found['original_known']} whose original "
        f"training is known (these bounds {found['bounds_misjudge_of_original_known']})."
    )


def _runs(record: Mapping[str, Json]) -> Iterator[str]:
    """How this model behaves, or others of its rotation; without a run at this length, the nearest runs."""
    cases = record["cases"]
    if cases["own"]:
        names = dict.fromkeys(case["model"] for case in cases["own"])
        each = (
            f"{name} {_behavior(case for case in cases['own'] if case['model'] == name)}" for name in names
        )
        text = ". ".join(each) + "."
        is_this = len(names) == 1 and record["training"]["longest"] is not None
        yield text if is_this else f"The same rotation in other models: {text}"
    if cases["side"] is not None and not _has_run(record):
        side = "no longer than" if cases["side"] == "within" else "longer than"
        counts = [f"{cases[name]} {_verb(name, cases[name])}" for name in ("works", "degrades", "fails")]
        near = ", ".join(
            f"{case['model']} at {_count(case['context_length'])} tokens "
            f"({case['context_length'] / case['train_length']:.2g} × trained) {case['observed']}"
            for case in cases["nearest"]
        )
        yield (
            f"Of published runs {side} their training, {', '.join(counts[:2])} and {counts[2]}. The nearest "
            f"to {cases['ratio']:.2g} × trained: {near}."
        )


def _has_run(record: Mapping[str, Json]) -> bool:
    """Whether the case studies hold a run of this rotation at this very length."""
    return any(case["context_length"] == record["context"] for case in record["cases"]["own"])


def _verb(name: str, number: int) -> str:
    return name if number == 1 else {"works": "work", "degrades": "degrade", "fails": "fail"}[name]


def _behavior(cases: Iterable[Mapping[str, Json]]) -> str:
    """How one model behaves: "works at 4,096 tokens; fails at 8,192"."""
    lengths: dict[str, list[int]] = {}
    for case in sorted(cases, key=lambda case: int(case["context_length"])):
        lengths.setdefault(case["observed"], []).append(case["context_length"])
    parts = [f"{how} at {' and '.join(map(_count, at))}" for how, at in lengths.items()]
    return "; ".join([f"{parts[0]} tokens", *parts[1:]])


def _seen(record: Mapping[str, Json]) -> Iterator[str]:
    """How far the pairs of each spectrum turn, against training."""
    for rotary in record["rotaries"]:
        which = f"{rotary['kind'].capitalize()} attention: " if len(record["rotaries"]) > 1 else ""
        if rotary["seen_angles"] is not None:
            text = seen_sentence(rotary, record["training"]["shown"], record["context"])
            yield which + text[0].lower() + text[1:] if which else text


def seen_sentence(rotary: Mapping[str, Json], training: Mapping[str, Json], context: float) -> str:
    """What of its angles a spectrum has seen in training, in one sentence or two."""
    seen, name = rotary["seen_angles"], f"{training['name']} training".strip()
    trained = f"{_count(training['length'])} tokens ({stated(training)})"
    if seen["after"] is None and rotary["window"] is None:
        return f"No pair turns farther at any length than in its {name} on {trained}: each turns fully there."
    if seen["after"] is None:
        window = f"within its window of {_count(rotary['window'])}"
        return f"No pair turns farther {window} than in its {name} on {trained}."
    there = f"{seen['pairs_beyond']} of {seen['pairs']} pairs do" if seen["pairs_beyond"] else "none does"
    if seen["after"] == training["length"]:
        reach = f"Up to the length of its {name}, {trained}, no pair turns farther than there"
    else:
        before = "at any length" if seen["before"] is None else f"up to {int(seen['before']):,}"
        reach = (
            f"Up to {int(seen['after']):,} tokens no pair turns farther than in its {name} on {trained}; "
            f"before the retrofit, {before}"
        )
    return f"{reach}. At {_count(context)}, {there}."


def _longest(record: Mapping[str, Json]) -> Iterator[str]:
    longest, shown = record["training"]["longest"], record["training"]["shown"]
    if longest is not None and (shown is None or longest["length"] != shown["length"]):
        yield f"Its longest training was on {_count(longest['length'])} tokens ({stated(longest)})."


def stated(training: Mapping[str, Json]) -> str:
    """How sure a length of training is, and from where: "declared: max_position_embeddings"."""
    return f"{training['provenance']}: {training['source']}"


def _unknown(record: Mapping[str, Json]) -> Iterator[str]:
    training, context = record["training"], record["context"]
    if not _has_run(record):
        yield f"How it behaves at {_count(context)} tokens: no case study ran it at that length."
    longest_working = record["cases"]["longest_working"]
    if context > longest_working:
        yield f"Whether any model works there: no case study does beyond {_count(longest_working)} tokens."
    yield from _unknown_training(training["shown"], training["longest"])


def _unknown_training(shown: Mapping[str, Json] | None, longest: Mapping[str, Json] | None) -> Iterator[str]:
    if shown is None:
        yield "How far its pairs turned in training: nothing states the length before its retrofit."
    elif shown["name"] == "longest":
        yield "Whether it was first trained shorter or at another base: a config does not tell."
    elif shown["provenance"] != "known":
        what = f"{shown['name']} training".strip()
        yield (
            f"Whether its {what} was on {_count(shown['length'])} tokens: that is {shown['provenance']}, and "
            "the seen angles rest on it."
        )
    if longest is None and shown is not None and shown["name"]:
        yield "The length of its longest training."


def _count(number: float) -> str:
    return f"{number:,.0f}"
