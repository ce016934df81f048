"""Pure networks: mT5, its loss and its decoding."""
