"""The report on any model: its plan, findings, text and figures, and the page made of them."""

from . import figures, findings, plan, text

__all__ = ["figures", "findings", "plan", "text"]
