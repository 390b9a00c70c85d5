"""The report on any model: what is planned, found, said and drawn, and the page made of it."""

from . import figures, findings, plan, text

__all__ = ["figures", "findings", "plan", "text"]
