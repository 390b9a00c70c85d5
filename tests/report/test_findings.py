"""What a report finds out about a model, for small random models of several architectures."""

from types import SimpleNamespace

import numpy as np
import pytest
from reports import LENGTHS, MODELS
from small_tables import losses_of

from rope_lib import report
from rope_lib.measure import sweep as sweeping


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_is_examined_and_described(name, saved, text_file, monkeypatch):
    # Random models break anywhere or nowhere.
    monkeypatch.setattr(report.findings.Findings, "break_point", 72)
    subject = report.findings.subject(saved(name), texts=[text_file])
    found = report.findings.examine(subject, LENGTHS)
    applies = MODELS[name][2]
    assert found.lengths == LENGTHS
    assert list(found.fixes) == (["position interpolation ×2", "NTK ×2", "YaRN ×2"] if applies else [])
    assert (found.untried is None) == applies
    heads = report.findings.worst_heads(found)
    assert len(heads) == 4 * 4
    assert heads.notna().all(axis=None)
    assert found.windowed == ({0, 2} if name == "gemma3" else set())
    for tell in (report.text.glance, report.text.numbers, report.text.bounds):
        assert tell(found).data.startswith("|")
    start = "Layers that see every token (2 of 4):" if name == "gemma3" else "|"
    assert report.text.geometry(found).data.startswith(start)
    assert f"declared {found.declared}" in report.text.breaking(found).data
    assert report.text.dispersed_heads(found).data.count("\n") == 2 + report.text.WORST - 1
    assert ("one unscaled spectrum" in report.text.remedies(found).data) != applies


def test_the_fixes_are_the_spectra_that_they_are_named_after(saved, text_file):
    spec = report.findings.subject(saved("llama"), texts=[text_file]).spec
    linear, ntk, yarn = report.findings.spectra(spec, 256)
    plain = 10_000.0 ** (-np.arange(0, 16, 2) / 16)
    np.testing.assert_allclose(linear.inv_freq, plain / 4)
    np.testing.assert_allclose(ntk.inv_freq[[0, -1]], [1, plain[-1] / 4])
    assert yarn.attention_factor == pytest.approx(1 + 0.1 * np.log(4))
    assert len({one.name for one in (*report.findings.spectra(spec, 128), linear, ntk, yarn)}) == 6


def test_a_fix_restores_the_loss_only_if_it_comes_back_into_the_band():
    tables = {
        label: losses_of(np.repeat([2.0, past], 4), 8)
        for label, past in {"a": 1.9, "b": 3.0, "c": 6.0}.items()
    }
    found = SimpleNamespace(
        losses=losses_of(np.repeat([2.0, 5.0], 4), 8),
        fixes=tables,
        declared=32,
        break_point=32,
        band=(2.0, 2.0),
    )
    rows = report.findings.fix_rows(found)
    assert rows.past.tolist() == [5.0, 1.9, 3.0, 6.0]
    assert rows.restores.tolist() == [False, True, False, False]


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(saved, text_file, tmp_path, monkeypatch):
    monkeypatch.setattr(report.findings.Findings, "break_point", 72)
    subject = report.findings.subject(saved("llama"), texts=[text_file])
    passes, original = [], sweeping.measure_pass

    def killed_at_ntk(network, tokens, lengths, intervention, progress):
        passes.append(intervention.name.partition("_")[0])
        if passes == ["unchanged", "linear", "ntk"]:
            raise KeyboardInterrupt
        return original(network, tokens, lengths, intervention, progress)

    monkeypatch.setattr(sweeping, "measure_pass", killed_at_ntk)
    with pytest.raises(KeyboardInterrupt):
        report.findings.examine(subject, LENGTHS)
    report.findings.examine(subject, LENGTHS)
    assert passes == ["unchanged", "linear", "ntk", "ntk", "yarn"]
    report.findings.examine(subject, LENGTHS)
    assert len(passes) == 5
