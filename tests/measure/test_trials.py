"""The small tables of interventions, on a tiny random model, against the model's own eager attention and
losses computed here from its logits."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rope_lib.measure import tables as tables_module
from rope_lib.measure import trials
from rope_lib.measure.held import key_centers
from rope_lib.measure.interventions import interventions
from rope_lib.measure.load import LanguageModel
from rope_lib.measure.sweep import measure

pytestmark = pytest.mark.slow  # twelve interventions, each measured

LENGTHS, TRAINED, BIN, LAST = [40, 96], 32, 16, 8


def build(implementation):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=TRAINED,
        initializer_range=0.5,  # large weights: attention must favor some positions for rotation to matter
        attn_implementation=implementation,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def model():
    return LanguageModel("tiny", build("sdpa"), None, "1" * 64)


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(64, (max(LENGTHS),), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rope_lib.runs.store.user_cache_path", lambda name: tmp_path_factory.mktemp(name))
        patch.setattr(trials, "CENTER_TOKENS", TRAINED)
        patch.setattr(tables_module, "LOSS_BIN", BIN)
        patch.setattr(tables_module, "LAST_QUERIES", LAST)
        yield


@pytest.fixture(scope="module")
def tables(model, tokens):
    return trials.try_interventions(model, tokens, LENGTHS)


def only(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def test_every_intervention_has_all_its_rows_in_the_order_of_their_telling(tables, model, tokens):
    names = [each.name for each in interventions(model, key_centers(model, tokens[:TRAINED]))]
    assert len(names) == 12
    for name, rows in {"losses": max(LENGTHS) // BIN, "keys": 2 * 2 * 2, "pairs": 2 * 2 * 4}.items():
        assert list(tables[name].intervention.unique()) == names
        assert (tables[name].groupby("intervention").size() == rows).all()
        assert tables[name].notna().all(axis=None)


def test_losses_are_means_over_bins_of_the_models_own_losses_under_each_intervention(tables, model, tokens):
    for each in interventions(model, key_centers(model, tokens[:TRAINED])):
        with torch.inference_mode(), each.applied(model.network):
            logits = model.network(tokens[None], use_cache=False).logits[0].double()
        picked = logits[:-1].log_softmax(-1)[torch.arange(len(tokens) - 1), tokens[1:]]
        nll = np.concatenate([[np.nan], -picked.numpy()])  # nothing predicts token 0
        found = only(tables["losses"], intervention=each.name)
        assert found["first"].tolist() == list(range(0, max(LENGTHS), BIN))
        assert np.allclose(found.nll, [np.nanmean(part) for part in nll.reshape(-1, BIN)], atol=1e-4)


def test_interventions_differ_from_the_unchanged_model_where_they_should(tables):
    losses = tables["losses"].pivot(index="first", columns="intervention", values="nll")
    moved = losses.sub(losses.unchanged, axis=0).drop(columns="unchanged").abs()
    spectra = ["linear", "ntk", "yarn", "llama3", "hope"]
    inside = moved[moved.index < TRAINED]
    assert (moved[moved.index >= TRAINED].max() > 1e-3).all()
    assert (inside[spectra].max() > 1e-3).all()
    assert (inside.drop(columns=spectra).max() < 1e-4).all()


def test_attention_of_the_last_queries_is_that_of_the_eager_model(tables, tokens):
    eager = build("eager")
    with torch.inference_mode():
        attentions = eager(tokens[None], output_attentions=True, use_cache=False).attentions
    for length in LENGTHS:
        for layer, attention in enumerate(attentions):
            expected = attention[0, :, length - LAST : length, 0].mean(dim=1)
            found = only(tables["pairs"], intervention="unchanged", length=length, layer=layer)
            assert np.allclose(found.sort_values("head").sink_attention, expected, atol=1e-5)


def test_keys_have_the_stable_rank_of_their_singular_values(tables, model, tokens):
    keys = {}
    network = model.network
    attention = network.model.layers[1].self_attn
    with torch.inference_mode():
        handle = attention.k_proj.register_forward_hook(lambda _, __, output: keys.update(out=output[0]))
        network(tokens[None], use_cache=False)
    handle.remove()
    before = keys["out"].reshape(len(tokens), 2, 8).double().numpy()
    found = only(tables["keys"], intervention="unchanged", length=LENGTHS[0], layer=1).set_index("head")
    for head in range(2):
        cloud = before[: LENGTHS[0], head]
        largest = np.linalg.norm(cloud, 2)
        assert found.first_singular_value_pre[head] == pytest.approx(largest, rel=1e-5)
        # The rotation keeps the Frobenius norm.
        after = np.linalg.norm(cloud) ** 2 / found.first_singular_value[head] ** 2
        assert found.stable_rank[head] == pytest.approx(after, rel=1e-5)


def test_trial_tables_of_a_shorter_length_do_not_depend_on_the_longer_one(model, tokens):
    alone = tables_module.trial_tables(measure(model, tokens, LENGTHS[:1]))
    both = tables_module.trial_tables(measure(model, tokens, LENGTHS))
    for name in ("keys", "pairs"):
        shared = only(both[name], length=LENGTHS[0]).reset_index(drop=True)
        assert np.allclose(shared, alone[name][shared.columns], rtol=1e-3, atol=1e-4)


def test_what_was_tried_is_read_from_the_store(tables, model, tokens, monkeypatch, tmp_path):
    monkeypatch.setattr("rope_lib.runs.store.user_cache_path", lambda name: tmp_path)
    passes = []

    def counted(*arguments, **options):
        passes.append(options["intervention"].name)
        return measure(*arguments, **options)

    monkeypatch.setattr("rope_lib.measure.sweep.measure", counted)
    first = trials.try_interventions(model, tokens, LENGTHS)
    assert len(passes) == 12
    again = trials.try_interventions(model, tokens, LENGTHS)
    assert len(passes) == 12
    for name, table in tables.items():
        assert first[name].equals(again[name])
        assert np.allclose(table.drop(columns="intervention"), first[name].drop(columns="intervention"))


def test_too_long_an_input_is_refused(model, tokens, refuses):
    refuses(
        lambda: trials.try_interventions(model, tokens[:50], [40, 60]),
        "lengths must be whole numbers from 2 to 50 (the tokens given), got [40, 60]",
    )
