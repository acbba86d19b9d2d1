"""The parts of the queue's page."""
