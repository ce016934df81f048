"""Numbers to tables, plots and one page."""
