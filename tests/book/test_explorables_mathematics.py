"""The numbers of the explorables are the library's, in a real browser."""

import itertools

import numpy as np
import pandas as pd
import pytest

from rope_lib.findings import breaks, learned, retrofits
from rope_lib.findings.kept import kept
from rope_lib.findings.pair_weights import by_head
from rope_lib.findings.rivals import SYSTEMS
from rope_lib.findings.spectra import systems
from rope_lib.findings.zone import counts, places
from rope_lib.models.case_studies import case_studies
from rope_lib.models.verdicts import classify
from rope_lib.theory.bounds import SIGNIFICAND_BITS, goldilocks_zone, max_context
from rope_lib.theory.oscillators import bank_similarity, frequencies
from rope_lib.theory.precision import (
    SCHEMES,
    Arithmetic,
    direct_product,
    exact_phase,
    merged_neighbors,
    phase_error,
    ratio_power,
    recurrence,
    round_to,
)
from rope_lib.theory.scaling import ORIGINAL_LENGTH, scaled_frequencies

pytest_plugins = ["calculator_page", "explorable_page"]

CLOSE = 1e-9  # relative, and absolute where a number may be zero


def close(found, expected, **tolerance):
    np.testing.assert_allclose(found, expected, **{"rtol": CLOSE, "atol": CLOSE} | tolerance)


def test_clocks(shown):
    views = [
        {"distance": distance, "base": base, "dim": dim}
        for distance, base, dim in itertools.product((0, 1, 20, 4096, 131_072), (10, 1e4, 3.3e6), (16, 128))
    ]
    for view, found in zip(views, shown.compute("clocks", views), strict=True):
        freqs = frequencies(view["base"], view["dim"])
        close(found["freqs"], freqs)
        close(found["similarity"], bank_similarity(view["distance"], freqs))
        assert found["turned"] == np.sum(view["distance"] * freqs >= 2 * np.pi)
        close(found["slowest"], 2 * np.pi / freqs[-1])


def test_zone(shown, drawn_data):
    grid = itertools.product((500, 16_384, 2e7), (1e4, 1e6), (1, 32), (0.5, 0.95), ("bfloat16", "float32"))
    views = [
        {"context": context, "base": base, "layers": layers, "epsilon": epsilon, "dtype": dtype}
        for context, base, layers, epsilon, dtype in grid
    ]
    known = [case for case in case_studies() if case.observed != "unknown"]
    assert len(drawn_data["zone"]) > 20
    for view, found in zip(views, shown.compute("zone", views), strict=True):
        epsilon, dtype = view["epsilon"], view["dtype"]
        zone = goldilocks_zone(view["context"], epsilon=epsilon, layers=view["layers"], dtype=dtype)
        close([found["bounds"]["depth"], found["bounds"]["precision"]], [zone.lower, zone.upper])
        close(found["longest"], max_context(zone.upper, epsilon, layers=view["layers"]))
        verdict = classify(view["base"], view["context"], view["layers"], epsilon=epsilon, dtype=dtype)
        assert found["verdict"] == str(verdict)
        placed = places(known, epsilon=epsilon, dtype=dtype)
        assert found["places"] == placed.place.tolist()
        assert found["inside"] == counts(placed).loc["inside"].to_dict()


def test_retrofits(shown):
    names = {
        "default": "default",
        **{scaling: scaling for scaling in (*retrofits.SCHEMES.values(), "dynamic")},
    }
    views = [
        {"scheme": name, "factor": factor, "trained": 4096, "length": 4096 * times, "base": base, "dim": dim}
        for name, (factor, times), base, dim in itertools.product(
            names, ((8, 8), (4, 16), (1.7, 3)), (1e4, 5e5), (8, 128)
        )
    ]  # fmt: skip
    unseen = 0
    for view, found in zip(views, shown.compute("retrofit", views), strict=True):
        plain = frequencies(view["base"], view["dim"])
        factor = 1.0 if view["scheme"] == "dynamic" else view["factor"]
        parameters = {"factor": factor, ORIGINAL_LENGTH: view["trained"], **retrofits._LLAMA3}
        parameters = {} if view["scheme"] == "default" else parameters
        freqs, _ = scaled_frequencies(
            names[view["scheme"]], view["base"], view["dim"], parameters, view["length"]
        )
        told = retrofits.summary(freqs, plain, view["trained"], view["length"])
        table = retrofits.by_pair(freqs, plain, view["trained"], view["length"])
        assert [found[key] for key in ("stay", "between", "full")] == [
            told[key] for key in ("stay", "between", "full")
        ]
        assert found["unseen"] == table.unseen.tolist()
        close(found["seen"], table.turns)
        close(found["slowed"], table.slowed)
        close(found["reached"], view["length"] * freqs / (2 * np.pi))
        assert (
            found["known"] is None
            if np.isinf(told["known"])
            else found["known"] == pytest.approx(told["known"])
        )
        unseen += told["unseen"] > 0
    assert 0 < unseen < len(views)


