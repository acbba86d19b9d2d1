"""Training runs of one study together: their batches pass the frozen base model as one."""
