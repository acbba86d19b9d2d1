"""What a run costs, told before it is launched: parameters, memory, FLOPs and seconds, from a config.json alone."""
