"""Long computations, whose results are kept on disk. Nothing here knows torch or RoPE.

``store``        tables kept on disk by what determines them, with their provenance.
``source``       the digest of the code that made a result.
``grid``         a grid of experiments in TOML: fixed values, and axes whose product makes the cells.
``cluster``      the workers: processes of this machine, or a running Dask cluster.
``sweep``        `run_cells`: every cell once, even if workers are killed.
``collect``      the tables of all cells, joined, with a column for each axis.
``experiments``  a grid file run from end to end: the kinds of experiments, and `run_grid`.
``errors``       an error in one line.
"""
