"""Descent on any function."""

from .interface import minimize, scipy_method

__all__ = ["minimize", "scipy_method"]
