"""How fast it is on this machine: training steps, single layers, reading data."""
