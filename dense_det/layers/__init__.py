"""One operation each: norms, activations, convolutions, attention. Knows torch, no cfg and no network."""
