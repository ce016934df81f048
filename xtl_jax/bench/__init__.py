"""Measurements: each says what it measured, on what, and how."""
