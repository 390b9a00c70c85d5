"""The README's figure is the one that the notebook draws."""

import subprocess
import sys


def test_the_overview_is_the_notebooks_own_figure(root):
    script = (
        "import sys; sys.path.insert(0, 'tools'); import overview; "
        "sys.exit(overview.TARGET.read_bytes() != overview.figure())"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0