def test_the_retrofit_of_four_pairs_is_the_one_by_hand(shown):
    [found] = shown.compute(
        "retrofit",
        [{"scheme": "ntk", "factor": 10, "length": 10_000, "trained": 1000, "base": 10_000, "dim": 8}],
    )
    close(found["slowed"], [1, 10 ** (1 / 3), 10 ** (2 / 3), 10])


def test_every_number_type_rounds_as_the_librarys(shown):
    random = np.random.default_rng(0)
    numbers = np.concatenate(
        [
            random.normal(size=500) * 10.0 ** random.uniform(-9, 4, 500),
            [0.0, 1.0, 257.0, 1.00390625, 1.01171875, 2049.0, 2051.0, 65_504.0, 6e-8, 3e-8, -0.1],
        ]
    )
    for dtype in SIGNIFICAND_BITS:
        found = shown.run(
            "return arguments[0].map(ropeRounding.ROUND[arguments[1]])", numbers.tolist(), dtype
        )
        np.testing.assert_array_equal(np.array(found, float), round_to(numbers, dtype), err_msg=dtype)


def test_the_exact_phase(shown):
    positions = [0, 1, 8191, 10**6, 2**53]
    for base, dim in ((1e4, 128), (10, 64), (123_456.789, 32), (1e9, 128)):
        found = shown.run("return ropeRounding.exactPhase(...arguments)", positions, base, dim)
        expected = exact_phase(positions, base, dim)
        close(np.exp(1j * np.array(found)), np.exp(1j * expected), atol=1e-14)


def tables(scheme, angle, table, positions, base, dim):
    if scheme == "product":
        return direct_product(positions, base, dim, Arithmetic(angle, angle, table))
    return {"recurrence": recurrence, "power": ratio_power}[scheme](positions, base, dim, angle)


def test_precision(shown):
    types = list(SIGNIFICAND_BITS)
    settings = [("product", *pair) for pair in itertools.product(types, types)]
    settings += [(scheme, dtype, dtype) for scheme in ("recurrence", "power") for dtype in types]
    views = [
        {"scheme": scheme, "angle": angle, "table": table, "position": position, "base": base}
        for base, (scheme, angle, table), position in itertools.product(
            (1e4, 1e9), settings, (257, 1_000_000)
        )
        if angle != "float16" or position < 65_000
    ]
    merged = 0
    for view, found in zip(views, shown.compute("precision", views), strict=True):
        positions = view["position"] + np.arange(9)
        own = tables(view["scheme"], view["angle"], view["table"], positions, view["base"], 128)
        close(found["merged"], merged_neighbors(*own))
        close(found["errors"], phase_error(*own, positions, view["base"], 128), atol=1e-8)
        merged += sum(share > 0 for share in found["merged"])
    assert merged > 100


def test_the_schemes_of_the_library_can_all_be_set(shown):
    controls = shown.run("return explore.specs.precision.controls.map(({name, options}) => [name, options])")
    schemes = [name for name, _ in dict(controls)["scheme"]]
    assert schemes == ["product", "recurrence", "power"]
    positions = [1000, 1001]
    same = {
        "float64 angles": ("product", "float64", "float32"),
        "float32 product": ("product", "float32", "float32"),
        "float32 recurrence": ("recurrence", "float32", "float32"),
        "float32 power of the ratio": ("power", "float32", "float32"),
        "bfloat16 angles": ("product", "bfloat16", "float32"),
        "bfloat16 tables": ("product", "float32", "bfloat16"),
    }
    assert same.keys() == SCHEMES.keys()
    for name, setting in same.items():
        np.testing.assert_array_equal(tables(*setting, positions, 1e4, 64), SCHEMES[name](positions, 1e4, 64))


def test_head(shown, drawn_data):
    weights = kept("head_weights")[0]["weights"]
    for number, model in enumerate(drawn_data["head"]):
        means = by_head(weights[weights.model == model["model"]])
        heads = means.index[::29]
        views = [
            {"model": number, "layer": layer, "head": head, "pair": 5, "distance": 1234}
            for layer, head in heads.tolist()
        ]
        for place, found in zip(heads, shown.compute("head", views), strict=True):
            own = means.loc[place].dropna().to_numpy()
            freqs = frequencies(model["layers"][place[0]]["base"], 2 * own.size)
            close(found["weights"], own, atol=1e-4)
            close(found["own"], own @ np.cos(1234 * freqs), atol=1e-3)
            close(found["equal"], bank_similarity(1234, freqs))
            close(found["one"], np.cos(1234 * freqs[5]))
            close(found["effective"], 1 / np.sum(own**2), rtol=1e-2)


