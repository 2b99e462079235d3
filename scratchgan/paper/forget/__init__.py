"""G forgets how to draw windows (section 6.3.1, figure 6)."""
