"""What a figure becomes in the book."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg

from rope_lib.figures import style


def png(figure):
    """A figure as the bytes of a PNG, in the book's resolution."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=style.DPI)
    return buffer.getvalue()
