"""Long computations: what they made is kept on disk. Nothing here knows torch or models.

``store``    tables kept on disk by content, with their provenance.
``grid``     a grid of experiments in TOML: fixed values, and axes whose product makes the cells.
``cluster``  the workers: processes of this machine, or a Dask cluster that runs already.
``sweep``    `run_cells`: every cell once, whatever is killed.
``collect``  the tables of all cells, joined, with a column for each axis.
``errors``   an error in one line.
"""
