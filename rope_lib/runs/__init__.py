"""Long computations: what they made is kept on disk. Nothing here knows torch or models.

``store``  tables kept on disk by content.
"""
