"""Benchmarks: Latchkey beside its floors and its peers, measured in one run."""
