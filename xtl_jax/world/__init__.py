"""The embedded default: a small multilingual world, a toy."""
