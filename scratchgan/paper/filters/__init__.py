"""What D's filters answer to (section 6.2, figure 5)."""
