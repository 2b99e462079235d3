"""D's features, classified by a linear machine (section 5)."""
