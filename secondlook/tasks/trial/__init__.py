"""The trial: what a snapshot asks, asked to see how well a model answers. It stores nothing."""
