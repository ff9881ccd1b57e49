"""Descent on any function."""
