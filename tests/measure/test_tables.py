"""The tables of a measurement are selected and reduced without torch, and importing them changes nothing."""

import subprocess
import sys

import pandas as pd
import pytest

from rope_lib.measure.tables import of_length, top_score

# What findings need of the two floors that compute with torch.
LIGHT = (
    "rope_lib.measure.tables",
    "rope_lib.measure.text",
    "rope_lib.train.config",
    "rope_lib.train.spectrum",
)
HEAVY = ("torch", "transformers", "matplotlib", "scipy")


def python(code, root):
    """What a fresh interpreter prints, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", code]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.strip()


@pytest.mark.parametrize("module", LIGHT)
def test_reading_kept_tables_and_configs_loads_no_torch(module, root):
    code = f"import {module}, sys; print([name for name in {HEAVY} if name in sys.modules])"
    assert python(code, root) == "[]"


def test_the_packages_load_nothing(root):
    code = "import sys; before = set(sys.modules); import rope_lib.measure, rope_lib.train; "
    code += "print(sorted(set(sys.modules) - before))"
    assert python(code, root) == "['rope_lib', 'rope_lib.measure', 'rope_lib.train']"


@pytest.mark.slow
def test_a_notebooks_kernel_is_not_warned_of_a_missing_widget(root):
    """tqdm warns where a kernel without ipywidgets imports it: the warning goes, every other stays."""
    code = """
import sys, types, warnings
class Shell:
    config = {"IPKernelApp": {}}
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=Shell, display=None)
sys.modules["ipywidgets"] = None
warnings.simplefilter("always")
import rope_lib.measure.huggingface
warnings.warn("IProgress not found. Another package's business")
"""
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert run.stderr.count("IProgress not found") == 1
    assert "Another package's business" in run.stderr


def test_rows_of_a_length_are_those_of_the_shortest_pass_that_reads_it(refuses):
    table = pd.DataFrame({"pass": [16, 16, 64, 64], "nll": [1.0, 2.0, 3.0, 4.0]})
    assert of_length(table, 16).nll.tolist() == [1.0, 2.0]
    assert of_length(table, 17).nll.tolist() == [3.0, 4.0]
    refuses(lambda: of_length(table, 65), "length must be at most 64, the longest pass, got 65")


def test_the_top_score_is_the_largest_of_all_keys():
    queries = pd.DataFrame({"sink_score": [1.0, 5.0, 2.0], "largest_score": [3.0, 4.0, float("nan")]})
    assert top_score(queries).tolist() == [3.0, 5.0, 2.0]
