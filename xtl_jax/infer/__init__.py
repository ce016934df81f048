"""From a checkpoint to prediction files."""
