"""The report on any model: what to measure, what was found, and the text, figures and page that show it."""

from . import figures, findings, plan, text

__all__ = ["figures", "findings", "plan", "text"]
