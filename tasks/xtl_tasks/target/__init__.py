"""Target tasks, scored zero-shot."""
