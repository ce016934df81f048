"""Rows to batches: sources, prompts, vocabulary, cache, order, packing, pipeline."""
