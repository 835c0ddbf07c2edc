"""Work on many items: by processes that may die, resumed where it stopped, reported item by item."""
