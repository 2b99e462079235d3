"""Arithmetic with concepts in z (section 6.3.2, figure 7)."""
