"""Attacks: a row and a seed to a perturbed row whose gold labels still stand."""
