"""Training of the motion tokenizer, on one machine."""