def test_clusters(shown, drawn_data):
    geometry = kept("geometry")[0]
    for number, model in enumerate(drawn_data["clusters"]):
        views = [
            {"model": number, "stage": stage, "length": length}
            for stage in ("pre", "post")
            for length in model["lengths"]
        ]
        for view, found in zip(views, shown.compute("clusters", views), strict=True):
            rows = geometry["heads"].query(
                "model == @model['model'] and role == 'key' and stage == @view['stage']"
                " and layer == @model['layer'] and head == @model['head'] and length == @view['length']"
            )
            assert found["spread"] == pytest.approx(np.degrees(np.arccos(rows.mean_cosine.mean())), abs=0.01)
            assert found["measured"] == view["length"]
            assert all(position < view["length"] for position, *_ in found["keys"] + found["queries"])


def test_outbid(shown, drawn_data):
    keys = kept("matched")[0]["keys"].query("length == context")
    for number, model in enumerate(drawn_data["outbid"]):
        own = keys[keys.model == model["model"]]
        texts = own[own.length == own.length.max()].text.unique()
        views = [{"model": number, "length": length, **place(model)} for length in model["lengths"]]
        for view, found in zip(views, shown.compute("outbid", views), strict=True):
            rows = own[(own.length == view["length"]) & own.text.isin(texts)]
            bids = (rows.top - rows.sink_score).groupby([rows.layer, rows["head"]]).mean()
            assert (found["above"], found["known"]) == ((bids > 0).sum(), bids.notna().sum())
            one = rows[(rows.layer == view["layer"]) & (rows["head"] == view["head"])]
            assert found["own"]["sink"] == pytest.approx(one.sink_attention.mean(), abs=1e-4)
            assert found["own"]["wins"] == pytest.approx(one.top_wins.mean(), abs=1e-4)


def place(model):
    """A head of a model, in the middle of its list."""
    head = model["heads"][len(model["heads"]) // 2]
    return {"layer": head["layer"], "head": head["head"]}


def test_distance(shown, drawn_data):
    distances = kept("rivals")[0]["distances"]
    rows = systems(distances[distances.name == "recall"], SYSTEMS)
    first = drawn_data["distance"][0]
    views = [
        {"length": length, "heat": heat} for length in first["lengths"] for heat in first["temperatures"]
    ]
    for view, found in zip(views, shown.compute("distance", views), strict=True):
        own = rows[(rows.length == view["length"]) & (rows.temperature == view["heat"])]
        expected = own.pivot(index=["system", "seed"], columns="octave", values="accuracy")
        means, worst = expected.groupby("system").mean(), expected.groupby("system").min()
        assert found["curves"].keys() == set(means.index)
        for name, curve in found["curves"].items():
            assert [point["distance"] for point in curve] == list(means.columns)
            close([point["mean"] for point in curve], means.loc[name], atol=1e-4)
            close([point["low"] for point in curve], worst.loc[name], atol=1e-4)


def test_loss(shown, drawn_data):
    losses, data = kept("interventions")[0]["losses"], drawn_data["loss"]
    declared, grain = data["declared"], data["width"]
    end, names = len(data["unchanged"]) * grain, [change["name"] for change in data["changes"]]
    whole = {
        name: pd.DataFrame({"position": range(end), "nll": np.repeat(rows.nll.to_numpy(), grain)})
        for name, rows in losses.groupby("intervention")
    }
    own = whole["unchanged"]
    views = [
        {"change": change, "width": width, "position": 9_999}
        for change, width in itertools.product(range(len(names)), (128, 256, 1024))
    ]
    for view, found in zip(views, shown.compute("loss", views), strict=True):
        width, changed = view["width"], whole[names[view["change"]]]
        bins = breaks.binned(own, width)
        close(found["own"], bins, atol=1e-4)
        close(found["changed"], breaks.binned(changed, width), atol=1e-4)
        close(found["highest"], breaks.trained_band(own, declared, width)[1], atol=1e-4)
        assert found["at"] == bins.index.get_loc(9_999 // width * width)
        compared = pd.concat([own[:declared], changed[declared:]])
        for name, table in (("breaks", own), ("breaksChanged", compared)):
            at = breaks.break_point(table, declared, width)
            assert found[name] == (None if at is None or at > end - breaks.FEW * width else at), view
    by_rule = breaks.breaks(losses, declared).shipped[names]
    found = shown.compute("loss", [{"change": change, "width": breaks.BIN} for change in range(len(names))])
    assert [each["breaksChanged"] for each in found] == [None if np.isnan(at) else at for at in by_rule]


def test_bases(shown, drawn_data):
    rows = learned.whole(learned.above_chance(kept("least_base")[0]))
    rows, data = rows[rows.trained == drawn_data["bases"]["trained"]], drawn_data["bases"]
    views = [{"stretch": stretch, "base": base} for stretch in data["stretches"] for base in data["bases"]]
    for view, found in zip(views, shown.compute("bases", views), strict=True):
        means = rows[rows.stretch == view["stretch"]].groupby(["task", "base"]).above.mean()
        for task, name in learned.NAMES.items():
            close(found[name]["means"], means[task], atol=1e-4)
            close(found[name]["here"], means[task][view["base"]], atol=1e-4)
            close(found[name]["most"], means[task].max(), atol=1e-4)
            assert means[task][found[name]["best"]] == pytest.approx(means[task].max(), abs=2e-4)
