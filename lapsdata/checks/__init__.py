"""What is wrong, and what to do about it: with data, and with the installation that reads it."""
