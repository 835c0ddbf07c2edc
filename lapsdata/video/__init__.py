"""Video in and out: every frame with its own time, and errors that name file, frame and second."""
