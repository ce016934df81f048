"""State to files and back: ours, T5X and Hugging Face."""

RUN_FORMAT = 1  # the version of `run.json`
