"""Replicas of one engine on a Ray cluster: any number of machines, one answer per call."""
