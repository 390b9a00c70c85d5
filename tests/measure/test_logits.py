"""Changes of scores on small random models: each does what it says, and nothing elsewhere."""

import dataclasses

import pytest
import torch
import transformers as t

from rope_lib.measure import logits
from rope_lib.measure.held import Held, everything, key_centers
from rope_lib.measure.load import LanguageModel
from rope_lib.measure.losses import loss_by_position
from rope_lib.measure.mechanism import Plan, chosen, inputs, reader, stretches, try_mechanism
from rope_lib.measure.turns import turns_by_layer

DECLARED, LONGEST, LAST, LAYERS = 32, 64, 8, 2
PLAN = Plan(DECLARED, DECLARED, LONGEST, DECLARED, 16, LAST, context=1, doses=(1, 2), draws=2, stretches=2)
SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": DECLARED,
    "attn_implementation": "sdpa",
    "initializer_range": 0.3,
    "pad_token_id": 0,
}


def build(config, **values):
    torch.manual_seed(0)
    network = t.AutoModelForCausalLM.from_config(config(**SIZES | values)).eval()
    return LanguageModel("tiny", network, None, "0" * 64)


@pytest.fixture(scope="module")
def model():
    return build(t.LlamaConfig, rope_parameters={"rope_type": "default", "rope_theta": 10_000.0})


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(1, 64, (2, LONGEST), generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(logits, "CHUNK", 7)


def read(model, tokens, kind, fitting=logits.unchanged):
    given = inputs(tokens, PLAN)[kind]
    return reader(model, given, LAST, turns_by_layer(model.network)).read(fitting)


def attended(model, tokens, kind, fitting):
    """Scores and attention of each layer's chunks, after the change."""
    given, found = inputs(tokens, PLAN)[kind], []
    network = model.network
    with (
        torch.inference_mode(),
        logits.attending_by(
            network,
            given,
            fitting,
            turns_by_layer(network),
            lambda *seen: found.append(seen),
            lambda *_: None,
        ),
    ):
        network(given.tokens, position_ids=given.positions[None], use_cache=False)
    return found


def own_loss(model, sample, **options):
    """The model's own loss of the last tokens of one stretch, `options` as its decoder takes them."""
    with torch.inference_mode():
        outputs = model.network.get_decoder()(sample[None], use_cache=False, **options)
        return loss_by_position(model.network, outputs, sample).nll.tail(LAST).mean()


def all_heads(value):
    return dict.fromkeys(range(LAYERS), torch.full((4,), value))


@pytest.mark.parametrize("kind", ["within", "long"])
def test_unchanged_is_the_model_itself_however_often_it_reads(model, tokens, kind):
    given = inputs(tokens, PLAN)[kind]
    twice = reader(model, given, LAST, turns_by_layer(model.network))
    expected = [own_loss(model, sample) for sample in given.tokens]
    for _ in range(2):
        assert twice.read().losses == pytest.approx(expected, abs=1e-4)


def test_a_gap_moves_positions_and_nothing_else(model, tokens):
    given = inputs(tokens, PLAN)["gap"]
    assert (given.positions.diff() != 1).sum() == 1
    assert given.positions[-1] == LONGEST - 1
    assert given.first == 16
    assert (given.positions[given.first] - given.positions[15]) == LONGEST - DECLARED + 1
    whole = torch.ones(1, DECLARED, dtype=torch.long)  # without it transformers takes the gap for a boundary
    options = {"position_ids": given.positions[None], "attention_mask": whole}
    expected = [own_loss(model, sample, **options) for sample in given.tokens]
    assert read(model, tokens, "gap").losses == pytest.approx(expected, abs=1e-4)


def test_clipping_in_every_head_is_holding_everything(model, tokens):
    turns = turns_by_layer(model.network)
    held = Held("clipped", "", DECLARED, everything, turns, key_centers(model, tokens[0, :DECLARED]))
    with held.applied(model.network):
        expected = [own_loss(model, sample) for sample in tokens]
    assert read(model, tokens, "long", logits.clipped_in(all_heads(1.0))).losses == pytest.approx(
        expected, abs=1e-4
    )
    assert (
        read(model, tokens, "long", logits.clipped_in(all_heads(0.0))).losses
        == read(model, tokens, "long").losses
    )


def test_the_sink_gets_the_attention_that_it_is_given(model, tokens, monkeypatch):
    monkeypatch.setattr(logits, "SAMPLE", LONGEST)  # so that the sample is all that is changed
    for layer, _, shares in attended(model, tokens, "long", logits.sink_fixed(all_heads(0.25))):
        assert torch.allclose(shares[..., 0], torch.tensor(0.25), atol=1e-5), layer
    given = attended(model, tokens, "long", logits.sink_given(all_heads(0.4)))
    for layer in range(LAYERS):
        sink = torch.cat([shares[..., 0] for own, _, shares in given if own == layer], dim=-1)
        assert torch.allclose(sink.mean(dim=(0, 2)), torch.tensor(0.4), atol=1e-4)
    for _, _, shares in attended(model, tokens, "within", logits.sink_gone):
        assert shares[..., 0].max() < 1e-9
        assert torch.allclose(shares.sum(-1), torch.tensor(1.0))


def test_a_bias_on_the_sink_leaves_the_others_their_proportions(model, tokens):
    plain = attended(model, tokens, "long", logits.unchanged)[0][2]
    biased = attended(model, tokens, "long", logits.sink_given(all_heads(0.6)))[0][2]
    assert torch.allclose(
        biased[..., 1:] / (1 - biased[..., :1]), plain[..., 1:] / (1 - plain[..., :1]), atol=1e-5
    )


def test_no_other_score_exceeds_its_cap(model, tokens):
    plain = attended(model, tokens, "long", logits.unchanged)[0][1]
    capped = attended(model, tokens, "long", logits.others_capped(all_heads(0.1)))[0][1]
    assert capped[..., 1:].max() == pytest.approx(0.1)
    assert torch.equal(capped[..., 0], plain[..., 0])


@pytest.mark.parametrize("which", ["matched", "unmatched"])
def test_only_the_chosen_far_keys_are_lowered_or_removed(model, tokens, which):
    seen = []

    def choose(view):
        seen.append((view.scores, view.far, getattr(view, which)))
        return seen[-1][2]

    lowered = attended(model, tokens, "long", logits.lowered(all_heads(0.0), choose))
    for (_, after, _), (before, far, keys) in zip(lowered, seen, strict=True):
        assert torch.equal(after[~keys], before[~keys])
        assert (after[keys] <= 0).all()
        assert not (keys & ~far).any()
        assert not keys[..., 0].any()
    for _, _, shares in attended(model, tokens, "long", logits.removed(lambda view: view.far)):
        assert torch.allclose(shares.sum(-1), torch.tensor(1.0))


def test_matched_and_unmatched_are_all_far_keys_but_the_sink(model, tokens):
    both = []

    def choose(view):
        both.append((view.far, view.matched, view.unmatched))
        return view.matched

    attended(model, tokens, "long", logits.removed(choose))
    for far, matched, unmatched in both:
        far = far.clone()
        far[:, 0] = False
        assert torch.equal(matched | unmatched, far.expand_as(matched))
        assert not (matched & unmatched).any()
        assert (matched.sum(-1) >= far.sum(-1).clamp(max=logits.TOP_KEYS)).all()


@pytest.mark.parametrize("wanted", [0.8, 2.0])
def test_attention_gets_the_entropy_that_it_is_given(model, tokens, wanted, monkeypatch):
    monkeypatch.setattr(logits, "SAMPLE", LONGEST)
    given = attended(model, tokens, "long", logits.with_entropy(all_heads(wanted)))
    for layer in range(LAYERS):
        found = torch.cat([logits.mean_entropy(shares) for own, _, shares in given if own == layer], dim=-1)
        assert torch.allclose(found.mean(dim=(0, 2)), torch.tensor(wanted), atol=0.02)


def test_a_key_is_an_induction_target_where_it_follows_the_query_context():
    given = logits.Input(torch.tensor([[5, 7, 9, 3, 5, 7]]), torch.arange(6), 3, 2, context=2)
    found = given.follows(torch.tensor([4, 5]), 6)[0]
    # 5 7 ends at the query 5 and before the key 2; of query 4 the only such key is yet to come.
    assert found.nonzero().tolist() == [[0, 5], [1, 2]]


@pytest.fixture(scope="module")
def windowed():
    ropes = {
        f"{kind}_attention": {"rope_type": "default", "rope_theta": base}
        for kind, base in (("sliding", 100.0), ("full", 10_000.0))
    }
    layers = ["sliding_attention", "full_attention"]
    return build(t.Gemma3TextConfig, sliding_window=8, layer_types=layers, rope_parameters=ropes)


def test_layers_with_a_window_stay_as_they_are(windowed, tokens):
    plain = read(windowed, tokens, "within")
    given = inputs(tokens, PLAN)["within"]
    assert plain.losses == pytest.approx([own_loss(windowed, sample) for sample in given.tokens], abs=1e-4)
    assert plain.heads.layer.unique().tolist() == [1]
    assert plain.heads.fsv_ratio.notna().all()


def test_each_layer_turns_by_its_own_frequencies(windowed, model):
    sliding, full = (turn.inv_freq[1] for _, turn in sorted(turns_by_layer(windowed.network).items()))
    assert (sliding, full) == pytest.approx((100.0 ** (-1 / 4), 10_000.0 ** (-1 / 4)))
    assert len({turn.inv_freq for turn in turns_by_layer(model.network).values()}) == 1


def test_a_layer_with_a_window_sees_no_gap(windowed, tokens):
    # With every distance clipped in the other layer, a gap of any size is the same.
    clipped, reach = logits.clipped_in({1: torch.ones(4)}), dataclasses.replace(PLAN, declared=16)
    for length in (LONGEST, 3 * LONGEST):
        given = inputs(tokens, dataclasses.replace(reach, longest=length))["gap"]
        found = reader(windowed, given, LAST, turns_by_layer(windowed.network)).read(clipped).losses
        if length == LONGEST:
            first = found
    assert found == pytest.approx(first, abs=1e-4)


def test_every_intervention_is_tried_and_kept(model, tokens, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tables = try_mechanism(model, tokens, PLAN, "gap")
    losses = tables["losses"]
    assert set(losses.input) == {"within", "gap"}
    assert losses.loss.notna().all()
    doses = losses[losses.dose >= 0].groupby("intervention").size()
    assert doses.to_dict() == {"dispersed": 4, "overlapping": 4, "outbidding": 4, "random": 8}
    heads = tables["heads"]
    assert heads.groupby(["input", "intervention"]).size().eq(LAYERS * 4).all()


def test_doses_take_whole_key_heads_the_most_dispersed_first(model, tokens):
    inside, beyond = (read(model, tokens, kind).heads for kind in ("within", "long"))
    first = next(iter(chosen(inside, beyond, PLAN)))
    name, dose, _, heads = first
    assert (name, dose) == ("dispersed", 1)
    taken = {(layer, head) for layer, mask in heads.items() for head in mask.nonzero()[:, 0].tolist()}
    worst = beyond[beyond.fsv_ratio == beyond.fsv_ratio.min()]
    assert taken == set(zip(worst.layer, worst["head"], strict=True))
    assert len(taken) == 2


def test_pairs_at_rest_are_pairs_that_do_not_turn(tokens):
    rope = {"rope_type": "proportional", "rope_theta": 100.0, "partial_rotary_factor": 0.5, "factor": 2.0}
    resting = build(t.LlamaConfig, rope_parameters=rope)
    turns = turns_by_layer(resting.network)
    assert [freq > 0 for freq in turns[0].inv_freq] == [True, True, False, False]
    assert read(resting, tokens, "gap").losses == pytest.approx(
        read(resting, tokens, "gap", logits.clipped_in(all_heads(0.0))).losses
    )


def test_stretches_are_spread_over_a_text():
    found = stretches(torch.arange(100), PLAN, ("gap",))
    assert found[:, 0].tolist() == [0, 100 - DECLARED]
    assert stretches(torch.arange(100), PLAN, ("gap", "long")).shape == (2, LONGEST)
    with pytest.raises(ValueError, match="at least 32"):
        stretches(torch.arange(31), PLAN, ("gap",))
