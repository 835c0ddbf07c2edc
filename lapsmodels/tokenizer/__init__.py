"""The motion tokenizer: windows of point tracks to codes and back (AMPLIFY, arXiv 2506.14198)."""
