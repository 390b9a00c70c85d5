"""Attacks are scripts, which `make attack` runs: pytest collects none of them."""

collect_ignore_glob = ["*.py"]
