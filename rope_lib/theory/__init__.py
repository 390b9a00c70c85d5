"""The mathematics of both papers, on numpy alone.

``oscillators``  the bank: frequencies, rotation, similarity of the whole bank.
``bounds``       paper A's bounds on the base and the Goldilocks zone between them.
``rivals``       the bounds of Men et al. and of Liu et al.
``dips``         where a bank's sum of cosines is negative, for the first of them.
``islands``      the least base at which it nowhere is, with the proof that no smaller one will do.
``comparison``   how far apart two spectra turn.
``precision``    what finite arithmetic does to the rotation.
``scaling``      retrofits: the spectrum of each type of RoPE scaling.
``dispersal``    what rotation does to a cloud of vectors: paper B's lemmas and theorem.
``forecast``     what it will make of one over a longer input.
"""
