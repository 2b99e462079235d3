"""What a run will take, in time and in memory, before it starts."""
