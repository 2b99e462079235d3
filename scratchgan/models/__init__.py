"""The networks: settings, plan, and the layers built from it."""
