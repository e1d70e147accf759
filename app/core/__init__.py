"""Domain-free ground that everything else stands on. Imports nothing of ours above it."""
