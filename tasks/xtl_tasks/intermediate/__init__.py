"""English intermediate tasks."""
