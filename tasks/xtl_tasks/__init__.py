"""Tasks as plain values: what is trained on and what is scored."""
