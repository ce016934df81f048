"""State to files and back: ours, T5X and Hugging Face."""
