"""The control: the same network trained with labels alone (section 5.2)."""
