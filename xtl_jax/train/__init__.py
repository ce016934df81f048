"""State, step, optimiser, mesh and the visible loop."""
