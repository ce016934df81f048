"""Official scorers, exactly: no jax, no seqio."""
