"""One file per arrow from one record to the next: pure functions on arrays."""
