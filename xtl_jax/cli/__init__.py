"""The only place with flags, gin and the clock: one file per command."""
