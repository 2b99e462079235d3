"""Published datasets: where they are, and how they get here."""
