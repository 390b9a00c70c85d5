"""Matched pairs of tiny models: against a model whose answer is known by construction, and by hand."""

import numpy as np
import pytest
import torch
import transformers as t

from rope_lib.measure.intercept import captured, rotations
from rope_lib.measure.load import LanguageModel
from rope_lib.measure.matched import grams as grams_of
from rope_lib.measure.matched import natural_queries, plan, planted, unmatched
from rope_lib.measure.matched_scores import matched_pairs
from rope_lib.measure.turning import Turning

SIZES = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "attn_implementation": "sdpa",
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
}
TOKENS = torch.from_numpy(np.random.default_rng(0).integers(0, 64, 600))
LENGTHS = [256, 512]


def language_model(**sizes):
    torch.manual_seed(0)
    network = t.LlamaForCausalLM(t.LlamaConfig(**SIZES | sizes)).eval()
    return LanguageModel("tiny", network, None, "0" * 64)


@pytest.fixture(scope="module")
def tables():
    return matched_pairs(language_model(), TOKENS, LENGTHS, 1)


@pytest.fixture(scope="module")
def same_token():
    """A model whose only layer's queries and keys are the tokens' embeddings, which it hardly turns."""
    model = language_model(
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=64,
        rope_parameters={"rope_type": "linear", "factor": 1e9, "rope_theta": 10_000.0},
    )
    attention = model.network.model.layers[0].self_attn
    with torch.no_grad():
        model.network.model.embed_tokens.weight.copy_(torch.eye(64))
        for projection in (attention.q_proj, attention.k_proj):
            projection.weight.copy_(torch.eye(64))
    return matched_pairs(model, TOKENS, LENGTHS, 1)


def test_a_head_of_equal_tokens_is_known_by_them(same_token):
    assert same_token["heads"][["induction", "previous"]].iloc[0].tolist() == [pytest.approx(0), 1]


def test_equal_tokens_are_parallel_and_others_orthogonal(same_token):
    cosines = same_token["pairs"].set_index(["kind", "pair"]).cosine_post
    for kind in ("previous", "previous near", "previous far"):
        assert np.allclose(cosines.loc[(kind, "matched")], 1, atol=1e-4)
    for kind in ("previous", "previous near", "induction", "induction far"):
        assert np.allclose(cosines.loc[(kind, "unmatched")], 0, atol=1e-4)


def test_unmatched_keys_of_equal_tokens_never_outbid(same_token):
    # An embedding of norm 8 after the layer's norm: the score of a match is 64 / 8, of all others 0.
    keys = same_token["keys"]
    assert np.allclose(keys[["top", "top_same", "top_drawn", "unmatched_score"]], 0, atol=1e-3)
    assert (keys.sink_attention < 0.1).all()


def vectors_of(model, ids):
    found = {}

    def visit(vectors):
        found[vectors.layer] = [
            x[0].clone() for x in (vectors.query_pre, vectors.query_post, vectors.key_pre, vectors.key_post)
        ]

    with torch.inference_mode(), captured(model.network, visit):
        model.network(torch.as_tensor(ids)[None])
    return found


def test_the_numbers_are_those_of_the_models_own_vectors(tables):
    model, length = language_model(), 512
    ids = planted(TOKENS[:length].numpy(), plan(LENGTHS))
    _, query, _, key = vectors_of(model, ids)[1]
    rows = natural_queries(length)
    scores = torch.einsum("hnd,hkd->hnk", query[:, rows], key.repeat_interleave(2, dim=0)) / 4
    mask = torch.as_tensor(unmatched(grams_of(ids), rows))
    top = scores.masked_fill(~mask, -torch.inf).amax(-1)
    table = tables["keys"]
    own = table[(table.layer == 1) & (table.length == length) & (table.context == length)]
    assert np.allclose(own.top, top.mean(-1), atol=1e-4)
    assert np.allclose(own.sink_score, scores[..., 0].mean(-1), atol=1e-4)
    assert np.allclose(own.outbid, ((scores > scores[..., :1]) & mask).sum(-1).div(mask.sum(-1)).mean(-1))
    visible = torch.arange(length) <= torch.as_tensor(rows)[:, None]
    attention = scores.masked_fill(~visible, -torch.inf).softmax(-1)
    assert np.allclose(own.sink_attention, attention[..., 0].mean(-1), atol=1e-5)


def test_the_shorter_context_sees_the_same_pairs(tables):
    pairs = tables["pairs"]
    same = pairs[(pairs.length == 512) & (pairs.kind.isin(["previous", "induction", "argmax"]))]
    by_context = same.pivot_table(
        index=["layer", "head", "kind", "pair"], columns="context", values=["count", "distance"]
    )
    assert (by_context["count"][256] == by_context["count"][512]).all()
    assert np.allclose(by_context["distance"][256], by_context["distance"][512])
    # Nothing reaches the first layer's vectors but its own token, so no context changes a score there.
    first = same[same.layer == 0].pivot_table(
        index=["head", "kind", "pair"], columns="context", values="score"
    )
    assert np.allclose(first[256], first[512], atol=1e-4)
    keys = tables["keys"]
    first = keys[(keys.length == 512) & (keys.layer == 0)].set_index("context")
    assert np.allclose(first.top_same[512], first.top[256], atol=1e-4)
    assert (first.top[512] >= first.top_same[512] - 1e-6).all()
    assert (first.top[512] >= first.top_drawn[512] - 1e-6).all()


def test_the_argmax_is_the_largest_where_it_was_chosen(tables):
    pairs = tables["pairs"].query("kind == 'argmax' and context == 256").set_index(["pair"])
    assert (pairs.score["matched"].to_numpy() > pairs.score["unmatched"].to_numpy()).all()


@pytest.mark.parametrize("sizes", [{}, {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}])
def test_vectors_turned_to_their_own_distance_give_their_score(sizes):
    model = language_model(**sizes)
    ids = TOKENS[:200].numpy()
    turns = {each.layer: each for each in rotations(model.network)}
    queries, keys = np.array([150, 170]), np.array([100, 120])

    def visit(vectors):
        turning = Turning.of(vectors, turns[vectors.layer], 200)
        scores, cosines = turning.at(queries, np.broadcast_to(keys, (4, 2)), [50, 70])
        query, key = vectors.query_post[0], vectors.key_post[0].repeat_interleave(2, dim=0)
        expected = (query[:, queries] * key[:, keys]).sum(-1) / 4
        assert np.allclose(scores[0], expected.mean(-1), atol=1e-3)
        sizes = query[:, queries].norm(dim=-1) * key[:, keys].norm(dim=-1) / 4
        assert np.allclose(cosines[0], (expected / sizes).mean(-1), atol=1e-4)
        assert not np.allclose(scores[1], expected.mean(-1), atol=1e-2)

    with torch.inference_mode(), captured(model.network, visit):
        model.network(torch.as_tensor(ids)[None])


def test_moved_pairs_have_every_distance_and_the_sink(tables):
    moved = tables["moved"]
    assert set(moved.distance) == {2**power for power in range(4, 11)}
    assert set(moved.kind) == {"previous", "induction", "argmax", "sink"}
