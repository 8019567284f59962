"""One run: its plan, inputs, resources, journal and versions."""
