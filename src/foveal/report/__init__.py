"""A run as one self-contained HTML page, made from nothing but the run's folder."""

from __future__ import annotations

from .page import Page, write

__all__ = ["Page", "write"]
