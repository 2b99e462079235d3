"""What only a GPU needs: its memory, and work beside work."""
