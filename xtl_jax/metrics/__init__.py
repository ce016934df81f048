"""Official scorers, exactly: no jax, no seqio, imported in milliseconds."""
